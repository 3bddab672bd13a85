//! One line for each change of state. Never one for each request.
//!
//! The crate's documentation has a table of these lines.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{Hold, Record, RefuseReason, StateError, StateErrorKind};

use crate::execution_info::ExecutionInfo;
use crate::operator::OperatorError;

/// What is worth a line.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "tracing"),
    expect(dead_code, reason = "read by the feature `tracing` only")
)]
pub(crate) enum Line<'a> {
    Remembered(&'a Record),
    Applied {
        before: &'a Record,
        record: &'a Arc<Record>,
    },
    /// What this node is, apart from its record.
    Condition {
        hold: Option<&'a Hold>,
        suspended: bool,
    },
    /// A dependency fails from now on, and how it did last.
    DependencyFails(&'a str, &'a str),
    DependencyBack(&'a str),
    Dropped(u64),
    ContactLost(StateErrorKind, &'a str),
    ContactRestored(Duration),
    StateError(&'a StateError),
    KeeperDied(u64),
    GoodbyeFailed(&'a StateError),
    LastKnownUnwritten(&'a Path, &'a std::io::Error),
    /// What a piece of work has to say at its end, the state does not hear.
    StillHeld(&'a str, &'a OperatorError),
    WorkerPaused(&'a ExecutionInfo, RefuseReason),
    WorkerResumed(&'a ExecutionInfo),
}

#[cfg(not(feature = "tracing"))]
pub(crate) const fn line(_: &Line<'_>) {}

#[cfg(feature = "tracing")]
pub(crate) fn line(line: &Line<'_>) {
    use tracing::{debug, error, info, warn};

    /// What a filter names: where a line comes from inside of this crate is nobody's business.
    const TARGET: &str = "intermission";

    match line {
        Line::Remembered(record) => {
            info!(
                target: TARGET,
                phase = record.phase().as_str(),
                level = record.level().as_str(),
                revision = record.revision().number(),
                "the last known record is remembered"
            );
        }
        Line::Applied { before, record } => {
            let activation = record.activation();
            let completion = activation.and_then(|activation| activation.completion.as_ref());
            info!(
                target: TARGET,
                from = before.phase().as_str(),
                phase = record.phase().as_str(),
                level = record.level().as_str(),
                revision = record.revision().number(),
                requested_by = activation.map(|activation| activation.requested_by.as_str()),
                forced = completion.map(|completion| completion.forced),
                unconfirmed = completion.map(|completion| completion.unconfirmed.len()),
                scopes_closed = Some(record.scopes().closed()).filter(|closed| *closed > 0),
                "maintenance mode changed"
            );
        }
        Line::Condition {
            hold: Some(hold),
            suspended,
        } => {
            warn!(target: TARGET, %hold, executions_suspended = suspended, "this node is held: it turns visitors away");
        }
        Line::Condition {
            hold: None,
            suspended: true,
        } => {
            warn!(target: TARGET, executions_suspended = true, "this node starts no executions");
        }
        Line::Condition {
            hold: None,
            suspended: false,
        } => {
            info!(target: TARGET, executions_suspended = false, "this node is no longer held");
        }
        Line::DependencyFails(dependency, error) => {
            warn!(target: TARGET, dependency, error, "a dependency of this node fails");
        }
        Line::DependencyBack(dependency) => {
            info!(target: TARGET, dependency, "a dependency of this node is back");
        }
        Line::Dropped(running) => {
            warn!(target: TARGET, running, "the executions that still run are dropped, where that is possible");
        }
        Line::ContactLost(kind, error) => {
            warn!(target: TARGET, kind = kind.as_str(), error, "the maintenance state is out of reach");
        }
        Line::ContactRestored(after) => {
            info!(target: TARGET, ?after, "the maintenance state is in reach again");
        }
        Line::StateError(error) => {
            debug!(
                target: TARGET,
                kind = error.kind().as_str(),
                error = error.in_full(),
                "the maintenance state failed"
            );
        }
        Line::KeeperDied(restarts) => {
            error!(target: TARGET, restarts, "the keeper died and is started again");
        }
        Line::LastKnownUnwritten(file, error) => {
            warn!(
                target: TARGET,
                file = %file.display(),
                %error,
                "the last known record could not be written"
            );
        }
        Line::StillHeld(label, error) => {
            warn!(target: TARGET, label, %error, "maintenance is still held on by work that has ended");
        }
        Line::WorkerPaused(worker, reason) => {
            info!(target: TARGET, %worker, reason = reason.as_str(), "a worker is paused by maintenance");
        }
        Line::WorkerResumed(worker) => {
            info!(target: TARGET, %worker, "a worker goes on");
        }
        Line::GoodbyeFailed(error) => {
            warn!(
                target: TARGET,
                error = error.in_full(),
                "the node could not say goodbye; its lease will end by itself"
            );
        }
    }
}

#[cfg(test)]
#[cfg(feature = "tracing")]
mod tests;
