//! The rules of the protocol, each of which can be broken to see what it is good for.

/// A rule of the protocol. Breaking it is one line of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the table names every one")]
pub enum Rule {
    // The node's.
    /// The lease counts from the moment at which its renewal was sent.
    LeaseFromSending,
    /// A node waits for an answer for less than its lease is worth.
    TimeOut,
    /// A fenced node starts nothing.
    FenceStops,
    /// A fenced node drops what it runs.
    FenceDrops,
    /// Who comes without a lease while the ledger may have forgotten something starts nothing.
    Probation,
    /// Who was never answered starts nothing.
    JoinFirst,
    /// A push may only close.
    PushOnlyCloses,
    /// A node offers what it knows better.
    Offer,
    /// A node takes newer records only.
    NodeForward,
    /// A reply to a report that was given up is not taken for the reply to another.
    ReplyMatches,
    // The ledger's clock.
    /// The fleet clock believes no more than its step at once.
    Clamp,
    /// Where nodes fence themselves late, their policy counts before they count as drained.
    FenceExpiry,
    // The ledger after a loss.
    /// A loss begins a grace.
    Grace,
    /// The grace lasts until forgotten nodes that fence themselves late have dropped what they run.
    Outlast,
    /// Somebody who has seen more than the ledger proves a loss.
    NoticeLoss,
    /// What somebody has seen and the ledger lacks, it waits for.
    ClaimGuard,
    /// What is said in a grace does not count.
    CountAfterGrace,
    /// What was said before a loss does not count.
    ForgetClaims,
    /// Every lease begins anew with a loss.
    RenewAll,
    /// The next completion says that something was lost.
    SayLost,
    /// A site is not taken for new if somebody was there before the loss.
    KnownBefore,
    /// For a while nobody may open.
    Reconcile,
    /// Edits wait until the ledger knows all.
    EditsWait,
    /// The ledger's own steps wait until it knows all: completion, and taking a confirmed node off the list.
    CompletionWaits,
    /// The same for plans that begin and activations that end by themselves.
    TimedStepsWait,
    /// The ledger takes back newer records only.
    LedgerForward,
    /// Revisions come from a clock that goes on while the store forgets.
    HybridRevision,
    /// A new revision is above all that any node claims to have seen.
    AboveClaims,
    // The drain.
    /// What is said of one activation does not count for another.
    ClaimsPerActivation,
    /// The claims are cleared when an activation begins or ends.
    ClearAtBegin,
    /// A report counts only for the activation that it names.
    NamesActivation,
    /// The claims are cleared when another activation is taken back.
    ClearAtTakeBack,
    /// A report that is older than the last one heard is ignored.
    Sequence,
    /// A node that waits and was given up is named.
    NameGivenUp,
    /// It is named by every later drain, too, until it is heard of.
    KeepGivenUp,
    /// If too many were given up to be kept, that counts as a loss.
    SurplusIsLoss,
    /// An unconfirmed node is taken off the list only when it has drained.
    ConfirmDrained,
    /// Reports of a node that said goodbye are ignored for a while.
    Departed,
    // Quiescence.
    /// Only a node that has drained and is quiet may be forgotten when its time is over.
    QuietBeforeRemoval,
    /// What was said of another level does not count.
    QuietPerLevel,
    /// No quiescence is claimed while something is lost.
    QuiescenceWaits,
}
