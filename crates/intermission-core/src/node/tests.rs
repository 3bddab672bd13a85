//! What a node does, rule by rule.

mod always;
mod contact;
mod dependency;
mod pace;
mod records;
mod scopes;

use std::sync::Arc;
use std::time::Duration;

use super::{NodeAction, NodeEvent, NodeMachine, NodeSettings, OutagePolicy, StartPolicy};
use crate::decision::Hold;
use crate::error::StateErrorKind;
use crate::id::{ActivationId, NodeId, Revision};
use crate::ledger::{Ledger, Moment};
use crate::record::Record;
use crate::report::{
    Actor, FleetCount, LostContact, NodeReport, OperateReply, Operation, SyncReply,
};
use crate::timing::Timing;
use crate::{Activate, Change, Deactivate, OperationId, Outcome, Phase, Timestamp};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// A machine, a clock, and the other side played by hand.
#[derive(Clone)]
struct Bench {
    machine: NodeMachine,
    now: Moment,
    /// What the machine said to the last event.
    actions: Vec<NodeAction>,
}

impl Bench {
    fn with(settings: NodeSettings) -> Self {
        let now = Moment::new(Timestamp::from_millis(1_800_000_000_000), SECOND * 400_000);
        let machine = NodeMachine::new(NodeId::from_bits(1), settings, 42, now);
        Self {
            machine,
            now,
            actions: Vec::new(),
        }
    }

    fn new(lost_contact: LostContact) -> Self {
        Self::with(NodeSettings {
            lost_contact,
            ..NodeSettings::default()
        })
    }

    /// A node that has joined a site with this record.
    fn joined(lost_contact: LostContact, record: Option<&Arc<Record>>) -> Self {
        let mut bench = Self::new(lost_contact);
        bench.tick();
        bench.answer(record);
        bench
    }

    fn step(&mut self, event: NodeEvent) -> &[NodeAction] {
        self.actions = self.machine.step(event, self.now);
        &self.actions
    }

    fn tick(&mut self) -> &[NodeAction] {
        self.step(NodeEvent::Tick)
    }

    fn pass(&mut self, time: Duration) {
        self.now = Moment::new(
            self.now.calendar.saturating_add(time),
            self.now.steady + time,
        );
    }

    /// Lets time pass and the machine wake whenever it wants to.
    fn sleep(&mut self, time: Duration) {
        let end = self.now.steady + time;
        while self.machine.wake_at(self.now) <= end {
            let pause = self
                .machine
                .wake_at(self.now)
                .saturating_sub(self.now.steady);
            self.pass(pause);
            self.tick();
        }
        self.pass(end - self.now.steady);
    }

    /// Waits for the next report.
    fn next_report(&mut self) -> NodeReport {
        for _ in 0..9 {
            let pause = self
                .machine
                .wake_at(self.now)
                .saturating_sub(self.now.steady);
            self.pass(pause);
            self.tick();
            if let Some(report) = self.sent() {
                return report.clone();
            }
        }
        panic!("no report in sight: {:?}", self.machine)
    }

    fn sent(&self) -> Option<&NodeReport> {
        self.actions.iter().find_map(|action| match action {
            NodeAction::Send(report) => Some(report),
            _ => None,
        })
    }

    fn has(&self, action: &NodeAction) -> bool {
        self.actions.contains(action)
    }

    fn installs(&self) -> usize {
        self.actions
            .iter()
            .filter(|action| matches!(action, NodeAction::Install(_)))
            .count()
    }

    fn reply(&self, record: Option<&Arc<Record>>) -> SyncReply {
        SyncReply {
            sequence: self.machine.sequence,
            record: record.cloned(),
            count: FleetCount {
                nodes: 1,
                ..FleetCount::default()
            },
            grace: Duration::ZERO,
        }
    }

    /// The ledger answers the report that is on its way.
    fn answer(&mut self, record: Option<&Arc<Record>>) -> &[NodeAction] {
        assert!(self.in_flight(), "nothing to answer");
        let reply = self.reply(record);
        self.step(NodeEvent::Replied(reply))
    }

    fn answer_in_grace(&mut self, record: Option<&Arc<Record>>) -> &[NodeAction] {
        let reply = SyncReply {
            grace: SECOND,
            ..self.reply(record)
        };
        self.step(NodeEvent::Replied(reply))
    }

    fn fail(&mut self) -> &[NodeAction] {
        self.step(NodeEvent::Failed(StateErrorKind::Unavailable))
    }

    fn in_flight(&self) -> bool {
        self.machine.pending.is_some()
    }

    fn suspended(&self) -> bool {
        self.machine.snapshot().executions_suspended
    }

    fn held(&self) -> bool {
        self.hold() == Some(&Hold::StateUnreachable)
    }

    fn hold(&self) -> Option<&Hold> {
        self.machine.snapshot().hold.as_ref()
    }

    fn phase(&self) -> Phase {
        self.machine.snapshot().record.phase()
    }
}

/// Records as a ledger makes them, each newer than the one before.
struct Records {
    ledger: Ledger,
    now: Moment,
    operations: u128,
    /// A node that never drains, so that nothing completes unasked.
    busy: NodeReport,
}

impl Records {
    fn new() -> Self {
        let now = Moment::new(Timestamp::from_millis(1_700_000_000_000), SECOND);
        let busy = NodeReport::new(NodeId::from_bits(99), 0);
        Self {
            ledger: Ledger::new(Timing::default()),
            now,
            operations: 0,
            busy,
        }
    }

    fn change(&mut self, change: &Change) -> Arc<Record> {
        self.busy.sequence += 1;
        self.busy.drained = None;
        self.ledger.sync(&self.busy, self.now);
        let before = self.ledger.current();
        let Outcome::Changed(next) = before.apply(change, self.now.calendar).unwrap() else {
            panic!("{change:?}")
        };
        self.operations += 1;
        let actor = Actor::new("ana", "test");
        let operation = Operation::replace(
            OperationId::from_bits(self.operations),
            &before,
            next,
            actor,
        );
        match self.ledger.operate(&operation, self.now) {
            OperateReply::Stored(record) => record,
            other => panic!("{change:?}: {other:?}"),
        }
    }

    fn on(&mut self) -> Arc<Record> {
        self.activate(Activate::by("ana"))
    }

    fn activate(&mut self, activate: Activate) -> Arc<Record> {
        self.change(&Change::Activate(activate))
    }

    fn off(&mut self) -> Arc<Record> {
        self.change(&Change::Deactivate(Deactivate::new()))
    }

    /// Completes the drain that goes on.
    fn complete(&mut self) -> Arc<Record> {
        self.busy.sequence += 1;
        self.busy.drained = self.ledger.current().activation().map(|on| on.id);
        self.ledger.sync(&self.busy, self.now);
        self.ledger.current()
    }
}

fn id_of(record: &Record) -> ActivationId {
    record.activation().unwrap().id
}

fn level_since(record: &Record) -> Revision {
    record.activation().unwrap().level_since
}

fn fence(seconds: u64) -> LostContact {
    LostContact::Fence(Duration::from_secs(seconds))
}

/// For how long a node may rely on its lease.
fn usable_lease() -> Duration {
    Timing::default().lease - Timing::default().margin
}
