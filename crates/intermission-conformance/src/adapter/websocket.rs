//! As much of RFC 6455 as a short conversation needs.

use crate::failure::{Checked, Failure};

use super::Route;
use super::http1::{Received, Request, Wire, get};
use super::stage::Stage;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// The request that asks for a conversation, with the key of the RFC's example.
pub(crate) fn upgrade() -> Request {
    get(Route::WEBSOCKET)
        .with("upgrade", "websocket")
        .with("sec-websocket-version", "13")
        .with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// A conversation that has begun.
pub(crate) struct Conversation {
    wire: Wire,
}

impl Conversation {
    /// Begins one; or gives what was answered instead.
    pub(crate) async fn begin(stage: &Stage, request: &Request) -> Checked<Result<Self, Received>> {
        let mut wire = stage.wire().await?;
        wire.send(&request.bytes("upgrade")).await?;
        let head = wire.head().await?;
        if head.status != 101 {
            return Ok(Err(head));
        }
        let accept = head.one("sec-websocket-accept")?;
        if accept != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
            return Err(Failure::new(format!("the key was answered by {accept}")));
        }
        Ok(Ok(Self { wire }))
    }

    /// Begins one that must be let in.
    pub(crate) async fn begun(stage: &Stage, request: &Request) -> Checked<Self> {
        Self::begin(stage, request)
            .await?
            .map_err(|refused| Failure::new(format!("there is no conversation: {refused:?}")))
    }

    /// Says a word, and expects it back.
    pub(crate) async fn echo(&mut self, word: &str) -> Checked {
        let length = u8::try_from(word.len())?;
        // Masked, as a client must, with zeros.
        let mut frame = vec![TEXT, 0x80 | length, 0, 0, 0, 0];
        frame.extend_from_slice(word.as_bytes());
        self.wire.send(&frame).await?;
        let mut expected = vec![TEXT, length];
        expected.extend_from_slice(word.as_bytes());
        let echoed = self.wire.take(expected.len()).await?;
        if echoed != expected {
            return Err(Failure::new(format!("{word:?} came back as {echoed:?}")));
        }
        Ok(())
    }

    /// The close frame with the code 1012, service restart.
    pub(crate) async fn expect_restart(&mut self) -> Checked {
        match self.wire.take(4).await?[..] {
            [CLOSE, _, high, low] if u16::from_be_bytes([high, low]) == 1012 => Ok(()),
            ref other => Err(Failure::new(format!(
                "the conversation ended with {other:?} and not with the code 1012"
            ))),
        }
    }
}
