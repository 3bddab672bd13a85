//! The body of a response that went through the layer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use intermission::adapter::Passage;
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response that went through [`Maintenance`](crate::Maintenance): the application's own, or that of
    /// a refusal.
    ///
    /// The application's body is passed on as it is: its frames, its trailers, its size. The request counts as in
    /// flight until the body has ended, has failed or is dropped.
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
            data: Option<Bytes>,
        },
    }
}

impl<B> MaintenanceBody<B> {
    pub(crate) const fn application(body: B, passage: Passage) -> Self {
        Self {
            kind: Kind::Application { body, passage },
        }
    }

    pub(crate) fn reply(data: Bytes) -> Self {
        let data = Some(data).filter(|data| !data.is_empty());
        Self {
            kind: Kind::Reply { data },
        }
    }
}

impl<B> MaintenanceBody<B> {
    /// The application's own body, if nothing counts for as long as it lasts.
    ///
    /// For frameworks with a boxed body of their own, which need not box it a second time.
    ///
    /// # Errors
    ///
    /// The body itself, if something counts, or if it is not the application's.
    #[inline]
    pub fn into_uncounted(self) -> Result<B, Self> {
        match self.kind {
            Kind::Application { body, passage } if passage.is_uncounted() => Ok(body),
            kind => Err(Self { kind }),
        }
    }
}

impl<B> Body for MaintenanceBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().kind.project() {
            KindProjection::Application { body, passage } => {
                let frame = ready!(body.poll_frame(cx));
                if !matches!(frame, Some(Ok(_))) {
                    drop(std::mem::take(passage));
                }
                Poll::Ready(frame)
            }
            KindProjection::Reply { data } => {
                Poll::Ready(data.take().map(|data| Ok(Frame::data(B::Data::from(data)))))
            }
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Application { body, .. } => body.is_end_stream(),
            Kind::Reply { data } => data.is_none(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Application { body, .. } => body.size_hint(),
            Kind::Reply { data } => {
                let length = data.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
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
