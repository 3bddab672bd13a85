//! What the ledger knows of the nodes, and by which clock.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::id::{ActivationId, NodeId, Revision};
use crate::record::{Activation, Unconfirmed, UnconfirmedCause};
use crate::report::{FleetCount, LostContact, NodeFacts, NodeReport};
use crate::timing::Timing;
use crate::view::NodeView;

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
    /// The fleet clock at which the grace began.
    #[serde(default)]
    pub(super) grace_since_ms: u64,
    /// The fleet clock at which the grace ends.
    pub(super) grace_until_ms: u64,
    /// The fleet clock from which an operator may open again; who edits waits for the whole grace.
    pub(super) reconcile_until_ms: u64,
    /// The newest revision that any node claims to have seen.
    pub(super) newest_claimed: Revision,
    /// When the ledger lost what it knew, until a completion has said so.
    pub(super) lost_at: Option<Timestamp>,
    /// Whether, since the last loss, somebody has spoken who had been there before it or knew a record from before it:
    /// then the site is not new.
    #[serde(default)]
    pub(super) known_before: bool,
    /// The first revision that this ledger has given since the last loss, if that loss left it no record, and zero before
    /// it has given one; `None` if a record was left, or since it is decided whether the site is new.
    #[serde(default)]
    pub(super) anew_since: Option<Revision>,
    /// The fleet clock at which the drain began.
    pub(super) drain_began_ms: u64,
    /// Since when nothing that the level closes out has been running, and for which level change.
    pub(super) quiescent: Option<(Revision, Timestamp)>,
    /// The fleet clock at which the drains of scopes began, by activation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) scope_drains: BTreeMap<ActivationId, u64>,
    pub(super) nodes: BTreeMap<NodeId, Member>,
    /// Who said goodbye, and the fleet clock until which a report of theirs may still be on its way.
    #[serde(default)]
    pub(super) departed: BTreeMap<NodeId, u64>,
}

/// What the ledger knows of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) sequence: u64,
    pub(super) seen: Revision,
    /// The fleet clock after which it provably runs nothing, is given up, or has left; `None` for never.
    pub(super) expires_ms: Option<u64>,
    /// The fleet clock when it was last heard of.
    pub(super) heard_ms: u64,
    pub(super) heard_at: Timestamp,
    pub(super) lost_contact: LostContact,
    /// Whether its time is over. No drain waits for it any more, but as long as nobody knows better, every drain
    /// names it.
    pub(super) given_up: bool,
    pub(super) closed: bool,
    pub(super) drained: bool,
    pub(super) quiet: bool,
    /// The newest revision that it has seen, as far as what it says of scopes counts. Zero: nothing counts yet.
    #[serde(default)]
    pub(super) scopes_seen: Revision,
    /// The scopes' activations which it has seen and not drained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) undrained: Vec<ActivationId>,
    pub(super) facts: NodeFacts,
}

impl Members {
    /// How many nodes that were given up are kept. Without a bound, a node that crashes again and again would fill
    /// the store.
    pub(super) const GIVEN_UP_KEPT: usize = 64;

    /// Moves the fleet clock. It believes at most `step` at once and never goes back, so that somebody who sets the
    /// store's clock cannot make leases expire.
    pub(super) fn advance(&mut self, steady: Duration, step: Duration) {
        let steady_ms = millis(steady);
        if let Some(moved_at_ms) = self.moved_at_ms {
            let moved = steady_ms.saturating_sub(moved_at_ms).min(millis(step));
            self.clock_ms = self.clock_ms.saturating_add(moved);
        }
        self.moved_at_ms = Some(steady_ms);
    }

    /// A node said goodbye.
    pub(super) fn depart(&mut self, node: NodeId, lease: Duration) {
        let clock_ms = self.clock_ms;
        self.departed.retain(|_, until_ms| *until_ms >= clock_ms);
        self.departed
            .insert(node, clock_ms.saturating_add(millis(lease)));
    }

    /// Whether a node said goodbye a short while ago.
    pub(super) fn has_departed(&self, node: NodeId) -> bool {
        self.departed
            .get(&node)
            .is_some_and(|until_ms| *until_ms >= self.clock_ms)
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
        newest: Revision,
        lease: Duration,
        now: Timestamp,
    ) {
        let counts = !self.is_in_grace();
        let before = self.nodes.get(&report.node);
        self.known_before |= before.is_none() && report.heard_before;
        let kept = |flag: fn(&Member) -> bool| before.is_some_and(flag);
        let says = |claim: Option<ActivationId>| {
            activation.is_some_and(|activation| claim == Some(activation.id))
        };
        let quiet =
            activation.is_some_and(|activation| report.quiet == Some(activation.level_since));
        let mut member = Member {
            sequence: report.sequence,
            seen: report.seen,
            expires_ms: expiry(report.lost_contact, lease, self.clock_ms),
            heard_ms: self.clock_ms,
            heard_at: now,
            lost_contact: report.lost_contact,
            given_up: false,
            closed: if counts {
                says(report.closed)
            } else {
                kept(|member| member.closed)
            },
            drained: if counts {
                says(report.drained)
            } else {
                kept(|member| member.drained)
            },
            quiet: if counts {
                quiet
            } else {
                kept(|member| member.quiet)
            },
            scopes_seen: Revision::ZERO,
            undrained: Vec::new(),
            facts: report.facts.clone(),
        };
        member.hear_of_scopes(before, report, newest, counts);
        self.nodes.insert(report.node, member);
        self.outlast(report.lost_contact, lease);
        self.newest_claimed = self.newest_claimed.max(report.seen);
    }

    /// Nothing completes before the time since the loss is certain.
    pub(super) fn begin_grace(&mut self, timing: &Timing, is_record_left: bool) {
        self.grace_since_ms = self.clock_ms;
        self.grace_until_ms = self.clock_ms.saturating_add(millis(timing.grace));
        self.reconcile_until_ms = self.clock_ms.saturating_add(millis(timing.reconcile));
        self.known_before = !self.nodes.is_empty();
        self.anew_since = (!is_record_left).then_some(Revision::ZERO);
        let policies: Vec<LostContact> =
            self.nodes.values().map(|node| node.lost_contact).collect();
        for lost_contact in policies {
            self.outlast(lost_contact, timing.lease);
        }
    }

    /// Where nodes fence themselves, one that was forgotten may run something until its time is over. Nodes of one site
    /// are alike, so those that are there tell how long that is.
    fn outlast(&mut self, lost_contact: LostContact, lease: Duration) {
        if let LostContact::Fence(_) = lost_contact
            && self.is_in_grace()
            && let Some(end_ms) = expiry(lost_contact, lease, self.grace_since_ms)
        {
            self.grace_until_ms = self.grace_until_ms.max(end_ms);
        }
    }

    /// Forgets what was said about an activation that is no more.
    pub(super) fn begin_activation(&mut self) {
        self.drain_began_ms = self.clock_ms;
        self.quiescent = None;
        self.forget_claims();
    }

    pub(super) fn forget_claims(&mut self) {
        for member in self.nodes.values_mut() {
            (member.closed, member.drained, member.quiet) = (false, false, false);
        }
    }

    /// Forgets what was said about scopes: the ledger may have lost what it was said about.
    pub(super) fn forget_scopes(&mut self) {
        for member in self.nodes.values_mut() {
            member.scopes_seen = Revision::ZERO;
        }
    }

    pub(super) fn forget_quiet(&mut self) {
        self.quiescent = None;
        for member in self.nodes.values_mut() {
            member.quiet = false;
        }
    }

    /// Starts every lease anew: among what was lost may be its renewal.
    pub(super) fn renew_all(&mut self, lease: Duration) {
        for member in self.nodes.values_mut() {
            member.expires_ms =
                member
                    .expires_ms
                    .max(expiry(member.lost_contact, lease, self.clock_ms));
        }
    }

    /// The nodes whose time is over since the last call.
    pub(super) fn expired(&self) -> Vec<NodeId> {
        let is_over = |member: &Member| member.expires_ms.is_some_and(|end| end < self.clock_ms);
        let over = self
            .nodes
            .iter()
            .filter(|(_, member)| !member.given_up && is_over(member));
        over.map(|(node, _)| *node).collect()
    }

    /// Forgets those that were silent longest, if too many were given up. Says whether something may run on one of
    /// them, for the site or for these activations of scopes.
    pub(super) fn forget_surplus(&mut self, scopes: &[ActivationId]) -> bool {
        let given_up = self.nodes.iter().filter(|(_, member)| member.given_up);
        let mut given_up: Vec<(u64, NodeId)> = given_up
            .map(|(node, member)| (member.heard_ms, *node))
            .collect();
        given_up.sort_unstable();
        let surplus = given_up.len().saturating_sub(Self::GIVEN_UP_KEPT);
        let mut may_run = false;
        for (_, node) in given_up.into_iter().take(surplus) {
            may_run |= self.nodes.remove(&node).is_some_and(|member| {
                !member.runs_nothing() || !member.runs_nothing_in_any(scopes)
            });
        }
        may_run
    }

    pub(super) fn all_quiet(&self) -> bool {
        self.nodes.values().all(|member| member.quiet)
    }

    pub(super) fn count(&self) -> FleetCount {
        let mut count = FleetCount::default();
        for member in self.nodes.values().filter(|member| !member.given_up) {
            count.nodes += 1;
            count.closed += u64::from(member.closed);
            count.drained += u64::from(member.drained);
            count.running = count.running.saturating_add(member.facts.running);
        }
        count
    }

    /// The nodes for people, those that hold up a drain first.
    pub(super) fn views(&self, lease: Duration, now: Timestamp, limit: usize) -> Vec<NodeView> {
        let mut members: Vec<(&NodeId, &Member)> = self.nodes.iter().collect();
        members.sort_by_key(|(node, member)| (!member.holds_up(), &member.facts.label, **node));
        let view = |(node, member): (&NodeId, &Member)| NodeView {
            node: *node,
            facts: member.facts.clone(),
            seen: member.seen,
            heard_at: member.heard_at,
            out_of_contact: member.given_up || now.saturating_since(member.heard_at) > lease,
            closed: member.closed,
            drained: member.drained,
            lost_contact: member.lost_contact,
            undrained: member.undrained.clone(),
        };
        members.into_iter().take(limit).map(view).collect()
    }
}

impl Member {
    /// Whether a drain waits for it.
    pub(super) const fn holds_up(&self) -> bool {
        !self.drained && !self.given_up
    }

    /// Whether it is known that no execution runs there.
    pub(super) const fn runs_nothing(&self) -> bool {
        self.drained || self.is_fenced_off() || self.never_serves()
    }

    /// Whether it serves nobody and runs nothing, whatever it has said.
    pub(super) const fn never_serves(&self) -> bool {
        matches!(self.lost_contact, LostContact::Leave)
    }

    /// Whether it has dropped all that it ran, as it does when it is out of contact for long.
    pub(super) const fn is_fenced_off(&self) -> bool {
        self.given_up && matches!(self.lost_contact, LostContact::Fence(_))
    }

    pub(super) fn unconfirmed(&self, node: NodeId) -> Unconfirmed {
        Unconfirmed {
            node,
            label: self.facts.label.clone(),
            cause: if self.given_up {
                UnconfirmedCause::OutOfContact
            } else {
                UnconfirmedCause::StillRunning
            },
            running: self.facts.running,
            last_heard_at: self.heard_at,
        }
    }
}

/// The fleet clock after which a node that is heard now provably runs nothing, is given up, or has left; `None` for never.
fn expiry(lost_contact: LostContact, lease: Duration, clock_ms: u64) -> Option<u64> {
    match lost_contact {
        LostContact::Hold => None,
        LostContact::Leave => Some(clock_ms.saturating_add(millis(lease))),
        LostContact::Wait(more) | LostContact::Fence(more) => {
            Some(clock_ms.saturating_add(millis(lease.saturating_add(more))))
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
