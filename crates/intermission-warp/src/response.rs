//! Responses that take along what counts for as long as their body lasts.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, Entry};
use http_body::Body;
use intermission::{AdmitReason, Decision};
use intermission_tower::{Passage, mark_admitted};
use pin_project_lite::pin_project;
use warp::{Reply, reply};

/// The response, with a passage that lasts until its body has ended or was dropped.
pub(crate) fn counted(response: reply::Response, passage: Passage) -> reply::Response {
    if passage.is_uncounted() {
        return response;
    }
    lasting(response, passage)
}

/// The response, with something that lasts until its body has ended or was dropped.
///
/// warp's body can be made of bytes or of a stream only, so it is boxed once more, and `Content-Length` is written here.
pub(crate) fn lasting<T>(response: reply::Response, kept: T) -> reply::Response
where
    T: Send + Sync + 'static,
{
    if response.body().is_end_stream() {
        // Nothing is left to wait for.
        return response;
    }
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && let Entry::Vacant(place) = parts.headers.entry(CONTENT_LENGTH)
    {
        place.insert(HeaderValue::from(length));
    }
    let kept = Some(kept);
    let (_, body) = reply::stream(Lasting { body, kept })
        .into_response()
        .into_parts();
    reply::Response::from_parts(parts, body)
}

/// The response to a request that was let in past a gate that had to be asked.
pub(crate) fn marked(mut response: reply::Response, reason: AdmitReason) -> reply::Response {
    // A handler may have answered with a refusal: of the execution that it would have started.
    let is_refusal = matches!(response.extensions().get(), Some(Decision::Refuse(_)));
    if !is_refusal {
        mark_admitted(&mut response, reason);
    }
    response
}

pin_project! {
    /// The data of a body. Trailers are lost, as warp has none.
    struct Lasting<B, T> {
        // Dropped before what is kept, so that whatever it does when it is dropped still counts.
        #[pin]
        body: B,
        kept: Option<T>,
    }
}

impl<B, T> Stream for Lasting<B, T>
where
    B: Body<Data = Bytes>,
{
    type Item = Result<Bytes, B::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let this = self.as_mut().project();
            let item = match ready!(this.body.poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    Err(_trailers) => continue,
                },
                Some(Err(error)) => Some(Err(error)),
                None => None,
            };
            if !matches!(item, Some(Ok(_))) {
                *this.kept = None;
            }
            return Poll::Ready(item);
        }
    }
}
