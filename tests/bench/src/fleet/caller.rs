//! The one who changes the mode, and who publishes: on a thread of its own, as the command would be a process of its own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use intermission::{Activate, Actor, Change, Clock, Deactivate, Operator, StateUrl, SystemClock};
use intermission_redis::RedisState;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use super::MESSAGE;
use super::listeners::{CLIENT_CHANNEL, SOCKET_CHANNEL, connection, message};

/// What is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Activate,
    Deactivate,
    /// Publishes to the bare subscribers of the client library the how-manieth message, of so many bytes.
    PublishToClients(u64, usize),
    /// The same to the bare sockets.
    PublishToSockets(u64, usize),
}

/// When a call was made, and when it returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Called {
    pub(super) began: Duration,
    pub(super) returned: Duration,
}

/// A thread that makes calls.
pub(super) struct Caller {
    calls: Option<Sender<Call>>,
    called: Receiver<Result<Called>>,
    thread: Option<JoinHandle<()>>,
}

impl Caller {
    pub(super) fn start(url: &str) -> Self {
        let (calls, incoming) = channel();
        let (outgoing, called) = channel();
        let url = url.to_owned();
        let thread = std::thread::spawn(move || {
            if let Err(error) = run(&url, &incoming, &outgoing) {
                // Instead of the outcome of a call. Nobody listens any more if the bench has failed elsewhere.
                let _ = outgoing.send(Err(error));
            }
        });
        Self {
            calls: Some(calls),
            called,
            thread: Some(thread),
        }
    }

    /// Has a call made, and does not wait for it.
    pub(super) fn begin(&self, call: Call) -> Result<()> {
        let calls = self.calls.as_ref().context("the caller has ended")?;
        calls.send(call).context("the caller has ended")
    }

    /// Waits for the call that was begun last.
    pub(super) fn finish(&self) -> Result<Called> {
        self.called.recv().context("the caller has ended")?
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            // What it had to say, it has sent.
            let _ = thread.join();
        }
    }
}

fn run(url: &str, calls: &Receiver<Call>, called: &Sender<Result<Called>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let state = RedisState::new(&url.parse::<StateUrl>()?)?;
    let operator = Operator::new(state, Actor::new("bench", "bench"));
    let mut publisher = runtime.block_on(connection(url, AsyncConnectionConfig::new()))?;
    for call in calls {
        let outcome = runtime.block_on(make(&operator, &mut publisher, call));
        if called.send(outcome).is_err() {
            break;
        }
    }
    Ok(())
}

async fn make(
    operator: &Operator,
    publisher: &mut MultiplexedConnection,
    call: Call,
) -> Result<Called> {
    let began = SystemClock.steady();
    match call {
        Call::Activate => {
            let change = Change::Activate(Activate::by("bench").with_message(MESSAGE));
            operator.change(change).await?;
        }
        Call::Deactivate => {
            let change = Change::Deactivate(Deactivate::new());
            operator.change(change).await?;
        }
        Call::PublishToClients(number, bytes) => {
            publish(publisher, CLIENT_CHANNEL, &message(number, bytes)).await?;
        }
        Call::PublishToSockets(number, bytes) => {
            publish(publisher, SOCKET_CHANNEL, &message(number, bytes)).await?;
        }
    }
    let returned = SystemClock.steady();
    Ok(Called { began, returned })
}

async fn publish(
    publisher: &mut MultiplexedConnection,
    channel: &str,
    message: &[u8],
) -> Result<()> {
    let mut command = redis::cmd("PUBLISH");
    command.arg(channel).arg(message);
    Ok(command.exec_async(publisher).await?)
}
