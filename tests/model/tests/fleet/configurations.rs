//! The table: fleets and their faults, where the promises end, and the rules that are broken on purpose.

use crate::invariants::Invariant;
use crate::rules::{Assumption, Budget, FOREVER, Mutation, Policy, Pushes, Rules, STEP};

/// One configuration, and what must come out.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) rules: Rules,
    pub(crate) expected: Expected,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// In every state there is.
    Holds,
    /// In as many states, the nearest: there are too many to look at all of them in every build.
    HoldsWithin(usize),
    /// The first thing that breaks is this.
    Breaks(Invariant),
}

use Expected::{Breaks, Holds, HoldsWithin};
use Invariant::{I1, I2, I3, I4, I8};

/// How many states are looked at where there are too many.
const SOME: usize = 300_000;

/// Nodes that fence themselves; one activation and its end; what is pushed may be lost or late.
const FENCE: Rules = Rules {
    policy: Policy::Fence(0),
    grace: 2,
    pushes: Pushes::Newest,
    late_requests: false,
    old_master: 0,
    jump: STEP,
    require_init: false,
    assumption: Assumption::SomebodyTells,
    reports_end: true,
    // In a fleet that fences itself, a loss of data is no excuse if one node speaks during the grace.
    loss_is_no_excuse: true,
    budget: Budget {
        activations: 1,
        deactivations: 1,
        crashes: 0,
        goodbyes: 0,
        forgets: 0,
        jumps: 0,
        flushes: 0,
        evictions: 0,
        restarts: 0,
        failovers: 0,
    },
    mutation: None,
};

const WAIT: Rules = Rules {
    policy: Policy::Wait(0),
    loss_is_no_excuse: false,
    ..FENCE
};

const HOLD: Rules = Rules {
    policy: Policy::Hold,
    loss_is_no_excuse: false,
    ..FENCE
};

pub(crate) fn table() -> Vec<Row> {
    let mut rows = promises();
    rows.extend(limits());
    rows.extend(mutations());
    rows
}

fn row(name: &str, expected: Expected, rules: Rules, change: impl FnOnce(&mut Rules)) -> Row {
    let mut rules = rules;
    change(&mut rules);
    Row {
        name: name.to_owned(),
        rules,
        expected,
    }
}

/// One activation, of which the nodes hear by their reports alone: what is pushed is a fault of its own.
fn once(rules: &mut Rules) {
    rules.pushes = Pushes::Off;
    rules.budget.deactivations = 0;
}

/// The site must have been initialised, and everybody may die.
fn required_init(rules: &mut Rules) {
    once(rules);
    rules.require_init = true;
    rules.assumption = Assumption::NobodyTellsHalf;
    rules.budget.flushes = 1;
    rules.budget.crashes = 2;
}

/// What holds.
fn promises() -> Vec<Row> {
    let mut rows = without_losses();
    rows.extend(with_losses());
    for row in &mut rows {
        row.name.insert_str(0, "promise::");
    }
    rows
}

fn without_losses() -> Vec<Row> {
    vec![
        row("wait_crash", Holds, WAIT, |rules| rules.budget.crashes = 1),
        row("fence_crash", Holds, FENCE, |rules| {
            rules.budget.crashes = 1;
        }),
        // The fleet clock believes of it no more than of a small one.
        row("fence_jump", Holds, FENCE, |rules| {
            rules.budget.jumps = 1;
            rules.jump = 5;
        }),
        row("fence_drops_later", Holds, FENCE, |rules| {
            rules.pushes = Pushes::Off;
            rules.policy = Policy::Fence(2);
        }),
        row("fence_unordered_pushes", Holds, FENCE, |rules| {
            rules.pushes = Pushes::Unordered;
        }),
        row("fence_late_report", Holds, FENCE, |rules| {
            rules.pushes = Pushes::Off;
            rules.late_requests = true;
        }),
        row(
            "fence_late_report_twice",
            HoldsWithin(SOME),
            FENCE,
            |rules| {
                rules.pushes = Pushes::Off;
                rules.late_requests = true;
                rules.budget.activations = 2;
            },
        ),
        row("hold_crash", Holds, HOLD, |rules| rules.budget.crashes = 1),
        row("hold_crash_forget", Holds, HOLD, |rules| {
            rules.budget.crashes = 1;
            rules.budget.forgets = 1;
        }),
        row("hold_goodbye_late_report", Holds, HOLD, |rules| {
            rules.pushes = Pushes::Off;
            rules.late_requests = true;
            rules.budget.goodbyes = 1;
        }),
    ]
}

fn with_losses() -> Vec<Row> {
    vec![
        row("fence_flush_crash", Holds, FENCE, |rules| {
            rules.pushes = Pushes::Off;
            rules.budget.flushes = 1;
            rules.budget.crashes = 1;
        }),
        row(
            "fence_flush_unordered_pushes",
            HoldsWithin(SOME),
            FENCE,
            |rules| {
                rules.pushes = Pushes::Unordered;
                rules.budget.flushes = 1;
            },
        ),
        row(
            "fence_flush_late_report",
            HoldsWithin(SOME),
            FENCE,
            |rules| {
                once(rules);
                rules.late_requests = true;
                rules.budget.flushes = 1;
            },
        ),
        row(
            "fence_drops_later_flush",
            HoldsWithin(SOME),
            FENCE,
            |rules| {
                once(rules);
                rules.policy = Policy::Fence(2);
                rules.budget.flushes = 1;
            },
        ),
        row(
            "fence_drops_later_flush_jump",
            HoldsWithin(SOME),
            FENCE,
            |rules| {
                once(rules);
                rules.policy = Policy::Fence(1);
                rules.budget.flushes = 1;
                rules.budget.jumps = 1;
            },
        ),
        row("fence_restart", Holds, FENCE, |rules| {
            rules.pushes = Pushes::Off;
            rules.budget.restarts = 1;
        }),
        row("fence_failover", HoldsWithin(SOME), FENCE, |rules| {
            once(rules);
            rules.budget.failovers = 1;
        }),
        // The grace outlasts every lease that the old master may still give out.
        row(
            "fence_failover_old_master",
            HoldsWithin(SOME),
            FENCE,
            |rules| {
                once(rules);
                rules.budget.failovers = 1;
                rules.old_master = 1;
                rules.grace += rules.old_master;
            },
        ),
        row(
            "fence_required_init_flush_crashes",
            Holds,
            FENCE,
            required_init,
        ),
        row("hold_flush", Holds, HOLD, |rules| {
            rules.pushes = Pushes::Off;
            rules.budget.flushes = 1;
        }),
        row("hold_eviction", Holds, HOLD, |rules| {
            rules.pushes = Pushes::Off;
            rules.budget.evictions = 1;
        }),
        row("hold_failover", Holds, HOLD, |rules| {
            once(rules);
            rules.budget.failovers = 1;
        }),
        row("wait_flush", HoldsWithin(SOME), WAIT, |rules| {
            rules.pushes = Pushes::Off;
            rules.budget.flushes = 1;
        }),
        row("wait_restart", HoldsWithin(SOME), WAIT, |rules| {
            rules.pushes = Pushes::Off;
            rules.budget.restarts = 1;
        }),
    ]
}

/// Where the promises end.
fn limits() -> Vec<Row> {
    let mut rows = vec![
        // Split brain: the old master renews a lease, and the new one knows nothing of it.
        row("old_master_outlives_grace", Breaks(I1), FENCE, |rules| {
            once(rules);
            rules.budget.failovers = 1;
            rules.old_master = FOREVER;
            rules.grace += 2;
        }),
        row("old_master_unknown_to_grace", Breaks(I1), FENCE, |rules| {
            once(rules);
            rules.budget.failovers = 1;
            rules.old_master = 2;
        }),
        // Where an empty store may be that of a new site, it is taken for one when nobody says otherwise in time.
        row("flush_all_knowers_dead", Breaks(I1), FENCE, |rules| {
            rules.assumption = Assumption::Nothing;
            rules.budget.flushes = 1;
            rules.budget.crashes = 1;
        }),
        row("flush_all_knowers_cut_off", Breaks(I1), FENCE, |rules| {
            once(rules);
            rules.assumption = Assumption::Nothing;
            rules.budget.flushes = 1;
        }),
        // Then the record says that data was lost; were that no excuse, the promise would break.
        row("hold_flush_while_cut_off", Breaks(I1), HOLD, |rules| {
            rules.loss_is_no_excuse = true;
            rules.budget.flushes = 1;
        }),
        row("wait_flush_while_cut_off", Breaks(I1), WAIT, |rules| {
            rules.loss_is_no_excuse = true;
            rules.budget.flushes = 1;
        }),
        // The only survivor was cut off before the activation. It brings back the open record that it knows, and with
        // that the site counts as initialised.
        row("required_init_older_record", Breaks(I1), FENCE, |rules| {
            required_init(rules);
            rules.assumption = Assumption::Nothing;
        }),
        // A report that comes when the goodbye is forgotten brings the node back, until somebody forgets it.
        row("hold_goodbye_very_late_report", Breaks(I4), HOLD, |rules| {
            rules.pushes = Pushes::Off;
            rules.late_requests = true;
            rules.reports_end = false;
            rules.budget.goodbyes = 1;
        }),
    ];
    for row in &mut rows {
        row.name.insert_str(0, "limit::");
    }
    rows
}

/// Rules that are broken on purpose.
fn mutations() -> Vec<Row> {
    let mut rows = mutations_of_the_node();
    rows.extend(mutations_of_the_ledger());
    rows.extend(redundant());
    rows
}

fn broken(
    mutation: Mutation,
    expected: Expected,
    rules: Rules,
    change: impl FnOnce(&mut Rules),
) -> Row {
    let name = format!("mutation::{mutation:?}");
    row(&name, expected, rules, |rules| {
        change(rules);
        rules.mutation = Some(mutation);
    })
}

fn mutations_of_the_node() -> Vec<Row> {
    let unchanged = |_: &mut Rules| {};
    let jump = |rules: &mut Rules| rules.budget.jumps = 1;
    let flush = |rules: &mut Rules| rules.budget.flushes = 1;
    vec![
        // A node that was drained, given up and forgotten opens by a push and begins something; the next drain does not
        // know of it.
        broken(Mutation::PushOpens, Breaks(I1), WAIT, |rules| {
            rules.budget.activations = 2;
        }),
        broken(Mutation::LeaseFromReply, Breaks(I1), FENCE, unchanged),
        broken(Mutation::NoMargin, Breaks(I1), FENCE, jump),
        broken(Mutation::NoProbation, Breaks(I1), FENCE, flush),
        broken(Mutation::BeginsUnknown, Breaks(I1), FENCE, unchanged),
        broken(Mutation::FenceNotObeyed, Breaks(I1), FENCE, unchanged),
        broken(Mutation::DropNotObeyed, Breaks(I1), FENCE, unchanged),
        broken(Mutation::DrainedTooEarly, Breaks(I1), FENCE, unchanged),
        broken(Mutation::NothingOffered, Breaks(I4), FENCE, flush),
        broken(Mutation::NothingClaimed, Breaks(I1), FENCE, flush),
        broken(Mutation::OlderApplied, Breaks(I2), FENCE, flush),
    ]
}

fn mutations_of_the_ledger() -> Vec<Row> {
    let unchanged = |_: &mut Rules| {};
    let flush = |rules: &mut Rules| rules.budget.flushes = 1;
    let failover = |rules: &mut Rules| {
        rules.pushes = Pushes::Off;
        rules.budget.failovers = 1;
    };
    vec![
        broken(Mutation::AcknowledgementsKept, Breaks(I1), FENCE, |rules| {
            rules.pushes = Pushes::Off;
            rules.budget.activations = 2;
        }),
        // Under `Hold` the ledger waits for ever for a node that has said goodbye.
        broken(Mutation::TombstoneIgnored, Breaks(I4), HOLD, |rules| {
            rules.pushes = Pushes::Off;
            rules.late_requests = true;
            rules.budget.goodbyes = 1;
        }),
        broken(Mutation::NoClamp, Breaks(I1), FENCE, |rules| {
            rules.budget.jumps = 1;
            rules.jump = 5;
        }),
        broken(Mutation::HoldGivenUp, Breaks(I3), HOLD, unchanged),
        // The margin makes up for one tick.
        broken(Mutation::FenceCountedEarly, Breaks(I1), FENCE, |rules| {
            rules.policy = Policy::Fence(2);
        }),
        broken(Mutation::GivenUpNotNamed, Breaks(I1), WAIT, unchanged),
        broken(Mutation::NeverConfirmed, Breaks(I4), WAIT, unchanged),
        broken(Mutation::NoGrace, Breaks(I1), FENCE, flush),
        broken(Mutation::GraceBeforeFences, Breaks(I1), FENCE, |rules| {
            once(rules);
            rules.policy = Policy::Fence(2);
            rules.budget.flushes = 1;
        }),
        broken(Mutation::LossNotTold, Breaks(I1), HOLD, flush),
        broken(Mutation::OwnStepsInGrace, Breaks(I1), FENCE, flush),
        broken(Mutation::OwnStepsWhileBehind, Breaks(I8), FENCE, failover),
        // One revision stands for two records, and those who know different ones never agree.
        broken(Mutation::PlainCounter, Breaks(I4), FENCE, failover),
    ]
}

/// Rules of which nothing depends here, and why they are kept.
fn redundant() -> Vec<Row> {
    let mut rows = vec![
        // What a node says names the activation for which it says so, whoever knows of a later decision ends that
        // activation, and nothing completes in a grace. The two rules keep the counts honest that people read meanwhile.
        broken(Mutation::ClaimsCountInGrace, Holds, HOLD, |rules| {
            rules.pushes = Pushes::Off;
            rules.budget.flushes = 1;
        }),
        broken(Mutation::ClaimsSurviveLoss, Holds, HOLD, |rules| {
            once(rules);
            rules.budget.failovers = 1;
        }),
        // For the same reason a late report says nothing false of the present activation. It is a cheap second line.
        broken(Mutation::SequenceIgnored, Holds, FENCE, |rules| {
            rules.pushes = Pushes::Off;
            rules.late_requests = true;
        }),
        // An opening is a new decision, and the greatest, so nodes may follow it whatever it was based on. The rule is
        // there for the operator, who should decide on what the nodes in contact know.
        broken(Mutation::OpensWhileReconciling, Holds, FENCE, |rules| {
            rules.pushes = Pushes::Off;
            rules.budget.flushes = 1;
        }),
    ];
    for row in &mut rows {
        row.name = row.name.replace("mutation::", "redundant::");
    }
    rows
}
