//! The one place where time is read.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, Timespec};

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
#[expect(
    clippy::exhaustive_structs,
    reason = "there is nothing to configure about the system's clocks"
)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Timestamp {
        // Not `SystemTime`, whose arithmetic costs three times the reading; every execution's start is stamped.
        Timestamp::from_millis(millis(read(ClockId::Realtime)))
    }

    #[inline]
    fn steady(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let time = read(ClockId::Boottime);
        #[cfg(not(target_os = "linux"))]
        let time = read(ClockId::Monotonic);
        Duration::from_nanos(nanos(time))
    }
}

#[inline]
fn read(clock: ClockId) -> Timespec {
    rustix::time::clock_gettime(clock)
}

/// A calendar that was set to before 1970 reads as 1970.
#[inline]
fn millis(time: Timespec) -> u64 {
    let Ok(seconds) = u64::try_from(time.tv_sec) else {
        return 0;
    };
    // The kernel's nanoseconds are never negative.
    seconds
        .wrapping_mul(1_000)
        .wrapping_add(time.tv_nsec.cast_unsigned() / 1_000_000)
}

/// Enough for a machine that has been up for five hundred years.
#[inline]
fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::try_from(time.tv_nsec).unwrap_or(0))
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
