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
//! - **Nothing that was lost opens.** After a loss nothing completes until the grace is over, and a newer record that a
//!   node offers is taken back. Who opens waits for [`Timing::reconcile`], in which nodes in contact speak; who edits
//!   waits for the whole grace, and so does who closes for a piece of work, after which it opens again; who closes waits
//!   for nothing.
//! - **Repeating is harmless.** A report counts once, by its sequence; an operation counts once, by its id.

mod members;
mod notes;
mod scopes;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::history::{HistoryEntry, HistoryEvent};
use crate::id::{ActivationId, NodeId, Revision};
use crate::phase::Phase;
use crate::record::{Activation, Completion, Record};
use crate::report::{Actor, Departure, Intent, NodeReport, OperateReply, Operation, SyncReply};
use crate::timing::Timing;
use crate::view::View;
use members::Member;
use notes::{event_of, is_lent, note_of};

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
        Self {
            timing,
            record: None,
            history: VecDeque::new(),
            members: Members::default(),
        }
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
        Self {
            timing,
            record,
            history: history.into_iter().collect(),
            members,
        }
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
    /// and nobody may open or edit, until the nodes had time to say what they know. The next completion says that it
    /// happened.
    pub fn lost_members(&mut self, now: Moment) {
        self.members.advance(now.steady, self.timing.step);
        let members = &mut self.members;
        members.begin_grace(&self.timing, self.record.is_some());
        members.lost_at = Some(now.calendar);
        members.quiescent = None;
        members.forget_claims();
        members.forget_scopes();
        members.renew_all(self.timing.lease);
    }

    /// A node's report: join, renew, acknowledge, poll and bring back, in one.
    pub fn sync(&mut self, report: &NodeReport, now: Moment) -> SyncReply {
        self.members.advance(now.steady, self.timing.step);
        if let Some(last) = self
            .members
            .nodes
            .get(&report.node)
            .map(|member| member.sequence)
            && last >= report.sequence
        {
            return self.reply(last);
        }
        if self.members.has_departed(report.node) {
            // It was sent before the goodbye and comes after it. Nobody waits for the answer; if somebody does, it is
            // none that a node takes.
            return self.reply(u64::MAX);
        }
        self.notice_loss(report, now);
        self.note_what_was_known(report);
        self.take_back(report, now);
        let record = self.current();
        self.members.hear(
            report,
            record.activation(),
            record.revision(),
            self.timing.lease,
            now.calendar,
        );
        if self
            .members
            .nodes
            .get(&report.node)
            .is_some_and(|member| member.drained)
            && self.confirm(report.node, now)
        {
            let note = format!("{} ({})", report.facts.label, report.node);
            self.remember(HistoryEvent::NodeConfirmed, None, Some(note), now);
        }
        self.confirm_in_scopes(report.node, &report.facts.label, now);
        self.settle(now);
        self.reply(report.sequence)
    }

    /// An operator's change. The reply holds the record after it, and after all that followed from it at once.
    pub fn operate(&mut self, operation: &Operation, now: Moment) -> OperateReply {
        self.members.advance(now.steady, self.timing.step);
        let verdict = self.decide(operation, now);
        self.settle(now);
        let record = self.current();
        match verdict {
            Verdict::Stored => OperateReply::Stored(record),
            Verdict::Unchanged => OperateReply::Unchanged(record),
            Verdict::Duplicate => OperateReply::Duplicate(record),
            Verdict::Conflict => OperateReply::Conflict(record),
            Verdict::Behind => OperateReply::Behind(record),
            Verdict::Reconciling(after) => OperateReply::Reconciling(after),
        }
    }

    /// A node leaves the list, and nobody has to wonder any more whether something runs there.
    pub fn leave(&mut self, node: NodeId, departure: &Departure, now: Moment) {
        self.members.advance(now.steady, self.timing.step);
        let listed = self
            .completion()
            .and_then(|done| done.unconfirmed.iter().find(|listed| listed.node == node));
        let listed = listed.map(|listed| (listed.label.clone(), listed.running));
        let in_scope = self.listed_in_scope(node);
        let member = self.members.nodes.remove(&node);
        if matches!(departure, Departure::Goodbye) {
            self.members.depart(node, self.timing.lease);
        }
        let held_up =
            self.phase() == Phase::Activating && member.as_ref().is_some_and(Member::holds_up);
        let is_confirmed = self.confirm(node, now);
        let known = member
            .map(|member| (member.facts.label, member.facts.running))
            .or(listed)
            .or(in_scope);
        let label = known.as_ref().map(|(label, _)| label.clone());
        if let Some((label, running)) = known {
            match departure {
                Departure::Forgotten(actor) => {
                    let note = format!(
                        "{label} ({node}), which last said that it ran {running} executions"
                    );
                    self.remember(HistoryEvent::NodeForgotten, Some(actor), Some(note), now);
                }
                Departure::Died if held_up => {
                    self.remember(
                        HistoryEvent::NodeDied,
                        None,
                        Some(format!("{label} ({node})")),
                        now,
                    );
                }
                Departure::Died | Departure::Goodbye if is_confirmed => {
                    self.remember(
                        HistoryEvent::NodeConfirmed,
                        None,
                        Some(format!("{label} ({node})")),
                        now,
                    );
                }
                Departure::Died | Departure::Goodbye => {}
            }
        }
        if let Some(label) = label {
            self.confirm_in_scopes(node, &label, now);
        }
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
        let quiescent = self
            .members
            .quiescent
            .filter(|(since, _)| Some(*since) == level_since);
        View {
            nodes: self.members.views(self.timing.lease, now.calendar, limit),
            node_count: u64::try_from(self.members.nodes.len()).unwrap_or(u64::MAX),
            count: self.members.count(),
            quiescent_at: quiescent.map(|(_, at)| at),
            grace: self.grace_left(),
            newest_seen: self.members.newest_claimed,
            lost_at: self.members.lost_at,
            record,
        }
    }

    /// The record, or that of a site that was never changed.
    #[must_use]
    pub fn current(&self) -> Arc<Record> {
        self.record.clone().unwrap_or_default()
    }

    fn phase(&self) -> Phase {
        self.record
            .as_ref()
            .map_or(Phase::Deactivated, |record| record.phase())
    }

    fn completion(&self) -> Option<&Completion> {
        self.record
            .as_ref()
            .and_then(|record| record.activation())
            .and_then(|on| on.completion.as_ref())
    }

    fn revision(&self) -> Revision {
        self.record
            .as_ref()
            .map_or(Revision::ZERO, |record| record.revision())
    }

    /// INVARIANT: the greatest revision that anybody can have seen, so that a later decision always wins.
    fn next_revision(&self, now: Moment) -> Revision {
        let by_clock = Revision::new(now.calendar.as_millis());
        by_clock
            .max(self.revision().next())
            .max(self.members.newest_claimed.next())
    }

    /// Whether some node has seen a record that the ledger no longer has.
    fn is_behind(&self) -> bool {
        self.members.newest_claimed > self.revision()
    }

    fn grace_left(&self) -> Duration {
        let left = self
            .members
            .grace_until_ms
            .saturating_sub(self.members.clock_ms);
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

    /// Revisions are the ledger's own. Whoever has seen a newer one proves that the ledger has lost it, and who knows
    /// what else with it.
    fn notice_loss(&mut self, report: &NodeReport, now: Moment) {
        let knows_more = report.seen > self.revision()
            || report.offer.as_ref().is_some_and(|offer| self.lacks(offer));
        if knows_more && !self.members.is_in_grace() {
            self.lost_members(now);
        }
    }

    fn lacks(&self, offer: &Record) -> bool {
        offer.revision() > Revision::ZERO
            && self
                .record
                .as_ref()
                .is_none_or(|record| offer.supersedes(record))
    }

    /// Takes a newer record back from a node.
    fn take_back(&mut self, report: &NodeReport, now: Moment) {
        let Some(offer) = report.offer.as_ref().filter(|offer| self.lacks(offer)) else {
            return;
        };
        let other_activation =
            self.activation_id() != offer.activation().map(|activation| activation.id);
        self.record = Some(Arc::clone(offer));
        if other_activation {
            self.members.begin_activation();
        }
        let note = format!("by {} ({})", report.facts.label, report.node);
        self.remember(HistoryEvent::Restored, None, Some(note), now);
    }

    fn activation_id(&self) -> Option<ActivationId> {
        self.record
            .as_ref()
            .and_then(|record| record.activation())
            .map(|activation| activation.id)
    }

    fn decide(&mut self, operation: &Operation, now: Moment) -> Verdict {
        let current = self.current();
        if current.operation() == Some(operation.id) {
            return Verdict::Duplicate;
        }
        // Whoever applies a change to the newer record is told that it must be left alone.
        let is_newer = |record: &Record| record.version() > Record::VERSION;
        let proposes_newer =
            matches!(&operation.intent, Intent::Put(proposed) if is_newer(proposed));
        if is_newer(&current) || proposes_newer {
            return Verdict::Conflict;
        }
        if operation.known > current.revision() {
            return Verdict::Behind;
        }
        if operation
            .expected
            .is_some_and(|expected| expected != current.revision())
        {
            return Verdict::Conflict;
        }
        let proposed = match &operation.intent {
            Intent::Init
                if self.record.is_some() || self.members.newest_claimed > Revision::ZERO =>
            {
                return Verdict::Unchanged;
            }
            Intent::Init if self.members.is_in_grace() => {
                return Verdict::Reconciling(self.grace_left());
            }
            Intent::Init => Record::default(),
            Intent::Put(proposed) if **proposed == *current && !self.is_behind() => {
                return Verdict::Unchanged;
            }
            Intent::Put(proposed) => (**proposed).clone(),
        };
        // For work alone, a site opens again when the work is done. What was lost may be that it is to stay closed.
        let begins = proposed.phase().is_on() && !current.phase().is_on() && !is_lent(&proposed);
        // Who asks for what seems to be so already, although something newer was lost, decides to stay open.
        let edits = proposed.phase().is_on() || (!current.phase().is_on() && proposed != *current);
        if !begins && let Some(wait) = self.reconciling(edits) {
            return Verdict::Reconciling(wait);
        }
        if matches!(operation.intent, Intent::Init) {
            // The operator says that there was nothing to lose.
            self.members.lost_at = None;
        }
        let event = event_of(&current, &proposed, &operation.intent);
        let note = note_of(&current, &proposed);
        self.put(proposed.clone(), Some(operation), now);
        if !self.remember_scope_change(&current, &proposed, &operation.actor, now) {
            self.remember(event, Some(&operation.actor), note, now);
        }
        Verdict::Stored
    }

    /// While the ledger may have forgotten something, it lets nobody open or edit: closing is always possible. Who
    /// opens decides anew, and waits until nodes in contact have spoken. Who edits carries on what the record says, and
    /// waits until all who know better have.
    fn reconciling(&self, edits: bool) -> Option<Duration> {
        if edits {
            let pause = if self.members.is_in_grace() {
                self.grace_left()
            } else {
                self.timing.heartbeat
            };
            return (!self.knows_all()).then_some(pause);
        }
        let left = self
            .members
            .reconcile_until_ms
            .saturating_sub(self.members.clock_ms);
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// Whether every node had time to say what it knows, and nothing that was said is missing.
    ///
    /// Until then the ledger does nothing by itself. That would get a revision above all that nodes still know, and so
    /// win against a decision that they are about to bring back.
    fn knows_all(&self) -> bool {
        !self.members.is_in_grace() && !self.is_behind()
    }

    /// Whether the ledger may make a record of its own: it knows all, and understands the present one.
    fn may_step(&self) -> bool {
        let version = self
            .record
            .as_ref()
            .map_or(Record::VERSION, |record| record.version());
        self.knows_all() && version <= Record::VERSION
    }

    /// Makes `next` the record: with a revision of its own, and with ids, times and a completion that only the ledger
    /// gives.
    fn put(&mut self, mut next: Record, operation: Option<&Operation>, now: Moment) {
        let current = self.current();
        next.revision = self.next_revision(now);
        next.operation = operation.map_or(current.operation, |operation| Some(operation.id));
        let before = current.activation();
        let begins = next.activation.is_some() && before.is_none();
        if let Some(activation) = &mut next.activation
            && stamp(activation, before, next.revision, operation.is_some(), now)
        {
            self.members.forget_quiet();
        }
        Self::stamp_scopes(&mut next, &current, operation.is_some(), now);
        if begins && !self.knows_all() {
            self.doubt_scopes(&mut next, now);
        }
        let ends = next.activation.is_none() && before.is_some();
        if self.members.anew_since == Some(Revision::ZERO) {
            self.members.anew_since = Some(next.revision);
        }
        self.record = Some(Arc::new(next));
        if begins || ends {
            self.members.begin_activation();
        }
    }

    fn remember(
        &mut self,
        event: HistoryEvent,
        actor: Option<&Actor>,
        note: Option<String>,
        now: Moment,
    ) {
        self.remember_at(self.phase(), event, actor, note, now);
    }

    fn remember_at(
        &mut self,
        phase: Phase,
        event: HistoryEvent,
        actor: Option<&Actor>,
        note: Option<String>,
        now: Moment,
    ) {
        self.history.push_back(HistoryEntry {
            at: now.calendar,
            revision: self.revision(),
            event,
            phase,
            by: actor.map(|actor| actor.name.clone()),
            origin: actor.map(|actor| actor.origin.clone()),
            note,
        });
        while self.history.len() > Self::HISTORY_KEPT {
            self.history.pop_front();
        }
    }
}

/// What is said to an operation; the record is added at the end.
enum Verdict {
    Stored,
    Unchanged,
    Duplicate,
    Conflict,
    Behind,
    Reconciling(Duration),
}

/// Puts on an activation what only the ledger gives: ids, times, and how its drain ended. Says whether its level is
/// another.
fn stamp(
    activation: &mut Activation,
    before: Option<&Activation>,
    revision: Revision,
    by_operator: bool,
    now: Moment,
) -> bool {
    if by_operator {
        // An operator who expects no revision may have computed this on a record of long ago.
        activation.completion = before.and_then(|before| before.completion.clone());
    }
    let Some(before) = before else {
        activation.id = ActivationId::new(revision);
        activation.level_since = revision;
        activation.requested_at = now.calendar;
        return false;
    };
    activation.id = before.id;
    activation.requested_at = before.requested_at;
    activation.level_since = before.level_since;
    let is_other = activation.settings.level != before.settings.level;
    if is_other {
        activation.level_since = revision;
    }
    is_other
}
