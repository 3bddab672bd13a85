//! The flag of a resource or a scope, written beside it.

use std::fmt;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{Error, Resource, Scope};
use intermission::{RouteAccess, ScopeName};

use crate::middleware::Maintenance;
use crate::scope::MaintenanceScope;

/// Puts one service of a scope behind the gate.
type Register = Box<dyn FnOnce(Scope, &Maintenance) -> Scope>;

/// A resource or a scope with its flag. Made by [`MaintenanceExt`], for [`MaintenanceScope::service`].
#[must_use = "a flag does nothing until the service is added to a `MaintenanceScope`"]
pub struct FlaggedService {
    pub(crate) register: Register,
}

impl FlaggedService {
    fn new(register: impl FnOnce(Scope, &Maintenance) -> Scope + 'static) -> Self {
        Self {
            register: Box::new(register),
        }
    }

    /// The same, as a part of this scope of the site: it can be closed by itself.
    ///
    /// ```
    /// use actix_web::web;
    /// use intermission::ScopeName;
    /// use intermission_actix::{MaintenanceExt, MaintenanceScope};
    ///
    /// let billing: ScopeName = "billing".parse()?;
    /// let start = || async { "started" };
    /// let scope = MaintenanceScope::new("")
    ///     .service(web::resource("/invoices").to(|| async { "all" }).in_scope(billing.clone()))
    ///     .service(web::resource("/bill").to(start).starts_execution().in_scope(billing));
    /// # drop(scope);
    /// # Ok::<(), intermission::BadScopeName>(())
    /// ```
    pub fn in_scope(self, name: ScopeName) -> Self {
        Self::new(move |scope, maintenance| (self.register)(scope, &maintenance.for_scope(name)))
    }
}

impl fmt::Debug for FlaggedService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlaggedService").finish_non_exhaustive()
    }
}

/// Flags for resources and scopes.
///
/// # Examples
///
/// ```
/// use actix_web::{HttpResponse, guard, web};
/// use intermission_actix::{MaintenanceExt, MaintenanceScope};
///
/// let list = || async { "a list" };
/// let start = || async { HttpResponse::Accepted() };
/// let scope = MaintenanceScope::new("/jobs")
///     // Methods of one path may have different flags: the guard belongs on the resource then.
///     .service(web::resource("").guard(guard::Post()).to(start).starts_execution())
///     .service(web::resource("").to(list))
///     .service(web::scope("/health").service(web::resource("/live").to(list)).always());
/// # drop(scope);
/// ```
pub trait MaintenanceExt: sealed::Sealed + Sized {
    /// With this flag. On a scope it holds for all that is below its prefix, and so for the `default_service` that
    /// answers where nothing in the scope matches.
    fn with_access(self, access: RouteAccess) -> FlaggedService;

    /// Without a flag, as a part of this scope of the site: it can be closed by itself. To have a flag, too, it gets that
    /// first, and then its scope by [`FlaggedService::in_scope`].
    fn in_scope(self, name: ScopeName) -> FlaggedService {
        self.with_access(RouteAccess::Ordinary).in_scope(name)
    }

    /// Open to everybody at all times: health checks, login.
    fn always(self) -> FlaggedService {
        self.with_access(RouteAccess::Always)
    }

    /// Begins work that a drain waits for, and so closes as soon as the drain begins. The handler gets at the
    /// execution with [`StartedExecution`](crate::StartedExecution).
    fn starts_execution(self) -> FlaggedService {
        self.with_access(RouteAccess::StartsExecution)
    }
}

impl<T, B> MaintenanceExt for Resource<T>
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    fn with_access(self, access: RouteAccess) -> FlaggedService {
        FlaggedService::new(move |scope, maintenance| {
            scope.service(self.wrap(maintenance.for_routes(access)))
        })
    }
}

impl<T, B> MaintenanceExt for Scope<T>
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    fn with_access(self, access: RouteAccess) -> FlaggedService {
        FlaggedService::new(move |scope, maintenance| {
            scope.service(self.wrap(maintenance.for_routes(access)))
        })
    }
}

impl<T> From<Resource<T>> for FlaggedService
where
    Resource<T>: MaintenanceExt,
{
    /// Without a flag, a resource is [`RouteAccess::Ordinary`].
    fn from(resource: Resource<T>) -> Self {
        resource.with_access(RouteAccess::Ordinary)
    }
}

impl<T> From<Scope<T>> for FlaggedService
where
    Scope<T>: MaintenanceExt,
{
    /// Without a flag, a scope is [`RouteAccess::Ordinary`] as a whole.
    fn from(scope: Scope<T>) -> Self {
        scope.with_access(RouteAccess::Ordinary)
    }
}

impl From<MaintenanceScope> for FlaggedService {
    /// Each service of the inner scope keeps its own flag.
    fn from(inner: MaintenanceScope) -> Self {
        Self::new(move |scope, maintenance| scope.service(inner.behind(maintenance)))
    }
}

/// The flags are this crate's, so that a new one is no break.
mod sealed {
    use actix_web::{Resource, Scope};

    #[expect(unnameable_types, reason = "nobody else is to implement the trait")]
    pub trait Sealed {}

    impl<T> Sealed for Resource<T> {}
    impl<T> Sealed for Scope<T> {}
}
