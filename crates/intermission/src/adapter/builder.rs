//! How an entrance is set up, and what is wrong with a set-up that nobody could ever pass.

use std::collections::BTreeMap;
use std::fmt;

use intermission_core::{
    BadPattern, BadScopeName, RouteAccess, RouteTable, ScopeName, TrustedProxies,
};

use crate::Gate;
use crate::adapter::entrance::Entrance;
use crate::adapter::pass_link::{BadPassName, PassName};

/// Settings of an [`Entrance`]. Adapters offer them under the same names, in a builder of their own.
#[derive(Clone)]
#[must_use = "a builder does nothing until the entrance is built"]
pub struct EntranceBuilder<P> {
    gate: Gate,
    permission: Option<P>,
    proxies: TrustedProxies,
    routes: RouteTable,
    rows: Vec<(String, RouteAccess)>,
    access: RouteAccess,
    scopes: Vec<(String, String)>,
    pass_name: Option<String>,
    https_only: bool,
    always_elsewhere: bool,
    lockout_accepted: bool,
}

impl<P> EntranceBuilder<P> {
    /// The settings of an entrance that asks this gate.
    pub fn new(gate: Gate) -> Self {
        Self {
            gate,
            permission: None,
            proxies: TrustedProxies::none(),
            routes: RouteTable::new(),
            rows: Vec::new(),
            access: RouteAccess::Ordinary,
            scopes: Vec::new(),
            pass_name: None,
            https_only: false,
            always_elsewhere: false,
            lockout_accepted: false,
        }
    }

    /// Who passes while the site is closed: what Drupal calls the permission to `access site in maintenance mode`.
    /// Nobody by default.
    pub fn with_permission(mut self, permission: P) -> Self {
        self.permission = Some(permission);
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

    /// The flag of routes that are not in the table; [`RouteAccess::Ordinary`] by default.
    pub const fn with_default_access(mut self, access: RouteAccess) -> Self {
        self.access = access;
        self
    }

    /// Says that a route belongs to a scope, by its pattern, for all methods. A route may belong to several. A bad pattern or
    /// name is reported by [`build`](Self::build).
    ///
    /// A path that different frameworks take for different routes belongs to the scope if one of them takes it for this.
    pub fn with_scope(mut self, pattern: impl Into<String>, scope: impl Into<String>) -> Self {
        self.scopes.push((pattern.into(), scope.into()));
        self
    }

    /// The name of the query parameter and the cookie that carry a pass; `intermission-pass` by default.
    pub fn with_pass_name(mut self, name: impl Into<String>) -> Self {
        self.pass_name = Some(name.into());
        self
    }

    /// All visitors come by `https`: the cookie that carries a pass is always `Secure`.
    ///
    /// Without this, it is if the server knows that the request came by `https`, or if a trusted proxy says so in
    /// `X-Forwarded-Proto`.
    pub const fn with_https_only(mut self) -> Self {
        self.https_only = true;
        self
    }

    /// Says that a route is flagged [`RouteAccess::Always`] where this builder cannot see it.
    pub const fn with_always_elsewhere(mut self) -> Self {
        self.always_elsewhere = true;
        self
    }

    /// Builds the entrance even if, as far as can be told now, nobody would pass while the site is closed: an operator
    /// who needs the site itself to open it again is then locked out.
    pub const fn with_lockout_accepted(mut self) -> Self {
        self.lockout_accepted = true;
        self
    }

    /// Builds the entrance.
    ///
    /// # Errors
    ///
    /// A pattern or the pass's name is malformed, or nobody could pass: there is no permission, no `Always` route, and
    /// the gate's present record lists no address and no pass.
    pub fn build(self) -> Result<Entrance<P>, ConfigError> {
        let record = self.gate.record();
        let mut routes = self.routes;
        for (pattern, access) in &self.rows {
            routes = routes.with(pattern, *access)?;
        }
        let mut scopes: BTreeMap<ScopeName, RouteTable> = BTreeMap::new();
        for (pattern, scope) in &self.scopes {
            let table = scopes.entry(ScopeName::new(scope)?).or_default();
            // With this flag, a pattern is matched in every spelling of its path.
            *table = std::mem::take(table).with(pattern, RouteAccess::StartsExecution)?;
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
        Ok(Entrance {
            gate: self.gate,
            permission: self.permission,
            proxies: self.proxies,
            routes,
            access: self.access,
            scopes: scopes.into_iter().collect(),
            pass_name,
            https_only: self.https_only,
        })
    }
}

impl<P> fmt::Debug for EntranceBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntranceBuilder")
            .field("gate", &self.gate)
            .field("permission", &self.permission.is_some())
            .field("proxies", &self.proxies)
            .field("routes", &self.routes)
            .field("rows", &self.rows)
            .field("access", &self.access)
            .field("scopes", &self.scopes)
            .field("pass_name", &self.pass_name)
            .field("https_only", &self.https_only)
            .field("always_elsewhere", &self.always_elsewhere)
            .field("lockout_accepted", &self.lockout_accepted)
            .finish()
    }
}

/// Why an application's entrance was not built.
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
    /// A route is said to belong to what cannot be a scope.
    #[error(transparent)]
    Scope(#[from] BadScopeName),
    /// A route's pattern is malformed, or contradicts another.
    #[error(transparent)]
    Route(#[from] BadPattern),
}
