//! What becomes of messages on their way.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{Departure, NodeEvent, NodeId, NodeReport, Record, SyncReply};

use super::{Event, World};
use crate::checker::{Before, Step};
use crate::mutation::Mutation;

impl World {
    pub(super) fn transmit(&mut self, report: &NodeReport) {
        let id = report.node;
        let mut wait = self.weather.timeout;
        let is_mute = self
            .index_of(id)
            .is_some_and(|index| self.nodes[index].is_mute(self.now));
        let breaks = if is_mute { 50 } else { 3 };
        if !self.is_calm && self.random.percent(breaks) {
            // The connection breaks. What was sent on it may arrive none the less.
            wait = self.random.range(1, 20);
            self.count("broken connections");
        }
        self.schedule(wait, Event::GivenUp(id, report.sequence));
        let copies = if is_mute {
            0
        } else {
            self.copies_of_a_message()
        };
        for _ in 0..copies {
            let delay = self.delay(self.weather.slow_reports);
            self.schedule(delay, Event::Report(report.clone()));
        }
    }

    pub(super) fn hear(&mut self, report: &NodeReport) {
        let is_late = self
            .index_of(report.node)
            .is_none_or(|index| self.nodes[index].waits_for != Some(report.sequence));
        if is_late {
            self.count("reports executed late");
        }
        let before = self.before_step(Some(report));
        let reply = self.store.sync(report, self.store_moment());
        self.after_step(&before, Step::Sync(report, &reply));
        self.form = Some(reply.clone());
        let is_deaf = self
            .index_of(report.node)
            .is_some_and(|index| self.nodes[index].is_deaf(self.now));
        let copies = if is_deaf {
            0
        } else {
            self.copies_of_a_message()
        };
        for _ in 0..copies {
            let delay = self.delay(self.weather.slow_replies);
            self.schedule(delay, Event::Reply(report.node, reply.clone()));
        }
    }

    pub(super) fn answer(&mut self, node: NodeId, mut reply: SyncReply) {
        let Some(index) = self.index_of(node) else {
            return;
        };
        let waits_for = self.nodes[index].waits_for;
        let is_waited_for = waits_for == Some(reply.sequence);
        if is_waited_for {
            self.nodes[index].waits_for = None;
        } else {
            self.count("replies that nobody waits for");
            if waits_for.is_some_and(|sequence| sequence < reply.sequence) {
                panic!("an answer from the future: {reply:?}");
            }
        }
        match self.mutation {
            Some(Mutation::NoProbation) => reply.grace = Duration::ZERO,
            Some(Mutation::LeaseFromReply) if is_waited_for => {
                self.nodes[index].hide_round_trip(self.now);
            }
            Some(Mutation::LateReplyTaken) => {
                if let Some(sequence) = self.nodes[index].waits_for.take() {
                    reply.sequence = sequence;
                }
            }
            _ => {}
        }
        self.take(index, NodeEvent::Replied(reply));
    }

    pub(super) fn push(&mut self, node: NodeId, record: Option<Arc<Record>>) {
        let Some(index) = self.index_of(node) else {
            return;
        };
        if self.mutation == Some(Mutation::PushOpens)
            && let (Some(record), Some(form), Some(sequence)) =
                (&record, self.form.clone(), self.nodes[index].waits_for)
        {
            let mut reply = form;
            (reply.sequence, reply.record) = (sequence, Some(Arc::clone(record)));
            self.nodes[index].waits_for = None;
            self.take(index, NodeEvent::Replied(reply));
        } else {
            self.take(index, NodeEvent::Hint(record));
        }
    }

    pub(super) fn take_goodbye(&mut self, node: NodeId) {
        self.depart(node, &Departure::Goodbye);
    }

    pub(super) fn depart(&mut self, node: NodeId, departure: &Departure) {
        let before = self.before_step(None);
        self.store.leave(node, departure, self.store_moment());
        self.after_step(&before, Step::Leave(node, departure));
    }

    /// Whether a message is lost.
    pub(super) fn is_lost(&mut self) -> bool {
        !self.is_calm && self.random.percent(4)
    }

    fn copies_of_a_message(&mut self) -> u64 {
        match self.random.range(0, 99) {
            _ if self.is_calm => 1,
            0..4 => {
                self.count("messages lost");
                0
            }
            4..8 => {
                self.count("messages doubled");
                2
            }
            _ => 1,
        }
    }

    pub(super) fn delay(&mut self, slow: u64) -> u64 {
        match self.random.range(0, 99) {
            _ if self.is_calm => self.random.range(1, 30),
            drawn if drawn >= slow => self.random.range(1, 50),
            drawn if drawn % 5 > 0 => self.random.range(50, 600),
            _ => self.random.range(600, 3_000),
        }
    }

    pub(super) fn before_step(&self, report: Option<&NodeReport>) -> Before {
        let ledger = self.store.ledger();
        self.checker.before(ledger, report, self.store_moment())
    }

    /// Looks at what the store has done, and pushes what is new.
    pub(super) fn after_step(&mut self, before: &Before, step: Step<'_>) {
        self.has_changed = true;
        let now = (self.now, self.store_moment());
        let ledger = self.store.ledger();
        self.checker.stepped(before, step, ledger, &self.nodes, now);
        let record = ledger.current();
        if record.revision() != before.record().revision() {
            for index in 0..self.nodes.len() {
                self.publish(index, &record);
            }
        }
    }

    fn publish(&mut self, index: usize, record: &Arc<Record>) {
        let id = self.nodes[index].id;
        let is_heard = self.random.percent(80) && !self.nodes[index].is_deaf(self.now);
        if !is_heard {
            self.count("pushes lost");
            return;
        }
        let pushed = self.random.percent(80).then(|| Arc::clone(record));
        let delay = if self.random.percent(self.weather.slow_pushes) {
            self.random.range(300, 3_000)
        } else {
            self.random.range(1, 300)
        };
        self.schedule(delay, Event::Push(id, pushed));
    }
}
