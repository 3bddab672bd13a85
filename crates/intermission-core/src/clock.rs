//! The one place where time is read.

use std::fmt;
use std::time::Duration;
use std::time::SystemTime;

use crate::Timestamp;

/// Where a gate takes the time from.
///
/// Two clocks, because they answer two questions. The *calendar* says what to print and when a planned window
/// starts; somebody may set it, so it may jump either way. The *steady* clock measures leases and time-outs: it
/// never goes back, nobody can set it, and it goes on while the machine sleeps, since a lease that stood still
/// during suspend would outlive its promise.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The calendar's time.
    fn now(&self) -> Timestamp;

    /// The time since a fixed but unknown moment, such as the machine's start.
    fn steady(&self) -> Duration;
}

/// The clocks of the operating system.
///
/// On Linux the steady clock is `CLOCK_BOOTTIME`, which all processes of a machine share; elsewhere it is
/// `CLOCK_MONOTONIC`, which some systems stop during suspend.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to configure about the system's clocks")]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the system's clock is read"
    )]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn steady(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(id);
        // Neither clock is ever negative, and nanoseconds are below a thousand million.
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_never_goes_back() {
        let mut last = SystemClock.steady();
        for _ in 0..1_000 {
            let next = SystemClock.steady();
            assert!(next >= last);
            last = next;
        }
    }
}
