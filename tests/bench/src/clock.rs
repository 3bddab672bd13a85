//! The clock by which the benches measure.

use std::time::Duration;

use intermission::{Clock, SystemClock};

/// The present, on the clock that all of a machine share.
pub(crate) fn now() -> Duration {
    SystemClock.steady()
}

/// The time since then.
pub(crate) fn since(then: Duration) -> Duration {
    now().saturating_sub(then)
}
