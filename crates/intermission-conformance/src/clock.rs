//! A clock that only moves when it is told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intermission_core::{Clock, Timestamp};

/// A clock that only moves when it is told to, for fixtures of backends that take an `Arc<dyn Clock>`. Clones share it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use intermission_conformance::ManualClock;
/// use intermission_core::Clock;
///
/// let clock = ManualClock::new();
/// let (calendar, steady) = (clock.now(), clock.steady());
/// clock.advance(Duration::from_secs(90));
/// assert_eq!(clock.now().saturating_since(calendar), Duration::from_secs(90));
/// assert_eq!(clock.steady() - steady, Duration::from_secs(90));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    reading: Arc<Mutex<Reading>>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    calendar: Timestamp,
    steady: Duration,
}

impl ManualClock {
    /// A clock that shows some day in 2026. Its steady side shows some days, as on a machine that has been up for a
    /// while.
    #[must_use]
    pub fn new() -> Self {
        Self::showing(Timestamp::from_millis(1_795_170_900_000))
    }

    /// A clock whose calendar shows this.
    #[must_use]
    pub fn showing(calendar: Timestamp) -> Self {
        let steady = Duration::from_secs(400_000);
        Self {
            reading: Arc::new(Mutex::new(Reading { calendar, steady })),
        }
    }

    /// Moves both sides forward.
    pub fn advance(&self, by: Duration) {
        let mut reading = self.reading();
        reading.calendar = reading.calendar.saturating_add(by);
        reading.steady = reading.steady.saturating_add(by);
    }

    /// Sets the calendar, forward or back, as somebody may do. The steady side stays as it is.
    pub fn set_calendar(&self, calendar: Timestamp) {
        self.reading().calendar = calendar;
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        // Every value of a reading is whole, whoever panicked while holding it.
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.reading().calendar
    }

    fn steady(&self) -> Duration {
        self.reading().steady
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_and_setting_the_calendar_leaves_the_steady_side_alone() {
        let clock = ManualClock::new();
        let clone = clock.clone();
        let steady = clock.steady();
        clone.set_calendar(Timestamp::from_millis(5));
        assert_eq!(clock.now(), Timestamp::from_millis(5));
        assert_eq!(clock.steady(), steady);
    }
}
