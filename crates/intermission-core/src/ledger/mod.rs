//! The store's side of the protocol, as one pure state machine.
//!
//! A ledger holds the record, its history, and what the nodes said. It decides the order of changes, gives out
//! revisions, counts leases, and says when a drain is complete. It reads no clock and does no I/O: every call takes
//! the [`Moment`]. The memory state is a mutex around it; the file state reads it, steps it and writes it under a
//! lock; Redis runs its twin in Lua.
//!
//! What it promises, and how:
//!
//! - **Activated means that nothing runs.** A drain is complete when every known node has said so for this
//!   activation. Whoever could not be asked is named in [`Completion::unconfirmed`].
//! - **Nothing goes back.** A revision is greater than every earlier one and than every one that any node claims to
//!   have seen, even those that the ledger has lost.
//! - **Nothing that was lost opens.** After a loss nothing completes and nobody may open until the nodes had time
//!   to say what they know, and a newer record that a node offers is taken back.
//! - **Repeating is harmless.** A report counts once, by its sequence; an operation counts once, by its id.

mod members;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::history::{HistoryEntry, HistoryEvent};
use crate::id::{ActivationId, NodeId, Revision};
use crate::phase::Phase;
use crate::record::{Completion, DrainPolicy, Record, UnconfirmedCause};
use crate::report::{
    Actor, Departure, Intent, LostContact, NodeReport, OperateReply, Operation, SyncReply, View,
};
use crate::timing::Timing;
use members::millis;

pub use members::Members;

/// The store's clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// What to write into records and history.
    pub calendar: Timestamp,
    /// What to measure leases by. It need not be steady: the ledger believes at most [`Timing::step`] at once.
    pub steady: Duration,
}

impl Moment {
    /// A moment.
    #[must_use]
    pub const fn new(calendar: Timestamp, steady: Duration) -> Self {
        Self { calendar, steady }
    }
}

/// The store's side of the protocol. See the [module's documentation](self).
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    timing: Timing,
    record: Option<Arc<Record>>,
    history: VecDeque<HistoryEntry>,
    members: Members,
}

impl Ledger {
    /// How many lines of history a ledger keeps.
    pub const HISTORY_KEPT: usize = 256;

    /// The ledger of a site of which nobody can know more: it begins without a grace.
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        Self { timing, record: None, history: VecDeque::new(), members: Members::default() }
    }

    /// The ledger with what a store has kept. Follow it with [`lost_members`](Self::lost_members) if what the store
    /// kept of the nodes is gone.
    #[must_use]
    pub fn restored(
        timing: Timing,
        record: Option<Arc<Record>>,
        history: impl IntoIterator<Item = HistoryEntry>,
        members: Members,
    ) -> Self {
        Self { timing, record, history: history.into_iter().collect(), members }
    }

    /// The record; `None` for a site that was never changed.
    #[must_use]
    pub const fn record(&self) -> Option<&Arc<Record>> {
        self.record.as_ref()
    }

    /// What the ledger knows of the nodes, for stores that keep it.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// The newest `limit` lines of the history, newest first.
    pub fn history(&self, limit: usize) -> impl Iterator<Item = &HistoryEntry> {
        self.history.iter().rev().take(limit)
    }

    /// The whole history, oldest first, for stores that keep it.
    pub fn kept_history(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.history.iter()
    }

    /// The nodes that the ledger knows.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.members.nodes.keys().copied()
    }

    /// The store may have forgotten who is there, or all of it. Nothing completes, nothing that nodes said counts,
    /// and nobody may open or edit, until the nodes had time to say what they know.
    pub fn lost_members(&mut self, now: Moment) {
        self.members.advance(now.steady, self.timing.step);
        let members = &mut self.members;
        members.grace_until_ms = members.clock_ms + millis(self.timing.grace);
        members.reconcile_until_ms = members.clock_ms + millis(self.timing.reconcile);
        members.lost_at = Some(now.calendar);
        members.quiescent = None;
        members.forget_claims();
    }

    /// A node's report: join, renew, acknowledge, poll and bring back, in one.
    pub fn sync(&mut self, report: &NodeReport, now: Moment) -> SyncReply {
        self.members.advance(now.steady, self.timing.step);
        if let Some(last) = self.members.nodes.get(&report.node).map(|member| member.sequence)
            && last >= report.sequence
        {
            return self.reply(last);
        }
        self.take_back(report, now);
        let activation = self.record.as_ref().and_then(|record| record.activation());
        self.members.hear(report, activation, self.timing.lease, now.calendar);
        self.confirm(report, now);
        self.settle(now);
        self.reply(report.sequence)
    }

    /// An operator's change.
    pub fn operate(&mut self, operation: &Operation, now: Moment) -> OperateReply {
        self.members.advance(now.steady, self.timing.step);
        let reply = self.decide(operation, now);
        if matches!(reply, OperateReply::Stored(_)) {
            self.members.lost_at = None;
        }
        self.settle(now);
        // Settling may already have completed a drain that nothing held up.
        match reply {
            OperateReply::Stored(_) => OperateReply::Stored(self.current()),
            other => other,
        }
    }

    /// A node leaves the list.
    pub fn leave(&mut self, node: NodeId, departure: &Departure, now: Moment) {
        self.members.advance(now.steady, self.timing.step);
        if let Some(member) = self.members.nodes.remove(&node) {
            let held_up = self.phase() == Phase::Activating && !member.drained;
            let running = member.facts.running;
            let label = &member.facts.label;
            match departure {
                Departure::Forgotten(actor) => {
                    let note = format!("{label} ({node}), which last said that it ran {running} executions");
                    self.remember(HistoryEvent::NodeForgotten, Some(actor), Some(note), now);
                }
                Departure::Died if held_up => {
                    self.remember(HistoryEvent::NodeDied, None, Some(format!("{label} ({node})")), now);
                }
                Departure::Died | Departure::Goodbye => {}
            }
        }
        self.members.unconfirmed.retain(|unconfirmed| unconfirmed.node != node);
        self.settle(now);
    }

    /// Moves time on: leases end, drains complete, plans begin. Every other call does this, too.
    pub fn tick(&mut self, now: Moment) {
        self.members.advance(now.steady, self.timing.step);
        self.settle(now);
    }

    /// The state for people, with at most `limit` nodes.
    #[must_use]
    pub fn view(&self, limit: usize, now: Moment) -> View {
        let record = self.current();
        let level_since = record.activation().map(|activation| activation.level_since);
        let quiescent = self.members.quiescent.filter(|(since, _)| Some(*since) == level_since);
        View {
            nodes: self.members.views(self.timing.lease, now.calendar, limit),
            node_count: u64::try_from(self.members.nodes.len()).unwrap_or(u64::MAX),
            count: self.members.count(),
            quiescent_at: quiescent.map(|(_, at)| at),
            grace: self.grace_left(),
            record,
        }
    }

    /// The record, or that of a site that was never changed.
    #[must_use]
    pub fn current(&self) -> Arc<Record> {
        self.record.clone().unwrap_or_default()
    }

    fn phase(&self) -> Phase {
        self.record.as_ref().map_or(Phase::Deactivated, |record| record.phase())
    }

    fn revision(&self) -> Revision {
        self.record.as_ref().map_or(Revision::ZERO, |record| record.revision())
    }

    /// INVARIANT: the greatest revision that anybody can have seen, so that a later decision always wins.
    fn next_revision(&self, now: Moment) -> Revision {
        let by_clock = Revision::new(now.calendar.as_millis());
        by_clock.max(self.revision().next()).max(self.members.newest_claimed.next())
    }

    /// Whether some node has seen a record that the ledger no longer has.
    fn is_behind(&self) -> bool {
        self.members.newest_claimed > self.revision()
    }

    fn grace_left(&self) -> Duration {
        let left = self.members.grace_until_ms.saturating_sub(self.members.clock_ms);
        Duration::from_millis(left.max(u64::from(self.is_behind())))
    }

    fn reply(&self, sequence: u64) -> SyncReply {
        SyncReply {
            sequence,
            record: self.record.clone(),
            count: self.members.count(),
            grace: self.grace_left(),
        }
    }

    /// Takes a newer record back from a node. An empty ledger that is given one has lost its data.
    fn take_back(&mut self, report: &NodeReport, now: Moment) {
        let Some(offer) = &report.offer else { return };
        let is_newer = self.record.as_ref().is_none_or(|record| offer.supersedes(record));
        if !is_newer || offer.revision() == Revision::ZERO {
            return;
        }
        if self.record.is_none() && !self.members.is_in_grace() {
            self.lost_members(now);
        }
        let other_activation = self.activation_id() != offer.activation().map(|activation| activation.id);
        self.record = Some(Arc::clone(offer));
        if other_activation {
            self.members.begin_activation();
        }
        let note = format!("by {} ({})", report.facts.label, report.node);
        self.remember(HistoryEvent::Restored, None, Some(note), now);
    }

    fn activation_id(&self) -> Option<ActivationId> {
        self.record.as_ref().and_then(|record| record.activation()).map(|activation| activation.id)
    }

    fn decide(&mut self, operation: &Operation, now: Moment) -> OperateReply {
        let current = self.current();
        if current.operation() == Some(operation.id) {
            return OperateReply::Duplicate(current);
        }
        if operation.known > current.revision() {
            return OperateReply::Behind(current);
        }
        if operation.expected.is_some_and(|expected| expected != current.revision()) {
            return OperateReply::Conflict(current);
        }
        let proposed = match &operation.intent {
            Intent::Init if self.record.is_some() || self.members.newest_claimed > Revision::ZERO => {
                return OperateReply::Unchanged(current);
            }
            Intent::Init if self.members.is_in_grace() => return OperateReply::Reconciling(self.grace_left()),
            Intent::Init => Record::default(),
            Intent::Put(proposed) => (**proposed).clone(),
        };
        let begins = proposed.phase().is_on() && !current.phase().is_on();
        let edits = !current.phase().is_on() || proposed.phase().is_on();
        if !begins && let Some(wait) = self.reconciling(edits) {
            return OperateReply::Reconciling(wait);
        }
        let event = event_of(&current, &proposed, &operation.intent);
        let note = note_of(&current, &proposed);
        self.put(proposed, Some(operation), now);
        self.remember(event, Some(&operation.actor), note, now);
        OperateReply::Stored(self.current())
    }

    /// While the ledger may have forgotten something, it lets nobody open or edit: closing is always possible. An
    /// edit waits for the lost record even longer, since it is a change *of* that record; an operator who opens
    /// decides anew.
    fn reconciling(&self, edits: bool) -> Option<Duration> {
        let left = self.members.reconcile_until_ms.saturating_sub(self.members.clock_ms);
        if left > 0 {
            Some(Duration::from_millis(left))
        } else {
            (edits && self.is_behind()).then_some(self.timing.heartbeat)
        }
    }

    /// Makes `next` the record: with a revision of its own, and with ids and times that only the ledger gives.
    fn put(&mut self, mut next: Record, operation: Option<&Operation>, now: Moment) {
        let current = self.current();
        next.revision = self.next_revision(now);
        next.operation = operation.map_or(current.operation, |operation| Some(operation.id));
        let before = current.activation();
        let begins = next.activation.is_some() && before.is_none();
        if let Some(activation) = &mut next.activation {
            match before {
                None => {
                    activation.id = ActivationId::new(next.revision);
                    activation.level_since = next.revision;
                    activation.requested_at = now.calendar;
                }
                Some(before) => {
                    activation.id = before.id;
                    activation.requested_at = before.requested_at;
                    if activation.settings.level != before.settings.level {
                        activation.level_since = next.revision;
                        self.members.forget_quiet();
                    }
                }
            }
        }
        let ends = next.activation.is_none() && before.is_some();
        self.record = Some(Arc::new(next));
        if begins || ends {
            self.members.begin_activation();
        }
    }

    /// A node that was given up has come back and runs nothing.
    fn confirm(&mut self, report: &NodeReport, now: Moment) {
        self.members.unconfirmed.retain(|unconfirmed| unconfirmed.node != report.node);
        let confirmed = self.members.nodes.get(&report.node).is_some_and(|member| member.drained);
        let Some(record) = self.record.as_ref().filter(|_| confirmed) else { return };
        let mut next = (**record).clone();
        let Some(completion) = next.activation.as_mut().and_then(|on| on.completion.as_mut()) else { return };
        let before = completion.unconfirmed.len();
        completion.unconfirmed.retain(|unconfirmed| unconfirmed.node != report.node);
        if completion.unconfirmed.len() < before {
            self.put(next, None, now);
            let note = format!("{} ({})", report.facts.label, report.node);
            self.remember(HistoryEvent::NodeConfirmed, None, Some(note), now);
        }
    }

    fn settle(&mut self, now: Moment) {
        self.give_up_expired(now);
        self.start_plan(now);
        self.end_by_itself(now);
        self.complete(now);
        self.note_quiescence(now);
    }

    fn give_up_expired(&mut self, now: Moment) {
        for (node, member) in self.members.take_expired() {
            let held_up = self.phase() == Phase::Activating && !member.drained;
            // A fenced node has dropped what it ran by now, so it counts as drained.
            if held_up && matches!(member.lost_contact, LostContact::Wait(_)) {
                let unconfirmed = member.unconfirmed(node, UnconfirmedCause::OutOfContact);
                self.members.unconfirmed.push(unconfirmed);
                let note = format!("{} ({node}), silent since {}", member.facts.label, member.heard_at);
                self.remember(HistoryEvent::NodeUnconfirmed, None, Some(note), now);
            }
        }
    }

    fn start_plan(&mut self, now: Moment) {
        let current = self.current();
        let Some(plan) = current.plan().filter(|plan| plan.starts_at <= now.calendar) else { return };
        let mut next = (*current).clone();
        next.plan = None;
        next.begin(plan.settings.clone(), plan.requested_by.clone(), now.calendar);
        self.put(next, None, now);
        self.remember(HistoryEvent::PlanStarted, None, None, now);
    }

    fn end_by_itself(&mut self, now: Moment) {
        let current = self.current();
        let Some(activation) = current.activation() else { return };
        let end = activation.settings.ends_at.filter(|_| activation.settings.auto_end);
        if end.is_some_and(|end| end <= now.calendar) && self.reconciling(true).is_none() {
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
        let Some(activation) = current.activation().filter(|on| on.completion.is_none()) else { return };
        let known = !self.members.is_in_grace() && !self.is_behind();
        let drained_for = self.members.clock_ms - self.members.drain_began_ms.min(self.members.clock_ms);
        let drain = activation.settings.drain;
        let is_late = drain.limit().is_some_and(|limit| drained_for >= millis(limit));
        if known && self.members.all_drained() {
            self.finish_drain(false, now);
        } else if is_late {
            match drain {
                DrainPolicy::Force(_) => self.finish_drain(true, now),
                DrainPolicy::Abort(_) if self.reconciling(true).is_none() => self.reopen(HistoryEvent::Aborted, now),
                DrainPolicy::Abort(_) | DrainPolicy::Wait => {}
            }
        }
    }

    fn finish_drain(&mut self, forced: bool, now: Moment) {
        let mut unconfirmed = std::mem::take(&mut self.members.unconfirmed);
        let running = self.members.nodes.iter().filter(|(_, member)| !member.drained);
        unconfirmed.extend(running.map(|(node, member)| member.unconfirmed(*node, UnconfirmedCause::StillRunning)));
        let note = (!unconfirmed.is_empty()).then(|| {
            let labels: Vec<&str> = unconfirmed.iter().map(|unconfirmed| unconfirmed.label.as_str()).collect();
            format!("unconfirmed: {}", labels.join(", "))
        });
        let mut next = (*self.current()).clone();
        if let Some(activation) = &mut next.activation {
            let state_lost_at = self.members.lost_at;
            activation.completion = Some(Completion { at: now.calendar, forced, state_lost_at, unconfirmed });
        }
        self.put(next, None, now);
        let event = if forced { HistoryEvent::Forced } else { HistoryEvent::Activated };
        self.remember(event, None, note, now);
    }

    fn note_quiescence(&mut self, now: Moment) {
        let Some(record) = &self.record else { return };
        let Some(activation) = record.activation() else { return };
        let complete = activation.completion.as_ref().is_some_and(|completion| completion.unconfirmed.is_empty());
        let known = !self.members.is_in_grace() && !self.is_behind();
        if complete && known && self.members.quiescent.is_none() && self.members.all_quiet() {
            self.members.quiescent = Some((activation.level_since, now.calendar));
        }
    }

    fn remember(&mut self, event: HistoryEvent, actor: Option<&Actor>, note: Option<String>, now: Moment) {
        self.history.push_back(HistoryEntry {
            at: now.calendar,
            revision: self.revision(),
            event,
            phase: self.phase(),
            by: actor.map(|actor| actor.name.clone()),
            origin: actor.map(|actor| actor.origin.clone()),
            note,
        });
        while self.history.len() > Self::HISTORY_KEPT {
            self.history.pop_front();
        }
    }
}

fn event_of(before: &Record, after: &Record, intent: &Intent) -> HistoryEvent {
    match (before.activation(), after.activation()) {
        _ if matches!(intent, Intent::Init) => HistoryEvent::Initialised,
        (None, Some(_)) => HistoryEvent::Requested,
        (Some(_), None) => HistoryEvent::Deactivated,
        _ => match (before.plan(), after.plan()) {
            (Some(_), None) => HistoryEvent::PlanCancelled,
            (before, after @ Some(_)) if before != after => HistoryEvent::Planned,
            _ => HistoryEvent::Updated,
        },
    }
}

/// Which parts a change touched: names only, since a history is read by more people than the record.
fn note_of(before: &Record, after: &Record) -> Option<String> {
    let parts = [
        ("level", before.level() != after.level()),
        ("message", before.message() != after.message()),
        ("end", before.ends_at() != after.ends_at()),
        ("allow list", before.allow() != after.allow()),
        ("passes", before.passes() != after.passes()),
        ("drain", drain_of(before) != drain_of(after)),
    ];
    let touched: Vec<&str> = parts.iter().filter(|(_, touched)| *touched).map(|(name, _)| *name).collect();
    (!touched.is_empty()).then(|| touched.join(", "))
}

fn drain_of(record: &Record) -> Option<DrainPolicy> {
    record.activation().map(|activation| activation.settings.drain)
}
