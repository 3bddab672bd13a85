//! What all services of one middleware share, and a request as they see it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderValue;
use actix_web::http::uri::Scheme;
use intermission::adapter::{Entrance, RequestHead, UnknownRoutes};
use intermission::{Gate, RouteAccess};

/// Whether a request's visitor may `access site in maintenance mode`.
pub(crate) type Permission = Arc<dyn Fn(&HttpRequest) -> bool + Send + Sync>;

pub(crate) struct Settings {
    pub(crate) entrance: Entrance<Permission>,
    pub(crate) unknown: UnknownRoutes,
    pub(crate) peer_address: Option<fn(&HttpRequest) -> Option<IpAddr>>,
}

impl Settings {
    #[inline]
    pub(crate) const fn gate(&self) -> &Gate {
        self.entrance.gate()
    }

    /// The flag of a request's route by the table.
    pub(crate) fn look_up(&self, request: &ServiceRequest) -> RouteAccess {
        self.entrance
            .look_up(request.method().as_str(), request.uri().path())
    }

    pub(crate) const fn head<'a>(&self, request: &'a HttpRequest) -> Head<'a> {
        Head {
            request,
            peer_address: self.peer_address,
        }
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
            .field("entrance", &self.entrance)
            .field("unknown", &self.unknown)
            .finish_non_exhaustive()
    }
}

/// The head of a request.
pub(crate) struct Head<'a> {
    request: &'a HttpRequest,
    peer_address: Option<fn(&HttpRequest) -> Option<IpAddr>>,
}

impl RequestHead for Head<'_> {
    type Permission = Permission;

    fn method(&self) -> &str {
        self.request.method().as_str()
    }

    fn path(&self) -> &str {
        self.request.uri().path()
    }

    fn query(&self) -> Option<&str> {
        self.request.uri().query()
    }

    fn lines<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        let lines = self.request.headers().get_all(name);
        lines.map(HeaderValue::as_bytes)
    }

    fn peer(&self) -> Option<IpAddr> {
        match self.peer_address {
            Some(find) => find(self.request),
            None => self.request.peer_addr().as_ref().map(SocketAddr::ip),
        }
    }

    fn is_https(&self) -> bool {
        self.request.app_config().secure() || self.request.uri().scheme() == Some(&Scheme::HTTPS)
    }

    fn permits(&self, permission: &Permission) -> bool {
        permission(self.request)
    }
}
