//! What is made of many measurements of one thing.

use std::time::Duration;

use intermission::{Clock, SystemClock};

/// Measurements, in ascending order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn new(mut measured: Vec<f64>) -> Self {
        measured.sort_by(f64::total_cmp);
        Self(measured)
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(50)
    }

    /// The smallest measurement that so many hundredths of all do not exceed; no number if there are none.
    pub(crate) fn at(&self, hundredths: usize) -> f64 {
        let rank = (self.0.len() * hundredths).div_ceil(100);
        let found = self.0.get(rank.saturating_sub(1));
        found.copied().unwrap_or(f64::NAN)
    }
}

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
    fn hundredths_are_measurements_that_were_made() {
        let spread = Spread::new((1..=50).rev().map(f64::from).collect());
        let found = [10, 50, 90, 100].map(|hundredths| spread.at(hundredths));
        assert_eq!(found, [5.0, 25.0, 45.0, 50.0]);
        assert!(Spread::default().median().is_nan());
    }

    #[test]
    fn times_have_three_digits() {
        let texts = [1.5, 0.0123, -0.000_456_7, 0.000_000_007_89].map(time);
        assert_eq!(texts, ["1.50 s", "12.3 ms", "-457 µs", "7.89 ns"]);
    }
}
