//! What a state shows to people: its record, its nodes, and how far it is.

use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::id::{ActivationId, NodeId, Revision};
use crate::record::Record;
use crate::report::{ExecutionView, FleetCount, LostContact, NodeFacts};
use crate::scope::ScopeName;

/// A state at one moment, for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct View {
    /// The record.
    pub record: Arc<Record>,
    /// The nodes, those that hold up the drain first, at most as many as were asked for.
    pub nodes: Vec<NodeView>,
    /// How many nodes there are in all.
    pub node_count: u64,
    /// How far the drain has got.
    pub count: FleetCount,
    /// Since when no request that the level closes out has been running anywhere, if that is known. At level
    /// [`Exclusive`](crate::Level::Exclusive) no execution has been either.
    pub quiescent_at: Option<Timestamp>,
    /// How long nothing completes yet, because the ledger may have forgotten something.
    pub grace: Duration,
    /// The newest revision that any node claims to have seen. If it is greater than the record's, the state has lost
    /// that record, and whoever claims it will bring it back.
    pub newest_seen: Revision,
    /// When the state lost data, until a completion has said so.
    pub lost_at: Option<Timestamp>,
}

impl View {
    /// The view of a state with this record and no nodes. For states that keep their ledger elsewhere.
    #[must_use]
    pub fn new(record: Arc<Record>) -> Self {
        Self {
            record,
            nodes: Vec::new(),
            node_count: 0,
            count: FleetCount::default(),
            quiescent_at: None,
            grace: Duration::ZERO,
            newest_seen: Revision::ZERO,
            lost_at: None,
        }
    }

    /// The same of one scope, as if it were a site of its own: see [`Record::of_scope`]. What nodes say is said of the
    /// scope's activation, and what they run is what they list of the scope, so that with many executions on one node the
    /// counts are of those that it lists. Of requests, and so of quiescence, nothing is known for a scope.
    #[must_use]
    pub fn of_scope(mut self, name: &ScopeName) -> Self {
        let record = self.record.of_scope(name);
        let id = record.activation().map(|on| on.id);
        let mut count = FleetCount {
            nodes: self.count.nodes,
            ..FleetCount::default()
        };
        for node in &mut self.nodes {
            node.closed = id.is_some_and(|id| node.seen >= id.began());
            node.drained = node.closed && id.is_some_and(|id| !node.undrained.contains(&id));
            let facts = &mut node.facts;
            facts.executions.retain(|one| one.scopes.contains(name));
            let bypass = facts.executions.iter().filter(|one| one.bypass).count();
            let awaited = facts.executions.len() - bypass;
            facts.running = u64::try_from(awaited).unwrap_or(u64::MAX);
            facts.bypass_running = u64::try_from(bypass).unwrap_or(u64::MAX);
            if !node.out_of_contact {
                count.closed += u64::from(node.closed);
                count.drained += u64::from(node.drained);
            }
            count.running = count.running.saturating_add(facts.running);
        }
        self.record = Arc::new(record);
        self.count = count;
        self.quiescent_at = None;
        self
    }

    /// Whether some node has seen a newer record than the state has.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.newest_seen > self.record.revision()
    }

    /// Whether the state may have lost something, or is new, and hears its nodes first: nothing completes meanwhile.
    #[must_use]
    pub const fn is_reconciling(&self) -> bool {
        !self.grace.is_zero()
    }

    /// Whether the activation ended its drain without knowing what this node runs, and nobody has found out since.
    #[must_use]
    pub fn is_unconfirmed(&self, node: NodeId) -> bool {
        let activation = self.record.activation();
        activation
            .and_then(|on| on.completion.as_ref())
            .is_some_and(|done| done.unconfirmed.iter().any(|other| other.node == node))
    }

    /// Whether the node is heard of; `None` if this view has not all nodes, and not this one.
    #[must_use]
    pub fn is_in_contact(&self, node: NodeId) -> Option<bool> {
        let listed = self.nodes.iter().find(|other| other.node == node);
        match listed {
            Some(listed) => Some(!listed.out_of_contact),
            None if u64::try_from(self.nodes.len()).is_ok_and(|shown| shown >= self.node_count) => {
                Some(false)
            }
            None => None,
        }
    }

    /// All listed executions with their nodes, the oldest first.
    #[must_use]
    pub fn executions(&self) -> Vec<(&NodeView, &ExecutionView)> {
        let mut all: Vec<_> = self
            .nodes
            .iter()
            .flat_map(|node| {
                node.facts
                    .executions
                    .iter()
                    .map(move |execution| (node, execution))
            })
            .collect();
        all.sort_by_key(|(node, execution)| (execution.started_at, node.node, execution.id));
        all
    }

    /// How many of the listed nodes are how far.
    #[must_use]
    pub fn contacts(&self) -> Contacts {
        let revision = self.record.revision();
        let mut contacts = Contacts::default();
        for node in &self.nodes {
            if node.out_of_contact {
                contacts.out_of_contact += 1;
            } else {
                contacts.live += 1;
                contacts.behind += u64::from(node.seen < revision);
                contacts.ahead += u64::from(node.seen > revision);
            }
        }
        contacts
    }
}

/// How many nodes are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contacts {
    /// Heard of within their lease.
    pub live: u64,
    /// Of these: nodes that have not yet seen the record.
    pub behind: u64,
    /// Of these: nodes that have seen a newer record, which the state has lost.
    pub ahead: u64,
    /// Silent for longer than their lease.
    pub out_of_contact: u64,
}

/// One node at one moment, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeView {
    /// Which node.
    pub node: NodeId,
    /// What it says of itself.
    pub facts: NodeFacts,
    /// The newest revision that it has applied.
    pub seen: Revision,
    /// When it was last heard of.
    pub heard_at: Timestamp,
    /// Whether it has been silent for longer than its lease.
    pub out_of_contact: bool,
    /// Whether it has closed for the activation that is on.
    pub closed: bool,
    /// Whether it has drained for the activation that is on.
    pub drained: bool,
    /// What being out of contact means for it.
    pub lost_contact: LostContact,
    /// The activations of scopes of which it has said last that something still runs there.
    pub undrained: Vec<ActivationId>,
}

impl NodeView {
    /// A node that has just said this of itself, and nothing else. For states that keep their ledger elsewhere.
    #[must_use]
    pub fn new(node: NodeId, facts: NodeFacts) -> Self {
        Self {
            node,
            facts,
            seen: Revision::ZERO,
            heard_at: Timestamp::default(),
            out_of_contact: false,
            closed: false,
            drained: false,
            lost_contact: LostContact::default(),
            undrained: Vec::new(),
        }
    }
}
