//! The connection that a link talks on, and whether it still lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use redis::aio::{AsyncPushSender, SendError};
use redis::{PushInfo, PushKind, Script, Value};

use super::Events;
use super::redial::Redial;
use crate::address::Server;
use crate::dial::{Connection, Entry, Terms};
use crate::error::Failure;

/// Who wants to know what happens on a link's connections.
pub(crate) struct Listener {
    pub(crate) channel: String,
    pub(crate) events: Events,
    pub(crate) redial: Redial,
}

/// The connection that a link talks on. It is closed when this is dropped.
pub(crate) struct Line {
    connection: Connection,
    health: Arc<Health>,
    is_subscribed: bool,
}

/// Whether a connection lives. Both its ends know it: the link, and the client's task.
struct Health {
    state: AtomicU8,
    listener: Arc<Listener>,
}

/// The ear of the client's task. It is gone when that task is, whatever ended it, and so is the connection.
pub(crate) struct Hearing(Arc<Health>);

/// Nobody has used it yet, so nobody misses it.
const OPENING: u8 = 0;
const IN_USE: u8 = 1;
const LOST: u8 = 2;

impl Line {
    pub(crate) async fn open(
        terms: &Arc<Terms>,
        server: &Server,
        listener: &Arc<Listener>,
    ) -> Result<Self, Failure> {
        let health = Arc::new(Health {
            state: AtomicU8::new(OPENING),
            listener: Arc::clone(listener),
        });
        let entry = Entry {
            login: &terms.address.login,
            database: terms.address.database,
        };
        let place = terms.address.name_of(server);
        let hearing = Some(Hearing(Arc::clone(&health)));
        Ok(Self {
            connection: Connection::open(terms, place, server, entry, hearing).await?,
            health,
            is_subscribed: false,
        })
    }

    /// From now on its loss is news.
    pub(crate) fn take_into_use(&self) -> Result<(), Failure> {
        let taken = self.health.state.compare_exchange(
            OPENING,
            IN_USE,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        taken.map_or_else(|_| Err(Failure::lost(self.connection.place())), |_| Ok(()))
    }

    /// From now on its loss is no news.
    pub(crate) fn retire(&self) {
        self.health.state.store(LOST, Ordering::Release);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.health.state.load(Ordering::Acquire) == LOST
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Subscribes to the channel, and says whether that was still to be done.
    pub(crate) async fn subscribe(&mut self) -> Result<bool, Failure> {
        if self.is_subscribed {
            return Ok(false);
        }
        let channel = &self.health.listener.channel;
        let mut command = redis::cmd("SSUBSCRIBE");
        command.arg(channel);
        let answer = self.connection.ask(&command, &[]).await?;
        match &answer {
            Value::Push {
                kind: PushKind::SSubscribe,
                data,
            } if data.first().is_some_and(|name| is(name, channel)) => {
                self.is_subscribed = true;
                Ok(true)
            }
            _ => Err(Failure::misplaced(self.connection.place())),
        }
    }

    /// Runs a script, which gets the echo before its other arguments and answers with it, and returns the rest of
    /// the answer.
    ///
    /// The client gives an answer to whoever has waited longest. A push that it takes for an answer (as it does with
    /// the one that nobody asked for when a slot moves) leaves every later answer to the wrong question; the echo
    /// shows it.
    pub(crate) async fn run(
        &mut self,
        script: &Script,
        keys: &[String],
        args: &[Vec<u8>],
        echo: &str,
    ) -> Result<Vec<Value>, Failure> {
        let mut command = redis::cmd("EVALSHA");
        command
            .arg(script.get_hash())
            .arg(keys.len())
            .arg(keys)
            .arg(echo);
        for arg in args {
            command.arg(arg.as_slice());
        }
        let answer = match self.connection.ask(&command, keys).await {
            // Not `Script::invoke_async`, which does the same: here each of the three answers has a limit of its own.
            Err(failure) if failure.is_for_want_of_script() => {
                // Apart, as it is rare.
                Box::pin(self.connection.load(script)).await?;
                self.connection.ask(&command, keys).await?
            }
            answer => answer?,
        };
        let misplaced = || Failure::misplaced(self.connection.place());
        let Value::Array(values) = answer else {
            return Err(misplaced());
        };
        let mut values = values.into_iter();
        match values.next() {
            Some(first) if is(&first, echo) => Ok(values.collect()),
            _ => Err(misplaced()),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.health.lose();
    }
}

impl Health {
    /// Tells it once, however often and by whom it is noticed.
    fn lose(&self) {
        if self.state.swap(LOST, Ordering::AcqRel) == IN_USE {
            self.listener.redial.lost();
            (self.listener.events.on_lost)();
        }
    }
}

impl AsyncPushSender for Hearing {
    fn send(&self, info: PushInfo) -> Result<(), SendError> {
        let listener = &self.0.listener;
        match (&info.kind, info.data.as_slice()) {
            (PushKind::SMessage, [channel, Value::BulkString(message)])
                if is(channel, &listener.channel) =>
            {
                (listener.events.on_message)(message);
            }
            // The client takes these for the answer to whatever is in flight, and we never ask for any of them.
            (
                PushKind::Disconnection
                | PushKind::SUnsubscribe
                | PushKind::Unsubscribe
                | PushKind::PUnsubscribe
                | PushKind::Subscribe
                | PushKind::PSubscribe,
                _,
            ) => self.0.lose(),
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.0.lose();
    }
}

fn is(value: &Value, expected: &str) -> bool {
    matches!(value, Value::BulkString(bytes) if bytes == expected.as_bytes())
}
