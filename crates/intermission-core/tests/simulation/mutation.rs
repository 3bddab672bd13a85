//! Rules that are broken on purpose, to see that the checker notices.
//!
//! The code under test has no switches: what is broken is what the world does with messages and clocks.

/// A rule that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// What a node said of one activation is taken as said of the next.
    AcknowledgementsKept,
    /// After a loss the ledger goes on as if nothing had happened.
    NoGrace,
    /// Nodes are never told that a grace goes on, so none is on probation.
    NoProbation,
    /// Nodes bring nothing back.
    NothingOffered,
    /// The ledger is not told which revisions the nodes have seen, and nothing is brought back at once.
    NothingClaimed,
    /// A pushed record is taken as the answer to whatever report is on its way.
    PushOpens,
    /// A node's lease counts from when it got the answer.
    LeaseFromReply,
    /// A node relies on its lease to the very end.
    NoMargin,
    /// The fleet clock believes every jump.
    NoClamp,
    /// A node that is out of contact goes on although it promised to fence itself.
    FenceNotObeyed,
}
