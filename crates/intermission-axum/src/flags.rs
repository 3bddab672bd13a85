//! The flag of a route, written beside the route.

use axum::Router;
use axum::routing::MethodRouter;
use intermission::RouteAccess;

use crate::router::MaintenanceRouter;

/// Handlers of a path with the flag that they share. Made by [`MethodRouterExt`], for
/// [`MaintenanceRouter::route`].
#[derive(Clone, Debug)]
#[must_use = "a flag does nothing until the route is added to a `MaintenanceRouter`"]
pub struct FlaggedRoute<S = ()> {
    pub(crate) methods: MethodRouter<S>,
    pub(crate) access: RouteAccess,
}

impl<S> From<MethodRouter<S>> for FlaggedRoute<S> {
    /// Without a flag, a route is [`RouteAccess::Ordinary`].
    fn from(methods: MethodRouter<S>) -> Self {
        methods.with_access(RouteAccess::Ordinary)
    }
}

/// Flags for the handlers of a path.
///
/// # Examples
///
/// ```
/// use axum::routing::{get, post};
/// use intermission_axum::{MaintenanceRouter, MethodRouterExt};
///
/// let router: MaintenanceRouter = MaintenanceRouter::new()
///     .route("/health", get(|| async { "ok" }).always())
///     // Methods of one path may have different flags.
///     .route("/jobs", get(|| async { "a list" }))
///     .route("/jobs", post(|| async { "started" }).starts_execution());
/// # drop(router);
/// ```
pub trait MethodRouterExt<S>: sealed::Sealed + Sized {
    /// With this flag.
    fn with_access(self, access: RouteAccess) -> FlaggedRoute<S>;

    /// Open to everybody at all times: health checks, login.
    fn always(self) -> FlaggedRoute<S> {
        self.with_access(RouteAccess::Always)
    }

    /// Begins work that a drain waits for, and so closes as soon as the drain begins. The handler gets at the
    /// execution with [`StartedExecution`](crate::StartedExecution).
    fn starts_execution(self) -> FlaggedRoute<S> {
        self.with_access(RouteAccess::StartsExecution)
    }
}

impl<S> MethodRouterExt<S> for MethodRouter<S> {
    fn with_access(self, access: RouteAccess) -> FlaggedRoute<S> {
        FlaggedRoute {
            methods: self,
            access,
        }
    }
}

/// Flags for all routes of a router at once, such as one that another crate gives.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use intermission_axum::{MaintenanceRouter, RouterExt};
///
/// fn login() -> Router {
///     Router::new().route("/", get(|| async { "login" }))
/// }
///
/// let router: MaintenanceRouter = MaintenanceRouter::new().nest("/login", login().always());
/// # drop(router);
/// ```
pub trait RouterExt<S>: sealed::Sealed + Sized {
    /// With this flag on every route and on the fallback.
    fn with_access(self, access: RouteAccess) -> MaintenanceRouter<S>;

    /// Open to everybody at all times: health checks, login.
    fn always(self) -> MaintenanceRouter<S> {
        self.with_access(RouteAccess::Always)
    }

    /// Begins work that a drain waits for, and so closes as soon as the drain begins.
    fn starts_execution(self) -> MaintenanceRouter<S> {
        self.with_access(RouteAccess::StartsExecution)
    }
}

impl<S> RouterExt<S> for Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    fn with_access(self, access: RouteAccess) -> MaintenanceRouter<S> {
        MaintenanceRouter::flagged(self, access)
    }
}

/// The flags are this crate's, so that a new one is no break.
mod sealed {
    use axum::Router;
    use axum::routing::MethodRouter;

    #[expect(unnameable_types, reason = "nobody else is to implement the traits")]
    pub trait Sealed {}

    impl<S> Sealed for MethodRouter<S> {}
    impl<S> Sealed for Router<S> {}
}
