//! When to come back.

use std::time::Duration;

use crate::Timestamp;

use super::{Notice, ReplyPolicy};

/// The largest `Retry-After`: 68 years, beyond which clients with 32-bit seconds read something else.
const MAX_S: u64 = 2_147_483_647;

/// How often the page reloads at most, and how rarely at least.
const MIN_REFRESH_S: u64 = 5;
const MAX_REFRESH_S: u64 = 86_400;

/// What `Retry-After` is computed from, for each reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryAfter {
    until: Option<Timestamp>,
    fixed_s: u64,
    jitter_s: Option<(u64, u64)>,
}

impl RetryAfter {
    pub(super) fn new(policy: &ReplyPolicy, notice: &Notice<'_>) -> Self {
        let fixed = notice.retry_after().unwrap_or_else(|| policy.retry_after());
        Self {
            until: notice.until(),
            fixed_s: whole_seconds(fixed),
            jitter_s: policy.jitter().map(|range| {
                let (low, high) = (
                    *range.start().min(range.end()),
                    *range.start().max(range.end()),
                );
                (low.as_secs().min(MAX_S), rounded_up(high).min(MAX_S))
            }),
        }
    }

    /// The value that does not count down: the activation's, else the policy's.
    pub(super) const fn fixed_s(&self) -> u64 {
        self.fixed_s
    }

    /// The header's value: to the announced end if there is one, else the fixed value, plus the jitter.
    ///
    /// An end that has passed gives the least value, one second: the announcement was "now".
    pub(super) fn seconds(&self, now: Timestamp, entropy: u64) -> u64 {
        let seconds = self.until.map_or(self.fixed_s, |until| {
            whole_seconds(until.saturating_since(now))
        });
        let jitter = self.jitter_s.map_or(0, |(low, high)| {
            // A remainder, since it also spreads the numbers of a mere counter.
            low + entropy % (high - low + 1)
        });
        seconds.saturating_add(jitter).min(MAX_S)
    }
}

/// After how long the page reloads, with that `Retry-After`.
pub(super) fn refresh_s(retry_after_s: u64) -> u64 {
    retry_after_s.clamp(MIN_REFRESH_S, MAX_REFRESH_S)
}

/// Rounded up, since a visitor who comes a moment early is refused once more.
fn whole_seconds(duration: Duration) -> u64 {
    rounded_up(duration).clamp(1, MAX_S)
}

fn rounded_up(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Marker;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn seconds(policy: &ReplyPolicy, notice: &Notice<'_>) -> u64 {
        RetryAfter::new(policy, notice).seconds(NOW, 0)
    }

    #[test]
    fn table_of_sources() {
        let own = Some(Duration::from_secs(60));
        let at = |millis: u64| Some(Timestamp::from_millis(millis));
        let base = NOW.as_millis();
        for (what, until, retry_after, expected) in [
            ("nothing known: the policy's", None, None, 300),
            ("the activation's", None, own, 60),
            (
                "the end goes before the activation's",
                at(base + 1_800_000),
                own,
                1_800,
            ),
            (
                "the end goes before the policy's",
                at(base + 7_000),
                None,
                7,
            ),
            (
                "a part of a second is rounded up",
                at(base + 7_001),
                None,
                8,
            ),
            ("less than a second", at(base + 1), None, 1),
            ("the end is now", at(base), own, 1),
            ("the end has just passed", at(base - 1), own, 1),
            ("the end is long gone", at(0), own, 1),
            ("the last time there is", Some(Timestamp::MAX), None, MAX_S),
            ("beyond the last time", at(u64::MAX), None, MAX_S),
            ("an activation without delay", None, Some(Duration::ZERO), 1),
            (
                "a fraction of a second",
                None,
                Some(Duration::from_millis(1_500)),
                2,
            ),
            ("for ever", None, Some(Duration::MAX), MAX_S),
        ] {
            let notice = Notice::new(Marker::Activated)
                .with_until(until)
                .with_retry_after(retry_after);
            assert_eq!(
                seconds(&ReplyPolicy::default(), &notice),
                expected,
                "{what}"
            );
        }
    }

    #[test]
    fn it_counts_down() {
        let until = NOW.saturating_add(Duration::from_secs(10));
        let retry_after = RetryAfter::new(
            &ReplyPolicy::default(),
            &Notice::new(Marker::Activated).with_until(until),
        );
        let counted: Vec<_> = (0..=11)
            .map(|passed| retry_after.seconds(NOW.saturating_add(Duration::from_secs(passed)), 0))
            .collect();
        assert_eq!(counted, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1]);
    }

    #[test]
    fn jitter_reaches_every_second_of_its_range_and_no_other() {
        let notice = Notice::new(Marker::Activated).with_retry_after(Duration::from_secs(60));
        let (low, high) = (Duration::from_secs(2), Duration::from_millis(4_500));
        for range in [low..=high, high..=low] {
            let policy = ReplyPolicy::default().with_jitter(range);
            let retry_after = RetryAfter::new(&policy, &notice);
            let drawn: std::collections::BTreeSet<_> = (0..100)
                .map(|entropy| retry_after.seconds(NOW, entropy))
                .collect();
            assert_eq!(Vec::from_iter(drawn), [62, 63, 64, 65]);
        }
    }

    #[test]
    fn jitter_neither_overflows_nor_shortens() {
        let policy = ReplyPolicy::default().with_jitter(Duration::ZERO..=Duration::MAX);
        for entropy in [0, 1, u64::MAX] {
            for until in [None, Some(Timestamp::from_millis(0)), Some(Timestamp::MAX)] {
                let notice = Notice::new(Marker::Activated).with_until(until);
                let plain = seconds(&ReplyPolicy::default(), &notice);
                let drawn = RetryAfter::new(&policy, &notice).seconds(NOW, entropy);
                assert!((plain..=MAX_S).contains(&drawn), "{drawn}");
            }
        }
    }

    #[test]
    fn the_page_reloads_neither_each_second_nor_never() {
        for (retry_after, refresh) in [
            (1, 5),
            (5, 5),
            (300, 300),
            (86_400, 86_400),
            (MAX_S, 86_400),
        ] {
            assert_eq!(refresh_s(retry_after), refresh);
        }
    }
}
