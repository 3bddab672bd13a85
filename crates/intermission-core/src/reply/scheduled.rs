//! What visitors are told of a maintenance before it starts.

use bytes::Bytes;

use super::header::{HeaderText, shared};
use crate::Timestamp;
use crate::record::Plan;

/// The header that announces a planned maintenance, on the responses to those who are let in before it.
pub const SCHEDULED_HEADER: &str = "maintenance-scheduled";

/// The announcement of a planned maintenance: the value of [`SCHEDULED_HEADER`].
///
/// It is a Date of RFC 9651 (structured fields), as in `Deprecation` of RFC 9745: the start in seconds since 1970, and
/// the announced end, if there is one, as the parameter `until`. These are instants, which no time zone and no change of
/// the clocks can move; a page shows them in the zone of its reader.
///
/// ```text
/// Maintenance-Scheduled: @1795212000;until=@1795215600
/// ```
///
/// The start is rounded down to the second and the end up, so that nobody is promised a moment that is not theirs.
///
/// # Examples
///
/// ```
/// use intermission_core::reply::Scheduled;
/// use intermission_core::{Activate, Change, Outcome, Record};
///
/// let plan = Activate::by("ana")
///     .with_starts_at("2026-11-20T22:00:00Z".parse()?)
///     .with_ends_at("2026-11-20T23:00:00Z".parse()?);
/// let Outcome::Changed(record) = Record::default().apply(&Change::Activate(plan), "2026-11-20T10:00:00Z".parse()?)? else {
///     return Err("nothing was planned before".into());
/// };
/// let scheduled = record.plan().map(Scheduled::of).ok_or("it is planned")?;
/// assert_eq!(scheduled.value().to_string(), "@1795212000;until=@1795215600");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    starts_at: Timestamp,
    value: Bytes,
}

impl Scheduled {
    /// The announcement of this plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let start = seconds(plan.starts_at, u64::div_euclid);
        let value = match plan.settings.ends_at {
            Some(end) => format!("@{start};until=@{}", seconds(end, u64::div_ceil)),
            None => format!("@{start}"),
        };
        Self {
            starts_at: plan.starts_at,
            value: shared(value),
        }
    }

    /// The planned start. From then on, nothing is to be announced any more.
    #[must_use]
    pub const fn starts_at(&self) -> Timestamp {
        self.starts_at
    }

    /// The value of the header.
    #[must_use]
    pub const fn value(&self) -> HeaderText<'_> {
        HeaderText::Shared(&self.value)
    }
}

/// Seconds since 1970, of at most fifteen digits, as structured fields have them.
fn seconds(time: Timestamp, rounded: fn(u64, u64) -> u64) -> u64 {
    rounded(time.min(Timestamp::MAX).as_millis(), 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Settings;

    fn value(starts_at: u64, ends_at: Option<u64>) -> String {
        let plan = Plan {
            starts_at: Timestamp::from_millis(starts_at),
            settings: Settings {
                ends_at: ends_at.map(Timestamp::from_millis),
                ..Settings::default()
            },
            requested_by: "ana".to_owned(),
            requested_at: Timestamp::default(),
        };
        Scheduled::of(&plan).value().to_string()
    }

    #[test]
    fn it_is_a_date_of_structured_fields() {
        assert_eq!(value(1_795_212_000_000, None), "@1795212000");
        assert_eq!(
            value(1_795_212_000_999, Some(1_795_215_600_001)),
            "@1795212000;until=@1795215601"
        );
        let last = value(u64::MAX, Some(u64::MAX));
        assert!(last.starts_with('@') && last.len() < 40, "{last}");
        let digits = last.split(|letter: char| !letter.is_ascii_digit());
        assert!(digits.map(str::len).all(|digits| digits <= 15), "{last}");
    }
}
