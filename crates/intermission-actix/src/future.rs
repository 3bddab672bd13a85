//! The answer that is on its way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::dev::ServiceResponse;
use actix_web::http::header::HeaderName;
use intermission::Decision;
use intermission::adapter::Passage;
use pin_project_lite::pin_project;

use crate::body::MaintenanceBody;
use crate::headers::header_value;
use crate::reply::ReplyBody;

pin_project! {
    /// The future of [`MaintenanceMiddleware`](crate::MaintenanceMiddleware): the application's own, which is not
    /// boxed, or a reply that is already made.
    pub struct MaintenanceFuture<F> {
        // Dropped before the outcome, so that whatever it does when it is dropped still counts.
        #[pin]
        application: Option<F>,
        outcome: Outcome,
    }
}

enum Outcome {
    Admitted(Passage),
    /// `None` when it was given out.
    Answered(Option<Box<ServiceResponse<ReplyBody>>>),
}

impl<F> MaintenanceFuture<F> {
    #[inline]
    pub(crate) const fn application(future: F, passage: Passage) -> Self {
        Self {
            application: Some(future),
            outcome: Outcome::Admitted(passage),
        }
    }

    pub(crate) fn answered(response: ServiceResponse<ReplyBody>) -> Self {
        Self {
            application: None,
            outcome: Outcome::Answered(Some(Box::new(response))),
        }
    }
}

impl<F, B, E> Future for MaintenanceFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, E>>,
{
    type Output = Result<ServiceResponse<MaintenanceBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(application) = this.application.as_pin_mut() else {
            let response = this.outcome.response();
            return Poll::Ready(Ok(response.map_body(|_, body| MaintenanceBody::reply(body))));
        };
        Poll::Ready(match ready!(application.poll(cx)) {
            Ok(response) => {
                let passage = this.outcome.passage();
                if passage.reason().is_some() {
                    return Poll::Ready(Ok(marked(response, passage)));
                }
                Ok(response.map_body(|_, body| MaintenanceBody::application(body, passage)))
            }
            Err(error) => {
                // Whoever called may keep this future for a while; the request has ended.
                drop(this.outcome.passage());
                Err(error)
            }
        })
    }
}

impl Outcome {
    #[inline]
    fn passage(&mut self) -> Passage {
        match self {
            Self::Admitted(passage) => std::mem::take(passage),
            Self::Answered(_) => Passage::uncounted(),
        }
    }

    #[cold]
    fn response(&mut self) -> ServiceResponse<ReplyBody> {
        let response = match self {
            Self::Answered(response) => response.take(),
            Self::Admitted(_) => None,
        };
        #[expect(
            clippy::expect_used,
            reason = "to poll a future after its end is a bug of the caller, and `async` blocks panic for it as well"
        )]
        *response.expect("`MaintenanceFuture` was polled after it was ready")
    }
}

/// A response through a gate that had to be asked. By value, so that the others need not be in memory for its sake.
#[cold]
fn marked<B>(
    mut response: ServiceResponse<B>,
    passage: Passage,
) -> ServiceResponse<MaintenanceBody<B>> {
    mark(&mut response, &passage);
    response.map_body(|_, body| MaintenanceBody::application(body, passage))
}

/// Tells outer middleware the rule, caches and pages that this response is not what everybody gets, and visitors what is
/// planned.
#[cold]
fn mark<B>(response: &mut ServiceResponse<B>, passage: &Passage) {
    if let Some(reason) = passage.reason() {
        let decision = Decision::Admit(reason);
        response.response_mut().extensions_mut().insert(decision);
    }
    for (name, value) in passage.headers() {
        if let Some(value) = header_value(value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
}

impl<F> fmt::Debug for MaintenanceFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.outcome {
            Outcome::Admitted(_) => "admitted",
            Outcome::Answered(_) => "answered",
        };
        f.debug_tuple("MaintenanceFuture").field(&kind).finish()
    }
}
