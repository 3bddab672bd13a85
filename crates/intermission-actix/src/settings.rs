//! What all services of one middleware share.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use intermission::{Gate, RouteAccess, RouteTable, TrustedProxies};

use crate::pass::PassName;

/// Whether a request's visitor may `access site in maintenance mode`.
pub(crate) type Permission = Arc<dyn Fn(&HttpRequest) -> bool + Send + Sync>;

pub(crate) struct Settings {
    pub(crate) gate: Gate,
    pub(crate) permission: Option<Permission>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) routes: RouteTable,
    /// The access of routes that are not in the table.
    pub(crate) access: RouteAccess,
    pub(crate) unknown: UnknownRoutes,
    pub(crate) pass_name: PassName,
    pub(crate) https_only: bool,
    pub(crate) peer_address: Option<fn(&HttpRequest) -> Option<IpAddr>>,
}

/// How the access of a request is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    /// Whatever the request is for.
    Fixed(RouteAccess),
    /// By method and path.
    Looked,
}

/// What a request gets whose path no route matches, while the site is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownRoutes {
    /// A 404, as always: what exists can be told from what does not, as with Cloudify.
    NotFound,
    /// The refusal, as with Drupal: nobody learns which routes there are, and crawlers come back.
    #[default]
    Refused,
}

impl Settings {
    /// The access of a request by the table.
    pub(crate) fn look_up(&self, request: &ServiceRequest) -> RouteAccess {
        self.routes
            .access(request.method().as_str(), request.uri().path())
            .unwrap_or(self.access)
    }

    pub(crate) fn peer_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        match self.peer_address {
            Some(find) => find(request),
            None => request.peer_addr().as_ref().map(SocketAddr::ip),
        }
    }

    /// Whether the visitor has the permission. Who cannot be judged has not.
    pub(crate) fn permits(&self, request: &HttpRequest) -> bool {
        self.permission.as_ref().is_some_and(|permission| {
            // The closure's state may be broken by its panic; it is asked again for the next request, as any handler.
            catch_unwind(AssertUnwindSafe(|| permission(request))).unwrap_or(false)
        })
    }

    /// Whether a refused request is to learn that there is nothing at its path.
    pub(crate) fn is_told_unknown(&self, request: &HttpRequest) -> bool {
        self.unknown == UnknownRoutes::NotFound
            && !request.resource_map().has_resource(request.path())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("gate", &self.gate)
            .field("permission", &self.permission.is_some())
            .field("proxies", &self.proxies)
            .field("routes", &self.routes)
            .field("access", &self.access)
            .field("unknown", &self.unknown)
            .field("pass_name", &self.pass_name)
            .field("https_only", &self.https_only)
            .finish_non_exhaustive()
    }
}
