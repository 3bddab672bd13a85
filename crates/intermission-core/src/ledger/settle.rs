//! What the ledger does by itself, because time has passed or because a node has spoken.

use std::sync::Arc;

use super::members::{Member, millis};
use super::{Ledger, Moment};
use crate::history::HistoryEvent;
use crate::id::{NodeId, Revision};
use crate::phase::Phase;
use crate::record::{Completion, DrainPolicy};
use crate::report::{LostContact, NodeReport};

impl Ledger {
    pub(super) fn settle(&mut self, now: Moment) {
        self.give_up_expired(now);
        self.begin_anew();
        self.start_plan(now);
        self.end_by_itself(now);
        self.complete(now);
        self.settle_scopes(now);
        self.note_quiescence(now);
    }

    /// Takes a node off the list of those of which nobody knows that nothing runs there. Says whether it was on it.
    pub(super) fn confirm(&mut self, node: NodeId, now: Moment) -> bool {
        let is_listed = |done: &Completion| {
            done.unconfirmed
                .iter()
                .any(|unconfirmed| unconfirmed.node == node)
        };
        if !self.may_step() || !self.completion().is_some_and(is_listed) {
            return false;
        }
        let mut next = (*self.current()).clone();
        if let Some(completion) = next
            .activation
            .as_mut()
            .and_then(|on| on.completion.as_mut())
        {
            completion
                .unconfirmed
                .retain(|unconfirmed| unconfirmed.node != node);
        }
        self.put(next, None, now);
        true
    }

    fn give_up_expired(&mut self, now: Moment) {
        let expired = self.members.expired();
        if expired.is_empty() {
            return;
        }
        let is_draining = self.phase() == Phase::Activating;
        let scopes = self.draining_scopes();
        for node in expired {
            let Some(member) = self.members.nodes.get_mut(&node) else {
                continue;
            };
            let held_up = is_draining && member.holds_up();
            member.given_up = true;
            let has_left = member.drained && member.quiet && member.runs_nothing_in_any(&scopes);
            if member.never_serves() || has_left {
                // It opens only by an answer to a report, and then it is heard of. So it stays as it last said. One that
                // serves nobody has nothing to say that anybody would have to know.
                self.members.nodes.remove(&node);
                continue;
            }
            // A fenced node has dropped what it ran by now, so it counts as drained.
            if held_up && matches!(member.lost_contact, LostContact::Wait(_)) {
                let note = format!(
                    "{} ({node}), silent since {}",
                    member.facts.label, member.heard_at
                );
                self.remember(HistoryEvent::NodeUnconfirmed, None, Some(note), now);
            }
        }
        if self.members.forget_surplus(&scopes) {
            self.members.lost_at.get_or_insert(now.calendar);
            self.members.known_before = true;
        }
    }

    /// Whoever knows a record that this ledger has not made since it began with none knows it from before, be it an
    /// older one than those that were made since.
    pub(super) fn note_what_was_known(&mut self, report: &NodeReport) {
        let Some(first) = self.members.anew_since else {
            return;
        };
        let newest = self.revision();
        let is_from_before =
            |known: Revision| known > Revision::ZERO && !(first..=newest).contains(&known);
        let offered = report.offer.as_ref().map(|offer| offer.revision());
        self.members.known_before |=
            is_from_before(report.seen) || offered.is_some_and(is_from_before);
    }

    /// Where nobody who is there has ever been before, and nobody knows of a record but those that were made since,
    /// nothing was lost: the site is new. Somebody may have closed it meanwhile.
    fn begin_anew(&mut self) {
        if !self.knows_all() {
            return;
        }
        if self.members.anew_since.take().is_some() && !self.members.known_before {
            self.members.lost_at = None;
        }
    }

    fn start_plan(&mut self, now: Moment) {
        let current = self.current();
        let Some(plan) = current.plan().filter(|plan| plan.starts_at <= now.calendar) else {
            return;
        };
        if current.phase().is_on() || !self.may_step() {
            return;
        }
        let mut next = (*current).clone();
        next.plan = None;
        next.begin(
            plan.settings.clone(),
            plan.requested_by.clone(),
            now.calendar,
        );
        self.put(next, None, now);
        self.remember(HistoryEvent::PlanStarted, None, None, now);
    }

    fn end_by_itself(&mut self, now: Moment) {
        let current = self.current();
        let Some(activation) = current.activation() else {
            return;
        };
        let end = activation
            .settings
            .ends_at
            .filter(|_| activation.settings.auto_end);
        if end.is_some_and(|end| end <= now.calendar) && self.may_step() {
            self.reopen(HistoryEvent::Ended, now);
        }
    }

    fn reopen(&mut self, event: HistoryEvent, now: Moment) {
        let mut next = (*self.current()).clone();
        next.activation = None;
        self.put(next, None, now);
        self.remember(event, None, None, now);
    }

    fn complete(&mut self, now: Moment) {
        let current = self.current();
        let Some(activation) = current.activation().filter(|on| on.completion.is_none()) else {
            return;
        };
        let drained_for = self
            .members
            .clock_ms
            .saturating_sub(self.members.drain_began_ms);
        let drain = activation.settings.drain;
        let is_late = drain
            .limit()
            .is_some_and(|limit| drained_for >= millis(limit));
        if !self.may_step() {
            return;
        }
        if !self.members.nodes.values().any(Member::holds_up) {
            self.finish_drain(false, now);
        } else if is_late {
            match drain {
                DrainPolicy::Force(_) => self.finish_drain(true, now),
                DrainPolicy::Abort(_) => self.reopen(HistoryEvent::Aborted, now),
                DrainPolicy::Wait => {}
            }
        }
    }

    fn finish_drain(&mut self, forced: bool, now: Moment) {
        let running = self
            .members
            .nodes
            .iter()
            .filter(|(_, member)| !member.runs_nothing());
        let unconfirmed: Vec<_> = running
            .map(|(node, member)| member.unconfirmed(*node))
            .collect();
        let note = (!unconfirmed.is_empty()).then(|| {
            let labels: Vec<&str> = unconfirmed
                .iter()
                .map(|unconfirmed| unconfirmed.label.as_str())
                .collect();
            format!("unconfirmed: {}", labels.join(", "))
        });
        let mut next = (*self.current()).clone();
        if let Some(activation) = &mut next.activation {
            let state_lost_at = self.members.lost_at.take();
            activation.completion = Some(Completion {
                at: now.calendar,
                forced,
                state_lost_at,
                unconfirmed,
            });
        }
        self.put(next, None, now);
        let event = if forced {
            HistoryEvent::Forced
        } else {
            HistoryEvent::Activated
        };
        self.remember(event, None, note, now);
    }

    fn note_quiescence(&mut self, now: Moment) {
        let Some(record) = self.record.as_ref().map(Arc::clone) else {
            return;
        };
        let Some(activation) = record.activation() else {
            return;
        };
        let complete = activation
            .completion
            .as_ref()
            .is_some_and(|completion| completion.unconfirmed.is_empty());
        // A node that was forgotten after the drain may know of the drain only, and serve visitors.
        let is_certain = self.knows_all() && self.members.lost_at.is_none();
        if complete && is_certain && self.members.quiescent.is_none() && self.members.all_quiet() {
            self.members.quiescent = Some((activation.level_since, now.calendar));
        }
    }
}
