//! A router that knows the flags of its routes.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::Route;
use intermission::adapter::UnknownRoutes;
use intermission::{RequestScopes, RouteAccess, ScopeName};
use intermission_tower::{ConfigError, MaintenanceBuilder, MaintenanceLayer};
use tower_layer::Layer;
use tower_service::Service;

use crate::FACE;
use crate::flags::FlaggedRoute;
use crate::pattern::{Flagged, nested};
use crate::service::{ByRoute, MaintenanceService};

/// A [`Router`] that knows the flags of its routes, and puts the gate in front of them when it is finished.
///
/// A layer around a router cannot see a flag inside of it, and a table of paths beside a router goes out of step with
/// it. So routes are kept by their flag until the end, and each kind gets the layer for its flag. There is no table to
/// look into, methods of one path may have different flags, and modules flag their routes without knowing the gate.
///
/// Finish it with [`into_service`](Self::into_service), or with [`into_router`](Self::into_router) to go on with axum.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::routing::{get, post};
/// use intermission::{Gate, MemoryState};
/// use intermission_axum::{MaintenanceRouter, MaintenanceService, MethodRouterExt, maintenance};
///
/// fn orders() -> MaintenanceRouter {
///     MaintenanceRouter::new()
///         .route("/", get(|| async { "all orders" }))
///         .route("/export", post(|| async { "started" }).starts_execution())
/// }
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let app: MaintenanceService = MaintenanceRouter::new()
///     .route("/health", get(|| async { "ok" }).always())
///     .nest("/orders", orders())
///     .into_service(maintenance(gate))?;
/// # drop(app); Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "routes are served by what `into_service` or `into_router` makes of them"]
pub struct MaintenanceRouter<S = ()> {
    ordinary: Router<S>,
    always: Router<S>,
    starting: Router<S>,
    /// The routes that belong to scopes, by these and their flag.
    scoped: Vec<Scoped<S>>,
    /// The patterns of all routes with a flag or a scope.
    flagged: Vec<String>,
    unknown: UnknownRoutes,
}

/// Routes that belong to the same scopes and have the same flag.
#[derive(Clone, Debug)]
struct Scoped<S> {
    scopes: RequestScopes,
    access: RouteAccess,
    router: Router<S>,
}

impl<S> MaintenanceRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// A router without routes.
    pub fn new() -> Self {
        Self::from(Router::new())
    }

    pub(crate) fn flagged(router: Router<S>, access: RouteAccess) -> Self {
        let empty = Self {
            ordinary: Router::new(),
            always: Router::new(),
            starting: Router::new(),
            scoped: Vec::new(),
            flagged: Vec::new(),
            unknown: UnknownRoutes::default(),
        };
        match access {
            RouteAccess::Ordinary => Self {
                ordinary: router,
                ..empty
            },
            RouteAccess::Always => Self {
                always: router,
                flagged: everything(),
                ..empty
            },
            RouteAccess::StartsExecution => Self {
                starting: router,
                flagged: everything(),
                ..empty
            },
        }
    }

    /// Adds handlers, with their flag or without: see [`Router::route`] and
    /// [`MethodRouterExt`](crate::MethodRouterExt).
    ///
    /// A request whose method has no handler belongs to the handlers that were added without a flag, if there are any.
    ///
    /// # Panics
    ///
    /// As [`Router::route`] does: on a malformed path, and on a second handler for a path and method. A conflict
    /// between routes of different flags shows when the router is finished.
    pub fn route(mut self, path: &str, route: impl Into<FlaggedRoute<S>>) -> Self {
        let FlaggedRoute {
            methods,
            access,
            scopes,
        } = route.into();
        if access != RouteAccess::Ordinary || !scopes.is_empty() {
            self.flagged.push(path.to_owned());
        }
        self.map(access, scopes, |router| router.route(path, methods))
    }

    /// All routes of it, as a part of this scope of the site: they can be closed by themselves. Whatever is added later is
    /// not.
    ///
    /// ```
    /// use axum::routing::get;
    /// use intermission_axum::MaintenanceRouter;
    ///
    /// let billing: MaintenanceRouter = MaintenanceRouter::new()
    ///     .route("/invoices", get(|| async { "all invoices" }))
    ///     .in_scope("billing".parse()?);
    /// let app: MaintenanceRouter = MaintenanceRouter::new().nest("/billing", billing);
    /// # drop(app);
    /// # Ok::<(), intermission::BadScopeName>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "as beside a single route")]
    pub fn in_scope(self, scope: ScopeName) -> Self {
        let mut scoped: Vec<Scoped<S>> = self
            .scoped
            .into_iter()
            .map(|routes| Scoped {
                scopes: routes.scopes.and(scope.clone()),
                ..routes
            })
            .collect();
        let rest = [
            (RouteAccess::Ordinary, self.ordinary),
            (RouteAccess::StartsExecution, self.starting),
        ];
        let has_routes = |(_, router): &(RouteAccess, Router<S>)| router.has_routes();
        scoped.extend(
            rest.into_iter()
                .filter(has_routes)
                .map(|(access, router)| Scoped {
                    scopes: RequestScopes::from(scope.clone()),
                    access,
                    router,
                }),
        );
        Self {
            ordinary: Router::new(),
            starting: Router::new(),
            always: self.always,
            scoped,
            // What stands in a router cannot be listed.
            flagged: everything(),
            unknown: self.unknown,
        }
    }

    /// Adds the routes of another router under a prefix, with their flags: see [`Router::nest`]. Routes of a plain
    /// [`Router`] have no flag, unless [`RouterExt`](crate::RouterExt) gives them one.
    ///
    /// # Panics
    ///
    /// As [`Router::nest`] does.
    pub fn nest(mut self, path: &str, router: impl Into<Self>) -> Self {
        let other = router.into();
        let flagged = other.flagged.iter().map(|pattern| nested(path, pattern));
        self.flagged.extend(flagged);
        for routes in other.scoped {
            self.scoped.push(Scoped {
                router: Router::new().nest(path, routes.router),
                ..routes
            });
        }
        Self {
            ordinary: self.ordinary.nest(path, other.ordinary),
            always: self.always.nest(path, other.always),
            starting: self.starting.nest(path, other.starting),
            ..self
        }
    }

    /// Adds the routes of another router, with their flags: see [`Router::merge`].
    ///
    /// # Panics
    ///
    /// As [`Router::merge`] does.
    pub fn merge(mut self, router: impl Into<Self>) -> Self {
        let other = router.into();
        self.flagged.extend(other.flagged);
        self.scoped.extend(other.scoped);
        Self {
            ordinary: self.ordinary.merge(other.ordinary),
            always: self.always.merge(other.always),
            starting: self.starting.merge(other.starting),
            ..self
        }
    }

    /// Sets the handler for paths that no route matches, such as `any(handler)`, with its flag or without: see
    /// [`Router::fallback`].
    ///
    /// # Panics
    ///
    /// When the router is finished, if there is a second one with another flag.
    pub fn fallback(mut self, route: impl Into<FlaggedRoute<S>>) -> Self {
        let FlaggedRoute {
            methods,
            access,
            scopes,
        } = route.into();
        if access != RouteAccess::Ordinary || !scopes.is_empty() {
            self.flagged.extend(everything());
        }
        self.map(access, scopes, |router| router.fallback(methods))
    }

    /// What a request gets whose path no route matches, while the site is closed. A [`fallback`](Self::fallback) goes
    /// by its own flag, and this says nothing about it.
    pub const fn with_unknown_routes(mut self, unknown: UnknownRoutes) -> Self {
        self.unknown = unknown;
        self
    }

    /// Puts a layer around the routes that were added so far, behind the gate: see [`Router::layer`].
    ///
    /// Layers that refused visitors need as well (CORS, logs, compression, the authentication that a permission asks
    /// about) go around what [`into_service`](Self::into_service) or [`into_router`](Self::into_router) returns;
    /// caches go here, or they serve what the gate refuses.
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self {
            ordinary: self.ordinary.layer(layer.clone()),
            always: self.always.layer(layer.clone()),
            starting: self.starting.layer(layer.clone()),
            scoped: scoped(self.scoped, |router| router.layer(layer.clone())),
            ..self
        }
    }

    /// Gives the handlers their state: see [`Router::with_state`].
    pub fn with_state<S2>(self, state: S) -> MaintenanceRouter<S2> {
        MaintenanceRouter {
            ordinary: self.ordinary.with_state(state.clone()),
            always: self.always.with_state(state.clone()),
            starting: self.starting.with_state(state.clone()),
            scoped: scoped(self.scoped, |router| router.with_state(state.clone())),
            flagged: self.flagged,
            unknown: self.unknown,
        }
    }

    /// Puts the gate in front of every route, and gives an axum router: to go on with axum, to add layers with
    /// [`Router::layer`], to nest it.
    ///
    /// A layer on an axum router costs an allocation or two for each request, even one that does nothing.
    /// [`into_service`](Self::into_service) does not have that cost.
    ///
    /// # Errors
    ///
    /// See [`MaintenanceBuilder::build`]. Routes flagged [`RouteAccess::Always`] here count as such.
    ///
    /// # Panics
    ///
    /// Routes of different flags are in conflict: the same path and method, or paths that axum cannot tell apart.
    pub fn into_router(self, maintenance: MaintenanceBuilder) -> Result<Router<S>, ConfigError> {
        let layer = self.layer_from(maintenance)?;
        Ok(self.gated(&layer))
    }

    fn layer_from(&self, maintenance: MaintenanceBuilder) -> Result<MaintenanceLayer, ConfigError> {
        let maintenance = maintenance.with_face(FACE);
        if self.always.has_routes() {
            maintenance.with_always_elsewhere().build()
        } else {
            maintenance.build()
        }
    }

    /// All routes, each behind the gate.
    fn gated(self, layer: &MaintenanceLayer) -> Router<S> {
        let ordinary = self.ordinary.layer(layer.clone());
        // Of two default fallbacks, axum keeps that of the router that is merged into the other. The tests of the
        // unknown routes hold it to that.
        let unflagged = match self.unknown {
            UnknownRoutes::NotFound => ordinary.merge(Router::new()),
            UnknownRoutes::Refused => ordinary,
        };
        with_flags_gated(self.always, self.starting, self.scoped, layer).merge(unflagged)
    }

    fn map(
        mut self,
        access: RouteAccess,
        scopes: RequestScopes,
        add: impl FnOnce(Router<S>) -> Router<S>,
    ) -> Self {
        if !scopes.is_empty() {
            let alike = |routes: &Scoped<S>| (&routes.scopes, routes.access) == (&scopes, access);
            let found = self.scoped.iter().position(alike);
            let router = found.map_or_else(Router::new, |at| self.scoped.swap_remove(at).router);
            self.scoped.push(Scoped {
                scopes,
                access,
                router: add(router),
            });
            return self;
        }
        match access {
            RouteAccess::Ordinary => Self {
                ordinary: add(self.ordinary),
                ..self
            },
            RouteAccess::Always => Self {
                always: add(self.always),
                ..self
            },
            RouteAccess::StartsExecution => Self {
                starting: add(self.starting),
                ..self
            },
        }
    }
}

impl MaintenanceRouter {
    /// Puts the gate in front of the application as a whole, and gives a service that a server can take. While the
    /// gate is open, a request on a route without a flag pays for one count and the box of its body.
    /// [`MaintenanceService`] says which of its two routers gets which request.
    ///
    /// Layers that refused visitors need as well go around it, with `ServiceBuilder` or [`Layer::layer`].
    ///
    /// # Errors
    ///
    /// As of [`into_router`](Self::into_router).
    ///
    /// # Panics
    ///
    /// As of [`into_router`](Self::into_router).
    pub fn into_service(
        self,
        maintenance: MaintenanceBuilder,
    ) -> Result<MaintenanceService, ConfigError> {
        let layer = self.layer_from(maintenance)?;
        let flagged = self.flagged.iter().map(|pattern| Flagged::new(pattern));
        let flagged = flagged.collect();
        let unknown = self.unknown;
        let (always, starting) = (self.always.clone(), self.starting.clone());
        let whole = with_flags_gated(always, starting, self.scoped.clone(), &layer)
            .merge(self.ordinary.clone())
            .with_state(());
        let router = self.gated(&layer).with_state(());
        let by_route = ByRoute {
            router,
            flagged,
            unknown,
        };
        Ok(MaintenanceService::new(layer.layer(whole), by_route))
    }
}

fn scoped<S, S2>(
    scoped: Vec<Scoped<S>>,
    change: impl Fn(Router<S>) -> Router<S2>,
) -> Vec<Scoped<S2>> {
    let changed = scoped.into_iter().map(|routes| Scoped {
        scopes: routes.scopes,
        access: routes.access,
        router: change(routes.router),
    });
    changed.collect()
}

/// The routes with a flag or a scope, each behind the gate.
fn with_flags_gated<S>(
    always: Router<S>,
    starting: Router<S>,
    scoped: Vec<Scoped<S>>,
    layer: &MaintenanceLayer,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let always = always.layer(layer.for_routes(RouteAccess::Always));
    let gated = always.merge(starting.layer(layer.for_routes(RouteAccess::StartsExecution)));
    scoped.into_iter().fold(gated, |gated, routes| {
        let layer = match routes.access {
            RouteAccess::Ordinary => layer.clone(),
            access => layer.for_routes(access),
        };
        let scopes = routes.scopes.iter().cloned();
        let layer = scopes.fold(layer, |layer, scope| layer.for_scope(scope));
        gated.merge(routes.router.layer(layer))
    })
}

/// The patterns of a router whose routes cannot be listed.
fn everything() -> Vec<String> {
    ["/", "/{*path}"].map(str::to_owned).into()
}

impl<S> Default for MaintenanceRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<S> From<Router<S>> for MaintenanceRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// Routes without a flag.
    fn from(router: Router<S>) -> Self {
        Self::flagged(router, RouteAccess::Ordinary)
    }
}
