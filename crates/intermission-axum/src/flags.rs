//! The flag of a route, written beside the route.

use axum::Router;
use axum::routing::MethodRouter;
use intermission::{RequestScopes, RouteAccess, ScopeName};

use crate::router::MaintenanceRouter;

/// Handlers of a path with the flag that they share. Made by [`MethodRouterExt`], for
/// [`MaintenanceRouter::route`].
#[derive(Clone, Debug)]
#[must_use = "a flag does nothing until the route is added to a `MaintenanceRouter`"]
pub struct FlaggedRoute<S = ()> {
    pub(crate) methods: MethodRouter<S>,
    pub(crate) access: RouteAccess,
    pub(crate) scopes: RequestScopes,
}

impl<S> FlaggedRoute<S> {
    /// The same, as a part of this scope of the site: it can be closed by itself.
    ///
    /// ```
    /// use axum::routing::{get, post};
    /// use intermission::ScopeName;
    /// use intermission_axum::{MaintenanceRouter, MethodRouterExt};
    ///
    /// let billing: ScopeName = "billing".parse()?;
    /// let router: MaintenanceRouter = MaintenanceRouter::new()
    ///     .route("/invoices", get(|| async { "all" }).in_scope(billing.clone()))
    ///     .route("/bill", post(|| async { "started" }).starts_execution().in_scope(billing));
    /// # drop(router);
    /// # Ok::<(), intermission::BadScopeName>(())
    /// ```
    pub fn in_scope(mut self, scope: ScopeName) -> Self {
        self.scopes = self.scopes.and(scope);
        self
    }
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

    /// Without a flag, as a part of this scope of the site: it can be closed by itself. To have a flag, too, it gets that
    /// first, and then its scope by [`FlaggedRoute::in_scope`].
    fn in_scope(self, scope: ScopeName) -> FlaggedRoute<S> {
        self.with_access(RouteAccess::Ordinary).in_scope(scope)
    }

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
            scopes: RequestScopes::none(),
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

    /// Without a flag, as a part of this scope of the site: all routes of it can be closed by themselves.
    fn in_scope(self, scope: ScopeName) -> MaintenanceRouter<S>;

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

    fn in_scope(self, scope: ScopeName) -> MaintenanceRouter<S> {
        MaintenanceRouter::from(self).in_scope(scope)
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
