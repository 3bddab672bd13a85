//! The clock of a node.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{Clock, SystemClock, Timestamp};

/// The clock of a node: the system's, unless another was given. Every execution is stamped, and so the usual clock is
/// called directly.
#[derive(Clone, Debug, Default)]
pub(crate) enum NodeClock {
    #[default]
    System,
    Given(Arc<dyn Clock>),
}

impl Clock for NodeClock {
    #[inline]
    fn now(&self) -> Timestamp {
        match self {
            Self::System => SystemClock.now(),
            Self::Given(clock) => now_of(clock),
        }
    }

    #[inline]
    fn steady(&self) -> Duration {
        match self {
            Self::System => SystemClock.steady(),
            Self::Given(clock) => steady_of(clock),
        }
    }
}

// Out of the way of the usual clock.
#[cold]
fn now_of(clock: &Arc<dyn Clock>) -> Timestamp {
    clock.now()
}

#[cold]
fn steady_of(clock: &Arc<dyn Clock>) -> Duration {
    clock.steady()
}
