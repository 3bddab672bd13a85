//! What all services of one middleware share, and a request as they see it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HOST, HeaderValue};
use actix_web::http::uri::{Authority, Scheme};
use intermission::adapter::{Entrance, RequestHead, UnknownRoutes};
use intermission::{Gate, RequestScopes, RouteAccess, ScopeName};

/// Whether a request's visitor may `access site in maintenance mode`.
pub(crate) type Permission = Arc<dyn Fn(&HttpRequest) -> bool + Send + Sync>;

/// To which scopes a request belongs.
pub(crate) type ScopesOf = Arc<dyn Fn(&HttpRequest) -> RequestScopes + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) entrance: Arc<Entrance<Permission>>,
    pub(crate) scopes: Option<ScopesOf>,
    pub(crate) unknown: UnknownRoutes,
    pub(crate) peer_address: Option<fn(&HttpRequest) -> Option<IpAddr>>,
    /// The scopes that are written beside the routes.
    pub(crate) beside: RequestScopes,
}

impl Settings {
    #[inline]
    pub(crate) fn gate(&self) -> &Gate {
        self.entrance.gate()
    }

    /// Whether requests may belong to scopes.
    pub(crate) fn is_scoped(&self) -> bool {
        self.scopes.is_some() || self.entrance.has_scopes() || !self.beside.is_empty()
    }

    /// The same for services that belong to this scope as well.
    pub(crate) fn in_scope(&self, scope: ScopeName) -> Self {
        Self {
            beside: self.beside.clone().and(scope),
            ..self.clone()
        }
    }

    /// The scopes of a request.
    pub(crate) fn scopes_of(&self, request: &HttpRequest) -> RequestScopes {
        let mut scopes = self.beside.clone();
        if let Some(scopes_of) = &self.scopes {
            scopes = scopes_of(request)
                .iter()
                .cloned()
                .fold(scopes, RequestScopes::and);
        }
        let (method, path) = (request.method().as_str(), request.uri().path());
        self.entrance.scopes_of(method, path, scopes)
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

/// The scope that the host of a request is: for [`with_scopes`](crate::MaintenanceBuilder::with_scopes).
///
/// The host is in lower case and without its port, so the scope of `Shop.Example:8080` is `shop.example`. It is that of
/// `:authority` over HTTP/2, where there may be no `Host`; where the two differ, the request belongs to both.
///
/// # Security
///
/// Both are the visitor's to say: see [`RequestScopes::of_host`]. A header such as `X-Forwarded-Host` is not read.
///
/// # Examples
///
/// ```
/// use actix_web::test::TestRequest;
/// use intermission_actix::scope_of_host;
///
/// let request = TestRequest::get().insert_header(("host", "Shop.Example:8080")).to_http_request();
/// let scopes = scope_of_host(&request);
/// assert_eq!(scopes.first().map(|scope| scope.as_str()), Some("shop.example"));
/// ```
#[must_use]
pub fn scope_of_host(request: &HttpRequest) -> RequestScopes {
    let authority = request.uri().authority().map(Authority::as_str);
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    RequestScopes::of_authority(authority, host)
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
