//! The middleware that asks the gate.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use intermission::adapter::{FlagOf, Passage};
use intermission::{Gate, RouteAccess, ScopeName};

use crate::ask::{Asked, begins_conversation};
use crate::body::MaintenanceBody;
use crate::builder::MaintenanceBuilder;
use crate::future::MaintenanceFuture;
use crate::settings::Settings;

/// Puts a [`Gate`] in front of an application, a scope or a resource, with `wrap`. Clones share their settings.
///
/// Make it once, with [`maintenance`](crate::maintenance), and clone it into the factory of each worker. See the
/// [crate's documentation](crate) for an example.
#[derive(Clone, Debug)]
#[must_use = "a middleware does nothing until something is wrapped in it"]
pub struct Maintenance {
    settings: Arc<Settings>,
    flag: FlagOf,
}

impl Maintenance {
    /// The settings of a middleware that asks this gate.
    pub fn builder(gate: Gate) -> MaintenanceBuilder {
        MaintenanceBuilder::new(gate)
    }

    pub(crate) const fn new(settings: Arc<Settings>, flag: FlagOf) -> Self {
        Self { settings, flag }
    }

    /// The same for a resource or a scope with this flag: the table is not asked.
    ///
    /// A request that goes through two of them counts twice, and the outer one decides for both; so this is for an
    /// application that is not wrapped as a whole. [`MaintenanceScope`](crate::MaintenanceScope) does it for you.
    pub fn for_routes(&self, access: RouteAccess) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
            flag: FlagOf::All(access),
        }
    }

    /// The same for a resource or a scope of actix-web's that belongs to this scope of the site, in addition to those of
    /// which the settings tell: see [`with_scopes`](crate::MaintenanceBuilder::with_scopes).
    pub fn for_scope(&self, scope: ScopeName) -> Self {
        Self {
            settings: Arc::new(self.settings.in_scope(scope)),
            flag: self.flag,
        }
    }

    /// The gate that is asked.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        self.settings.gate()
    }
}

impl<S, B> Transform<S, ServiceRequest> for Maintenance
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
    B: MessageBody,
{
    type Response = ServiceResponse<MaintenanceBody<B>>;
    type Error = S::Error;
    type Transform = MaintenanceMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(MaintenanceMiddleware {
            service,
            settings: Arc::clone(&self.settings),
            flag: self.flag,
            is_scoped: self.settings.is_scoped(),
        }))
    }
}

/// Asks the gate about each request before the wrapped service sees it. Made by [`Maintenance`].
#[derive(Debug)]
pub struct MaintenanceMiddleware<S> {
    service: S,
    settings: Arc<Settings>,
    flag: FlagOf,
    /// Whether requests may belong to scopes.
    is_scoped: bool,
}

impl<S, B> MaintenanceMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    #[cold]
    fn ask(&self, request: ServiceRequest, access: RouteAccess) -> MaintenanceFuture<S::Future> {
        let (method, headers) = (request.method(), request.headers());
        let lasts = self.is_scoped && begins_conversation(method, headers);
        let asked = self.settings.ask(request.request(), access, lasts);
        match asked {
            Asked::Admitted(passage) => {
                MaintenanceFuture::application(self.service.call(request), passage)
            }
            Asked::Answered(response) => {
                // The payload is dropped unread.
                let (request, _) = request.into_parts();
                MaintenanceFuture::answered(ServiceResponse::new(request, response))
            }
        }
    }
}

impl<S, B> Service<ServiceRequest> for MaintenanceMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
    B: MessageBody,
{
    type Response = ServiceResponse<MaintenanceBody<B>>;
    type Error = S::Error;
    type Future = MaintenanceFuture<S::Future>;

    forward_ready!(service);

    #[inline]
    fn call(&self, req: ServiceRequest) -> Self::Future {
        let access = match self.flag {
            FlagOf::All(access) => access,
            FlagOf::Table => self.settings.look_up(&req),
        };
        let gate = self.settings.gate();
        if self.is_scoped
            && (gate.has_closed_scopes() || begins_conversation(req.method(), req.headers()))
        {
            return self.ask(req, access);
        }
        match Passage::if_open(gate, req.method().as_str(), access) {
            Some(passage) => MaintenanceFuture::application(self.service.call(req), passage),
            None => self.ask(req, access),
        }
    }
}
