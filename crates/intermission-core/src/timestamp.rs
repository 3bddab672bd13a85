//! An instant of the calendar, in milliseconds.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant of the calendar, in whole milliseconds since the Unix epoch (UTC).
///
/// Every time in a [`Record`](crate::Record) is one of these: the store's clock or the operator's, never a
/// request's. It prints as RFC 3339 with three decimals and `Z`, which is what every interface shows, and parses
/// from RFC 3339 with any offset.
///
/// # Examples
///
/// ```
/// use intermission_core::Timestamp;
///
/// let noon: Timestamp = "2026-11-20T12:00:00+01:00".parse()?;
/// assert_eq!(noon.to_string(), "2026-11-20T11:00:00.000Z");
/// # Ok::<(), intermission_core::BadTimestamp>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last instant that [`fmt::Display`] can print: the end of the year 9999.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// The instant that many milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This instant moved into the future, at most to [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis)).min(Self::MAX)
    }

    /// How long after `earlier` this instant is; zero if it is not.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    /// A time before 1970 becomes 1970.
    fn from(time: SystemTime) -> Self {
        let millis = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        Self(u64::try_from(millis).unwrap_or(u64::MAX)).min(Self::MAX)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(timestamp.min(Timestamp::MAX).0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from((*self).min(Self::MAX).0).map_err(|_| fmt::Error)?;
        let instant = jiff::Timestamp::from_millisecond(millis).map_err(|_| fmt::Error)?;
        write!(f, "{instant:.3}")
    }
}

/// A text that is not an RFC 3339 time between 1970 and 9999.
///
/// A local time without an offset is none either: where clocks are changed, it may be two instants, or none at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTimestamp {
    text: String,
}

impl BadTimestamp {
    /// Whether nothing is wrong but that nobody knows in which zone it is.
    fn lacks_offset(&self) -> bool {
        let in_utc = format!("{}Z", self.text.trim());
        in_utc.parse::<jiff::Timestamp>().is_ok()
    }
}

impl fmt::Display for BadTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        if self.lacks_offset() {
            let text = text.trim();
            return write!(
                f,
                "`{text}` has no offset, so it is a different moment in each time zone: write `{text}Z` for UTC, or the \
                 offset, as in `{text}+01:00`"
            );
        }
        write!(
            f,
            "`{text}` is not a time: write RFC 3339 with an offset, as in `2026-11-20T22:30:00Z`"
        )
    }
}

impl std::error::Error for BadTimestamp {}

impl FromStr for Timestamp {
    type Err = BadTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadTimestamp {
            text: text.to_owned(),
        };
        let instant: jiff::Timestamp = text.trim().parse().map_err(|_| bad())?;
        let millis = u64::try_from(instant.as_millisecond()).map_err(|_| bad())?;
        let timestamp = Self(millis);
        if timestamp > Self::MAX {
            Err(bad())
        } else {
            Ok(timestamp)
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_three_decimals_and_z() {
        assert_eq!(
            Timestamp::from_millis(0).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_763_633_702_113).to_string(),
            "2025-11-20T10:15:02.113Z"
        );
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00.000Z");
    }

    #[test]
    fn out_of_range_is_an_error_that_names_the_text() {
        for text in [
            "",
            "tomorrow",
            "2026-11-20",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
        ] {
            let error = text.parse::<Timestamp>().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("`{text}` is not a time")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_local_time_needs_its_offset() {
        // In Berlin this is twice, and nobody knows which is meant.
        let error = "2026-10-25T02:30:00".parse::<Timestamp>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`2026-10-25T02:30:00` has no offset, so it is a different moment in each time zone: write \
             `2026-10-25T02:30:00Z` for UTC, or the offset, as in `2026-10-25T02:30:00+01:00`"
        );
        for (text, instant) in [
            ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00.000Z"),
            ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00.000Z"),
            // Which no clock in Berlin shows, and which is a moment all the same.
            ("2026-03-29T02:30:00+01:00", "2026-03-29T01:30:00.000Z"),
            ("2026-11-01T01:30:00-04:00", "2026-11-01T05:30:00.000Z"),
            ("2026-11-01T01:30:00-05:00", "2026-11-01T06:30:00.000Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), instant);
        }
    }

    #[test]
    fn arithmetic_never_leaves_the_printable_range() {
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(
            Timestamp::from_millis(5).saturating_since(Timestamp::from_millis(9)),
            Duration::ZERO
        );
    }
}
