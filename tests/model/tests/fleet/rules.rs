//! What a configuration is: the timing and policy of the fleet, the faults that may happen, and the rule that is broken.

/// How many nodes there are.
pub(crate) const NODES: usize = 2;

/// For how many ticks the ledger takes a node's word.
pub(crate) const LEASE: u8 = 2;

/// How many ticks earlier a node counts its lease as lost.
pub(crate) const MARGIN: u8 = 1;

/// The most ticks that the fleet clock believes at once, and by how much the store's clock may jump.
pub(crate) const STEP: u8 = 1;

/// For how many ticks an operator may not open after a loss.
pub(crate) const RECONCILE: u8 = 1;

/// More ticks than anything lasts.
pub(crate) const FOREVER: u8 = u8::MAX;

/// What a node does when it loses contact, as `LostContact`; the same for the whole fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Wait(u8),
    Hold,
    Fence(u8),
}

impl Policy {
    /// After how many ticks of silence a node is given up.
    pub(crate) const fn expiry(self) -> u8 {
        match self {
            Self::Hold => FOREVER,
            Self::Wait(more) | Self::Fence(more) => LEASE + more,
        }
    }

    /// For how many ticks after its lease a node goes on with what it runs.
    pub(crate) const fn drop_after(self) -> u8 {
        match self {
            Self::Fence(more) => more,
            Self::Wait(_) | Self::Hold => 0,
        }
    }

    pub(crate) const fn fences(self) -> bool {
        matches!(self, Self::Fence(_))
    }
}

/// How pushed records travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushes {
    /// Not at all.
    Off,
    /// Late or never, but a newer one takes the place of one that has not arrived.
    Newest,
    /// Late or never, and in any order.
    Unordered,
}

/// What is taken for granted after a loss. States in which it is not so are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assumption {
    /// Nothing.
    Nothing,
    /// A5 of the design: somebody who knows the newest record gets a report through before the grace is over.
    SomebodyTells,
    /// The same, or nobody ever tells anything: no older record is brought back either.
    NobodyTellsHalf,
}

/// How often each thing may still happen in a run. What has no number may happen always: time passes, messages are late
/// or lost, executions begin and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Budget {
    pub(crate) activations: u8,
    pub(crate) deactivations: u8,
    /// A node ends without a word.
    pub(crate) crashes: u8,
    /// A node says goodbye and ends.
    pub(crate) goodbyes: u8,
    /// An operator forgets a node.
    pub(crate) forgets: u8,
    /// The store's clock jumps forward.
    pub(crate) jumps: u8,
    /// The store loses everything, as by FLUSHALL or a restart without a copy.
    pub(crate) flushes: u8,
    /// The store loses what it knew of the nodes, and keeps the record.
    pub(crate) evictions: u8,
    /// The store restarts with all its data, but cannot know that.
    pub(crate) restarts: u8,
    /// The store fails over to a replica, which has one earlier state.
    pub(crate) failovers: u8,
}

/// A rule that is broken on purpose. Where the random simulation in `intermission-core` breaks the same rule, it has the
/// same name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    // Rules of the node.
    /// A pushed record may open.
    PushOpens,
    /// A node's lease counts from when it got the answer.
    LeaseFromReply,
    /// A node relies on its lease to the very end.
    NoMargin,
    /// Nodes are never told that a grace goes on, so none is on probation.
    NoProbation,
    /// A node begins executions before the ledger has heard of it.
    BeginsUnknown,
    /// A node that is out of contact goes on although it promised to fence itself.
    FenceNotObeyed,
    /// It begins nothing any more, but drops nothing either.
    DropNotObeyed,
    /// A node says that it has drained as soon as it has closed.
    DrainedTooEarly,
    /// Nodes bring nothing back.
    NothingOffered,
    /// The ledger is not told which revisions the nodes have seen.
    NothingClaimed,
    /// A node takes whatever record the ledger answers with.
    OlderApplied,

    // Rules of the ledger.
    /// What a node said of one activation is taken as said of the next.
    AcknowledgementsKept,
    /// What a node said counts although the ledger may have forgotten who else is there.
    ClaimsCountInGrace,
    /// What a node said before a loss counts after it.
    ClaimsSurviveLoss,
    /// A report that comes late counts, too.
    SequenceIgnored,
    /// A report that comes after the goodbye brings the node back.
    TombstoneIgnored,
    /// The fleet clock believes every jump.
    NoClamp,
    /// A node that holds is given up after its lease.
    HoldGivenUp,
    /// A node that fences itself counts as drained when its lease is over, and not when it has dropped what it ran.
    FenceCountedEarly,
    /// Nodes that were given up are forgotten.
    GivenUpNotNamed,
    /// Who was not confirmed stays so.
    NeverConfirmed,
    /// After a loss the ledger goes on as if nothing had happened.
    NoGrace,
    /// A grace ends while nodes that were forgotten may not have fenced themselves yet.
    GraceBeforeFences,
    /// No completion says that the state has lost data.
    LossNotTold,
    /// The ledger makes records of its own in a grace.
    OwnStepsInGrace,
    /// The ledger makes records of its own although somebody has seen a newer one.
    OwnStepsWhileBehind,
    /// Operators open right after a loss.
    OpensWhileReconciling,
    /// Revisions are counted, not taken from a clock.
    PlainCounter,
}

/// One row of the table: a fleet, its faults, and perhaps a broken rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    /// For how many ticks nothing completes after a loss.
    pub(crate) grace: u8,
    pub(crate) pushes: Pushes,
    /// Whether a request that was given up may be executed later.
    pub(crate) late_requests: bool,
    /// For how many ticks after a failover the old master goes on.
    pub(crate) old_master: u8,
    /// By how many ticks the store's clock jumps.
    pub(crate) jump: u8,
    /// An empty store never means that the site is open.
    pub(crate) require_init: bool,
    pub(crate) assumption: Assumption,
    /// Whether a report is executed within a lease, or never.
    pub(crate) reports_end: bool,
    /// Whether a completion that says that the store lost data is a promise nevertheless.
    pub(crate) loss_is_no_excuse: bool,
    pub(crate) budget: Budget,
    pub(crate) mutation: Option<Mutation>,
}

impl Budget {
    /// Whether the store may still lose something.
    pub(crate) const fn has_losses(&self) -> bool {
        self.flushes + self.evictions + self.restarts + self.failovers > 0
    }
}

impl Rules {
    pub(crate) fn breaks(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// For how many ticks a node may rely on a renewal, from when it was sent.
    pub(crate) fn usable_lease(&self) -> u8 {
        let margin = if self.breaks(Mutation::NoMargin) {
            0
        } else {
            MARGIN
        };
        LEASE - margin
    }

    /// How many ticks of silence the ledger waits for a node.
    pub(crate) fn expiry(&self) -> u8 {
        let is_early =
            self.breaks(Mutation::HoldGivenUp) || self.breaks(Mutation::FenceCountedEarly);
        if is_early {
            LEASE
        } else {
            self.policy.expiry()
        }
    }

    /// By how much longer than usual a grace must last, so that it outlasts the fences.
    pub(crate) fn outlasting(&self) -> u8 {
        if self.policy.fences() && !self.breaks(Mutation::GraceBeforeFences) {
            self.policy.expiry().saturating_sub(self.grace)
        } else {
            0
        }
    }
}
