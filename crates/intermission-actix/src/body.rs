//! The body of a response that went through the middleware.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use intermission::adapter::Passage;
use pin_project_lite::pin_project;

use crate::reply::ReplyBody;

pin_project! {
    /// The body of a response that went through [`Maintenance`](crate::Maintenance): the application's own, or that of
    /// a refusal.
    ///
    /// The application's body is passed on as it is: its pieces and its size. The request counts as in flight until
    /// the body has ended, has failed or is dropped.
    pub struct MaintenanceBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Application {
            // Dropped before the passage, so that whatever it does when it is dropped still counts.
            #[pin]
            body: B,
            passage: Passage,
        },
        Reply {
            reply: ReplyBody,
        },
    }
}

impl<B> MaintenanceBody<B> {
    pub(crate) const fn application(body: B, passage: Passage) -> Self {
        Self {
            kind: Kind::Application { body, passage },
        }
    }

    pub(crate) const fn reply(reply: ReplyBody) -> Self {
        Self {
            kind: Kind::Reply { reply },
        }
    }
}

impl<B: MessageBody> MessageBody for MaintenanceBody<B> {
    type Error = B::Error;

    #[inline]
    fn size(&self) -> BodySize {
        match &self.kind {
            Kind::Application { body, .. } => body.size(),
            Kind::Reply { reply } => reply.size(),
        }
    }

    #[inline]
    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.project().kind.project() {
            KindProjection::Application { body, passage } => {
                let piece = ready!(body.poll_next(cx));
                if !matches!(piece, Some(Ok(_))) {
                    drop(std::mem::take(passage));
                }
                Poll::Ready(piece)
            }
            KindProjection::Reply { reply } => Poll::Ready(reply.take().map(Ok)),
        }
    }

    /// Boxes a body that counts for nothing as what it is, so that it is not boxed twice.
    fn boxed(self) -> BoxBody
    where
        Self: Sized + 'static,
    {
        match self.kind {
            Kind::Application { body, passage } if passage.is_uncounted() => body.boxed(),
            kind => BoxBody::new(Self { kind }),
        }
    }
}

impl<B> fmt::Debug for MaintenanceBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Application { .. } => "application",
            Kind::Reply { .. } => "reply",
        };
        f.debug_tuple("MaintenanceBody").field(&kind).finish()
    }
}
