//! What the ledger promises, sentence by sentence.

mod anew;
mod clock;
mod drain;
mod lost;
mod members;
mod operations;
mod scopes;

use std::time::Duration;

use super::{Ledger, Moment};
use crate::history::{HistoryEntry, HistoryEvent};
use crate::id::{ActivationId, NodeId, OperationId, Revision};
use crate::record::{Activation, Completion, Record};
use crate::report::{
    Actor, Departure, LostContact, NodeReport, OperateReply, Operation, SyncReply,
};
use crate::timing::Timing;
use crate::view::View;
use crate::{Activate, Change, Deactivate, Outcome, Phase, Timestamp};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// A ledger, and a clock that moves when it is told to.
#[derive(Clone)]
struct Site {
    ledger: Ledger,
    now: Moment,
    operations: u128,
}

impl Site {
    fn new() -> Self {
        let now = Moment::new(Timestamp::from_millis(1_800_000_000_000), SECOND * 400_000);
        let mut ledger = Ledger::new(Timing::default());
        ledger.tick(now);
        Self {
            ledger,
            now,
            operations: 0,
        }
    }

    /// Lets time pass in steps that the fleet clock believes, while nobody speaks.
    fn pass(&mut self, time: Duration) {
        self.pass_with(time, &mut []);
    }

    /// The same while these nodes speak in every step.
    fn pass_with(&mut self, time: Duration, nodes: &mut [&mut Node]) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(Timing::default().step);
            left -= step;
            self.jump(step);
            for node in nodes.iter_mut() {
                node.sync(self);
            }
        }
    }

    /// Moves both clocks at once.
    fn jump(&mut self, by: Duration) {
        self.now = Moment::new(self.now.calendar.saturating_add(by), self.now.steady + by);
        self.ledger.tick(self.now);
    }

    fn asked(&mut self, before: &Record, change: &Change) -> Operation {
        let next = match before.apply(change, self.now.calendar).unwrap() {
            Outcome::Changed(next) => next,
            Outcome::Unchanged => before.clone(),
        };
        Operation::replace(self.fresh_id(), before, next, ana())
    }

    fn fresh_id(&mut self) -> OperationId {
        self.operations += 1;
        OperationId::from_bits(self.operations)
    }

    fn operate(&mut self, operation: &Operation) -> OperateReply {
        self.ledger.operate(operation, self.now)
    }

    fn try_change(&mut self, change: &Change) -> OperateReply {
        let operation = self.asked(&self.ledger.current(), change);
        self.operate(&operation)
    }

    fn change(&mut self, change: &Change) {
        let reply = self.try_change(change);
        assert!(
            matches!(reply, OperateReply::Stored(_)),
            "{change:?} was answered by {reply:?}"
        );
    }

    fn activate_with(&mut self, activate: Activate) -> ActivationId {
        self.change(&Change::Activate(activate));
        self.activation().id
    }

    fn activate(&mut self) -> ActivationId {
        self.activate_with(Activate::by("ana"))
    }

    fn deactivate(&mut self) {
        self.change(&Change::Deactivate(Deactivate::new()));
    }

    fn edit(&mut self) {
        let message = format!("edit {}", self.operations);
        self.change(&Change::Activate(Activate::by("ana").with_message(message)));
    }

    fn leave(&mut self, node: &Node, departure: &Departure) {
        self.ledger.leave(node.id(), departure, self.now);
    }

    fn lose_members(&mut self) {
        self.ledger.lost_members(self.now);
    }

    fn phase(&self) -> Phase {
        self.ledger.current().phase()
    }

    fn revision(&self) -> Revision {
        self.ledger.current().revision()
    }

    fn activation(&self) -> Activation {
        self.ledger.current().activation().unwrap().clone()
    }

    fn completion(&self) -> Completion {
        self.activation().completion.unwrap()
    }

    fn unconfirmed(&self) -> Vec<String> {
        self.completion()
            .unconfirmed
            .iter()
            .map(|unconfirmed| unconfirmed.label.clone())
            .collect()
    }

    fn view(&self) -> View {
        self.ledger.view(usize::MAX, self.now)
    }

    /// The events, oldest first.
    fn events(&self) -> Vec<HistoryEvent> {
        self.ledger
            .kept_history()
            .map(|entry| entry.event)
            .collect()
    }
}

/// A node that says what it is told to say.
struct Node {
    report: NodeReport,
}

impl Node {
    fn new(label: &str) -> Self {
        let id = label
            .bytes()
            .fold(7_u128, |bits, byte| bits * 257 + u128::from(byte));
        let mut report = NodeReport::new(NodeId::from_bits(id), 0);
        label.clone_into(&mut report.facts.label);
        Self { report }
    }

    fn joined(label: &str, site: &mut Site) -> Self {
        Self::joined_with(label, LostContact::default(), site)
    }

    fn joined_with(label: &str, lost_contact: LostContact, site: &mut Site) -> Self {
        let mut node = Self::new(label);
        node.report.lost_contact = lost_contact;
        node.sync(site);
        node
    }

    fn id(&self) -> NodeId {
        self.report.node
    }

    fn sync(&mut self, site: &mut Site) -> SyncReply {
        self.report.sequence += 1;
        let reply = site.ledger.sync(&self.report, site.now);
        assert_eq!(reply.sequence, self.report.sequence);
        reply
    }

    fn drains(&mut self, activation: ActivationId, site: &mut Site) -> SyncReply {
        (self.report.closed, self.report.drained) = (Some(activation), Some(activation));
        self.sync(site)
    }

    fn is_quiet(&mut self, since: Revision, site: &mut Site) -> SyncReply {
        self.report.quiet = Some(since);
        self.sync(site)
    }

    fn offers(&mut self, record: &std::sync::Arc<Record>, site: &mut Site) -> SyncReply {
        self.report.seen = record.revision();
        self.report.offer = Some(std::sync::Arc::clone(record));
        let reply = self.sync(site);
        self.report.offer = None;
        reply
    }
}

fn ana() -> Actor {
    Actor::new("ana", "test")
}

fn wait(seconds: u64) -> LostContact {
    LostContact::Wait(Duration::from_secs(seconds))
}

fn fence(seconds: u64) -> LostContact {
    LostContact::Fence(Duration::from_secs(seconds))
}

/// The lease that every node has.
fn lease() -> Duration {
    Timing::default().lease
}
