//! How a middleware is set up, and what is wrong with a set-up that nobody could ever pass.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpRequest;
use intermission::{BadPattern, Gate, RouteAccess, RouteTable, TrustedProxies};

use crate::middleware::Maintenance;
use crate::pass::{BadPassName, PassName};
use crate::settings::{Access, Permission, Settings, UnknownRoutes};

/// The settings of a maintenance mode for an actix-web application.
///
/// # Examples
///
/// In front of an application as it is, with the flags in a table:
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_web::{App, web};
/// use intermission::{Gate, MemoryState, RouteAccess};
/// use intermission_actix::maintenance;
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let maintenance = maintenance(gate)
///     .with_always("/health")
///     .with_route("/jobs", RouteAccess::StartsExecution)
///     .build()?;
/// let app = App::new()
///     .route("/", web::get().to(|| async { "hello" }))
///     .route("/health", web::get().to(|| async { "ok" }))
///     .route("/jobs", web::post().to(|| async { "started" }))
///     .wrap(maintenance);
/// # drop(app); Ok(()) }
/// ```
pub fn maintenance(gate: Gate) -> MaintenanceBuilder {
    Maintenance::builder(gate)
}

/// Settings of a [`Maintenance`]. Made by [`maintenance`](crate::maintenance).
///
/// # Examples
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_web::HttpMessage;
/// use intermission::{AllowList, ForwardedHeader, Gate, MemoryState, RouteAccess, TrustedProxies};
/// use intermission_actix::maintenance;
///
/// /// What the authentication, a middleware outside of this one, puts into the extensions.
/// #[derive(Clone)]
/// struct User { is_operator: bool }
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let proxies = TrustedProxies::new(AllowList::parse(["10.0.0.0/8"])?, ForwardedHeader::XForwardedFor);
/// let maintenance = maintenance(gate)
///     .with_permission(|request| {
///         request.extensions().get::<User>().is_some_and(|user| user.is_operator)
///     })
///     .with_trusted_proxies(proxies)
///     .with_always("/health")
///     .with_route("/jobs/{kind}", RouteAccess::StartsExecution)
///     .build()?;
/// # drop(maintenance); Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until the middleware is built"]
pub struct MaintenanceBuilder {
    gate: Gate,
    permission: Option<Permission>,
    proxies: TrustedProxies,
    routes: RouteTable,
    rows: Vec<(String, RouteAccess)>,
    access: RouteAccess,
    pass_name: Option<String>,
    https_only: bool,
    unknown: UnknownRoutes,
    peer_address: Option<fn(&HttpRequest) -> Option<IpAddr>>,
    always_elsewhere: bool,
    lockout_accepted: bool,
}

impl MaintenanceBuilder {
    pub(crate) fn new(gate: Gate) -> Self {
        Self {
            gate,
            permission: None,
            proxies: TrustedProxies::none(),
            routes: RouteTable::new(),
            rows: Vec::new(),
            access: RouteAccess::Ordinary,
            pass_name: None,
            https_only: false,
            unknown: UnknownRoutes::Refused,
            peer_address: None,
            always_elsewhere: false,
            lockout_accepted: false,
        }
    }

    /// Who passes while the site is closed: what Drupal calls the permission to `access site in maintenance mode`.
    /// Nobody by default.
    ///
    /// The closure sees what outer middleware has put into the extensions, so an authentication that runs outside
    /// of this one can be asked about its user. It is asked only while the gate is not open, at most once for a
    /// request, and must not block. One that panics gives no permission.
    pub fn with_permission(
        mut self,
        permission: impl Fn(&HttpRequest) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.permission = Some(Arc::new(permission));
        self
    }

    /// Which proxies are believed about the visitor's address, and about `https`. None by default: then the peer of
    /// the socket is the visitor.
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Flags a route by its pattern, for all methods. A bad pattern is reported by [`build`](Self::build).
    pub fn with_route(mut self, pattern: impl Into<String>, access: RouteAccess) -> Self {
        self.rows.push((pattern.into(), access));
        self
    }

    /// A route that is open to everybody at all times: health checks, login.
    pub fn with_always(self, pattern: impl Into<String>) -> Self {
        self.with_route(pattern, RouteAccess::Always)
    }

    /// Flags routes by a table, in place of the table given before. Rows of [`with_route`](Self::with_route) are
    /// added to it.
    pub fn with_routes(mut self, routes: RouteTable) -> Self {
        self.routes = routes;
        self
    }

    /// The access of routes that are not in the table; [`RouteAccess::Ordinary`] by default.
    pub const fn with_access(mut self, access: RouteAccess) -> Self {
        self.access = access;
        self
    }

    /// The name of the query parameter and the cookie that carry a pass; `intermission-pass` by default.
    pub fn with_pass_name(mut self, name: impl Into<String>) -> Self {
        self.pass_name = Some(name.into());
        self
    }

    /// All visitors come by `https`: the cookie that carries a pass is always `Secure`.
    ///
    /// Without this, it is if the server speaks TLS itself, if the request's URI says `https`, or if a trusted proxy
    /// says so in `X-Forwarded-Proto`.
    pub const fn with_https_only(mut self) -> Self {
        self.https_only = true;
        self
    }

    /// Where the address of the socket's peer is, if it is not `HttpRequest::peer_addr`.
    ///
    /// # Security
    ///
    /// The peer, never a header: what proxies say is read by [`with_trusted_proxies`](Self::with_trusted_proxies).
    pub const fn with_peer_address(mut self, find: fn(&HttpRequest) -> Option<IpAddr>) -> Self {
        self.peer_address = Some(find);
        self
    }

    /// What a request gets whose path no route matches, while the site is closed; the refusal by default.
    ///
    /// With [`UnknownRoutes::NotFound`] it gets an empty 404, whatever the application's `default_service` would
    /// answer. Which paths there are is asked of actix-web's resource map, which knows no guards: of two scopes with
    /// the same prefix, it looks into the first only.
    pub const fn with_unknown_routes(mut self, unknown: UnknownRoutes) -> Self {
        self.unknown = unknown;
        self
    }

    /// Says that a route is flagged [`RouteAccess::Always`] where this builder cannot see it, as in a
    /// [`MaintenanceScope`](crate::MaintenanceScope).
    pub const fn with_always_elsewhere(mut self) -> Self {
        self.always_elsewhere = true;
        self
    }

    /// Builds the middleware even if, as far as can be told now, nobody would pass while the site is closed: an operator
    /// who needs the site itself to open it again is then locked out.
    pub const fn with_lockout_accepted(mut self) -> Self {
        self.lockout_accepted = true;
        self
    }

    /// Builds the middleware.
    ///
    /// # Errors
    ///
    /// A pattern or the pass's name is malformed, or nobody could pass: there is no permission, no `Always` route, and
    /// the gate's present record lists no address and no pass.
    pub fn build(self) -> Result<Maintenance, ConfigError> {
        let record = self.gate.record();
        let mut routes = self.routes;
        for (pattern, access) in &self.rows {
            routes = routes.with(pattern, *access)?;
        }
        let pass_name = match self.pass_name {
            Some(name) => PassName::new(&name)?,
            None => PassName::default(),
        };
        let always = routes.has(RouteAccess::Always)
            || self.access == RouteAccess::Always
            || self.always_elsewhere;
        let anybody = self.permission.is_some()
            || always
            || !record.allow().is_empty()
            || !record.passes().is_empty();
        if !anybody && !self.lockout_accepted {
            return Err(ConfigError::Lockout);
        }
        let access = if routes.is_empty() {
            Access::Fixed(self.access)
        } else {
            Access::Looked
        };
        let settings = Settings {
            gate: self.gate,
            permission: self.permission,
            proxies: self.proxies,
            routes,
            access: self.access,
            pass_name,
            https_only: self.https_only,
            unknown: self.unknown,
            peer_address: self.peer_address,
        };
        Ok(Maintenance::new(Arc::new(settings), access))
    }
}

impl fmt::Debug for MaintenanceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaintenanceBuilder")
            .field("gate", &self.gate)
            .field("permission", &self.permission.is_some())
            .field("proxies", &self.proxies)
            .field("routes", &self.routes)
            .field("rows", &self.rows)
            .field("access", &self.access)
            .field("pass_name", &self.pass_name)
            .field("https_only", &self.https_only)
            .field("unknown", &self.unknown)
            .field("always_elsewhere", &self.always_elsewhere)
            .field("lockout_accepted", &self.lockout_accepted)
            .finish_non_exhaustive()
    }
}

/// Why a middleware was not built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nobody could pass while the site is closed, not even to open it again.
    #[error(
        "nobody could pass while the site is closed: set `with_permission`, flag a route with `with_always` (the login, \
         for example), list an address or issue a pass, or accept it with `with_lockout_accepted`"
    )]
    Lockout,
    /// The pass's name cannot be that of a cookie and a query parameter.
    #[error(transparent)]
    PassName(#[from] BadPassName),
    /// A route's pattern is malformed, or contradicts another.
    #[error(transparent)]
    Route(#[from] BadPattern),
}
