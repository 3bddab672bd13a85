//! The service that asks the gate.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use intermission::adapter::{FlagOf, Passage};
use intermission::{Gate, RouteAccess};
use tower_service::Service;

use crate::ask::{Asked, begins_conversation};
use crate::body::MaintenanceBody;
use crate::future::ResponseFuture;
use crate::settings::Settings;

/// Asks the gate about each request before the inner service sees it. Made by
/// [`MaintenanceLayer`](crate::MaintenanceLayer).
///
/// See the [crate's documentation](crate) for an example.
#[derive(Clone, Debug)]
pub struct Maintenance<S> {
    inner: S,
    settings: Arc<Settings>,
    flag: FlagOf,
}

impl<S> Maintenance<S> {
    pub(crate) const fn new(inner: S, settings: Arc<Settings>, flag: FlagOf) -> Self {
        Self {
            inner,
            settings,
            flag,
        }
    }

    /// The gate that is asked.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        self.settings.gate()
    }

    /// The service behind the gate.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    #[cold]
    fn ask<ReqBody, ResBody>(
        &mut self,
        request: Request<ReqBody>,
        access: RouteAccess,
    ) -> ResponseFuture<S::Future>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    {
        let (mut parts, body) = request.into_parts();
        let lasts = self.settings.is_scoped() && begins_conversation(&parts.method, &parts.headers);
        let asked = self.settings.ask(&mut parts, access, lasts);
        match asked {
            Asked::Admitted(passage) => {
                let request = Request::from_parts(parts, body);
                ResponseFuture::application(self.inner.call(request), passage)
            }
            Asked::Answered(response) => ResponseFuture::answered(response),
        }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Maintenance<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<MaintenanceBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    /// Calls the inner service on `self`, which is the one that was polled: a clone may not be ready.
    #[inline]
    fn call(&mut self, req: Request<ReqBody>) -> Self::Future {
        let access = match self.flag {
            FlagOf::All(access) => access,
            FlagOf::Table => self.settings.look_up(&req),
        };
        let gate = self.settings.gate();
        if self.settings.is_scoped()
            && (gate.has_closed_scopes() || begins_conversation(req.method(), req.headers()))
        {
            return self.ask(req, access);
        }
        match Passage::if_open(gate, req.method().as_str(), access) {
            Some(passage) => ResponseFuture::application(self.inner.call(req), passage),
            None => self.ask(req, access),
        }
    }
}
