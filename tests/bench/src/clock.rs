//! What the clock says, and how that is written.

use std::time::Duration;

use intermission::{Clock, SystemClock};

/// As people read it: three digits, and the unit that fits.
pub(crate) fn time(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        size if size >= 1.0 => (seconds, "s"),
        size if size >= 1e-3 => (seconds * 1e3, "ms"),
        size if size >= 1e-6 => (seconds * 1e6, "µs"),
        _ => (seconds * 1e9, "ns"),
    };
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// The present, on the clock that all of a machine share.
pub(crate) fn now() -> Duration {
    SystemClock.steady()
}

/// The time since then.
pub(crate) fn since(then: Duration) -> Duration {
    now().saturating_sub(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let texts = [1.5, 0.0123, -0.000_456_7, 0.000_000_007_89].map(time);
        assert_eq!(texts, ["1.50 s", "12.3 ms", "-457 µs", "7.89 ns"]);
    }
}
