//! The answer that is on its way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderName, Response};
use intermission::Decision;
use intermission::adapter::Passage;
use pin_project_lite::pin_project;

use crate::body::MaintenanceBody;
use crate::headers::header_value;

pin_project! {
    /// The future of [`Maintenance`](crate::Maintenance): the application's own, or a reply that is already made.
    pub struct ResponseFuture<F> {
        // An `Option` beside the rest instead of an enum around both: that spares a copy of the application's future,
        // which is the largest thing on the way of a request. It is dropped before the passage, so that whatever it
        // does when it is dropped still counts.
        #[pin]
        application: Option<F>,
        outcome: Outcome,
    }
}

enum Outcome {
    Admitted(Passage),
    /// `None` when it was given out.
    Answered(Option<Box<Response<Bytes>>>),
}

impl<F> ResponseFuture<F> {
    #[inline(always)]
    pub(crate) const fn application(future: F, passage: Passage) -> Self {
        Self {
            application: Some(future),
            outcome: Outcome::Admitted(passage),
        }
    }

    /// A future of the application's that counts nowhere: for faces whose gate is asked further inside.
    #[inline(always)]
    #[must_use]
    pub const fn uncounted(application: F) -> Self {
        Self::application(application, Passage::uncounted())
    }

    pub(crate) fn answered(response: Response<Bytes>) -> Self {
        Self {
            application: None,
            outcome: Outcome::Answered(Some(Box::new(response))),
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<MaintenanceBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_into(cx, |body| body)
    }
}

impl<F> ResponseFuture<F> {
    /// As [`Future::poll`], with the body made into another at once: for a face that boxes it. A response is large,
    /// and each time that one is made of another it is copied.
    #[doc(hidden)]
    #[inline(always)]
    pub fn poll_into<B, E, T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: impl FnOnce(MaintenanceBody<B>) -> T,
    ) -> Poll<Result<Response<T>, E>>
    where
        F: Future<Output = Result<Response<B>, E>>,
    {
        let this = self.project();
        let Some(application) = this.application.as_pin_mut() else {
            return Poll::Ready(Ok(this
                .outcome
                .response()
                .map(|body| into(MaintenanceBody::reply(body)))));
        };
        Poll::Ready(match ready!(application.poll(cx)) {
            Ok(response) => {
                let passage = this.outcome.passage();
                if passage.reason().is_some() {
                    return Poll::Ready(Ok(marked(response, passage, into)));
                }
                Ok(response.map(|body| into(MaintenanceBody::application(body, passage))))
            }
            Err(error) => {
                // Whoever called may keep this future for a while; the request has ended.
                drop(this.outcome.passage());
                Err(error)
            }
        })
    }

    /// As [`poll_into`](Self::poll_into), into a body of the same type, which is put in place of the application's: the
    /// response is not copied.
    #[doc(hidden)]
    #[inline(always)]
    pub fn poll_in_place<B, E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: impl FnOnce(MaintenanceBody<B>) -> B,
    ) -> Poll<Result<Response<B>, E>>
    where
        F: Future<Output = Result<Response<B>, E>>,
        B: Default,
    {
        let this = self.project();
        let Some(application) = this.application.as_pin_mut() else {
            return Poll::Ready(Ok(this
                .outcome
                .response()
                .map(|body| into(MaintenanceBody::reply(body)))));
        };
        let mut polled = application.poll(cx);
        if let Poll::Ready(result) = &mut polled {
            // In any case: whoever called may keep this future for a while, and after an error the request has ended.
            let passage = this.outcome.passage();
            if let Ok(response) = result
                && !passage.is_uncounted()
            {
                mark_admitted(response, &passage);
                let body = response.body_mut();
                *body = into(MaintenanceBody::application(std::mem::take(body), passage));
            }
        }
        polled
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
    fn response(&mut self) -> Response<Bytes> {
        let response = match self {
            Self::Answered(response) => response.take(),
            Self::Admitted(_) => None,
        };
        #[expect(
            clippy::expect_used,
            reason = "to poll a future after its end is a bug of the caller, and `async` blocks panic for it as well"
        )]
        *response.expect("`ResponseFuture` was polled after it was ready")
    }
}

/// A response through a gate that had to be asked. By value, so that the others need not be in memory for its sake.
#[cold]
fn marked<B, T>(
    mut response: Response<B>,
    passage: Passage,
    into: impl FnOnce(MaintenanceBody<B>) -> T,
) -> Response<T> {
    mark_asked(&mut response, &passage);
    response.map(|body| into(MaintenanceBody::application(body, passage)))
}

/// If the gate had to be asked, tells outer layers the rule by which the request was let in, caches and pages that this
/// response is not what everybody gets, and visitors what is planned. For crates that adapt a framework whose handlers are
/// no services.
#[inline]
pub fn mark_admitted<B>(response: &mut Response<B>, passage: &Passage) {
    if passage.reason().is_some() {
        mark_asked(response, passage);
    }
}

#[cold]
fn mark_asked<B>(response: &mut Response<B>, passage: &Passage) {
    if let Some(reason) = passage.reason() {
        response.extensions_mut().insert(Decision::Admit(reason));
    }
    for (name, value) in passage.headers() {
        if let Some(value) = header_value(value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.outcome {
            Outcome::Admitted(_) => "admitted",
            Outcome::Answered(_) => "answered",
        };
        f.debug_tuple("ResponseFuture").field(&kind).finish()
    }
}
