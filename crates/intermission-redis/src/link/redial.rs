//! How long to wait before a lost connection is replaced.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How many connections a Redis is to get in a second when it has lost all of them at once.
const PER_SECOND: u64 = 5_000;

const SHORTEST: Duration = Duration::from_millis(50);

/// A quarter of the usual lease.
const LONGEST: Duration = Duration::from_millis(3_750);

/// Spreads the redials of a fleet that has lost its Redis at one moment.
///
/// The wait is drawn when the connection is lost, and counts from then. So who calls later waits less, and who gives
/// up and calls again does not begin anew.
#[derive(Debug)]
pub(crate) struct Redial {
    /// How many may redial together with us; 0: nobody knows, and nobody waits.
    crowd: AtomicU64,
    longest: Duration,
    not_before: Mutex<Option<Instant>>,
}

impl Redial {
    pub(crate) fn new(longest: Duration) -> Self {
        Self {
            crowd: AtomicU64::new(0),
            longest: longest.min(LONGEST),
            not_before: Mutex::new(None),
        }
    }

    /// A server that has lost its data counts anew, and who comes first would believe that nobody else is there: such
    /// nodes are not all.
    pub(crate) fn expect_crowd(&self, nodes: u64, are_all: bool) {
        if are_all {
            self.crowd.store(nodes, Ordering::Relaxed);
        } else {
            self.crowd.fetch_max(nodes, Ordering::Relaxed);
        }
    }

    /// A connection was lost just now.
    pub(crate) fn lost(&self) {
        let span = span(self.crowd.load(Ordering::Relaxed), self.longest);
        let at = Instant::now() + part_of(span, RandomState::new().build_hasher().finish());
        *self
            .not_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Waits for our turn.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub(crate) async fn turn(&self) {
        let at = *self
            .not_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = at {
            sleep_until(at).await;
        }
    }
}

/// Over how long a crowd spreads.
fn span(crowd: u64, longest: Duration) -> Duration {
    if crowd == 0 {
        return Duration::ZERO;
    }
    let millis = crowd.saturating_mul(1_000) / PER_SECOND;
    Duration::from_millis(millis).max(SHORTEST).min(longest)
}

/// The part of a span that a random number stands for.
fn part_of(span: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(random)) >> u64::BITS;
    Duration::from_nanos(u64::try_from(part).unwrap_or(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_spreads_over_a_time_that_grows_with_it() {
        for (crowd, millis) in [
            (0, 0),
            (1, 50),
            (250, 50),
            (1_000, 200),
            (5_000, 1_000),
            (7_500, 1_500),
            (u64::MAX, 3_750),
        ] {
            let span = span(crowd, LONGEST);
            assert_eq!(span, Duration::from_millis(millis), "{crowd}");
        }
        // A limit for answers that is shorter than the shortest spread wins.
        assert_eq!(span(1, Duration::from_millis(3)), Duration::from_millis(3));
    }

    #[test]
    fn random_numbers_cover_the_span_and_no_more() {
        let span = Duration::from_secs(1);
        assert_eq!(part_of(span, 0), Duration::ZERO);
        assert_eq!(part_of(span, u64::MAX / 2 + 1), span / 2);
        assert!(part_of(span, u64::MAX) < span);
        assert_eq!(part_of(Duration::ZERO, u64::MAX), Duration::ZERO);
    }

    #[tokio::test]
    async fn nobody_waits_before_a_loss_or_without_a_crowd() {
        let redial = Redial::new(LONGEST);
        redial.turn().await;
        redial.expect_crowd(0, true);
        redial.lost();
        let at = redial.not_before.lock().unwrap().unwrap();
        assert!(at <= Instant::now());
        redial.turn().await;
    }
}
