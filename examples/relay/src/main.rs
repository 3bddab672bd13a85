//! One fleet that follows another: `relay PARENT CHILD`, both as names of states.
//!
//! A relay is one node of the parent fleet and the operator of its own. When the parent closes it closes the child, and
//! holds the parent's drain up until nothing runs in the child any more. So the same barrier spans regions that have a
//! Redis each, and no protocol is added.
//!
//! Asked to end, it says goodbye at once, but for the time in which the child drains: then afterwards. One that is killed
//! in that time holds the parent up until `intermission nodes forget` says that nothing runs behind it; one that starts
//! while the parent is closed may hold nothing up, and closes the child all the same.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result};
use intermission::{
    Activate, Actor, Change, Deactivate, ExecutionInfo, Gate, Goal, LostContact, Operator,
    OperatorError, Record, Waited,
};
use intermission_redis::RedisState;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<()> {
    let mut states = std::env::args().skip(1);
    let mut state = || -> Result<RedisState> {
        let name = states.next().context("usage: relay PARENT CHILD")?;
        Ok(RedisState::new(&name.parse()?)?)
    };
    let (parent, child) = (state()?, state()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let parent = Gate::builder(parent)
        .with_node_name("relay")
        .with_lost_contact(LostContact::Hold)
        .start()
        .await?;
    let child = Operator::new(child, Actor::new("relay", "parent fleet"));
    follow(&parent, &child, async { _ = terminate.recv().await }).await;
    parent.shutdown().await;
    Ok(())
}

async fn follow(parent: &Gate, child: &Operator, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    loop {
        // The parent's drain waits for this execution, and with it for the child's nodes.
        let held = tokio::select! {
            held = parent.execution_when_open(ExecutionInfo::new("child fleet")) => Some(held),
            _ = parent.reached(is_closed) => None,
            () = &mut stop => return,
        };
        if held.is_some() {
            let opened = async {
                until_done(async || open(parent, child).await).await;
                parent.reached(is_closed).await
            };
            tokio::select! {
                _ = opened => {}
                () = &mut stop => return,
            }
        }
        until_done(async || close(parent, child).await).await;
        drop(held);
        tokio::select! {
            _ = parent.reached(|record| !is_closed(record)) => {}
            () = &mut stop => return,
        }
    }
}

/// Whether the child is open, or need not be any more.
async fn open(parent: &Gate, child: &Operator) -> Result<bool, OperatorError> {
    if !is_closed(&parent.record()) {
        child.change(Change::Deactivate(Deactivate::new())).await?;
    }
    Ok(true)
}

/// Whether the child is closed and nothing runs there any more, or need not be any more.
async fn close(parent: &Gate, child: &Operator) -> Result<bool, OperatorError> {
    let record = parent.record();
    if !is_closed(&record) {
        return Ok(true);
    }
    let mut activate = Activate::by("relay").with_level(record.level());
    if let Some(message) = record.message() {
        activate = activate.with_message(message);
    }
    let closed = child.change(Change::Activate(activate)).await?.record;
    let Some(activation) = closed.activation() else {
        return Ok(false);
    };
    let waited = tokio::select! {
        waited = child.wait(activation.id, Goal::Activated, |_| ()) => waited?,
        _ = parent.reached(|record| !is_closed(record)) => return Ok(true),
    };
    let Waited::Reached(view) = waited else {
        return Ok(false);
    };
    say_who_is_in_doubt(&view.record);
    Ok(true)
}

fn is_closed(record: &Record) -> bool {
    record.phase().is_on()
}

/// The parent hears of nobody behind the relay, so whoever reads its log has to.
#[expect(clippy::print_stderr, reason = "this is its log")]
fn say_who_is_in_doubt(record: &Record) {
    let completion = record.activation().and_then(|on| on.completion.as_ref());
    for node in completion.map_or(&[][..], |done| &done.unconfirmed) {
        let (label, id) = (&node.label, node.node);
        eprintln!("the child is closed, but nobody knows what still runs on {label} ({id})");
    }
}

/// A child that is out of reach stays as it is, and holds the parent up until it is back.
async fn until_done(act: impl AsyncFn() -> Result<bool, OperatorError>) {
    while !matches!(act().await, Ok(true)) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
