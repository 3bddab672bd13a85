//! What is explored: how many nodes of which kind, with which periods, under which faults, by which rules.

use crate::rule::Rule;

/// The most nodes that a model may have.
pub const NODES: usize = 3;

/// `LostContact`, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the three policies of the code")]
pub enum Policy {
    /// Goes on as last known, and is named once it has been silent for its lease and this long.
    Wait(u8),
    /// Goes on as last known, and is waited for.
    Hold,
    /// Starts nothing after its lease, drops what it runs this long after that, and then counts as drained.
    Fence(u8),
}

impl Policy {
    /// What is added to the lease.
    #[must_use]
    pub const fn more(self) -> u8 {
        match self {
            Self::Wait(more) | Self::Fence(more) => more,
            Self::Hold => 0,
        }
    }

    /// Whether the node fences itself.
    #[must_use]
    pub const fn fences(self) -> bool {
        matches!(self, Self::Fence(_))
    }
}

/// `Timing`, in ticks. See the crate's documentation for what a tick is.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a row of the table is written with all of them")]
pub struct Periods {
    /// For how long the ledger takes a node's word.
    pub lease: u8,
    /// How much earlier the node gives up. Must exceed what the store's clock jumps by.
    pub margin: u8,
    /// The most that the fleet clock believes at once.
    pub step: u8,
    /// For how long nothing completes after a loss.
    pub grace: u8,
    /// For how long an operator may not open after a loss.
    pub reconcile: u8,
}

/// `DrainPolicy`, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the three policies of the code")]
pub enum Drain {
    /// Until the last execution has ended.
    Wait,
    /// At most this long, then activated.
    Force(u8),
    /// At most this long, then deactivated.
    Abort(u8),
}

impl Drain {
    /// The longest that a drain may take.
    #[must_use]
    pub const fn limit(self) -> u8 {
        match self {
            Self::Wait => 0,
            Self::Force(limit) | Self::Abort(limit) => limit,
        }
    }
}

/// How often each thing may happen in one history, at most three times.
///
/// Whatever is not listed may happen as often as it likes: reports, replies and pushes come and get lost, executions
/// begin and end, time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row of the table names what it allows")]
pub struct Budget {
    /// An operator activates.
    pub activations: u8,
    /// An operator deactivates.
    pub deactivations: u8,
    /// An operator edits.
    pub edits: u8,
    /// An operator marks an empty state as a new site.
    pub inits: u8,
    /// A node dies.
    pub crashes: u8,
    /// A node ends in order.
    pub goodbyes: u8,
    /// The store's clock jumps forward, by any time.
    pub jumps: u8,
    /// Everything is lost: `FLUSHALL`, a restart without persistence.
    pub flushes: u8,
    /// Who is there is lost, the record is not: an evicted key.
    pub evictions: u8,
    /// Nothing is lost, but nobody can be sure of that: a restart with all data.
    pub restarts: u8,
    /// A replica takes over that lacks the newest writes.
    pub failovers: u8,
    /// The same, and nobody says so: a backup is put back by hand.
    pub rollbacks: u8,
    /// The record is lost and who is there is not, and nobody says so.
    pub erasures: u8,
    /// An operator takes a living node off the list.
    pub mistakes: u8,
}

/// What the network may do besides losing messages.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a row of the table names what it allows")]
pub struct Network {
    /// Reports and answers take no time, if they are not lost. Fewer interleavings, so that more can go wrong elsewhere.
    pub is_instant: bool,
    /// A report that the node has given up is executed later.
    pub late_reports: bool,
    /// Pushes come on a connection of their own: late, and in any order with replies. Otherwise they come at once or
    /// never.
    pub late_pushes: bool,
}

/// What is taken for granted.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a row of the table is written with all of them")]
pub struct Assumptions {
    /// A5 of the design: after a loss, somebody who knows the newest record gets a call through before the grace ends.
    /// Histories in which nobody does are cut off.
    pub somebody_knows: bool,
    /// A completion that says that the store has lost its data excuses what runs on nodes that the ledger does not
    /// know. Fleets that fence need no such excuse.
    pub loss_excuses: bool,
    /// A5 where nothing was ever written: of those who were there before the loss, somebody gets a call through. So the
    /// ledger does not take its site for a new one, and learns for how long nodes that fence themselves go on.
    pub was_somebody_there: bool,
    /// What such a completion excuses stays excused until the node is heard of, however many activations later.
    /// Otherwise the excuse ends with the next completion that does not say it.
    pub excuses_last: bool,
    /// Where a copy takes over unannounced, the first to speak to it is a node that knows more.
    pub rollbacks_show: bool,
    /// An old master makes no record of its own that overrides what was decided at the new one.
    pub old_master_rests: bool,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a row of the table")]
pub struct Config {
    /// One for each node.
    pub policies: &'static [Policy],
    /// The periods.
    pub periods: Periods,
    /// What may happen how often.
    pub budget: Budget,
    /// What the network does.
    pub network: Network,
    /// The drain of every activation.
    pub drain: Drain,
    /// Whether visitors come, and quiescence is looked at.
    pub visitors: bool,
    /// Whether activations begin as read-only; an edit closes fully.
    pub levels: bool,
    /// Whether activations end by themselves, at a time that comes whenever it likes.
    pub auto_end: bool,
    /// Whether the first act of the operator is a plan, whose time comes whenever it likes.
    pub plan: bool,
    /// For how many ticks an old master accepts writes after a failover.
    pub old_master: u8,
    /// How many nodes that were given up the ledger keeps.
    pub given_up_kept: u8,
    /// What is taken for granted.
    pub assumptions: Assumptions,
    /// The rule that is broken on purpose.
    pub broken: Option<Rule>,
}

impl Config {
    /// Whether this rule is broken.
    #[must_use]
    pub fn breaks(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }

    /// How many nodes there are.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.policies.len()
    }

    /// The policy of a node.
    #[must_use]
    pub fn policy(&self, node: usize) -> Policy {
        self.policies[node]
    }

    /// What a renewal that is answered at once is worth to a node, until it drops what it runs. The tick in which the
    /// lease ends still belongs to it.
    #[must_use]
    pub fn usable_lease(&self, node: usize) -> u8 {
        self.periods.lease + 1 + self.policy(node).more() - self.periods.margin
    }

    /// How old a report may get while its node waits for the answer.
    #[must_use]
    pub const fn timeout(&self) -> u8 {
        self.periods.lease - self.periods.margin
    }

    /// Whether the store may lose anything.
    #[must_use]
    pub const fn loses(&self) -> bool {
        let Budget {
            flushes,
            evictions,
            restarts,
            failovers,
            rollbacks,
            erasures,
            ..
        } = self.budget;
        flushes + evictions + restarts + failovers + rollbacks + erasures > 0
    }

    /// Whether there may be a second store.
    #[must_use]
    pub const fn copies(&self) -> bool {
        self.budget.failovers + self.budget.rollbacks > 0
    }

    /// Whether a grace may have to be longer than its period, because nodes fence themselves late.
    #[must_use]
    pub fn outlasts(&self) -> bool {
        let longest = self.policies.iter().filter(|policy| policy.fences());
        longest.map(|policy| self.periods.lease + policy.more()).max() > Some(self.periods.grace)
    }

    /// Whether anything happens by itself at a time.
    #[must_use]
    pub const fn is_timed(&self) -> bool {
        self.auto_end || self.plan
    }
}
