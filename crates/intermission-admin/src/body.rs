//! Bodies of requests, as far as they are read.

use std::future::poll_fn;
use std::pin::pin;

use bytes::{Buf, BufMut};
use futures_core::Stream;

use crate::request::BodyError;

/// Reads a body that comes in pieces, and at most `limit` bytes of it: for mounts, whose frameworks have a stream each.
///
/// # Errors
///
/// The body is longer than that, in which case the rest is neither kept nor asked for; or the stream failed.
///
/// # Cancel safety
///
/// What was read is lost with the call.
pub async fn read_body<S, B, E>(stream: S, limit: usize) -> Result<Vec<u8>, BodyError>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut stream = pin!(stream);
    let mut body = Vec::new();
    while let Some(piece) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        let piece = piece.map_err(|_| BodyError::Broken)?;
        if piece.remaining() > limit - body.len() {
            return Err(BodyError::TooLarge);
        }
        body.put(piece);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    /// Pieces that are there at once, and how many of them were not asked for.
    struct Pieces(VecDeque<Result<&'static [u8], ()>>);

    impl Stream for Pieces {
        type Item = Result<&'static [u8], ()>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_no_further() {
        for (pieces, expected, left) in [
            (vec![], Ok(b"".to_vec()), 0),
            (vec![Ok("ab"), Ok(""), Ok("cd")], Ok(b"abcd".to_vec()), 0),
            (
                vec![Ok("abcd"), Ok("e"), Ok("f")],
                Err(BodyError::TooLarge),
                1,
            ),
            (vec![Ok("abcde"), Ok("f")], Err(BodyError::TooLarge), 1),
            (vec![Ok("a"), Err(()), Ok("b")], Err(BodyError::Broken), 1),
        ] {
            let pieces = pieces.into_iter().map(|piece| piece.map(str::as_bytes));
            let mut stream = Pieces(pieces.collect());
            assert_eq!(read_body(Pin::new(&mut stream), 4).await, expected);
            assert_eq!(stream.0.len(), left);
        }
    }
}
