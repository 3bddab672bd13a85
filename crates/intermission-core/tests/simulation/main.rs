//! The whole protocol under random faults: the real ledger and real nodes, with a network, clocks and a store that
//! lose, delay, repeat and forget.
//!
//! One seed is one run. A failure prints its seed, and then everything that happened in that run. What is checked after
//! every event, and what asynchronous loss excepts from it, is said in [`checker`]. That it is checked at all shows a
//! list of rules that are broken on purpose ([`mutation`]): each is noticed.
//!
//! - `INTERMISSION_SIMULATIONS=N` has N runs, as many as one likes.
//! - `INTERMISSION_SIMULATIONS_FROM=S` begins with another seed than 0.

#[cfg(test)]
mod checker;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod mutation;
#[cfg(test)]
mod node;
#[cfg(test)]
mod random;
#[cfg(test)]
mod store;
#[cfg(test)]
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use checker::Claims;
use mutation::Mutation;
use world::{Counts, World};

/// As many runs as `INTERMISSION_SIMULATIONS` says, or a thousand, which take seconds.
#[test]
fn the_invariants_hold() {
    let runs = number("INTERMISSION_SIMULATIONS", 1_000);
    let from = number("INTERMISSION_SIMULATIONS_FROM", 0);
    let (claims, counts) = in_parallel(from..from + runs);
    println!("{runs} runs from seed {from}: {claims:#?}");
    for (name, count) in &counts {
        println!("{count:>12} {name}");
    }
    // A checker that never had anything to check proves nothing.
    if runs >= 1_000 {
        let least = 10 * runs;
        assert!(
            claims.closed > least && claims.drained > least && claims.quiescent > least,
            "{claims:?}"
        );
        assert!(
            claims.drained_after_loss > 0 && claims.waited_for > 0 && claims.new_and_closed > 0,
            "{claims:?}"
        );
    }
}

/// The same where operators close and open a part of the site as well.
#[test]
fn the_invariants_hold_for_scopes() {
    let runs = number("INTERMISSION_SIMULATIONS", 1_000);
    let from = number("INTERMISSION_SIMULATIONS_FROM", 0);
    let mut claims = Claims::default();
    for seed in from..from + runs {
        let name = format!("seed {seed} with scopes");
        claims.add(is_well(&name, || World::with_scopes(seed)).0);
    }
    println!("{runs} runs from seed {from}: {claims:#?}");
    assert!(claims.drained_scopes > 10 * runs, "{claims:?}");
}

#[cfg(test)]
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(number) => number.parse().expect("a number"),
        Err(_) => default,
    }
}

#[cfg(test)]
fn in_parallel(seeds: Range<u64>) -> (Claims, Counts) {
    let middle = u64::midpoint(seeds.start, seeds.end);
    thread::scope(|scope| {
        let first = scope.spawn(|| all_is_well(seeds.start..middle));
        let (mut claims, mut counts) = all_is_well(middle..seeds.end);
        let (more_claims, more_counts) = first.join().expect("the first half fails, see above");
        claims.add(more_claims);
        for (name, count) in more_counts {
            *counts.entry(name).or_default() += count;
        }
        (claims, counts)
    })
}

#[cfg(test)]
fn all_is_well(seeds: Range<u64>) -> (Claims, Counts) {
    let (mut claims, mut counts) = (Claims::default(), Counts::new());
    for seed in seeds {
        let (claimed, counted) = is_well(&format!("seed {seed}"), || World::new(seed, None));
        claims.add(claimed);
        for (name, count) in counted {
            *counts.entry(name).or_default() += count;
        }
    }
    (claims, counts)
}

#[cfg(test)]
fn is_well(name: &str, world: impl Fn() -> World) -> (Claims, Counts) {
    catch_unwind(AssertUnwindSafe(|| world().run())).unwrap_or_else(|_| {
        println!("{name} fails; this is its story:");
        world().told().run();
        panic!("{name} fails, but not when it is told");
    })
}

/// Finds a run in which a rule that is broken on purpose breaks an invariant.
#[cfg(test)]
fn is_noticed(mutation: Mutation) {
    const RUNS: u64 = 6_000;
    let breaks = |seed: u64| {
        let run = || World::new(seed, Some(mutation)).run();
        let death = catch_unwind(AssertUnwindSafe(run)).err()?;
        let said = death.downcast_ref::<String>().map_or("", String::as_str);
        Some((seed, said.chars().take(160).collect::<String>()))
    };
    let found = (0..RUNS).find_map(breaks);
    println!("{mutation:?} is noticed with seed {found:?}");
    let Some((seed, said)) = found else {
        panic!("{mutation:?} went unnoticed in {RUNS} runs");
    };
    assert!(
        said.contains('I'),
        "{mutation:?} is noticed for another reason: {said}"
    );
    // It is the mutation, not the weather.
    let name = format!("seed {seed} in the weather for {mutation:?}");
    is_well(&name, || World::unbroken(seed, mutation));
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
    a_push_may_not_open: PushOpens,
    a_reply_belongs_to_its_report: LateReplyTaken,
    a_lease_counts_from_its_sending: LeaseFromReply,
    a_lease_needs_a_margin: NoMargin,
    a_grace_needs_probation: NoProbation,
    nobody_begins_before_it_is_known: BeginsUnknown,
    a_fence_needs_to_be_obeyed: FenceNotObeyed,
    what_a_fence_drops_needs_to_end: DropNotObeyed,
    a_fence_needs_no_timer: FenceByTimerOnly,
    what_a_forced_drain_drops_needs_to_end: ForceNotObeyed,
    a_plan_begins_without_the_ledger: PlanNotObeyed,
    a_hold_needs_to_be_obeyed: HoldNotObeyed,
    drained_means_that_nothing_runs: DrainedTooEarly,
    a_scope_is_drained_when_nothing_of_it_runs: ScopesDrainedTooEarly,
    quiet_means_that_nobody_is_served: QuietTooEarly,
    what_is_lost_needs_to_be_offered: NothingOffered,
    what_is_lost_needs_to_be_claimed: NothingClaimed,
    acknowledgements_end_with_their_activation: AcknowledgementsKept,
    nothing_that_is_said_in_a_grace_counts: ClaimsCountInGrace,
    nothing_that_was_said_before_a_loss_counts: ClaimsSurviveLoss,
    another_level_needs_another_quiescence: QuietKept,
    nobody_is_quiet_who_was_forgotten: QuietDespiteLoss,
    a_late_report_counts_for_nothing: SequenceIgnored,
    a_goodbye_is_for_good: TombstoneIgnored,
    the_fleet_clock_needs_its_step: NoClamp,
    who_holds_is_waited_for: HoldGivenUp,
    who_leaves_by_silence_serves_nobody: ServesAfterAll,
    a_fence_is_waited_for: FenceCountedEarly,
    who_is_given_up_is_named: GivenUpNotNamed,
    who_is_back_is_confirmed: NeverConfirmed,
    a_loss_needs_a_grace: NoGrace,
    a_grace_outlasts_fences: GraceBeforeFences,
    a_loss_renews_all_leases: LeasesNotRenewed,
    a_loss_is_told: LossNotTold,
    what_somebody_knew_is_no_new_site: OldRecordsIgnored,
    a_new_site_has_lost_nothing: NewSiteNotSeen,
    a_loss_is_noticed_by_what_nodes_say: LossNotNoticed,
    only_what_is_newer_is_taken_back: OlderTakenBack,
    the_ledger_does_nothing_in_a_grace: OwnStepsInGrace,
    the_ledger_does_nothing_while_it_is_behind: OwnStepsWhileBehind,
    nobody_opens_right_after_a_loss: OpensWhileReconciling,
    nobody_edits_in_a_grace: EditsInGrace,
    revisions_come_from_a_clock: PlainCounter,
    an_operation_is_for_one_record: ConflictIgnored,
    who_knows_more_is_told: BehindIgnored,
    an_operation_is_done_once: DuplicateIgnored,
    an_operator_completes_nothing: CompletionFromOperator,
}
