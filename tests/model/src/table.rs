//! The table: what is explored, and what is to come of it.

use crate::config::{Assumptions, Budget, Config, Drain, Network, Periods, Policy};
use crate::rule::Rule;
use crate::world::Invariant;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a row of the table")]
pub struct Case {
    /// The name of the test.
    pub name: &'static str,
    /// What is explored.
    pub config: Config,
    /// What is to come of it.
    pub expected: Expected,
    /// How many states are looked at, unless `INTERMISSION_MODEL_STATES` says otherwise.
    pub bound: usize,
}

/// What is to come of an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth outcome")]
pub enum Expected {
    /// Every promise is kept.
    Holds,
    /// This promise is broken.
    Broken(Invariant),
    /// Every promise is kept although a rule is broken: something else does the same.
    Survives(&'static str),
}

const FENCE: Policy = Policy::Fence(0);
const LATE_FENCE: Policy = Policy::Fence(2);
const WAIT: Policy = Policy::Wait(0);
const HOLD: Policy = Policy::Hold;

/// A lease of two ticks, of which the node uses what is left of the first and one more.
const PLAIN: Periods = Periods {
    lease: 2,
    margin: 1,
    step: 1,
    grace: 2,
    reconcile: 1,
};

/// The same where the store's clock may jump by a step: the margin must be longer.
const JUMPY: Periods = Periods {
    lease: 3,
    margin: 2,
    grace: 3,
    ..PLAIN
};

const ONCE: Budget = Budget {
    activations: 1,
    deactivations: 1,
    edits: 0,
    inits: 0,
    crashes: 0,
    goodbyes: 0,
    jumps: 0,
    flushes: 0,
    evictions: 0,
    restarts: 0,
    failovers: 0,
    rollbacks: 0,
    erasures: 0,
    mistakes: 0,
};

const TWICE: Budget = Budget {
    activations: 2,
    ..ONCE
};

const SLOW: Network = Network {
    is_instant: false,
    late_reports: false,
    late_pushes: false,
};

const LATE_REPORTS: Network = Network {
    late_reports: true,
    ..SLOW
};

const LATE_PUSHES: Network = Network {
    late_pushes: true,
    ..SLOW
};

const INSTANT: Network = Network {
    is_instant: true,
    ..SLOW
};

/// Two nodes that fence themselves: nothing needs an excuse.
const FENCED: Config = Config {
    policies: &[FENCE, FENCE],
    periods: PLAIN,
    budget: ONCE,
    network: SLOW,
    drain: Drain::Wait,
    visitors: false,
    levels: false,
    auto_end: false,
    plan: false,
    old_master: 0,
    given_up_kept: 1,
    assumptions: Assumptions {
        somebody_knows: true,
        loss_excuses: false,
        was_somebody_there: true,
        excuses_last: true,
        old_master_rests: false,
        rollbacks_show: true,
    },
    broken: None,
};

const EXCUSED: Assumptions = Assumptions {
    loss_excuses: true,
    ..FENCED.assumptions
};

/// Two nodes that go on when they are cut off, and are named.
const WAITING: Config = Config {
    policies: &[WAIT, WAIT],
    assumptions: EXCUSED,
    ..FENCED
};

/// Two nodes that go on when they are cut off, and are waited for.
const HELD: Config = Config {
    policies: &[HOLD, HOLD],
    ..WAITING
};

const MIXED: Config = Config {
    policies: &[FENCE, WAIT],
    ..WAITING
};

/// Everything that is promised.
#[must_use]
pub fn promises() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name, config| cases.push(Case { name, config, expected: Expected::Holds, bound: 1_000_000 });
    add("fence", FENCED);
    add("wait", WAITING);
    add("hold", HELD);
    add("mixed", MIXED);
    let crash = Budget { crashes: 1, ..ONCE };
    add("fence_crash", Config { budget: crash, ..FENCED });
    add("wait_crash", Config { budget: crash, ..WAITING });
    add("hold_crash", Config { budget: crash, ..HELD });
    let jump = Budget { jumps: 1, ..ONCE };
    add("fence_jump", Config { budget: jump, periods: JUMPY, ..FENCED });
    add("wait_jump", Config { budget: jump, periods: JUMPY, ..WAITING });
    add("fence_twice", Config { budget: TWICE, ..FENCED });
    add("wait_twice", Config { budget: TWICE, ..WAITING });
    add("hold_twice", Config { budget: TWICE, ..HELD });
    add("fence_late_reports", Config { budget: TWICE, network: LATE_REPORTS, ..FENCED });
    add("wait_late_reports", Config { budget: TWICE, network: LATE_REPORTS, ..WAITING });
    add("hold_late_reports", Config { budget: TWICE, network: LATE_REPORTS, ..HELD });
    let goodbye = Budget { goodbyes: 1, ..ONCE };
    add("hold_goodbye", Config { budget: goodbye, network: LATE_REPORTS, ..HELD });
    add("wait_goodbye", Config { budget: goodbye, network: LATE_REPORTS, ..WAITING });
    let flush = Budget { flushes: 1, ..ONCE };
    add("fence_flush", Config { budget: flush, ..FENCED });
    add("wait_flush", Config { budget: flush, ..WAITING });
    add("hold_flush", Config { budget: flush, ..HELD });
    let flush_twice = Budget { flushes: 1, ..TWICE };
    add("wait_flush_twice", Config { budget: flush_twice, ..WAITING });
    let flush_crash = Budget { flushes: 1, crashes: 1, ..ONCE };
    add("fence_flush_crash", Config { budget: flush_crash, ..FENCED });
    add("fence_flush_late_pushes", Config { budget: flush, network: LATE_PUSHES, ..FENCED });
    add("late_fence_flush", Config { budget: Budget { deactivations: 0, ..flush }, policies: &[LATE_FENCE, LATE_FENCE], ..FENCED });
    add("wait_flush_init", Config { budget: Budget { inits: 1, ..flush }, ..WAITING });
    add("wait_evict", Config { budget: Budget { evictions: 1, ..ONCE }, ..WAITING });
    add("fence_restart", Config { budget: Budget { restarts: 1, ..ONCE }, ..FENCED });
    let failover = Budget { failovers: 1, ..ONCE };
    add("fence_failover", Config { budget: failover, ..FENCED });
    add("wait_failover", Config { budget: failover, ..WAITING });
    add("hold_failover", Config { budget: failover, ..HELD });
    add("fence_failover_edit", Config { budget: Budget { edits: 1, ..failover }, ..FENCED });
    add("fence_failover_late_reports", Config { budget: failover, network: LATE_REPORTS, ..FENCED });
    add("fence_failover_auto_end", Config { budget: Budget { failovers: 1, ..TWICE }, auto_end: true, ..FENCED });
    add("fence_failover_plan", Config { budget: failover, plan: true, ..FENCED });
    add("fence_rollback", Config { budget: Budget { rollbacks: 1, ..ONCE }, ..FENCED });
    add("i_fence_rollback", Config { network: INSTANT, budget: Budget { rollbacks: 1, ..ONCE }, ..FENCED });
    add("fence_erase", Config { budget: Budget { erasures: 1, ..ONCE }, ..FENCED });
    add("fence_force", Config { drain: Drain::Force(1), ..FENCED });
    add("wait_force_failover", Config { drain: Drain::Force(1), budget: failover, ..WAITING });
    add("fence_abort", Config { drain: Drain::Abort(1), budget: TWICE, ..FENCED });
    add("wait_surplus", Config { given_up_kept: 0, budget: TWICE, ..WAITING });
    add("wait_visitors", Config { visitors: true, budget: TWICE, ..WAITING });
    add("wait_visitors_levels", Config { visitors: true, levels: true, budget: Budget { edits: 1, ..ONCE }, ..WAITING });
    add("wait_visitors_flush", Config { visitors: true, budget: Budget { deactivations: 0, ..flush }, ..WAITING });
    add("i_fence_flush", Config { network: INSTANT, budget: flush, ..FENCED });
    add("i_wait_flush", Config { network: INSTANT, budget: flush, ..WAITING });
    add("i_hold_flush", Config { network: INSTANT, budget: flush, ..HELD });
    add("i_wait_flush_twice", Config { network: INSTANT, budget: flush_twice, ..WAITING });
    add("i_fence_flush_twice_crash_twice", Config { network: INSTANT, budget: Budget { flushes: 2, activations: 2, crashes: 1, ..ONCE }, ..FENCED });
    add("i_fence_failover", Config { network: INSTANT, budget: Budget { failovers: 1, ..TWICE }, ..FENCED });
    add("i_fence_failover_jump", Config { network: INSTANT, periods: JUMPY, budget: Budget { failovers: 1, jumps: 1, ..TWICE }, ..FENCED });
    add("i_wait_failover", Config { network: INSTANT, budget: Budget { failovers: 1, ..TWICE }, ..WAITING });
    add("i_hold_failover", Config { network: INSTANT, budget: Budget { failovers: 1, ..TWICE }, ..HELD });
    add("i_three_flush", Config { network: INSTANT, policies: &[FENCE, FENCE, FENCE], budget: flush, ..FENCED });
    add("i_three_wait_flush", Config { network: INSTANT, policies: &[WAIT, WAIT, WAIT], budget: flush, ..WAITING });
    add("i_three_mixed_failover", Config { network: INSTANT, policies: &[FENCE, WAIT, HOLD], budget: failover, ..WAITING });
    let old = Periods { grace: 5, ..JUMPY };
    add("i_fence_old_master", Config { network: INSTANT, budget: failover, old_master: 2, periods: old, ..FENCED });
    add("fence_old_master", Config { budget: failover, old_master: 2, periods: old, ..FENCED });
    add("three_fence", Config { policies: &[FENCE, FENCE, FENCE], ..FENCED });
    add("three_mixed_flush", Config { policies: &[FENCE, WAIT, HOLD], budget: flush, ..WAITING });
    cases
}

/// What cannot be promised.
#[must_use]
pub fn limits() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name, config, expected| cases.push(Case { name, config, expected: Expected::Broken(expected), bound: 3_000_000 });
    let flush = Budget { flushes: 1, ..ONCE };
    let failover = Budget { failovers: 1, ..ONCE };
    let nobody_knows = Assumptions { somebody_knows: false, rollbacks_show: false, ..FENCED.assumptions };
    add("old_master_longer_than_the_grace_allows", Config { budget: failover, old_master: 3, ..FENCED }, Invariant::I2);
    add("old_master_longer_than_the_margin", Config { budget: failover, old_master: 2, periods: Periods { grace: 4, ..PLAIN }, ..FENCED }, Invariant::I2);
    add("old_master_decides_by_itself", Config { budget: failover, old_master: 2, periods: Periods { grace: 5, ..JUMPY }, assumptions: Assumptions { old_master_rests: true, ..FENCED.assumptions }, ..FENCED }, Invariant::I5);
    add("nobody_who_knows_is_left", Config { budget: Budget { crashes: 2, ..flush }, policies: &[FENCE, FENCE, FENCE], assumptions: nobody_knows, ..FENCED }, Invariant::I1);
    add("nobody_who_knows_speaks_in_time", Config { budget: flush, assumptions: nobody_knows, ..FENCED }, Invariant::I1);
    let not_excused = Assumptions { loss_excuses: false, ..EXCUSED };
    add("hold_forgotten_while_cut_off", Config { budget: flush, assumptions: not_excused, ..HELD }, Invariant::I1);
    add("wait_forgotten_while_cut_off", Config { budget: flush, assumptions: not_excused, ..WAITING }, Invariant::I1);
    let said_once = Assumptions { excuses_last: false, ..EXCUSED };
    add("loss_is_said_once", Config { budget: Budget { flushes: 1, ..TWICE }, assumptions: said_once, ..WAITING }, Invariant::I2);
    add("surplus_is_said_once", Config { budget: TWICE, given_up_kept: 0, assumptions: said_once, ..WAITING }, Invariant::I2);
    let not_new = Assumptions { was_somebody_there: false, ..EXCUSED };
    add("never_changed_and_forgotten_while_cut_off", Config { budget: flush, assumptions: not_new, ..WAITING }, Invariant::I1);
    add("rolled_back_unnoticed", Config { budget: Budget { rollbacks: 1, ..ONCE }, assumptions: nobody_knows, ..FENCED }, Invariant::I1);
    add("operator_forgets_a_living_node", Config { budget: Budget { mistakes: 1, ..ONCE }, ..HELD }, Invariant::I1);
    add("goodbye_while_a_visitor_is_served", Config { budget: Budget { goodbyes: 1, ..ONCE }, visitors: true, ..WAITING }, Invariant::I6);
    cases
}

/// Every rule, broken.
#[must_use]
pub fn mutations() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name, rule, config: Config, expected| cases.push(Case { name, config: Config { broken: Some(rule), ..config }, expected, bound: 3_000_000 });
    let flush = Budget { flushes: 1, ..ONCE };
    let failover = Budget { failovers: 1, ..ONCE };
    let (i1, i2, i3, i4, i5, i6) = (Expected::Broken(Invariant::I1), Expected::Broken(Invariant::I2), Expected::Broken(Invariant::I3), Expected::Broken(Invariant::I4), Expected::Broken(Invariant::I5), Expected::Broken(Invariant::I6));
    let fenced = |budget| Config { budget, ..FENCED };
    let waiting = |budget| Config { budget, ..WAITING };
    add("lease_counts_from_the_reply", Rule::LeaseFromSending, FENCED, i1);
    add("no_time_out", Rule::TimeOut, waiting(Budget { flushes: 1, ..ONCE }), i1);
    add("fence_not_obeyed", Rule::FenceStops, FENCED, i1);
    add("fence_stops_but_drops_nothing", Rule::FenceDrops, FENCED, i2);
    add("no_probation", Rule::Probation, fenced(flush), i1);
    add("no_join", Rule::JoinFirst, WAITING, i1);
    add("push_opens", Rule::PushOnlyCloses, fenced(TWICE), i1);
    add("push_opens_wait", Rule::PushOnlyCloses, waiting(TWICE), i1);
    add("nothing_is_offered", Rule::Offer, fenced(flush), i4);
    add("node_goes_back", Rule::NodeForward, fenced(flush), i3);
    add("reply_is_mistaken", Rule::ReplyMatches, FENCED, i1);
    add("no_clamp", Rule::Clamp, Config { periods: JUMPY, ..fenced(Budget { jumps: 1, ..ONCE }) }, i1);
    add("margin_not_longer_than_a_jump", Rule::Clamp, Config { periods: Periods { margin: 1, ..JUMPY }, ..fenced(Budget { jumps: 1, ..ONCE }) }, i1);
    add("late_fence_counts_too_early", Rule::FenceExpiry, Config { policies: &[LATE_FENCE, LATE_FENCE], ..FENCED }, i2);
    add("no_grace", Rule::Grace, fenced(flush), i1);
    add("grace_outlasts_no_late_fence", Rule::Outlast, Config { policies: &[LATE_FENCE, LATE_FENCE], ..fenced(flush) }, i2);
    add("loss_not_noticed", Rule::NoticeLoss, fenced(Budget { rollbacks: 1, ..ONCE }), i1);
    add("claims_not_waited_for", Rule::ClaimGuard, fenced(flush), i5);
    add("claims_count_in_a_grace", Rule::CountAfterGrace, fenced(flush), i2);
    add("claims_outlive_a_loss", Rule::ForgetClaims, fenced(failover), i2);
    add("leases_outlive_a_loss", Rule::RenewAll, Config { policies: &[LATE_FENCE, LATE_FENCE], ..fenced(failover) }, i2);
    add("loss_is_not_said", Rule::SayLost, waiting(flush), i2);
    add("site_taken_for_new", Rule::KnownBefore, waiting(flush), i1);
    add("no_reconcile", Rule::Reconcile, fenced(failover), i1);
    add("edits_do_not_wait", Rule::EditsWait, fenced(Budget { edits: 1, ..failover }), i5);
    add("completion_does_not_wait", Rule::CompletionWaits, fenced(flush), i1);
    add("timed_steps_do_not_wait", Rule::TimedStepsWait, Config { auto_end: true, ..fenced(Budget { failovers: 1, ..TWICE }) }, i5);
    add("ledger_goes_back", Rule::LedgerForward, fenced(failover), i3);
    add("revisions_are_counted", Rule::HybridRevision, fenced(failover), i1);
    add("claims_of_any_activation_count", Rule::ClaimsPerActivation, fenced(TWICE), i2);
    add("claims_not_cleared_at_begin", Rule::ClearAtBegin, fenced(TWICE), i2);
    add("report_names_no_activation", Rule::NamesActivation, fenced(TWICE), i2);
    add("claims_not_cleared_at_take_back", Rule::ClearAtTakeBack, fenced(failover), i2);
    add("no_sequence", Rule::Sequence, Config { network: LATE_REPORTS, ..fenced(TWICE) }, i2);
    add("given_up_not_named", Rule::NameGivenUp, WAITING, i2);
    add("given_up_not_kept", Rule::KeepGivenUp, waiting(TWICE), i2);
    add("surplus_not_said", Rule::SurplusIsLoss, Config { given_up_kept: 0, ..WAITING }, i2);
    add("confirmed_undrained", Rule::ConfirmDrained, WAITING, i2);
    add("goodbye_is_forgotten", Rule::Departed, Config { network: LATE_REPORTS, budget: Budget { goodbyes: 1, ..ONCE }, ..HELD }, i4);
    add("forgotten_unquiet", Rule::QuietBeforeRemoval, Config { visitors: true, ..WAITING }, i6);
    add("quiet_at_any_level", Rule::QuietPerLevel, Config { visitors: true, levels: true, ..waiting(Budget { edits: 1, ..ONCE }) }, i6);
    add("quiet_though_lost", Rule::QuiescenceWaits, Config { visitors: true, ..waiting(Budget { flushes: 1, deactivations: 0, ..ONCE }) }, i6);
    cases
}
