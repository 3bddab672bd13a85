//! A node as the simulation runs it: the real machine, and a gate with executions and requests that are no more than
//! the times at which they end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    ActivationId, Hold, Level, LostContact, Moment, NodeAction, NodeEvent, NodeId, NodeMachine,
    NodeReport, NodeSettings, OutagePolicy, Phase, Record, Revision, ScopeName, Snapshot,
};

use crate::clocks::Clocks;
use crate::mutation::Mutation;
use crate::random::Random;

/// The one scope of the simulation.
pub(crate) fn scope() -> ScopeName {
    ScopeName::new("part").unwrap()
}

/// What the world has to do about something that a node did.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "handed over at once")]
pub(crate) enum Effect {
    /// Bring this to the ledger.
    Transmit(NodeReport),
    /// Look at the work again at that time.
    WorkEnds(u64),
}

/// A request that a node serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) kind: RequestKind,
    /// Whether it was let in before the ledger had ever answered: that is between the node and its start policy.
    pub(crate) is_early: bool,
    ends_at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Read,
    Write,
    /// Let in past a closed door.
    Bypass,
}

impl RequestKind {
    /// Whether a site that is closed at this level is closed to it.
    pub(crate) const fn is_closed_out(self, level: Level) -> bool {
        match level {
            Level::ReadOnly => matches!(self, Self::Write),
            Level::Full => matches!(self, Self::Read | Self::Write),
            Level::Exclusive => true,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) machine: NodeMachine,
    pub(crate) lost_contact: LostContact,
    outage: OutagePolicy,
    pub(crate) has_lost_contact: bool,
    pub(crate) clocks: Clocks,
    /// The report that is waited for.
    pub(crate) waits_for: Option<u64>,
    sent_at: u64,
    /// Until when nothing that it says arrives, and until when it hears nothing.
    pub(crate) mute_until: u64,
    pub(crate) deaf_until: u64,
    /// Until when its process stands still.
    pub(crate) paused_until: u64,
    /// It begins nothing any more and leaves when nothing runs.
    pub(crate) is_stopping: bool,
    pub(crate) executions: BTreeMap<u64, u64>,
    /// Those of them that belong to the scope.
    scoped: BTreeSet<u64>,
    pub(crate) requests: BTreeMap<u64, Request>,
    pub(crate) wake: u64,
    gate: Snapshot,
    fence_at: Option<Duration>,
    begun: u64,
    told_drained: Option<ActivationId>,
    told_quiet: Option<Revision>,
    mutation: Option<Mutation>,
}

impl Node {
    pub(crate) fn new(
        id: NodeId,
        settings: NodeSettings,
        clocks: Clocks,
        remembered: Option<Arc<Record>>,
        mutation: Option<Mutation>,
        now: u64,
    ) -> Self {
        let seed = u64::try_from(id.bits()).unwrap();
        let mut machine = NodeMachine::new(id, settings, seed, clocks.at(now));
        if let Some(record) = remembered {
            machine = machine.with_remembered(record, clocks.at(now));
        }
        Self {
            id,
            gate: machine.snapshot().clone(),
            fence_at: machine.fence_at(),
            machine,
            lost_contact: settings.lost_contact,
            outage: settings.outage,
            has_lost_contact: false,
            clocks,
            waits_for: None,
            sent_at: now,
            mute_until: 0,
            deaf_until: 0,
            paused_until: 0,
            is_stopping: false,
            executions: BTreeMap::new(),
            scoped: BTreeSet::new(),
            requests: BTreeMap::new(),
            wake: 0,
            begun: 0,
            told_drained: None,
            told_quiet: None,
            mutation,
        }
    }

    fn breaks(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(crate) fn record(&self) -> &Record {
        &self.gate.record
    }

    /// Whether nothing runs here that a site which is closed like this closes out.
    pub(crate) fn obeys(&self, record: &Record) -> bool {
        let is_served = |level| {
            let mut requests = self.requests.values();
            requests.any(|request| request.kind.is_closed_out(level))
        };
        let level = record.activation().map(|on| on.settings.level);
        let obeys_scope = !record.scopes().phase(&scope()).is_on() || self.runs_nothing_scoped();
        obeys_scope && level.is_none_or(|level| self.executions.is_empty() && !is_served(level))
    }

    /// Whether no execution of the scope runs here.
    pub(crate) fn runs_nothing_scoped(&self) -> bool {
        self.scoped
            .iter()
            .all(|id| !self.executions.contains_key(id))
    }

    /// Whether an execution of the scope may begin, as far as the scope goes.
    pub(crate) fn admits_scoped(&self) -> bool {
        self.gate.scope(&scope()).is_none()
    }

    pub(crate) fn is_mute(&self, now: u64) -> bool {
        now < self.mute_until
    }

    pub(crate) fn is_deaf(&self, now: u64) -> bool {
        now < self.deaf_until
    }

    pub(crate) fn is_paused(&self, now: u64) -> bool {
        now < self.paused_until
    }

    pub(crate) fn may_start_executions(&self, now: u64) -> bool {
        let gate = &self.gate;
        let is_open = !gate.record.phase().is_on() && gate.hold.is_none();
        let steady = self.moment(now).steady;
        let in_time = self.fence_at.is_none_or(|end| steady < end);
        match self.mutation {
            Some(Mutation::FenceNotObeyed) => is_open && !self.knows_a_due_plan(now),
            Some(Mutation::FenceByTimerOnly) => gate.execution_refusal().is_none(),
            Some(Mutation::BeginsUnknown) if !self.machine.has_joined() => is_open,
            Some(Mutation::PlanNotObeyed) if self.knows_a_due_plan(now) => {
                // The hold is how it would obey.
                let is_held = !matches!(gate.hold, None | Some(Hold::PlanBegan));
                !gate.record.phase().is_on() && !is_held && in_time
            }
            Some(Mutation::ServesAfterAll) if self.lost_contact == LostContact::Leave => {
                self.machine.has_joined() && !gate.record.phase().is_on()
            }
            _ => in_time && gate.execution_refusal().is_none(),
        }
    }

    /// Whether a maintenance that it knows of should have begun by its own calendar.
    pub(crate) fn knows_a_due_plan(&self, now: u64) -> bool {
        let plan = self.gate.record.plan();
        plan.is_some_and(|plan| plan.starts_at <= self.moment(now).calendar)
    }

    pub(crate) fn admits(&self, kind: RequestKind) -> bool {
        let (phase, level) = if self.breaks(Mutation::HoldNotObeyed) {
            (self.gate.record.phase(), self.gate.record.level())
        } else {
            self.gate.closure()
        };
        phase != Phase::Activated || !kind.is_closed_out(level)
    }

    /// Whether its outage policy wants it to be closed.
    pub(crate) fn should_be_held(&self, now: u64) -> bool {
        let age = self.machine.contact_age(self.moment(now).steady);
        match self.outage {
            OutagePolicy::CloseAfter(limit) => {
                // What is due in this very millisecond may come after the request.
                let is_over = |age| age > limit + Duration::from_millis(1);
                self.has_lost_contact && age.is_some_and(is_over)
            }
            OutagePolicy::KeepLast | OutagePolicy::OpenAfter(_) => false,
        }
    }

    /// When the machine wants to be woken, on the world's clock.
    pub(crate) fn wake_at(&self, now: u64) -> u64 {
        let at = self.machine.wake_at(self.moment(now));
        self.clocks.when(at, now)
    }

    /// Its clock falls behind by the time that the present report has taken, so that the answer seems to come in the
    /// instant in which the report was sent.
    pub(crate) fn hide_round_trip(&mut self, now: u64) {
        self.clocks.steady_set -= i64::try_from(now - self.sent_at).unwrap();
    }

    pub(crate) fn moment(&self, now: u64) -> Moment {
        self.clocks.at(now)
    }

    /// Begins a piece of work that ends then.
    pub(crate) fn begin_execution(&mut self, ends_at: u64, is_scoped: bool) -> Effect {
        self.begun += 1;
        if is_scoped {
            self.scoped.insert(self.begun);
        }
        self.executions.insert(self.begun, ends_at);
        Effect::WorkEnds(ends_at)
    }

    pub(crate) fn begin_request(&mut self, kind: RequestKind, ends_at: u64) -> Effect {
        self.begun += 1;
        let is_early = !self.machine.has_joined();
        let request = Request {
            kind,
            is_early,
            ends_at,
        };
        self.requests.insert(self.begun, request);
        Effect::WorkEnds(ends_at)
    }

    /// Takes out what has ended, and tells the machine what follows from it.
    pub(crate) fn end_work(&mut self, now: u64, random: &mut Random) -> Vec<Effect> {
        self.executions.retain(|_, ends_at| *ends_at > now);
        self.scoped.retain(|id| self.executions.contains_key(id));
        self.requests.retain(|_, request| request.ends_at > now);
        let mut effects = Vec::new();
        self.notice(now, random, &mut effects);
        effects
    }

    /// Gives the machine an event and carries out what it says, as the keeper does.
    pub(crate) fn take(&mut self, event: NodeEvent, now: u64, random: &mut Random) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.step(event, now, random, &mut effects);
        self.notice(now, random, &mut effects);
        effects
    }

    fn notice(&mut self, now: u64, random: &mut Random, effects: &mut Vec<Effect>) {
        let activation = self.gate.record.activation();
        let is_drained = self.executions.is_empty() || self.breaks(Mutation::DrainedTooEarly);
        let drained = activation.filter(|_| is_drained).map(|on| on.id);
        let quiet = activation.filter(|on| {
            let level = on.settings.level;
            let mut requests = self.requests.values();
            let is_quiet = !requests.any(|request| request.kind.is_closed_out(level));
            on.completion.is_some() && (is_quiet || self.breaks(Mutation::QuietTooEarly))
        });
        let quiet = quiet.map(|on| on.level_since);
        if self.gate.record.scopes().closed() > 0 {
            let record = Arc::clone(&self.gate.record);
            let runs = !self.runs_nothing_scoped() && !self.breaks(Mutation::ScopesDrainedTooEarly);
            let undrained = record.scopes().activations().filter(|_| runs);
            let undrained = undrained.map(|(_, id)| id).collect();
            self.step(NodeEvent::Undrained(undrained), now, random, effects);
        }
        if drained != self.told_drained {
            self.told_drained = drained;
            if let Some(activation) = drained {
                self.step(NodeEvent::Drained(activation), now, random, effects);
            }
        }
        if quiet != self.told_quiet {
            self.told_quiet = quiet;
            if let Some(since) = quiet {
                self.step(NodeEvent::Quiet(since), now, random, effects);
            }
        }
    }

    fn step(&mut self, event: NodeEvent, now: u64, random: &mut Random, effects: &mut Vec<Effect>) {
        let before = Arc::clone(&self.gate.record);
        for action in self.machine.step(event, self.moment(now)) {
            match action {
                NodeAction::Install(installed) => self.gate = installed,
                NodeAction::Send(mut report) => {
                    report.facts.label = format!("{}", self.id.bits());
                    report.facts.running = self.executions.len() as u64;
                    assert_eq!(self.waits_for, None, "two reports at once");
                    self.waits_for = Some(report.sequence);
                    self.sent_at = now;
                    effects.push(Effect::Transmit(report));
                }
                NodeAction::CancelExecutions if self.ignores_orders(now, false) => {}
                NodeAction::DropExecutions if self.ignores_orders(now, true) => {}
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
                NodeAction::EndExecutionsIn(_) => {
                    let scoped = &self.scoped;
                    self.executions.retain(|id, _| !scoped.contains(id));
                }
                NodeAction::ContactLost(_) => self.has_lost_contact = true,
                NodeAction::ContactRestored(_) => self.has_lost_contact = false,
            }
        }
        self.fence_at = self.machine.fence_at();
        self.check_step(&before);
    }

    fn ignores_orders(&self, now: u64, to_drop: bool) -> bool {
        let end = self.machine.fence_at();
        let is_fenced = end.is_some_and(|end| self.moment(now).steady >= end);
        match self.mutation {
            Some(Mutation::FenceNotObeyed) => is_fenced,
            Some(Mutation::DropNotObeyed) => is_fenced && to_drop,
            Some(Mutation::ForceNotObeyed) => !is_fenced,
            _ => false,
        }
    }

    fn check_step(&self, before: &Arc<Record>) {
        let after = &self.gate.record;
        if Arc::ptr_eq(after, before) {
            return;
        }
        assert!(
            after.supersedes(before),
            "I3: {:?} went back from {before:?} to {after:?}",
            self.id
        );
        let forced = |record: &Record| {
            let on = record.activation()?;
            let done = on.completion.as_ref()?;
            done.forced.then_some(on.id)
        };
        assert!(
            forced(after).is_none()
                || forced(after) == forced(before)
                || self.executions.is_empty(),
            "I7: {:?} lets work go on that was to be dropped: {after:?}",
            self.id
        );
    }
}
