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
