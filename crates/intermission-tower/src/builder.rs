//! How a layer is set up.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use intermission::adapter::{ConfigError, EntranceBuilder};
use intermission::{Gate, RequestScopes, RouteAccess, RouteTable, TrustedProxies};

use crate::face::Face;
use crate::layer::MaintenanceLayer;
use crate::settings::{Permission, ScopesOf, Settings};

/// Settings of a [`MaintenanceLayer`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{AllowList, ForwardedHeader, Gate, MemoryState, RouteAccess, TrustedProxies};
/// use intermission_tower::MaintenanceLayer;
///
/// /// What the authentication, which runs outside of the layer, puts into the extensions.
/// #[derive(Clone)]
/// struct User { is_operator: bool }
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let proxies = TrustedProxies::new(AllowList::parse(["10.0.0.0/8"])?, ForwardedHeader::XForwardedFor);
/// let layer = MaintenanceLayer::builder(gate)
///     .with_permission(|parts| parts.extensions.get().is_some_and(|user: &User| user.is_operator))
///     .with_trusted_proxies(proxies)
///     .with_always("/health")
///     .with_route("/jobs/{kind}", RouteAccess::StartsExecution)
///     .build()?;
/// # drop(layer); Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until the layer is built"]
pub struct MaintenanceBuilder {
    entrance: EntranceBuilder<Permission>,
    scopes: Option<ScopesOf>,
    face: Option<Face>,
    peer_address: Option<fn(&Parts) -> Option<IpAddr>>,
}

impl MaintenanceBuilder {
    pub(crate) fn new(gate: Gate) -> Self {
        Self {
            entrance: EntranceBuilder::new(gate),
            scopes: None,
            face: None,
            peer_address: None,
        }
    }

    fn map(
        self,
        set: impl FnOnce(EntranceBuilder<Permission>) -> EntranceBuilder<Permission>,
    ) -> Self {
        Self {
            entrance: set(self.entrance),
            ..self
        }
    }

    /// Who passes while the site is closed: what Drupal calls the permission to `access site in maintenance mode`.
    /// Nobody by default.
    ///
    /// The closure sees what outer layers have put into the extensions, so an authentication that runs outside of
    /// this layer can be asked about its user. It is asked only while the gate is not open, at most once for a
    /// request, and must not block. One that panics gives no permission.
    pub fn with_permission(
        self,
        permission: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.map(|entrance| entrance.with_permission(Arc::new(permission)))
    }

    /// Which proxies are believed about the visitor's address, and about `https`. None by default: then the peer of
    /// the socket is the visitor.
    pub fn with_trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.map(|entrance| entrance.with_trusted_proxies(proxies))
    }

    /// Flags a route by its pattern, for all methods. A bad pattern is reported by [`build`](Self::build).
    pub fn with_route(self, pattern: impl Into<String>, access: RouteAccess) -> Self {
        self.map(|entrance| entrance.with_route(pattern, access))
    }

    /// A route that is open to everybody at all times: health checks, login.
    pub fn with_always(self, pattern: impl Into<String>) -> Self {
        self.with_route(pattern, RouteAccess::Always)
    }

    /// Flags routes by a table, in place of the table given before. Rows of [`with_route`](Self::with_route) are
    /// added to it.
    pub fn with_routes(self, routes: RouteTable) -> Self {
        self.map(|entrance| entrance.with_routes(routes))
    }

    /// The flag of routes that are not in the table; [`RouteAccess::Ordinary`] by default.
    pub fn with_default_access(self, access: RouteAccess) -> Self {
        self.map(|entrance| entrance.with_default_access(access))
    }

    /// To which [scopes](intermission::scope) a request belongs: its tenant, its host. To none by default.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use intermission::{Gate, MemoryState};
    /// # use intermission_tower::MaintenanceLayer;
    /// use intermission_tower::scope_of_host;
    ///
    /// # let gate = Gate::builder(MemoryState::new()).start().await?;
    /// let layer = MaintenanceLayer::builder(gate)
    ///     .with_scopes(scope_of_host)
    ///     .with_always("/health")
    ///     .build()?;
    /// # drop(layer); Ok(()) }
    /// ```
    ///
    /// The closure is asked only while a scope is closed, and where an execution or a conversation begins. It must not block. One that panics
    /// is a handler that panics: the request gets no answer from the application.
    ///
    /// # Security
    ///
    /// What it does not say belongs to a closed scope is open. Look at what the application itself tells its tenants apart
    /// by.
    pub fn with_scopes<S: Into<RequestScopes>>(
        self,
        scopes: impl Fn(&Parts) -> S + Send + Sync + 'static,
    ) -> Self {
        let scopes: ScopesOf = Arc::new(move |parts| scopes(parts).into());
        Self {
            scopes: Some(scopes),
            ..self
        }
    }

    /// Says that a route belongs to a scope, by its pattern, for all methods. A route may belong to several. A bad pattern or
    /// name is reported by [`build`](Self::build).
    pub fn with_scope(self, pattern: impl Into<String>, scope: impl Into<String>) -> Self {
        self.map(|entrance| entrance.with_scope(pattern, scope))
    }

    /// The name of the query parameter and the cookie that carry a pass; `intermission-pass` by default.
    pub fn with_pass_name(self, name: impl Into<String>) -> Self {
        self.map(|entrance| entrance.with_pass_name(name))
    }

    /// All visitors come by `https`: the cookie that carries a pass is always `Secure`.
    ///
    /// Without this, it is if the request's URI says `https`, or if a trusted proxy says so in `X-Forwarded-Proto`. A
    /// server that speaks TLS itself knows neither for HTTP/1, so set it there.
    pub fn with_https_only(self) -> Self {
        self.map(EntranceBuilder::with_https_only)
    }

    /// Where the address of the socket's peer is, if it is not where the framework's [`Face`] looks.
    ///
    /// # Security
    ///
    /// The peer, never a header: what proxies say is read by [`with_trusted_proxies`](Self::with_trusted_proxies).
    pub const fn with_peer_address(mut self, find: fn(&Parts) -> Option<IpAddr>) -> Self {
        self.peer_address = Some(find);
        self
    }

    /// For crates that adapt a framework: where it keeps what the decision needs. The first one that is set counts, so
    /// that what an application sets is not lost when a framework's crate finishes the settings.
    pub const fn with_face(mut self, face: Face) -> Self {
        if self.face.is_none() {
            self.face = Some(face);
        }
        self
    }

    /// Says that a route is flagged [`RouteAccess::Always`] where this builder cannot see it, as with
    /// [`MaintenanceLayer::for_routes`].
    pub fn with_always_elsewhere(self) -> Self {
        self.map(EntranceBuilder::with_always_elsewhere)
    }

    /// Builds the layer even if, as far as can be told now, nobody would pass while the site is closed: an operator
    /// who needs the site itself to open it again is then locked out.
    pub fn with_lockout_accepted(self) -> Self {
        self.map(EntranceBuilder::with_lockout_accepted)
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// A pattern or the pass's name is malformed, or nobody could pass: there is no permission, no `Always` route, and
    /// the gate's present record lists no address and no pass.
    pub fn build(self) -> Result<MaintenanceLayer, ConfigError> {
        let entrance = self.entrance.build()?;
        let mut face = self.face.unwrap_or(const { Face::http() });
        if let Some(find) = self.peer_address {
            face = face.with_peer_address(find);
        }
        let flag = entrance.flag();
        Ok(MaintenanceLayer::new(
            Arc::new(Settings::new(entrance, self.scopes, face)),
            flag,
        ))
    }
}

impl fmt::Debug for MaintenanceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaintenanceBuilder")
            .field("entrance", &self.entrance)
            .finish_non_exhaustive()
    }
}
