//! One fleet that follows another: `relay PARENT CHILD`, both as names of states.
//!
//! A relay is one node of the parent fleet and the operator of its own. When the parent closes it closes the child, and
//! holds the parent's drain up until nothing runs in the child any more. So the same barrier spans regions that have a
//! Redis each, and no protocol is added.
//!
//! Asked to end, it says goodbye while both are open, or once both are closed: in between, the child is its work. One that
//! is killed holds the parent's drain up until `intermission nodes forget` says that nothing runs behind it.

use std::time::Duration;

use anyhow::{Context, Result};
use intermission::{
    Activate, Actor, Change, Deactivate, ExecutionInfo, Gate, Goal, LostContact, Operator,
    OperatorError, Record, View, Waited,
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
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let parent = Gate::builder(parent)
        .with_node_name("relay")
        .with_lost_contact(LostContact::Hold)
        .start()
        .await?;
    let child = Operator::new(child, Actor::new("relay", "parent fleet"));
    loop {
        let follows = follow(&parent, &child);
        tokio::select! {
            () = follows => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    parent.shutdown().await;
    Ok(())
}
