//! Responses that take along what counts for as long as their body lasts.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode};
use http_body::Body;
use intermission::Decision;
use intermission_tower::{Passage, mark_admitted};
use pin_project_lite::pin_project;
use warp::{Reply, reply};

/// The response, with a passage that lasts until its body has ended or was dropped.
///
/// warp's body can be made of bytes or of a stream only, so it is boxed once more, and `Content-Length` is written here.
pub(crate) fn counted(mut response: reply::Response, passage: Passage) -> reply::Response {
    if passage.is_uncounted() || response.body().is_end_stream() {
        // Nothing is left to wait for.
        return response;
    }
    if let Some(length) = length(&response) {
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    let body = std::mem::take(response.body_mut());
    let stream = reply::stream(Counted { body, passage }).into_response();
    *response.body_mut() = stream.into_body();
    response
}

/// The `Content-Length` that a server would add by itself, if it saw the body.
fn length(response: &reply::Response) -> Option<HeaderValue> {
    let length = response.body().size_hint().exact()?;
    let status = response.status();
    let is_sent = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        && !status.is_informational();
    // There are few, so that two hashes cost more than a look at each.
    let mut names = response.headers().keys();
    let is_framed = names.any(|name| name == CONTENT_LENGTH || name == TRANSFER_ENCODING);
    if !is_sent || is_framed {
        return None;
    }
    // From text it is one allocation, and from the number it would be two.
    HeaderValue::try_from(length.to_string()).ok()
}

/// The response, with what outer filters and visitors are told if the gate had to be asked.
pub(crate) fn marked(mut response: reply::Response, passage: &Passage) -> reply::Response {
    // A gate further inside knew better what the request was for.
    if passage.reason().is_some() && response.extensions().get::<Decision>().is_none() {
        mark_admitted(&mut response, passage);
    }
    response
}

pin_project! {
    /// The data of a body. Trailers are lost, as warp has none.
    struct Counted<B> {
        // Dropped before the passage, so that whatever it does when it is dropped still counts.
        #[pin]
        body: B,
        passage: Passage,
    }
}

impl<B> Stream for Counted<B>
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
                drop(std::mem::take(this.passage));
            }
            return Poll::Ready(item);
        }
    }
}
