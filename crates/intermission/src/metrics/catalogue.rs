//! Every metric by name: the one place that names them. A test holds it to the table in the crate's documentation.

use metrics::{Recorder, Unit};

/// A metric that is emitted.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    unit: Option<Unit>,
    help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

impl Metric {
    const fn counter(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            unit: None,
            help,
        }
    }

    const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Gauge,
            unit: None,
            help,
        }
    }

    pub(super) fn describe(&self, recorder: &dyn Recorder) {
        let (name, help) = (self.name.into(), self.help.into());
        match self.kind {
            Kind::Counter => recorder.describe_counter(name, self.unit, help),
            Kind::Gauge => recorder.describe_gauge(name, self.unit, help),
        }
    }
}

pub(super) const DECISIONS: Metric = Metric::counter(
    "intermission_decisions_total",
    "Requests that were asked about because the door was not open, by what was decided and by which rule.",
);
pub(super) const DEPENDENCY_UP: Metric = Metric::gauge(
    "intermission_dependency_up",
    "0 while this dependency of this node fails, by its probe, else 1.",
);
pub(super) const EXECUTIONS: Metric = Metric::gauge(
    "intermission_executions",
    "Executions that run on this node, and whether a bypassed visitor began them, so that no drain waits.",
);
pub(super) const EXECUTIONS_SUSPENDED: Metric = Metric::gauge(
    "intermission_executions_suspended",
    "1 while this node may begin no execution though its record would allow it.",
);
pub(super) const HOLD: Metric = Metric::gauge(
    "intermission_hold",
    "1 while this node is closed by itself for this reason.",
);
pub(super) const KEEPER_RESTARTS: Metric = Metric::counter(
    "intermission_keeper_restarts_total",
    "How often the task that keeps this node's knowledge true had to be started again.",
);
pub(super) const LAST_CONTACT: Metric = Metric {
    unit: Some(Unit::Seconds),
    ..Metric::gauge(
        "intermission_last_contact_timestamp_seconds",
        "When the newest report that the state has answered was sent, in Unix time; 0 if none ever was.",
    )
};
pub(super) const LEVEL: Metric = Metric::gauge(
    "intermission_level",
    "1 for the level of the maintenance that is on.",
);
pub(super) const PHASE: Metric = Metric::gauge(
    "intermission_phase",
    "1 for the phase that this node is in.",
);
pub(super) const REQUESTS: Metric = Metric::gauge(
    "intermission_requests_in_flight",
    "Requests that were let in and have not ended, but for routes that are always open.",
);
pub(super) const REVISION: Metric = Metric::gauge(
    "intermission_revision",
    "The revision of the record that this node goes by.",
);
pub(super) const STATE_ERRORS: Metric = Metric::counter(
    "intermission_state_errors_total",
    "Calls to the state that failed, by kind.",
);
pub(super) const TRANSITIONS: Metric = Metric::counter(
    "intermission_transitions_total",
    "Changes of phase that this node has followed, by the phase that it came to.",
);

pub(super) const ALL: &[Metric] = &[
    DECISIONS,
    DEPENDENCY_UP,
    EXECUTIONS,
    EXECUTIONS_SUSPENDED,
    HOLD,
    KEEPER_RESTARTS,
    LAST_CONTACT,
    LEVEL,
    PHASE,
    REQUESTS,
    REVISION,
    STATE_ERRORS,
    TRANSITIONS,
];
