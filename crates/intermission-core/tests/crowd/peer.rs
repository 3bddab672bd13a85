//! A node of the crowd: the real machine, and what the keeper and the Redis backend do around it.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    ActivationId, Moment, NodeAction, NodeEvent, NodeId, NodeMachine, NodeReport, NodeSettings,
    Record, Revision, SyncReply,
};

/// One node.
#[derive(Debug)]
pub(crate) struct Peer {
    machine: NodeMachine,
    pub(crate) record: Arc<Record>,
    pub(crate) running: u64,
    told_drained: Option<ActivationId>,
    pub(crate) told_quiet: Option<Revision>,
    /// The report that is on its way, and the reply to it.
    pub(crate) report: Option<NodeReport>,
    pub(crate) reply: Option<SyncReply>,
    pub(crate) is_connected: bool,
    /// When it may dial again, after it lost its connection.
    pub(crate) redials_at: u64,
    /// Whether the keeper listens for hints: not between a hint and the answer to the report that it led to.
    pub(crate) is_watching: bool,
    /// What it would have heard meanwhile.
    pub(crate) missed: Option<Arc<Record>>,
    /// Which of the timers that were set is the newest.
    pub(crate) timer: u32,
    pub(crate) wakes_at: u64,
}

impl Peer {
    pub(crate) fn new(id: NodeId, settings: NodeSettings, seed: u64, now: Moment) -> Self {
        let machine = NodeMachine::new(id, settings, seed, now);
        Self {
            record: Arc::clone(&machine.snapshot().record),
            machine,
            running: 0,
            told_drained: None,
            told_quiet: None,
            report: None,
            reply: None,
            is_connected: false,
            redials_at: 0,
            is_watching: false,
            missed: None,
            timer: 0,
            wakes_at: u64::MAX,
        }
    }

    /// Whether it may start executions and admits visitors.
    pub(crate) fn is_open(&self) -> bool {
        self.machine.snapshot().is_open()
    }

    /// Gives the machine an event. What it sends is in [`report`](Self::report), if it sends something.
    pub(crate) fn take(&mut self, event: NodeEvent, now: Moment) {
        self.step(event, now);
        let drained = self.record.activation().map(|on| on.id);
        let drained = drained.filter(|_| self.running == 0);
        if drained != self.told_drained {
            self.told_drained = drained;
            if let Some(activation) = drained {
                self.step(NodeEvent::Drained(activation), now);
            }
        }
    }

    fn step(&mut self, event: NodeEvent, now: Moment) {
        for action in self.machine.step(event, now) {
            match action {
                NodeAction::Install(installed) => self.record = installed.record,
                NodeAction::Send(mut report) => {
                    report.facts.running = self.running;
                    assert!(self.report.is_none(), "two reports at once");
                    self.report = Some(report);
                }
                NodeAction::ContactLost(_) | NodeAction::ContactRestored(_) => {}
                other => panic!("nothing in this story leads to {other:?}"),
            }
        }
    }

    /// The level change of an activation that is complete.
    pub(crate) fn level_since(&self) -> Option<Revision> {
        let on = self.record.activation()?;
        on.completion.as_ref().and(Some(on.level_since))
    }

    pub(crate) fn wake_at(&self, now: Moment) -> Duration {
        self.machine.wake_at(now)
    }
}
