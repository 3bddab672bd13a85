//! The service that asks the gate.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use intermission::{Admitted, Gate, RouteAccess};
use tower_service::Service;

use crate::body::{Asked, MaintenanceBody, Passage};
use crate::closed::Verdict;
use crate::execution::{EndsWithResponse, ExecutionHandle};
use crate::future::ResponseFuture;
use crate::settings::{Access, Settings};

/// Asks the gate about each request before the inner service sees it. Made by
/// [`MaintenanceLayer`](crate::MaintenanceLayer).
///
/// See the [crate's documentation](crate) for an example.
#[derive(Clone, Debug)]
pub struct Maintenance<S> {
    inner: S,
    settings: Arc<Settings>,
    access: Access,
}

impl<S> Maintenance<S> {
    pub(crate) const fn new(inner: S, settings: Arc<Settings>, access: Access) -> Self {
        Self {
            inner,
            settings,
            access,
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
        match self.settings.ask(&mut parts, access) {
            Verdict::Admitted(passage) => {
                let request = Request::from_parts(parts, body);
                ResponseFuture::application(self.inner.call(request), passage)
            }
            Verdict::Answered(reply) => ResponseFuture::reply(reply),
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
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let access = match self.access {
            Access::Fixed(access) => access,
            Access::Looked => self.settings.look_up(&request),
        };
        match self.unasked(request.method().as_str(), access) {
            Some(passage) => ResponseFuture::application(self.inner.call(request), passage),
            None => self.ask(request, access),
        }
    }
}

impl<S> Maintenance<S> {
    /// What nobody needs to be asked about.
    #[inline]
    fn unasked(&self, method: &str, access: RouteAccess) -> Option<Passage> {
        let gate = self.settings.gate();
        // An open route counts nobody, and so says nothing about the gate.
        if access == RouteAccess::Always && !gate.is_open() {
            return None;
        }
        match gate.admit_open(method, access)? {
            Admitted { in_flight: Some(in_flight), execution: None, .. } => Some(Passage::Counted { _in_flight: in_flight }),
            _ => Some(Passage::Uncounted),
        }
    }
}

impl Passage {
    /// Takes over what an asked gate gave, and the handle that the handler is to find.
    pub(crate) fn asked(admitted: Admitted) -> (Self, Option<ExecutionHandle>) {
        let Admitted {
            reason,
            in_flight,
            execution,
            ..
        } = admitted;
        let handle = execution.map(ExecutionHandle::new);
        let asked = Asked {
            reason,
            _execution: handle.clone().map(EndsWithResponse),
            _in_flight: in_flight,
        };
        (Self::Asked(Box::new(asked)), handle)
    }
}
