//! Clocks that are not quite right.

use std::time::Duration;

use intermission_core::{Moment, Timestamp};

/// What a clock shows that nobody has touched, at the beginning of the world.
const STEADY: Duration = Duration::from_secs(400_000);
const CALENDAR: u64 = 1_800_000_000_000;

/// The clocks of one machine: a steady one that runs a little too fast or too slow, and a calendar that somebody has
/// set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clocks {
    /// By how many millionths the steady clock is too fast.
    pub(crate) drift: i64,
    /// By how many milliseconds somebody has set the steady clock, and the calendar.
    pub(crate) steady_set: i64,
    pub(crate) calendar_set: i64,
}

impl Clocks {
    /// What they show at this millisecond of the world.
    pub(crate) fn at(self, now: u64) -> Moment {
        Moment::new(self.calendar(now), self.steady(now))
    }

    fn calendar(self, now: u64) -> Timestamp {
        Timestamp::from_millis((CALENDAR + now).saturating_add_signed(self.calendar_set))
    }

    fn steady(self, now: u64) -> Duration {
        let now = i64::try_from(now).unwrap();
        let micros = (now + self.steady_set) * 1_000 + now * self.drift / 1_000;
        let shift = Duration::from_micros(micros.unsigned_abs());
        if micros < 0 {
            STEADY.saturating_sub(shift)
        } else {
            STEADY.saturating_add(shift)
        }
    }

    /// The first millisecond of the world from `now` on at which the steady clock shows at least this.
    pub(crate) fn when(self, steady: Duration, now: u64) -> u64 {
        let left = steady.saturating_sub(self.steady(now));
        // A clock that is a thousandth slow takes a thousandth longer, and a millisecond that is not over yet would be
        // one too early.
        let millis = u64::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        let mut at = now + millis.min(u64::MAX / 4);
        while self.steady(at.min(1 << 40)) < steady && at < 1 << 40 {
            at += 1;
        }
        at
    }
}
