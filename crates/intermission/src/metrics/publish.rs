//! Tells the recorder how the node is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use intermission_core::{AdmitReason, Hold, Level, Phase, RefuseReason, Snapshot, StateErrorKind};
use metrics::{Key, Label, Metadata, Recorder, with_recorder};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::catalogue::{
    self, DECISIONS, DEPENDENCY_UP, EXECUTIONS, EXECUTIONS_SUSPENDED, HOLD, KEEPER_RESTARTS,
    LAST_CONTACT, LEVEL, Metric, PHASE, REQUESTS, REVISION, STATE_ERRORS, TRANSITIONS,
};
use super::tally::Counted;
use crate::gate::Gate;
use crate::shared::Shared;

/// How old a number may be.
const PERIOD: Duration = Duration::from_secs(1);

/// Who has asked nothing is not counted: see the crate's documentation.
const UNCOUNTED: [AdmitReason; 2] = [AdmitReason::RouteAlways, AdmitReason::Deactivated];

static METADATA: Metadata<'static> =
    Metadata::new("intermission", metrics::Level::INFO, Some(module_path!()));

/// What the recorder was told of the counters, in the order in which [`publish`] goes through them.
///
/// A recorder is told differences, not sums: two gates in one process that bear the same name then add up.
#[derive(Debug)]
pub(crate) struct Told(Mutex<Vec<u64>>);

impl Told {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

/// Tells the recorder once a second, and at every change of what the node goes by, until the gate is gone.
pub(crate) fn publish_always(shared: &Arc<Shared>) {
    let mut installed = shared.published.subscribe();
    let shared = Arc::downgrade(shared);
    tokio::spawn(async move {
        while let Some(shared) = shared.upgrade() {
            publish(&shared);
            drop(shared);
            tokio::select! {
                changed = installed.changed() => if changed.is_err() { return },
                () = sleep(PERIOD) => {}
            }
        }
    });
}

/// Tells the recorder how the node is now.
pub(crate) fn publish(shared: &Shared) {
    // Somebody else's code. What it says on its way down is for the panic hook; what is not told now is told next time.
    let _ = catch_unwind(AssertUnwindSafe(|| tell(shared)));
}

fn tell(shared: &Shared) {
    let contact = shared.contact();
    if contact.answered_at.is_none() && contact.trouble.is_none() {
        // Every node is held until its state has answered or failed for the first time. That is no news.
        return;
    }
    let mut told = shared.told.0.lock();
    with_recorder(|recorder| {
        // Each time, since the recorder may be a new one.
        for metric in catalogue::ALL {
            metric.describe(recorder);
        }
        let mut telling = Telling {
            recorder,
            node: shared.label(),
            told: &mut told,
            next: 0,
        };
        telling.counters(shared);
        telling.gauges(shared);
    });
}

struct Telling<'a> {
    recorder: &'a dyn Recorder,
    node: &'a str,
    told: &'a mut Vec<u64>,
    next: usize,
}

impl Telling<'_> {
    fn counters(&mut self, shared: &Shared) {
        for reason in AdmitReason::ALL {
            if !UNCOUNTED.contains(reason) {
                let total = shared.counted(Counted::Admitted(*reason));
                let labels = [("decision", "admit"), ("reason", reason.as_str())];
                self.counter(&DECISIONS, &labels, total);
            }
        }
        for reason in RefuseReason::ALL {
            let total = shared.counted(Counted::Refused(*reason));
            let labels = [("decision", "refuse"), ("reason", reason.as_str())];
            self.counter(&DECISIONS, &labels, total);
        }
        for kind in StateErrorKind::ALL {
            let total = shared.counted(Counted::StateError(*kind));
            self.counter(&STATE_ERRORS, &[("kind", kind.as_str())], total);
        }
        for phase in Phase::ALL {
            let total = shared.counted(Counted::Transition(phase));
            self.counter(&TRANSITIONS, &[("phase", phase.as_str())], total);
        }
        let restarts = shared.keeper_restarts.load(Ordering::Relaxed);
        self.counter(&KEEPER_RESTARTS, &[], restarts);
    }

    fn gauges(&self, shared: &Shared) {
        let Snapshot {
            record,
            hold,
            executions_suspended,
            ..
        } = shared.installed.load().snapshot.clone();
        for phase in Phase::ALL {
            let labels = [("phase", phase.as_str())];
            self.flag(&PHASE, &labels, record.phase() == phase);
        }
        for level in Level::ALL {
            let is_on = record.phase().is_on() && record.level() == level;
            self.flag(&LEVEL, &[("level", level.as_str())], is_on);
        }
        for kind in Hold::KINDS {
            let is_held = hold.as_ref().is_some_and(|hold| hold.kind() == *kind);
            self.flag(&HOLD, &[("kind", kind)], is_held);
        }
        for dependency in shared.dependencies.status() {
            let name = Label::new("dependency", dependency.name);
            let key = self.key(&DEPENDENCY_UP, &[]).with_extra_labels(vec![name]);
            let is_up = if dependency.failing { 0.0 } else { 1.0 };
            self.recorder.register_gauge(&key, &METADATA).set(is_up);
        }
        self.flag(&EXECUTIONS_SUSPENDED, &[], executions_suspended);
        // Exact: no revision is above 2^53.
        self.gauge(&REVISION, &[], record.revision().number() as f64);
        let (awaited, bypass) = shared.in_flight.running();
        self.gauge(&EXECUTIONS, &[("bypass", "false")], awaited as f64);
        self.gauge(&EXECUTIONS, &[("bypass", "true")], bypass as f64);
        self.gauge(&REQUESTS, &[], shared.in_flight.requests() as f64);
        let millis = shared.contact().answered_on.as_millis() as f64;
        self.gauge(&LAST_CONTACT, &[], millis / 1_000.0);
    }

    fn counter(&mut self, metric: &Metric, labels: &[(&'static str, &'static str)], total: u64) {
        let counter = self
            .recorder
            .register_counter(&self.key(metric, labels), &METADATA);
        // Also by nothing: a counter that is there from the start can be told from one that is missing.
        let told = self.told.get(self.next).copied().unwrap_or(0);
        counter.increment(total.saturating_sub(told));
        match self.told.get_mut(self.next) {
            Some(told) => *told = total,
            None => self.told.push(total),
        }
        self.next += 1;
    }

    fn flag(&self, metric: &Metric, labels: &[(&'static str, &'static str)], is_so: bool) {
        self.gauge(metric, labels, if is_so { 1.0 } else { 0.0 });
    }

    fn gauge(&self, metric: &Metric, labels: &[(&'static str, &'static str)], value: f64) {
        let key = self.key(metric, labels);
        self.recorder.register_gauge(&key, &METADATA).set(value);
    }

    fn key(&self, metric: &Metric, labels: &[(&'static str, &'static str)]) -> Key {
        let mut all = Vec::with_capacity(labels.len() + 1);
        all.push(Label::new("node", self.node.to_owned()));
        all.extend(
            labels
                .iter()
                .map(|(name, value)| Label::from_static_parts(name, value)),
        );
        Key::from_parts(metric.name, all)
    }
}

impl Gate {
    /// Tells the recorder of the crate `metrics` how this node is now.
    ///
    /// A task of the gate's does so once a second and at every change of mode. Call it before you render metrics, so that
    /// they are those of this moment and not a second old. A recorder that panics is left alone until the next time.
    pub fn publish_metrics(&self) {
        publish(self.shared());
    }
}

#[cfg(test)]
mod tests;
