//! Durations and times, as people write and read them.

use std::str::FromStr;
use std::time::Duration;

use intermission::{BadTimestamp, Timestamp};
use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;

/// Longer than any maintenance: what is beyond is a slip of the finger.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A text that is no duration that makes sense here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadDuration {
    #[error("`{text}` has no unit: write `{text}s`, `{text}m` or `{text}h`")]
    NoUnit { text: String },
    #[error("`{text}` is not a duration: write for example `90s`, `10m` or `2h 30m`")]
    Unreadable { text: String },
    #[error("`{text}` counts months or years, which differ in length: write days, as in `30d`")]
    VaryingUnit { text: String },
    #[error("`{text}` is negative: write a duration above zero, as in `90s`")]
    Negative { text: String },
    #[error("`{text}` is no time at all: write a duration above zero, as in `90s`")]
    Zero { text: String },
    #[error("`{text}` is longer than a year: write at most `366d`")]
    TooLong { text: String },
    #[error("`{text}` is not in whole seconds: write for example `1s` or `90s`")]
    NotWholeSeconds { text: String },
}

/// Reads a duration above zero: `90s`, `10m`, `2h 30m`. A day has 24 hours.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let text = text.trim();
    let owned = || text.to_owned();
    if text.parse::<f64>().is_ok_and(f64::is_finite) {
        let text = owned();
        return Err(if text.starts_with('-') {
            BadDuration::Negative { text }
        } else {
            BadDuration::NoUnit { text }
        });
    }
    let span = SpanParser::new()
        .parse_span(text)
        .map_err(|_| BadDuration::Unreadable { text: owned() })?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(BadDuration::VaryingUnit { text: owned() });
    }
    if span.is_negative() {
        return Err(BadDuration::Negative { text: owned() });
    }
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| BadDuration::TooLong { text: owned() })?;
    // Everything behind this counts in milliseconds.
    if duration.as_millis() == 0 {
        Err(BadDuration::Zero { text: owned() })
    } else {
        Ok(duration)
    }
}

/// Reads a duration that is told to visitors, which HTTP does in whole seconds.
pub(crate) fn parse_whole_seconds(text: &str) -> Result<Duration, BadDuration> {
    let duration = parse_duration(text)?;
    if duration.subsec_nanos() == 0 {
        Ok(duration)
    } else {
        Err(BadDuration::NotWholeSeconds {
            text: text.trim().to_owned(),
        })
    }
}

/// A time that is given as such, or from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    At(Timestamp),
    In(Duration),
}

impl When {
    pub(crate) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::In(duration) => now.saturating_add(duration),
        }
    }
}

/// A text that is no time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadWhen {
    #[error("{0}, or `+30m` for half an hour from now")]
    Time(BadTimestamp),
    #[error("{0}")]
    Duration(BadDuration),
}

impl FromStr for When {
    type Err = BadWhen;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().strip_prefix('+') {
            Some(duration) => parse_duration(duration)
                .map(Self::In)
                .map_err(BadWhen::Duration),
            None => text.parse().map(Self::At).map_err(BadWhen::Time),
        }
    }
}

const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];

/// A duration in at most two units, rounded down: `1m 12s`. Reads back as what it says.
pub(crate) fn brief(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 && !duration.is_zero() {
        return format!("{}ms", duration.as_millis());
    }
    let largest = UNITS
        .iter()
        .position(|(size, _)| seconds >= *size)
        .unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let mut parts = Vec::new();
    for (size, unit) in UNITS.iter().skip(largest).take(2) {
        if left >= *size || parts.is_empty() {
            parts.push(format!("{}{unit}", left / size));
        }
        left %= size;
    }
    parts.join(" ")
}

/// How long ago something was, in one unit: `3 s ago`.
pub(crate) fn ago(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (size, unit) = UNITS
        .iter()
        .find(|(size, _)| seconds >= *size)
        .copied()
        .unwrap_or((1, "s"));
    let unit = if unit == "m" { "min" } else { unit };
    format!("{} {unit} ago", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, seconds) in [
            ("90s", 90),
            ("10m", 600),
            ("2h 30m", 9_000),
            ("2h30m", 9_000),
            (" 1h ", 3_600),
            ("1d", 86_400),
            ("2 hours, 5 minutes", 7_500),
            ("366d", 366 * 86_400),
            ("1w", 7 * 86_400),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1_500)));
    }

    #[test]
    fn nonsense_is_named_with_what_would_be_right() {
        for (text, complaint) in [
            ("90", "`90` has no unit: write `90s`, `90m` or `90h`"),
            ("0", "`0` has no unit: write `0s`, `0m` or `0h`"),
            ("1.5", "`1.5` has no unit: write `1.5s`, `1.5m` or `1.5h`"),
            (
                "-5",
                "`-5` is negative: write a duration above zero, as in `90s`",
            ),
            (
                "-5m",
                "`-5m` is negative: write a duration above zero, as in `90s`",
            ),
            (
                "5m ago",
                "`5m ago` is negative: write a duration above zero, as in `90s`",
            ),
            (
                "0s",
                "`0s` is no time at all: write a duration above zero, as in `90s`",
            ),
            (
                "1ns",
                "`1ns` is no time at all: write a duration above zero, as in `90s`",
            ),
            (
                "",
                "`` is not a duration: write for example `90s`, `10m` or `2h 30m`",
            ),
            (
                "soon",
                "`soon` is not a duration: write for example `90s`, `10m` or `2h 30m`",
            ),
            (
                "10x",
                "`10x` is not a duration: write for example `90s`, `10m` or `2h 30m`",
            ),
            (
                "NaN",
                "`NaN` is not a duration: write for example `90s`, `10m` or `2h 30m`",
            ),
            (
                "2mo",
                "`2mo` counts months or years, which differ in length: write days, as in `30d`",
            ),
            (
                "1y",
                "`1y` counts months or years, which differ in length: write days, as in `30d`",
            ),
            ("367d", "`367d` is longer than a year: write at most `366d`"),
            (
                "99999999h",
                "`99999999h` is longer than a year: write at most `366d`",
            ),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().to_string(), complaint);
        }
        let error = parse_whole_seconds("1500ms").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`1500ms` is not in whole seconds: write for example `1s` or `90s`"
        );
        assert_eq!(parse_whole_seconds("2m"), Ok(Duration::from_secs(120)));
    }

    #[test]
    fn times_are_absolute_or_from_now_on() {
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        for (text, time) in [
            ("2026-11-20T22:30:00Z", "2026-11-20T22:30:00.000Z"),
            ("2026-11-20T22:30:00+01:00", "2026-11-20T21:30:00.000Z"),
            ("+30m", "2026-11-20T10:30:00.000Z"),
            ("+2h 30m", "2026-11-20T12:30:00.000Z"),
        ] {
            assert_eq!(text.parse::<When>().unwrap().from(now).to_string(), time);
        }
        for (text, complaint) in [
            (
                "22:30",
                "`22:30` is not a time: write RFC 3339 with an offset, as in `2026-11-20T22:30:00Z`, or `+30m` for \
                 half an hour from now",
            ),
            (
                "2026-11-20T22:30:00",
                "`2026-11-20T22:30:00` has no offset, so it is a different moment in each time zone: write \
                 `2026-11-20T22:30:00Z` for UTC, or the offset, as in `2026-11-20T22:30:00+01:00`, or `+30m` for half an \
                 hour from now",
            ),
            ("+30", "`30` has no unit: write `30s`, `30m` or `30h`"),
            (
                "+0s",
                "`0s` is no time at all: write a duration above zero, as in `90s`",
            ),
        ] {
            assert_eq!(text.parse::<When>().unwrap_err().to_string(), complaint);
        }
    }

    #[test]
    fn what_is_shown_has_two_units_at_most() {
        for (millis, shown, shown_ago) in [
            (0, "0s", "0 s ago"),
            (250, "250ms", "0 s ago"),
            (3_999, "3s", "3 s ago"),
            (60_000, "1m", "1 min ago"),
            (72_000, "1m 12s", "1 min ago"),
            (3_600_000, "1h", "1 h ago"),
            (3_661_000, "1h 1m", "1 h ago"),
            (3_601_000, "1h", "1 h ago"),
            (200_000_000, "2d 7h", "2 d ago"),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(
                (brief(duration).as_str(), ago(duration).as_str()),
                (shown, shown_ago)
            );
        }
    }
}
