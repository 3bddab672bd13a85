//! Rules that are broken on purpose, to see that the checker notices.
//!
//! The code under test has no switches: what is broken is what the world does with messages, clocks, orders to
//! executions, and the members that a store keeps.

/// A rule that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    // Rules of the node.
    /// A pushed record is taken as the answer to whatever report is on its way.
    PushOpens,
    /// The answer to a report that was given up is taken as the answer to the one that is on its way.
    LateReplyTaken,
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
    /// The gate waits for the timer to be told that the lease is over.
    FenceByTimerOnly,
    /// What is to be dropped when a drain is forced goes on.
    ForceNotObeyed,
    /// A node that is out of contact begins executions although a planned maintenance has begun.
    PlanNotObeyed,
    /// A node that has promised to serve nobody begins executions.
    ServesAfterAll,
    /// A node that should be closed during an outage is not.
    HoldNotObeyed,
    /// A node says that it has drained as soon as it has closed.
    DrainedTooEarly,
    /// A node says that nothing of a scope runs there as soon as it has closed it.
    ScopesDrainedTooEarly,
    /// A node says that it is quiet as soon as the drain is over.
    QuietTooEarly,
    /// Nodes bring nothing back.
    NothingOffered,
    /// The ledger is not told which revisions the nodes have seen, and nothing is brought back at once.
    NothingClaimed,

    // Rules of the ledger: what was said.
    /// What a node said of one activation is taken as said of the next.
    AcknowledgementsKept,
    /// What a node said counts although the ledger may have forgotten who else is there.
    ClaimsCountInGrace,
    /// What a node said before a loss counts after it.
    ClaimsSurviveLoss,
    /// Quiescence at one level is taken for quiescence at the next.
    QuietKept,
    /// Quiescence is claimed although nodes may have been forgotten.
    QuietDespiteLoss,
    /// A report that comes late counts, too.
    SequenceIgnored,
    /// A report that comes after the goodbye brings the node back.
    TombstoneIgnored,

    // Rules of the ledger: who is waited for, and for how long.
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

    // Rules of the ledger: after a loss.
    /// After a loss the ledger goes on as if nothing had happened.
    NoGrace,
    /// A grace ends while nodes that were forgotten may not have fenced themselves yet.
    GraceBeforeFences,
    /// What was lost with a renewal is not waited for.
    LeasesNotRenewed,
    /// No completion says that the state has lost data.
    LossNotTold,
    /// An emptied site is taken for a new one, although a node knows a record from before.
    OldRecordsIgnored,
    /// A new site that is closed in its first grace is taken for one that has lost its data.
    NewSiteNotSeen,
    /// A store that went back without noticing does not learn it from its nodes.
    LossNotNoticed,
    /// What a node brings back is taken although it is older.
    OlderTakenBack,
    /// The ledger makes records of its own in a grace.
    OwnStepsInGrace,
    /// The ledger makes records of its own although somebody has seen a newer one.
    OwnStepsWhileBehind,
    /// Operators open right after a loss.
    OpensWhileReconciling,
    /// Operators edit in a grace.
    EditsInGrace,
    /// Revisions are counted, not taken from a clock.
    PlainCounter,

    // Rules of the ledger: operations.
    /// An operation that was computed on another record is stored.
    ConflictIgnored,
    /// An operator who has seen a newer record is not told so.
    BehindIgnored,
    /// An operation that is repeated is done again.
    DuplicateIgnored,
    /// An operator's old copy says how the drain ended.
    CompletionFromOperator,
}

impl Mutation {
    /// Whether it shows only after the storm, when all should be well again.
    pub(crate) const fn shows_at_the_end(self) -> bool {
        matches!(self, Self::NothingOffered | Self::NeverConfirmed)
    }
}
