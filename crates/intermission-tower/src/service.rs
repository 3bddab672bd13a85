//! The service that asks the gate.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use intermission::{Admitted, Gate, RouteAccess};
use tower_service::Service;

use crate::body::{Guards, MaintenanceBody};
use crate::closed::Verdict;
use crate::execution::{EndsWithResponse, ExecutionHandle};
use crate::future::{Passage, ResponseFuture};
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
        let gate = self.settings.gate();
        match gate.admit_open(request.method().as_str(), access) {
            // An open route counts nobody, and so says nothing about the gate.
            Some(admitted) if access != RouteAccess::Always || gate.is_open() => {
                let passage = Passage::unasked(admitted);
                ResponseFuture::application(self.inner.call(request), passage)
            }
            _ => self.ask(request, access),
        }
    }
}

impl Passage {
    #[inline]
    fn unasked(admitted: Admitted) -> Self {
        let guards = Guards {
            execution: None,
            in_flight: admitted.in_flight,
        };
        Self {
            guards,
            asked: None,
        }
    }

    /// Takes over what an asked gate gave, and the handle that the handler is to find.
    pub(crate) fn asked(admitted: Admitted) -> (Self, Option<ExecutionHandle>) {
        let Admitted {
            reason,
            in_flight,
            execution,
            ..
        } = admitted;
        let handle = execution.map(ExecutionHandle::new);
        let guards = Guards {
            execution: handle.clone().map(EndsWithResponse),
            in_flight,
        };
        let passage = Self {
            guards,
            asked: Some(reason),
        };
        (passage, handle)
    }
}
