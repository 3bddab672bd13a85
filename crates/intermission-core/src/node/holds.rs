//! Why a node is closed whatever its record says: the state is away, a dependency fails, a plan began unheard,
//! or it serves nobody at all.

use std::time::Duration;

use super::{Contact, NodeMachine, OutagePolicy, StartPolicy};
use crate::Timestamp;
use crate::decision::Hold;
use crate::id::Revision;
use crate::ledger::Moment;
use crate::phase::{Level, Phase};
use crate::record::Plan;
use crate::report::LostContact;

impl NodeMachine {
    /// The plan of a maintenance that has begun and of which nobody is there to say so. Whether it was cancelled meanwhile,
    /// nobody says either; the state does, once it is back.
    pub(super) fn plan_begun_unheard(&self, now: Timestamp) -> Option<&Plan> {
        let plan = self.snapshot.record.plan();
        plan.filter(|plan| plan.starts_at <= now && !self.hears_what_begins())
    }

    /// Whether the state would say if a plan had begun. One that hears its nodes first begins none until it has.
    pub(super) const fn hears_what_begins(&self) -> bool {
        matches!(self.contact, Contact::Good { .. }) && self.fleet_grace.is_zero()
    }

    /// Whether this node has closed for a plan that the state has begun since, and whose drain goes on: it does not let
    /// visitors in again for that.
    fn stays_closed_for_a_plan(&self) -> bool {
        let has_closed = self.snapshot.hold == Some(Hold::PlanBegan);
        has_closed && self.snapshot.record.phase() == Phase::Activating
    }

    pub(super) fn decide_hold(&mut self, now: Moment) {
        self.snapshot.hold = self.due_hold(now);
        self.state_hold_was_due = self.due_state_hold(now.steady).is_some();
    }

    /// The state's holds come first: what a node does not know weighs more than what it cannot do. A plan closes no more
    /// than was planned, so one that lets visitors read gives way to what lets them do nothing.
    pub(super) fn due_hold(&self, now: Moment) -> Option<Hold> {
        // INVARIANT: from the first snapshot to the last. The ledger forgets this node when it is lost, whatever it said.
        if self.settings.lost_contact == LostContact::Leave {
            return Some(Hold::ServesNobody);
        }
        let dependency = || self.failing.clone().map(Hold::Dependency);
        let full = self.due_state_hold(now.steady).or_else(dependency);
        match self.plan_begun_unheard(now.calendar) {
            Some(_) if self.snapshot.record.phase().is_on() => full,
            None if self.stays_closed_for_a_plan() => full.or(Some(Hold::PlanBegan)),
            Some(plan) if plan.settings.level == Level::ReadOnly => full.or(Some(Hold::PlanBegan)),
            Some(_) => Some(Hold::PlanBegan),
            None => full,
        }
    }

    pub(super) fn due_state_hold(&self, now: Duration) -> Option<Hold> {
        let knows_nothing = self.snapshot.record.revision() == Revision::ZERO;
        if self.probation && knows_nothing && self.settings.start != StartPolicy::StartOpen {
            return Some(Hold::StateReconciling);
        }
        // A closed record that it remembers says more than a hold: who passes, what visitors are told.
        let remembers = self.snapshot.record.phase().is_on();
        let starts_closed = self.settings.start != StartPolicy::StartOpen && !remembers;
        let is_due = match (self.contact, self.settings.outage) {
            (Contact::Never { since, .. }, OutagePolicy::OpenAfter(limit)) => {
                starts_closed && now < since.saturating_add(limit)
            }
            (Contact::Never { since, .. }, OutagePolicy::CloseAfter(limit)) => {
                starts_closed || now >= since.saturating_add(limit)
            }
            (Contact::Never { .. }, OutagePolicy::KeepLast) => starts_closed,
            (Contact::Lost { sent_at }, OutagePolicy::CloseAfter(limit)) => {
                now >= sent_at.saturating_add(limit)
            }
            (Contact::Lost { .. } | Contact::Good { .. }, _) => false,
        };
        is_due.then_some(Hold::StateUnreachable)
    }

    /// When the hold will change by the time alone.
    ///
    /// What counts is what was decided, not what is due by now: who asks a moment later would never be woken for what has
    /// become due in between.
    pub(super) fn hold_change_at(&self) -> Option<Duration> {
        let held = self.state_hold_was_due;
        match (self.contact, self.settings.outage) {
            (Contact::Never { since, .. }, OutagePolicy::OpenAfter(limit)) if held => {
                Some(since.saturating_add(limit))
            }
            (
                Contact::Never { since: from, .. } | Contact::Lost { sent_at: from },
                OutagePolicy::CloseAfter(limit),
            ) if !held => Some(from.saturating_add(limit)),
            _ => None,
        }
    }
}

/// The names of the dependencies that hold a node, if any do.
pub(super) fn failing(hold: Option<&Hold>) -> Option<&str> {
    match hold {
        Some(Hold::Dependency(names)) => Some(names),
        _ => None,
    }
}
