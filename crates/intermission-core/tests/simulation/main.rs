//! The whole protocol under random faults: the real ledger and real nodes, with a network, clocks and a store that
//! lose, delay, repeat and forget.
//!
//! One seed is one run. A failure prints its seed; `run(SEED, None)` repeats it.
//!
//! What is checked after every event (fleet invariants):
//!
//! - **I1.** Once every node has said that it is closed, none begins an execution until the site is opened.
//! - **I2.** While the ledger says without a reservation that maintenance is on, no node runs an execution.
//! - **I3.** No node's record ever goes back, nor the ledger's unless its store has lost something.
//! - **I4.** When the faults end, all nodes agree with the ledger, and nothing is stuck.
//!
//! And that they are checked at all: rules that are broken on purpose are noticed.

#[cfg(test)]
mod checker;
#[cfg(test)]
mod mutation;
#[cfg(test)]
mod node;
#[cfg(test)]
mod random;
#[cfg(test)]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use checker::Claims;
use mutation::Mutation;
use world::World;

fn run(seed: u64, mutation: Option<Mutation>) -> Claims {
    World::new(seed, mutation).run()
}

#[test]
fn the_invariants_hold() {
    let mut all = Claims::default();
    for seed in 0..2_000 {
        let claims = catch_unwind(AssertUnwindSafe(|| run(seed, None)))
            .unwrap_or_else(|_| panic!("the run with seed {seed} failed, see above"));
        all.closed += claims.closed;
        all.drained += claims.drained;
        all.quiescent += claims.quiescent;
    }
    println!("{all:?}");
}

#[test]
fn mutations_probe() {
    use Mutation::*;
    for mutation in [AcknowledgementsKept, NoGrace, NoProbation, NothingOffered, NothingClaimed, PushOpens, LeaseFromReply, NoMargin, NoClamp, FenceNotObeyed] {
        let start = std::time::Instant::now();
        let found = (0..5_000).find_map(|seed| {
            let error = catch_unwind(AssertUnwindSafe(|| run(seed, Some(mutation)))).err()?;
            let text = error.downcast_ref::<String>().cloned().unwrap_or_default();
            Some((seed, text))
        });
        println!("RESULT {mutation:?} {:?} {:.150?}", start.elapsed(), found);
    }
}

#[test]
fn long_probe() {
    let from: u64 = std::env::var("FROM").unwrap().parse().unwrap();
    let to: u64 = std::env::var("TO").unwrap().parse().unwrap();
    let mut bad = 0;
    for seed in from..to {
        if let Err(error) = catch_unwind(AssertUnwindSafe(|| run(seed, None))) {
            let text = error.downcast_ref::<String>().cloned().unwrap_or_default();
            println!("RESULT {seed} {:.300}", text);
            bad += 1;
            if bad > 12 { break; }
        }
    }
    println!("RESULT done {bad}");
}

#[test]
fn trace_probe() {
    let seed: u64 = std::env::var("SEED").unwrap().parse().unwrap();
    let mut world = World::new(seed, None);
    world.traces = true;
    world.run();
}
