//! What the ledger knows of the nodes, and by which clock.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::id::{ActivationId, NodeId, Revision};
use crate::record::{Activation, Unconfirmed, UnconfirmedCause};
use crate::report::{FleetCount, LostContact, NodeFacts, NodeReport, NodeView};

/// All that a ledger knows besides the record and its history.
///
/// It may be lost without harm to the record: a ledger that begins again without it goes through a grace in which
/// every node says what it knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Members {
    /// The fleet clock, in milliseconds: time as far as the ledger believes in it.
    pub(super) clock_ms: u64,
    /// The store's steady clock when the fleet clock last moved.
    pub(super) moved_at_ms: Option<u64>,
    /// The fleet clock at which the grace ends.
    pub(super) grace_until_ms: u64,
    /// The fleet clock from which an operator may open and edit again.
    pub(super) reconcile_until_ms: u64,
    /// The newest revision that any node claims to have seen.
    pub(super) newest_claimed: Revision,
    /// When the ledger lost what it knew, until an operator has decided something since.
    pub(super) lost_at: Option<Timestamp>,
    /// The fleet clock at which the drain began.
    pub(super) drain_began_ms: u64,
    /// Since when nothing that the level closes out has been running, and for which level change.
    pub(super) quiescent: Option<(Revision, Timestamp)>,
    /// Nodes that were given up while this drain waited for them.
    pub(super) unconfirmed: Vec<Unconfirmed>,
    pub(super) nodes: BTreeMap<NodeId, Member>,
}

/// What the ledger knows of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) sequence: u64,
    pub(super) seen: Revision,
    /// The fleet clock after which it provably runs nothing, or is given up; `None` for never.
    pub(super) expires_ms: Option<u64>,
    /// The fleet clock when it was last heard of.
    pub(super) heard_ms: u64,
    pub(super) heard_at: Timestamp,
    pub(super) lost_contact: LostContact,
    pub(super) closed: bool,
    pub(super) drained: bool,
    pub(super) quiet: bool,
    pub(super) facts: NodeFacts,
}

impl Members {
    /// Moves the fleet clock. It believes at most `step` at once and never goes back, so that somebody who sets the
    /// store's clock cannot make leases expire.
    pub(super) fn advance(&mut self, steady: Duration, step: Duration) {
        let steady_ms = millis(steady);
        if let Some(moved_at_ms) = self.moved_at_ms {
            self.clock_ms += steady_ms.saturating_sub(moved_at_ms).min(millis(step));
        }
        self.moved_at_ms = Some(steady_ms);
    }

    pub(super) const fn is_in_grace(&self) -> bool {
        self.clock_ms < self.grace_until_ms
    }

    /// Takes a report in. What it says about the present activation counts only outside a grace: before that, the
    /// ledger may not know who else is there.
    pub(super) fn hear(
        &mut self,
        report: &NodeReport,
        activation: Option<&Activation>,
        lease: Duration,
        now: Timestamp,
    ) {
        let counts = !self.is_in_grace();
        let before = self.nodes.get(&report.node);
        let kept = |flag: fn(&Member) -> bool| before.is_some_and(flag);
        let says = |claim: Option<ActivationId>| activation.is_some_and(|activation| claim == Some(activation.id));
        let quiet = activation.is_some_and(|activation| report.quiet == Some(activation.level_since));
        let expires = match report.lost_contact {
            LostContact::Hold => None,
            LostContact::Wait(more) | LostContact::Fence(more) => {
                Some(self.clock_ms.saturating_add(millis(lease + more)))
            }
        };
        let member = Member {
            sequence: report.sequence,
            seen: report.seen,
            expires_ms: expires,
            heard_ms: self.clock_ms,
            heard_at: now,
            lost_contact: report.lost_contact,
            closed: if counts { says(report.closed) } else { kept(|member| member.closed) },
            drained: if counts { says(report.drained) } else { kept(|member| member.drained) },
            quiet: if counts { quiet } else { kept(|member| member.quiet) },
            facts: report.facts.clone(),
        };
        self.nodes.insert(report.node, member);
        self.newest_claimed = self.newest_claimed.max(report.seen);
    }

    /// Forgets what was said about an activation that is no more.
    pub(super) fn begin_activation(&mut self) {
        self.drain_began_ms = self.clock_ms;
        self.quiescent = None;
        self.unconfirmed.clear();
        self.forget_claims();
    }

    pub(super) fn forget_claims(&mut self) {
        for member in self.nodes.values_mut() {
            (member.closed, member.drained, member.quiet) = (false, false, false);
        }
    }

    pub(super) fn forget_quiet(&mut self) {
        self.quiescent = None;
        for member in self.nodes.values_mut() {
            member.quiet = false;
        }
    }

    /// Takes out the nodes whose time is over.
    pub(super) fn take_expired(&mut self) -> Vec<(NodeId, Member)> {
        let is_over = |member: &Member| member.expires_ms.is_some_and(|end| end < self.clock_ms);
        let over: Vec<NodeId> =
            self.nodes.iter().filter(|(_, member)| is_over(member)).map(|(node, _)| *node).collect();
        over.into_iter().filter_map(|node| Some((node, self.nodes.remove(&node)?))).collect()
    }

    pub(super) fn all_drained(&self) -> bool {
        self.nodes.values().all(|member| member.drained)
    }

    pub(super) fn all_quiet(&self) -> bool {
        self.nodes.values().all(|member| member.quiet)
    }

    pub(super) fn count(&self) -> FleetCount {
        let mut count = FleetCount::default();
        for member in self.nodes.values() {
            count.nodes += 1;
            count.closed += u64::from(member.closed);
            count.drained += u64::from(member.drained);
            count.running += member.facts.running;
        }
        count
    }

    /// The nodes for people, those that hold up a drain first.
    pub(super) fn views(&self, lease: Duration, now: Timestamp, limit: usize) -> Vec<NodeView> {
        let mut views: Vec<NodeView> = self
            .nodes
            .iter()
            .map(|(node, member)| NodeView {
                node: *node,
                facts: member.facts.clone(),
                seen: member.seen,
                heard_at: member.heard_at,
                out_of_contact: now.saturating_since(member.heard_at) > lease,
                closed: member.closed,
                drained: member.drained,
                lost_contact: member.lost_contact,
            })
            .collect();
        views.sort_by(|a, b| {
            (a.drained, &a.facts.label, a.node).cmp(&(b.drained, &b.facts.label, b.node))
        });
        views.truncate(limit);
        views
    }
}

impl Member {
    pub(super) fn unconfirmed(&self, node: NodeId, cause: UnconfirmedCause) -> Unconfirmed {
        Unconfirmed {
            node,
            label: self.facts.label.clone(),
            cause,
            running: self.facts.running,
            last_heard_at: self.heard_at,
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
