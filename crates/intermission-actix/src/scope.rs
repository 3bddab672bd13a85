//! A scope that knows the flags of its services.

use std::fmt;

use actix_web::guard::Guard;
use actix_web::{Route, Scope, web};
use intermission::{RouteAccess, ScopeName};

use crate::flags::{FlaggedService, MaintenanceExt};
use crate::middleware::Maintenance;

/// A [`Scope`] that knows the flags of its services, and puts the gate in front of each when it is finished.
///
/// Services are added as to actix-web's own scope, with their flag ([`MaintenanceExt`]) or without, and the scope ends
/// with [`behind`](Self::behind), which gives actix-web's own. Modules that give scopes need not know the gate, and a
/// service that nobody flagged is behind it all the same.
///
/// A scope for everything has the prefix `""`. actix-web asks nobody else then, so what the application has besides
/// goes before it, or into it.
///
/// # Examples
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_web::{App, web};
/// use intermission::{Gate, MemoryState};
/// use intermission_actix::{MaintenanceExt, MaintenanceScope, maintenance};
///
/// fn orders() -> MaintenanceScope {
///     MaintenanceScope::new("/orders")
///         .service(web::resource("").to(|| async { "all orders" }))
///         .service(web::resource("/export").to(|| async { "started" }).starts_execution())
/// }
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let maintenance = maintenance(gate).with_always_elsewhere().build()?;
/// let app = App::new().service(
///     MaintenanceScope::new("")
///         .service(web::resource("/health").to(|| async { "ok" }).always())
///         .service(orders())
///         .behind(&maintenance),
/// );
/// # drop(app); Ok(()) }
/// ```
#[must_use = "a scope is served by what `behind` makes of it"]
pub struct MaintenanceScope {
    scope: Scope,
    services: Vec<FlaggedService>,
    fallback: Option<FlaggedService>,
}

impl MaintenanceScope {
    /// A scope without services, under this prefix: see [`web::scope`].
    pub fn new(prefix: &str) -> Self {
        Self {
            scope: web::scope(prefix),
            services: Vec::new(),
            fallback: None,
        }
    }

    /// Adds a resource, a scope or another [`MaintenanceScope`], with its flag or without: see [`Scope::service`].
    pub fn service(mut self, service: impl Into<FlaggedService>) -> Self {
        self.services.push(service.into());
        self
    }

    /// Sets what answers where no service matches, with its flag, in place of the application's `default_service`.
    ///
    /// Without this, it is the application's, which is ordinary.
    pub fn default_service(mut self, route: Route, access: RouteAccess) -> Self {
        self.fallback = Some(web::scope("").default_service(route).with_access(access));
        self
    }

    /// All of it, as a part of this scope of the site: it can be closed by itself.
    pub fn in_scope(self, name: ScopeName) -> FlaggedService {
        FlaggedService::from(self).in_scope(name)
    }

    /// Adds a guard for all services: see [`Scope::guard`].
    pub fn guard(mut self, guard: impl Guard + 'static) -> Self {
        self.scope = self.scope.guard(guard);
        self
    }

    /// Adds data for all services: see [`Scope::app_data`].
    pub fn app_data<T: 'static>(mut self, data: T) -> Self {
        self.scope = self.scope.app_data(data);
        self
    }

    /// Puts the gate in front of every service, and of what answers where none matches.
    ///
    /// Handlers below can ask for [`MaintenanceGate`](crate::MaintenanceGate). Middleware that refused visitors need
    /// as well (CORS, logs) goes around what this returns.
    #[must_use]
    pub fn behind(self, maintenance: &Maintenance) -> Scope {
        let scope = self.scope.app_data(maintenance.gate().clone());
        let rest = self
            .fallback
            .unwrap_or_else(|| web::scope("").with_access(RouteAccess::Ordinary));
        let services = self.services.into_iter().chain([rest]);
        services.fold(scope, |scope, service| {
            (service.register)(scope, maintenance)
        })
    }
}

impl fmt::Debug for MaintenanceScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaintenanceScope")
            .field("services", &self.services.len())
            .finish_non_exhaustive()
    }
}
