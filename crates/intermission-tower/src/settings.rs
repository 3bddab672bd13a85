//! What all services of one layer share, and a request as they see it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{COOKIE, HOST, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{Request, Uri};
use intermission::adapter::{Entrance, RequestHead};
use intermission::{Gate, RequestScopes, RouteAccess, ScopeName};

use crate::face::Face;

/// Whether a request's visitor may `access site in maintenance mode`.
pub(crate) type Permission = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// To which scopes a request belongs.
pub(crate) type ScopesOf = Arc<dyn Fn(&Parts) -> RequestScopes + Send + Sync>;

/// A service is cloned for each request in some frameworks, so all that it knows is behind one pointer.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The entrance's, without the way through it.
    gate: Gate,
    pub(crate) entrance: Arc<Entrance<Permission>>,
    scopes: Option<ScopesOf>,
    face: Face,
    /// The scopes that are written beside the routes.
    beside: RequestScopes,
    /// Whether requests may belong to scopes.
    is_scoped: bool,
}

impl Settings {
    pub(crate) fn new(
        entrance: Entrance<Permission>,
        scopes: Option<ScopesOf>,
        face: Face,
    ) -> Self {
        Self {
            gate: entrance.gate().clone(),
            is_scoped: scopes.is_some() || entrance.has_scopes(),
            entrance: Arc::new(entrance),
            scopes,
            face,
            beside: RequestScopes::none(),
        }
    }

    #[inline]
    pub(crate) const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Whether requests may belong to scopes.
    #[inline]
    pub(crate) const fn is_scoped(&self) -> bool {
        self.is_scoped
    }

    /// The same for routes that belong to this scope as well.
    pub(crate) fn in_scope(&self, scope: ScopeName) -> Self {
        Self {
            beside: self.beside.clone().and(scope),
            is_scoped: true,
            ..self.clone()
        }
    }

    /// The scopes of a request.
    pub(crate) fn scopes_of(&self, parts: &Parts) -> RequestScopes {
        let mut scopes = self.beside.clone();
        if let Some(scopes_of) = &self.scopes {
            scopes = scopes_of(parts)
                .iter()
                .cloned()
                .fold(scopes, RequestScopes::and);
        }
        let path = self.head(parts).sent_path();
        self.entrance.scopes_of(parts.method.as_str(), path, scopes)
    }

    /// The flag of a request's route by the table.
    pub(crate) fn look_up<B>(&self, request: &Request<B>) -> RouteAccess {
        let original = (self.face.original_uri)(request.extensions());
        let path = original.unwrap_or_else(|| request.uri()).path();
        self.entrance.look_up(request.method().as_str(), path)
    }

    pub(crate) fn head<'a>(&self, parts: &'a Parts) -> Head<'a> {
        Head {
            parts,
            uri: (self.face.original_uri)(&parts.extensions).unwrap_or(&parts.uri),
            face: self.face,
        }
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
/// use intermission_tower::scope_of_host;
///
/// let (parts, ()) = http::Request::get("http://Shop.Example:8080/").body(())?.into_parts();
/// let scopes = scope_of_host(&parts);
/// assert_eq!(scopes.first().map(|scope| scope.as_str()), Some("shop.example"));
/// # Ok::<(), http::Error>(())
/// ```
#[must_use]
pub fn scope_of_host(parts: &Parts) -> RequestScopes {
    let authority = parts.uri.authority().map(Authority::as_str);
    let host = parts.headers.get(HOST).map(HeaderValue::as_bytes);
    RequestScopes::of_authority(authority, host)
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("entrance", &self.entrance)
            .finish_non_exhaustive()
    }
}

/// The head of a request, with the URI that the client sent.
pub(crate) struct Head<'a> {
    parts: &'a Parts,
    uri: &'a Uri,
    face: Face,
}

impl<'a> Head<'a> {
    /// The path that the client sent, for as long as the request's parts live.
    pub(crate) fn sent_path(&self) -> &'a str {
        self.uri.path()
    }
}

impl RequestHead for Head<'_> {
    type Permission = Permission;

    fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    fn path(&self) -> &str {
        self.uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    fn lines<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        let headers = &self.parts.headers;
        let lines = match name {
            // Asked for each time; a name that is known need not be read.
            "cookie" => headers.get_all(COOKIE),
            _ => headers.get_all(name),
        };
        lines.iter().map(HeaderValue::as_bytes)
    }

    fn peer(&self) -> Option<IpAddr> {
        (self.face.peer_address)(self.parts)
    }

    fn is_https(&self) -> bool {
        self.uri.scheme().or_else(|| self.parts.uri.scheme()) == Some(&Scheme::HTTPS)
    }

    fn permits(&self, permission: &Permission) -> bool {
        permission(self.parts)
    }
}
