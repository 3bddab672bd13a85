//! The answer that is on its way.

use std::fmt;
use std::future::{Future, Ready, ready as ready_future};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderName, HeaderValue, Response};
use intermission::reply::BYPASSED;
use intermission::{AdmitReason, Decision};
use pin_project_lite::pin_project;

use crate::body::{MaintenanceBody, Passage};

pin_project! {
    /// The future of [`Maintenance`](crate::Maintenance): the application's own, or a reply that is already made.
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F> {
        Application {
            // Dropped before the passage, so that whatever the future does when it is dropped still counts.
            #[pin]
            future: F,
            passage: Passage,
        },
        Reply {
            #[pin]
            reply: Ready<Response<Bytes>>,
        },
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) const fn application(future: F, passage: Passage) -> Self {
        Self {
            kind: Kind::Application { future, passage },
        }
    }

    pub(crate) fn reply(reply: Response<Bytes>) -> Self {
        Self {
            kind: Kind::Reply {
                reply: ready_future(reply),
            },
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
        match self.project().kind.project() {
            KindProjection::Application { future, passage } => {
                let result = ready!(future.poll(cx));
                let passage = std::mem::take(passage);
                let (mut parts, body) = match result {
                    Ok(response) => response.into_parts(),
                    Err(error) => return Poll::Ready(Err(error)),
                };
                if let Passage::Asked(asked) = &passage {
                    mark(&mut parts, asked.reason);
                }
                let body = MaintenanceBody::application(body, passage);
                Poll::Ready(Ok(Response::from_parts(parts, body)))
            }
            KindProjection::Reply { reply } => {
                let reply = ready!(reply.poll(cx));
                Poll::Ready(Ok(reply.map(MaintenanceBody::reply)))
            }
        }
    }
}

/// Tells outer layers the rule, and everybody else that this response is not for everybody.
#[cold]
fn mark(response: &mut Parts, reason: AdmitReason) {
    response.extensions.insert(Decision::Admit(reason));
    if reason.is_bypass() {
        for (name, value) in BYPASSED {
            let name = HeaderName::from_static(name);
            response.headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Application { .. } => "application",
            Kind::Reply { .. } => "reply",
        };
        f.debug_tuple("ResponseFuture").field(&kind).finish()
    }
}
