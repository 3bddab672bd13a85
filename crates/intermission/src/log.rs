//! One line for each change of state. Never one for each request.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{Record, StateError, StateErrorKind};

/// What is worth a line.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "tracing"),
    expect(dead_code, reason = "read by the feature `tracing` only")
)]
pub(crate) enum Line<'a> {
    Applied(&'a Arc<Record>),
    ContactLost(StateErrorKind),
    ContactRestored(Duration),
    StateError(&'a StateError),
    KeeperDied(u64),
    GoodbyeFailed(&'a StateError),
    LastKnownUnwritten(&'a Path, &'a std::io::Error),
}

#[cfg(not(feature = "tracing"))]
pub(crate) const fn line(_: &Line<'_>) {}

#[cfg(feature = "tracing")]
pub(crate) fn line(line: &Line<'_>) {
    match line {
        Line::Applied(record) => {
            let (phase, level) = (record.phase().as_str(), record.level().as_str());
            tracing::info!(
                phase,
                level,
                revision = record.revision().number(),
                "maintenance mode changed"
            );
        }
        Line::ContactLost(kind) => {
            tracing::warn!(
                kind = kind.as_str(),
                "the maintenance state is out of reach"
            );
        }
        Line::ContactRestored(after) => {
            tracing::info!(?after, "the maintenance state is in reach again");
        }
        Line::StateError(error) => {
            tracing::debug!(error = error.in_full(), "the maintenance state failed");
        }
        Line::KeeperDied(restarts) => {
            tracing::error!(restarts, "the keeper died and is started again");
        }
        Line::LastKnownUnwritten(file, error) => {
            tracing::warn!(
                file = %file.display(),
                %error,
                "the last known record could not be written"
            );
        }
        Line::GoodbyeFailed(error) => {
            tracing::warn!(
                error = error.in_full(),
                "the node could not say goodbye; its lease will end by itself"
            );
        }
    }
}
