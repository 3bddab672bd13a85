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

#[test]
fn the_invariants_hold() {
    let mut all = Claims::default();
    for seed in 0..1_500 {
        let world = World::new(seed, None);
        let Ok(claims) = catch_unwind(AssertUnwindSafe(|| world.run())) else {
            println!("seed {seed} fails; this is its story:");
            World::new(seed, None).told().run();
            panic!("seed {seed} fails");
        };
        all.add(claims);
    }
    // A checker that never had anything to check proves nothing.
    assert!(
        all.closed > 10_000 && all.drained > 10_000 && all.quiescent > 10_000,
        "{all:?}"
    );
}

/// Finds a run in which a rule that is broken on purpose breaks an invariant.
fn is_noticed(mutation: Mutation) {
    const RUNS: u64 = 6_000;
    let is_clean =
        |seed| catch_unwind(AssertUnwindSafe(|| World::new(seed, Some(mutation)).run())).is_ok();
    let found = (0..RUNS).find(|seed| !is_clean(*seed));
    assert!(
        found.is_some(),
        "{mutation:?} went unnoticed in {RUNS} runs"
    );
}

macro_rules! mutations {
    ($($test:ident: $mutation:ident,)*) => {
        $(
            #[test]
            fn $test() {
                is_noticed(Mutation::$mutation);
            }
        )*
    };
}

mutations! {
    acknowledgements_end_with_their_activation: AcknowledgementsKept,
    a_loss_needs_a_grace: NoGrace,
    a_grace_needs_probation: NoProbation,
    what_is_lost_needs_to_be_offered: NothingOffered,
    what_is_lost_needs_to_be_claimed: NothingClaimed,
    a_push_may_not_open: PushOpens,
    a_lease_counts_from_its_sending: LeaseFromReply,
    a_lease_needs_a_margin: NoMargin,
    the_fleet_clock_needs_its_step: NoClamp,
    a_fence_needs_to_be_obeyed: FenceNotObeyed,
}
