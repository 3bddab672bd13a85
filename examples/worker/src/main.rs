//! A consumer of a Redis stream that pauses with the site: it finishes the message that it holds, takes none while
//! maintenance is on, and goes on by itself. A drain waits for what it holds, and for nothing else.
//!
//! The queue may lie in another Redis than the maintenance state, which may be a directory as well.

mod queue;
#[path = "../../shared/state.rs"]
mod state;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use intermission::{ExecutionInfo, Gate, StateUrl, Turn, WhenClosed};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use queue::Queue;

/// A consumer of a queue with maintenance mode.
#[derive(Debug, Parser)]
#[command(about, version)]
struct Flags {
    /// Where the maintenance state is kept: `file:DIR` for one machine, `redis://HOST:6379/0` for a fleet.
    #[arg(long, value_name = "URL")]
    state: String,

    /// The Redis that holds the queue.
    #[arg(long, value_name = "URL")]
    queue: String,

    /// The key of the queue's stream. What is done is listed under the same name and `:done`.
    #[arg(long, value_name = "KEY", default_value = "mails")]
    stream: String,

    /// This process's name, in lists and as consumer of the queue.
    #[arg(long, value_name = "NAME")]
    node: String,

    /// How long one piece of work takes.
    #[arg(long, value_name = "MS", default_value_t = 100)]
    work_ms: u64,

    /// After how long a message counts as abandoned by a consumer that has died.
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    abandoned_after_ms: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    let url: StateUrl = flags.state.parse().context("--state")?;
    let gate = Gate::builder(state::open(&url)?)
        .with_node_name(&flags.node)
        .start()
        .await?;
    let abandoned_after = Duration::from_millis(flags.abandoned_after_ms);
    let mut queue = Queue::join(&flags.queue, flags.stream, flags.node, abandoned_after).await?;

    let mut terminate = signal(SignalKind::terminate())?;
    let ending = gate.clone();
    let ended = tokio::spawn(async move {
        terminate.recv().await;
        // Interrupts a pause, and waits for the message that is being worked on.
        ending.shutdown().await;
    });
    say("ready");

    let mut worker = gate.worker(ExecutionInfo::new("consumer"), WhenClosed::Wait);
    while let Turn::Work(execution) = worker.turn().await {
        // Taken within the turn. A message that was taken before it would be held for the whole maintenance.
        if let Some(message) = queue.next().await? {
            sleep(Duration::from_millis(flags.work_ms)).await;
            queue.finish(&message).await?;
        }
        drop(execution);
    }
    ended.await?;
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "whoever starts the process waits for this line"
)]
fn say(line: &str) {
    println!("{line}");
}
