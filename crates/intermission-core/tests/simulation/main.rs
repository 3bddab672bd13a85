//! The whole protocol under random faults: the real ledger and real nodes, with a network, clocks and a store that
//! lose, delay, repeat and forget.
//!
//! One seed is one run. A failure prints its seed, and then everything that happened in that run.
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

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use checker::Claims;
use mutation::Mutation;
use world::World;

/// As many runs as `INTERMISSION_SIMULATIONS` says, or a thousand, which take seconds.
#[test]
fn the_invariants_hold() {
    let runs = match std::env::var("INTERMISSION_SIMULATIONS") {
        Ok(runs) => runs.parse().expect("a number of runs"),
        Err(_) => 1_000,
    };
    let claims = all_is_well(0..runs);
    // A checker that never had anything to check proves nothing.
    let least = 10 * runs;
    assert!(
        claims.closed > least && claims.drained > least && claims.quiescent > least,
        "{claims:?}"
    );
}

#[cfg(test)]
fn all_is_well(seeds: Range<u64>) -> Claims {
    let mut all = Claims::default();
    for seed in seeds {
        let world = World::new(seed, None);
        let Ok(claims) = catch_unwind(AssertUnwindSafe(|| world.run())) else {
            println!("seed {seed} fails; this is its story:");
            World::new(seed, None).told().run();
            panic!("seed {seed} fails, but not when it is told");
        };
        all.add(claims);
    }
    all
}

/// Finds a run in which a rule that is broken on purpose breaks an invariant. The search begins with the seed that found
/// one last, which only saves time.
#[cfg(test)]
fn is_noticed(mutation: Mutation, found_last: u64) {
    const RUNS: u64 = 6_000;
    let is_clean =
        |seed| catch_unwind(AssertUnwindSafe(|| World::new(seed, Some(mutation)).run())).is_ok();
    let found = (found_last..RUNS)
        .chain(0..found_last)
        .find(|seed| !is_clean(*seed));
    println!("{mutation:?} is noticed with seed {found:?}");
    assert!(
        found.is_some(),
        "{mutation:?} went unnoticed in {RUNS} runs"
    );
}

macro_rules! mutations {
    ($($test:ident: $mutation:ident $found_last:literal,)*) => {
        $(
            #[test]
            fn $test() {
                is_noticed(Mutation::$mutation, $found_last);
            }
        )*
    };
}

mutations! {
    acknowledgements_end_with_their_activation: AcknowledgementsKept 1,
    a_loss_needs_a_grace: NoGrace 1,
    a_grace_needs_probation: NoProbation 549,
    what_is_lost_needs_to_be_offered: NothingOffered 1,
    what_is_lost_needs_to_be_claimed: NothingClaimed 737,
    a_push_may_not_open: PushOpens 77,
    a_lease_counts_from_its_sending: LeaseFromReply 816,
    a_lease_needs_a_margin: NoMargin 521,
    the_fleet_clock_needs_its_step: NoClamp 2,
    a_fence_needs_to_be_obeyed: FenceNotObeyed 9,
}
