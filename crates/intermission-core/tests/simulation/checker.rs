//! What must hold after every event.

use std::collections::BTreeSet;
use std::sync::Arc;

use intermission_core::{Ledger, Moment, NodeId, Record, Revision};

use crate::node::Node;

/// Keeps the score of what the ledger has claimed, and compares it with what is.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// The ledger's record when it was last looked at.
    record: Option<Arc<Record>>,
    /// The greatest revision that the ledger has ever given.
    newest: Revision,
    /// Nodes that the ledger does not know, which it has said: an operator forgot them, or the store lost its data.
    disclosed: BTreeSet<NodeId>,
    /// Activations up to this revision were forgotten by everybody who could speak in time (assumption A5 of the
    /// design), so nothing is promised of them.
    forgotten: Revision,
    /// The greatest revision that a node has told the ledger of since the store last lost something.
    told: Revision,
    /// Every node said that it is closed for the activation that began with this revision.
    closed: Option<Revision>,
    /// How often each claim was looked at while it was made.
    pub(crate) claims: Claims,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claims {
    pub(crate) closed: u64,
    pub(crate) drained: u64,
    pub(crate) quiescent: u64,
}

impl Claims {
    pub(crate) fn add(&mut self, other: Self) {
        self.closed += other.closed;
        self.drained += other.drained;
        self.quiescent += other.quiescent;
    }
}

impl Checker {
    /// The store has lost something, so that the ledger's record may be an older one.
    pub(crate) fn lost(&mut self, ledger: &Ledger) {
        self.record = ledger.record().cloned();
        self.told = Revision::ZERO;
    }

    /// A node's report has come to the ledger, whatever that makes of it.
    pub(crate) fn told(&mut self, seen: Revision) {
        self.told = self.told.max(seen);
    }

    pub(crate) fn forgot(&mut self, node: NodeId) {
        self.disclosed.insert(node);
    }

    /// An execution begins on this node.
    pub(crate) fn begins(&self, node: &Node) {
        let is_disclosed = self.disclosed.contains(&node.id);
        assert!(
            self.closed.is_none() || is_disclosed,
            "I1: {:?} begins an execution after everybody was closed: {:?}",
            node.id,
            node.record()
        );
    }

    pub(crate) fn look(&mut self, ledger: &Ledger, nodes: &[Node], now: Moment) {
        let record = ledger.current();
        self.note_record(&record);
        self.readmit(ledger, nodes);
        let view = ledger.view(0, now);
        let ahead = nodes
            .iter()
            .filter(|node| node.record().supersedes(&record));
        let ahead = ahead.map(|node| node.record().revision()).max();
        if let Some(ahead) = ahead
            && view.grace.is_zero()
        {
            assert!(
                self.told < ahead,
                "the ledger was told of {ahead}, and goes on without it: {record:?}"
            );
            // Whoever knew better was cut off for the whole grace.
            self.forgotten = self.newest;
        }
        let Some(activation) = record.activation() else {
            self.closed = None;
            return;
        };
        let began = activation.id.began();
        if self
            .closed
            .is_some_and(|closed| closed != began || closed <= self.forgotten)
        {
            self.closed = None;
        }
        if let Some(done) = &activation.completion
            && done.state_lost_at.is_some()
        {
            let known: BTreeSet<NodeId> = ledger.nodes().collect();
            self.disclosed.extend(
                nodes
                    .iter()
                    .map(|node| node.id)
                    .filter(|node| !known.contains(node)),
            );
        }
        if began <= self.forgotten || ahead.is_some() {
            return;
        }
        let has_none_given_up = view.node_count == view.count.nodes;
        if view.grace.is_zero() && view.count.closed == view.count.nodes && has_none_given_up {
            let known: BTreeSet<NodeId> = ledger.nodes().collect();
            let is_known =
                |node: &Node| known.contains(&node.id) || self.disclosed.contains(&node.id);
            if nodes
                .iter()
                .all(|node| is_known(node) || !node.machine.has_joined())
            {
                self.claims.closed += 1;
                self.closed = Some(began);
            }
        }
        let Some(done) = &activation.completion else {
            return;
        };
        if done.forced || done.state_lost_at.is_some() || !done.unconfirmed.is_empty() {
            return;
        }
        self.claims.drained += 1;
        for node in nodes
            .iter()
            .filter(|node| !self.disclosed.contains(&node.id))
        {
            let running = node.executions.len();
            assert_eq!(
                running, 0,
                "I2: {:?} ({:?}) runs something under {record:?}",
                node.id, node.lost_contact
            );
        }
        if view.quiescent_at.is_some() {
            self.claims.quiescent += 1;
            let served = nodes
                .iter()
                .filter(|node| !self.disclosed.contains(&node.id) && node.machine.has_joined());
            for node in served {
                let requests = node.requests.len();
                assert_eq!(
                    requests, 0,
                    "{:?} serves visitors, and the ledger says that none is",
                    node.id
                );
            }
        }
    }

    /// A node that is known again counts again: as soon as it goes by the ledger's record, and what it should not run
    /// under that has ended.
    fn readmit(&mut self, ledger: &Ledger, nodes: &[Node]) {
        if self.disclosed.is_empty() {
            return;
        }
        let record = ledger.current();
        for node in ledger.nodes() {
            let is_back = nodes
                .iter()
                .find(|other| other.id == node)
                .is_none_or(|node| {
                    *node.record() == *record && (!record.phase().is_on() || node.is_idle())
                });
            if is_back {
                self.disclosed.remove(&node);
            }
        }
    }

    fn note_record(&mut self, record: &Arc<Record>) {
        let before = self.record.replace(Arc::clone(record)).unwrap_or_default();
        let is_newer = *before == **record || record.supersedes(&before);
        assert!(
            is_newer,
            "I3: the ledger went back from {before:?} to {record:?}"
        );
        self.newest = self.newest.max(record.revision());
    }
}
