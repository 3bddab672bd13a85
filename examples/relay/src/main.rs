//! One fleet that follows another: `relay PARENT CHILD`, both as names of states.
//!
//! A relay is one node of the parent fleet and the operator of its own. When the parent closes it closes the child, and
//! holds the parent's drain up until nothing runs in the child any more. So the same barrier spans regions that have a
//! Redis each, and no protocol is added.

use std::time::Duration;

use anyhow::{Context, Result};
use intermission::{
    Activate, Actor, Change, Deactivate, ExecutionInfo, Gate, Goal, LostContact, Operator,
    OperatorError, Record, Waited,
};
use intermission_redis::RedisState;

#[tokio::main]
async fn main() -> Result<()> {
    let mut states = std::env::args().skip(1);
    let mut state = || -> Result<RedisState> {
        let name = states.next().context("usage: relay PARENT CHILD")?;
        Ok(RedisState::new(&name.parse()?)?)
    };
    let (parent, child) = (state()?, state()?);
    let parent = Gate::builder(parent)
        .with_node_name("relay")
        .with_lost_contact(LostContact::Hold)
        .start()
        .await?;
    let child = Operator::new(child, Actor::new("relay", "parent fleet"));
    loop {
        // The parent's drain waits for this execution, and with it for the child's nodes.
        let held = parent
            .execution_when_open(ExecutionInfo::new("child fleet"))
            .await;
        until_done(async || open(&child).await).await;
        let record = parent.reached(|record| record.phase().is_on()).await;
        until_done(async || close(&child, &record).await).await;
        drop(held);
    }
}

async fn open(child: &Operator) -> Result<bool, OperatorError> {
    let change = Change::Deactivate(Deactivate::new());
    child.change(change).await?;
    Ok(true)
}

/// Whether the child is closed, and nothing runs there any more.
async fn close(child: &Operator, record: &Record) -> Result<bool, OperatorError> {
    let mut activate = Activate::by("relay").with_level(record.level());
    if let Some(message) = record.message() {
        activate = activate.with_message(message);
    }
    let closed = child.change(Change::Activate(activate)).await?.record;
    let Some(activation) = closed.activation() else {
        return Ok(false);
    };
    let waited = child.wait(activation.id, Goal::Activated, |_| ()).await?;
    Ok(matches!(waited, Waited::Reached(_)))
}

/// A child that is out of reach stays as it is, and holds the parent up until it is back.
async fn until_done(act: impl AsyncFn() -> Result<bool, OperatorError>) {
    while !matches!(act().await, Ok(true)) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
