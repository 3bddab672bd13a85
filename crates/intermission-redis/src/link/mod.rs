//! The one connection of a state, watched over by us.
//!
//! The client's own reconnection hangs on a connection that swallows everything, and loses an idle subscription for
//! good. Here:
//!
//! - at most one command is in flight, and its answer repeats what was sent with it;
//! - the connection is out of its slot while a command is in flight, and goes back only after a whole and proper
//!   answer. Whatever else happens, a time-out, an error, an answer to another question, a caller who has gone, drops
//!   it by construction;
//! - the next call opens another one, and finds out anew where.

mod line;
mod redial;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use intermission_core::StateError;
use redis::{Script, Value};
use tokio::sync::Mutex;

pub(crate) use line::{Hearing, Line, Listener};

use crate::address::Address;
use crate::dial::Dialer;
use crate::error::{Failure, Fate};
use redial::Redial;

/// A call ends after this many halves of the limit for one answer, whatever it has to do: wait for others, for its
/// turn to redial, ask several Sentinels. With the usual limit of one second that is half a second before a node
/// loses its patience.
const CALL_HALVES: u32 = 5;

/// A redial waits for at most this many halves of it.
const REDIAL_HALVES: u32 = 3;

/// The one connection of a state. Nothing is opened before the first call.
///
/// When it is dropped the connection is closed, and no task is left behind.
pub(crate) struct Link {
    dialer: Dialer,
    listener: Arc<Listener>,
    slot: Mutex<Option<Line>>,
    calls: AtomicU64,
}

/// What a link says unasked.
///
/// Both are called on the client's task, or wherever a call ends, and must neither block nor wait for the link.
pub(crate) struct Events {
    /// Somebody has published this on the channel.
    pub(crate) on_message: Box<OnMessage>,
    /// A connection is gone, and with it the subscription: once for each connection that was used, however it ended.
    pub(crate) on_lost: Box<dyn Fn() + Send + Sync>,
}

type OnMessage = dyn Fn(&[u8]) + Send + Sync;

impl Link {
    /// `hash_tag` is that of all keys and of the channel; `timeout` the most that one answer may take. A call takes
    /// at most two and a half times as long.
    pub(crate) fn new(
        address: Address,
        hash_tag: String,
        channel: String,
        timeout: Duration,
        events: Events,
    ) -> Self {
        Self {
            dialer: Dialer::new(address, hash_tag, timeout),
            listener: Arc::new(Listener {
                channel,
                events,
                redial: Redial::new(timeout.saturating_mul(REDIAL_HALVES) / 2),
            }),
            slot: Mutex::new(None),
            calls: AtomicU64::new(0),
        }
    }

    /// Runs a script and returns its answer.
    ///
    /// `ARGV[1]` is an echo that the link adds, `args` come after it; the script answers with an array that begins
    /// with the echo, which the link takes off. With `subscribed`, the connection is subscribed to the channel before
    /// the script runs, so nothing that is published after the answer is missed.
    ///
    /// # Errors
    ///
    /// Those of [`Failure`]. The script may have run nevertheless, unless the server has refused it.
    ///
    /// # Cancel safety
    ///
    /// The script may have run, once. The link can be used on.
    pub(crate) async fn run(
        &self,
        operation: &'static str,
        script: &Script,
        keys: &[String],
        args: &[Vec<u8>],
        subscribed: bool,
    ) -> Result<Vec<Value>, StateError> {
        let echo = self.calls.fetch_add(1, Ordering::Relaxed).to_string();
        let call = async {
            let mut slot = self.slot.lock().await;
            let mut line = self.take(&mut slot).await?;
            let answer = async {
                if subscribed {
                    line.subscribe().await?;
                }
                line.run(script, keys, args, &echo).await
            };
            let answer = answer.await;
            self.put_back(&mut slot, line, &answer);
            answer
        };
        self.in_time(operation, call).await
    }

    /// Opens a connection if there is none, subscribes it to the channel if it is not, and says whether it was not:
    /// whatever was published until then was missed.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub(crate) async fn subscribe(&self) -> Result<bool, StateError> {
        let call = async {
            let mut slot = self.slot.lock().await;
            let mut line = self.take(&mut slot).await?;
            let answer = line.subscribe().await;
            self.put_back(&mut slot, line, &answer);
            answer
        };
        self.in_time("watch", call).await
    }

    /// How many nodes there are, or, unless these are all, at least. If all of them lose the server at once, this one waits
    /// for its turn to redial.
    pub(crate) fn expect_crowd(&self, nodes: u64, are_all: bool) {
        self.listener.redial.expect_crowd(nodes, are_all);
    }

    /// Takes the connection out of its slot, or opens another one.
    async fn take(&self, slot: &mut Option<Line>) -> Result<Line, Failure> {
        if let Some(line) = slot.take()
            && !line.is_lost()
        {
            return Ok(line);
        }
        self.listener.redial.turn().await;
        // Apart, for it is rare and takes kilobytes, which every call would have to lay out.
        let line = Box::pin(self.dialer.dial(&self.listener)).await?;
        line.take_into_use()?;
        Ok(line)
    }

    /// Puts the connection back if this answer shows that it can be used on.
    fn put_back<T>(&self, slot: &mut Option<Line>, line: Line, answer: &Result<T, Failure>) {
        match answer.as_ref().err().map_or(Fate::Keep, Failure::fate) {
            Fate::Keep => *slot = Some(line),
            Fate::Replace => {}
            Fate::AskElsewhere => self.dialer.distrust(),
        }
    }

    async fn in_time<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StateError> {
        let terms = self.dialer.terms();
        let limit = terms.timeout.saturating_mul(CALL_HALVES) / 2;
        let answer = tokio::time::timeout(limit, call).await;
        let place = || terms.address.to_string();
        answer
            .unwrap_or_else(|_elapsed| Err(Failure::timed_out(&place(), limit)))
            .map_err(|failure| failure.at(operation))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(line) = self.slot.get_mut() {
            line.retire();
        }
    }
}
