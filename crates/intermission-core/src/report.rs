//! What nodes, operators and the ledger say to each other.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{ActivationId, NodeId, OperationId, Revision};
use crate::record::Record;
use crate::scope::ScopeName;
use crate::{Timestamp, wire};

/// What a node says with every heartbeat: that it lives, what it has seen, what still runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeReport {
    /// Who speaks.
    pub node: NodeId,
    /// The how-manieth report this is. The ledger ignores a report that is not newer than the last.
    pub sequence: u64,
    /// Whether the ledger has ever answered this node. A ledger that does not know it has forgotten something.
    pub heard_before: bool,
    /// The newest revision that the node has applied.
    pub seen: Revision,
    /// The activation for which the node starts no execution any more.
    pub closed: Option<ActivationId>,
    /// The activation for which none runs there any more.
    pub drained: Option<ActivationId>,
    /// The level change for which no request of those that it closes out runs there any more; at level
    /// [`Exclusive`](crate::Level::Exclusive) no execution either.
    pub quiet: Option<Revision>,
    /// The activations of scopes that it has seen and for which an execution still runs there, whether their drains are
    /// complete or not. For all others that it has seen, none does, and none can start.
    pub undrained: Vec<ActivationId>,
    /// What being out of contact means for this node.
    pub lost_contact: LostContact,
    /// What humans want to know of it.
    pub facts: NodeFacts,
    /// The node's record, when it may be newer than the ledger's: how an emptied store gets it back.
    pub offer: Option<Arc<Record>>,
}

impl NodeReport {
    /// The first report of a node that has seen nothing.
    #[must_use]
    pub fn new(node: NodeId, sequence: u64) -> Self {
        Self {
            node,
            sequence,
            heard_before: false,
            seen: Revision::ZERO,
            closed: None,
            drained: None,
            quiet: None,
            undrained: Vec::new(),
            lost_contact: LostContact::default(),
            facts: NodeFacts::default(),
            offer: None,
        }
    }
}

/// What humans want to know of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeFacts {
    /// Its name for humans.
    pub label: String,
    /// The framework that it serves with, if any.
    pub framework: Option<String>,
    /// Executions that run and are waited for.
    pub running: u64,
    /// Executions of bypassed visitors, which are not waited for.
    pub bypass_running: u64,
    /// Requests in flight.
    pub requests: u64,
    /// The oldest running executions, at most [`NodeFacts::EXECUTIONS_SHOWN`].
    pub executions: Vec<ExecutionView>,
    /// Why the node is closed by itself, if it is.
    pub hold: Option<String>,
}

impl NodeFacts {
    /// How many executions a report lists.
    pub const EXECUTIONS_SHOWN: usize = 20;

    /// The facts of a node with this name.
    #[must_use]
    pub fn labelled(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..Self::default()
        }
    }
}

/// One running execution, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExecutionView {
    /// Its id, unique on its node.
    pub id: u64,
    /// What kind of work it is.
    pub kind: String,
    /// Which piece of work it is.
    pub label: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// Whether a bypassed visitor began it, so that no drain waits for it.
    pub bypass: bool,
    /// The parts of the site for which it is done, if it is not the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeName>,
}

impl ExecutionView {
    /// An execution that began at that time.
    #[must_use]
    pub fn new(
        id: u64,
        kind: impl Into<String>,
        label: Option<String>,
        started_at: Timestamp,
    ) -> Self {
        Self {
            id,
            kind: kind.into(),
            label,
            started_at,
            bypass: false,
            scopes: Vec::new(),
        }
    }

    /// The same, for these parts of the site.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Vec<ScopeName>) -> Self {
        self.scopes = scopes;
        self
    }

    /// The same, begun by a bypassed visitor or not.
    #[must_use]
    pub const fn with_bypass(mut self, bypass: bool) -> Self {
        self.bypass = bypass;
        self
    }
}

/// What being out of contact with the state means for a node and its fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new policy must not compile until node and ledger have an answer for it"
)]
pub enum LostContact {
    /// The node goes on as it last knew. The fleet waits for it for its lease and this long, then goes on without
    /// it and lists it as unconfirmed.
    Wait(#[serde(with = "millis")] Duration),
    /// The node goes on as it last knew. The fleet waits until it is back, says goodbye, or is forgotten by an
    /// operator.
    Hold,
    /// The node starts no execution after its lease, cancels running ones, and drops those that it may drop this
    /// long after it: what `Gate::run` runs. The fleet counts it as drained then. That is exact for these, and for
    /// executions that end when they are told to; a bare `Execution` that ignores `cancelled()` cannot be dropped, and
    /// may still run.
    Fence(#[serde(with = "millis")] Duration),
    /// The node serves nobody and runs nothing, ever: its gate lets in no visitor, be it one with a pass, and begins no
    /// execution. When it is lost, it has left: at the end of its lease the fleet takes it off the list, as if it had
    /// said goodbye, and never names it. For a process that joins only to be seen, or to bring back what a state has
    /// lost. Until then it speaks, and is waited for, as every node.
    Leave,
}

impl Default for LostContact {
    fn default() -> Self {
        Self::Wait(Duration::from_secs(120))
    }
}

/// What the ledger answers to a report.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SyncReply {
    /// The sequence of the newest report that the ledger has accepted from this node. Not the report's own: it was
    /// ignored as stale.
    pub sequence: u64,
    /// The newest record; `None` for a site that was never changed.
    pub record: Option<Arc<Record>>,
    /// How far the fleet's drain has got.
    pub count: FleetCount,
    /// How long nothing completes yet, because the ledger may have forgotten something. Zero in normal life.
    pub grace: Duration,
}

impl SyncReply {
    /// A reply of a ledger in normal life, to the report with this sequence. For states that keep their ledger
    /// elsewhere.
    #[must_use]
    pub fn new(sequence: u64, record: Option<Arc<Record>>) -> Self {
        Self {
            sequence,
            record,
            count: FleetCount::default(),
            grace: Duration::ZERO,
        }
    }
}

/// How far a fleet's drain has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FleetCount {
    /// Nodes that the ledger knows.
    pub nodes: u64,
    /// Of these: nodes that start no execution any more.
    pub closed: u64,
    /// Of these: nodes on which none runs any more.
    pub drained: u64,
    /// Executions that are still waited for.
    pub running: u64,
}

/// Who asks, and by which way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Actor {
    /// The person or program.
    pub name: String,
    /// The way: `command`, `admin 192.0.2.7`, `code`.
    pub origin: String,
}

impl Actor {
    /// Somebody, by some way.
    #[must_use]
    pub fn new(name: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            origin: origin.into(),
        }
    }
}

/// An operator's change, ready to be decided by the ledger.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Operation {
    /// The same for every repetition of the request.
    pub id: OperationId,
    /// The revision on which the change was computed. Another one in the ledger is a conflict.
    pub expected: Option<Revision>,
    /// The newest revision that the operator has ever seen.
    pub known: Revision,
    /// What is asked.
    pub intent: Intent,
    /// Who asks.
    pub actor: Actor,
}

impl Operation {
    /// Replaces `before` by `next`, which [`Record::apply`] made of it.
    #[must_use]
    pub fn replace(id: OperationId, before: &Record, next: Record, actor: Actor) -> Self {
        let known = before.revision();
        Self {
            id,
            expected: Some(known),
            known,
            intent: Intent::Put(Box::new(next)),
            actor,
        }
    }

    /// Marks an empty state as a new site.
    #[must_use]
    pub const fn init(id: OperationId, actor: Actor) -> Self {
        Self {
            id,
            expected: None,
            known: Revision::ZERO,
            intent: Intent::Init,
            actor,
        }
    }
}

/// What an operation asks.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new one must not compile until every state has an answer for it"
)]
pub enum Intent {
    /// This is to be the record.
    Put(Box<Record>),
    /// An empty state is a new site, not one that has lost its data.
    Init,
}

/// What the ledger answers to an operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OperateReply {
    /// It is done; this is the record now.
    Stored(Arc<Record>),
    /// It was so already.
    Unchanged(Arc<Record>),
    /// This very operation was done before.
    Duplicate(Arc<Record>),
    /// Somebody else was faster; this is the record now. Apply the change to it and try again.
    Conflict(Arc<Record>),
    /// The operator has seen a newer record than the ledger has: it lost something, and a node will bring it back.
    Behind(Arc<Record>),
    /// The ledger may have forgotten something and hears the nodes first. Try again after this long.
    Reconciling(Duration),
}

/// Why a node leaves the list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new one must not compile until every state has an answer for it"
)]
pub enum Departure {
    /// It ends in order, and nothing runs there any more.
    Goodbye,
    /// It was proved dead: its process is gone.
    Died,
    /// An operator takes the responsibility that nothing runs there any more.
    Forgotten(Actor),
}

mod millis {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    use super::wire;

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        wire::optional_millis::serialize(&Some(*duration), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let millis = wire::optional_millis::deserialize(deserializer)?;
        millis.ok_or_else(|| serde::de::Error::custom("a duration in milliseconds is missing"))
    }
}
