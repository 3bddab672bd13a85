//! A node as the simulation runs it: the real machine, and a gate with executions and requests that are no more than
//! the times at which they end.

use std::collections::BTreeMap;
use std::time::Duration;

use intermission_core::{
    ActivationId, LostContact, Moment, NodeAction, NodeEvent, NodeId, NodeMachine, NodeReport,
    NodeSettings, Phase, Record, Revision, Snapshot, Timestamp,
};

use crate::mutation::Mutation;
use crate::random::Random;

/// What the world has to do about something that a node did.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "handed over at once")]
pub(crate) enum Effect {
    /// Bring this to the ledger.
    Transmit(NodeReport),
    /// Look at the work again at that time.
    WorkEnds(u64),
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) machine: NodeMachine,
    pub(crate) lost_contact: LostContact,
    /// The report that is waited for.
    pub(crate) waits_for: Option<u64>,
    sent_at: u64,
    pub(crate) cut_off_until: u64,
    /// It begins nothing any more and leaves when nothing runs.
    pub(crate) is_stopping: bool,
    pub(crate) executions: BTreeMap<u64, u64>,
    pub(crate) requests: BTreeMap<u64, u64>,
    pub(crate) wake: u64,
    gate: Snapshot,
    fence_at: Option<Duration>,
    /// How far the node's steady clock is behind the world's.
    behind: u64,
    begun: u64,
    told_drained: Option<ActivationId>,
    told_quiet: Option<Revision>,
}

impl Node {
    pub(crate) fn new(id: NodeId, settings: NodeSettings, now: u64) -> Self {
        let moment = moment(now);
        let seed = u64::try_from(id.bits()).unwrap();
        let machine = NodeMachine::new(id, settings, seed, moment);
        Self {
            id,
            gate: machine.snapshot().clone(),
            fence_at: machine.fence_at(),
            machine,
            lost_contact: settings.lost_contact,
            waits_for: None,
            sent_at: now,
            cut_off_until: 0,
            is_stopping: false,
            executions: BTreeMap::new(),
            requests: BTreeMap::new(),
            wake: 0,
            behind: 0,
            begun: 0,
            told_drained: None,
            told_quiet: None,
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.gate.record
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.executions.is_empty() && self.requests.is_empty()
    }

    pub(crate) fn is_cut_off(&self, now: u64) -> bool {
        now < self.cut_off_until
    }

    pub(crate) fn may_start_executions(&self, now: u64, mutation: Option<Mutation>) -> bool {
        if mutation == Some(Mutation::FenceNotObeyed) {
            return !self.gate.record.phase().is_on() && self.gate.hold.is_none();
        }
        let in_time = self
            .fence_at
            .is_none_or(|end| self.moment(now).steady < end);
        in_time && self.gate.execution_refusal().is_none()
    }

    /// What a node serves before it has joined is between it and its start policy.
    pub(crate) fn admits_requests(&self) -> bool {
        self.machine.has_joined() && self.gate.closure().0 != Phase::Activated
    }

    /// When the machine wants to be woken, on the world's clock.
    pub(crate) fn wake_at(&self, now: u64) -> u64 {
        let at = self.machine.wake_at(self.moment(now));
        let pause = at.saturating_sub(self.moment(now).steady);
        // A millisecond that is not over yet would be one too early.
        let millis = u64::try_from(pause.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        now + millis.min(u64::MAX / 2)
    }

    /// Its clock falls behind by the time that the present report has taken, so that the answer seems to come in the
    /// instant in which the report was sent.
    pub(crate) fn hide_round_trip(&mut self, now: u64) {
        self.behind += now - self.sent_at;
    }

    fn moment(&self, now: u64) -> Moment {
        Moment::new(calendar(now), moment(now - self.behind.min(now)).steady)
    }

    /// Begins a piece of work that ends then.
    pub(crate) fn begin_execution(&mut self, ends_at: u64) -> Effect {
        self.begun += 1;
        self.executions.insert(self.begun, ends_at);
        Effect::WorkEnds(ends_at)
    }

    pub(crate) fn begin_request(&mut self, ends_at: u64) -> Effect {
        self.begun += 1;
        self.requests.insert(self.begun, ends_at);
        Effect::WorkEnds(ends_at)
    }

    /// Takes out what has ended, and tells the machine what follows from it.
    pub(crate) fn end_work(
        &mut self,
        now: u64,
        random: &mut Random,
        mutation: Option<Mutation>,
    ) -> Vec<Effect> {
        self.executions.retain(|_, ends_at| *ends_at > now);
        self.requests.retain(|_, ends_at| *ends_at > now);
        let mut effects = Vec::new();
        self.notice(now, random, mutation, &mut effects);
        effects
    }

    /// Gives the machine an event and carries out what it says, as the keeper does.
    pub(crate) fn take(
        &mut self,
        event: NodeEvent,
        now: u64,
        random: &mut Random,
        mutation: Option<Mutation>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.step(event, now, random, mutation, &mut effects);
        self.notice(now, random, mutation, &mut effects);
        effects
    }

    fn notice(
        &mut self,
        now: u64,
        random: &mut Random,
        mutation: Option<Mutation>,
        effects: &mut Vec<Effect>,
    ) {
        let activation = self.gate.record.activation();
        let drained = activation
            .filter(|_| self.executions.is_empty())
            .map(|on| on.id);
        let is_complete = activation.is_some_and(|on| on.completion.is_some());
        let quiet = activation
            .filter(|_| is_complete && self.requests.is_empty())
            .map(|on| on.level_since);
        if drained != self.told_drained {
            self.told_drained = drained;
            if let Some(activation) = drained {
                self.step(
                    NodeEvent::Drained(activation),
                    now,
                    random,
                    mutation,
                    effects,
                );
            }
        }
        if quiet != self.told_quiet {
            self.told_quiet = quiet;
            if let Some(since) = quiet {
                self.step(NodeEvent::Quiet(since), now, random, mutation, effects);
            }
        }
    }

    fn step(
        &mut self,
        event: NodeEvent,
        now: u64,
        random: &mut Random,
        mutation: Option<Mutation>,
        effects: &mut Vec<Effect>,
    ) {
        let before = std::sync::Arc::clone(&self.gate.record);
        for action in self.machine.step(event, self.moment(now)) {
            match action {
                NodeAction::Install(installed) => self.gate = installed.0,
                NodeAction::Send(mut report) => {
                    report.facts.label = format!("{}", self.id.bits());
                    report.facts.running = self.executions.len() as u64;
                    assert_eq!(self.waits_for, None, "two reports at once");
                    self.waits_for = Some(report.sequence);
                    self.sent_at = now;
                    effects.push(Effect::Transmit(report));
                }
                NodeAction::CancelExecutions | NodeAction::DropExecutions
                    if mutation == Some(Mutation::FenceNotObeyed) => {}
                NodeAction::CancelExecutions => {
                    // Nothing forces them to obey.
                    for ends_at in self.executions.values_mut() {
                        if random.percent(50) {
                            *ends_at = (*ends_at).min(now + random.range(1, 200));
                            effects.push(Effect::WorkEnds(*ends_at));
                        }
                    }
                }
                NodeAction::DropExecutions => self.executions.clear(),
                NodeAction::ContactLost(_) | NodeAction::ContactRestored(_) => {}
                other => panic!("the simulation does not know {other:?}"),
            }
        }
        self.fence_at = self.machine.fence_at();
        let after = &self.gate.record;
        let is_newer = std::sync::Arc::ptr_eq(after, &before) || after.supersedes(&before);
        assert!(
            is_newer,
            "I3: {:?} went back from {before:?} to {after:?}",
            self.id
        );
    }
}

/// What every clock shows that nobody has touched.
pub(crate) fn moment(now: u64) -> Moment {
    Moment::new(
        calendar(now),
        Duration::from_secs(400_000) + Duration::from_millis(now),
    )
}

fn calendar(now: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + now)
}
