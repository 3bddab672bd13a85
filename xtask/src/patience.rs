//! Waiting for something, with an end to it.

use std::fmt;
use std::time::{Duration, Instant};

/// How often something is looked at while it is waited for.
const PACE: Duration = Duration::from_millis(20);

/// A limit that time runs towards.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    began: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self {
            began: now(),
            limit,
        }
    }

    /// How long it has been waited.
    pub(crate) fn waited(&self) -> Duration {
        now().duration_since(self.began)
    }

    /// How long it may still be waited; zero when it is over.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.waited())
    }

    /// A short pause before the next look; false when there is no time left for one.
    pub(crate) fn pause(&self) -> bool {
        let left = self.left();
        std::thread::sleep(PACE.min(left));
        !left.is_zero()
    }
}

/// A duration as a person says it: `0.2 s`.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the `Clock` is the library's, of which xtask knows nothing; a limit on waiting may stand still with the machine"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_without_time_ends_at_once() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.left().is_zero());
        assert!(!deadline.pause());
    }

    #[test]
    fn a_deadline_with_time_allows_another_look() {
        let deadline = Deadline::after(Duration::MAX);
        assert!(deadline.pause());
        assert!(deadline.waited() >= PACE);
    }

    #[test]
    fn durations_are_said_in_tenths_of_a_second() {
        assert_eq!(Seconds(Duration::from_millis(249)).to_string(), "0.2 s");
        assert_eq!(Seconds(Duration::from_secs(30)).to_string(), "30.0 s");
    }
}
