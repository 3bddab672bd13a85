//! What is made of many measurements.
//!
//! # Examples
//!
//! ```
//! use intermission_bench::statistics::{Sample, growth};
//!
//! let sample = Sample::new(vec![3.0, 1.0, 2.0]);
//! assert_eq!((sample.median(), sample.at(100)), (2.0, 3.0));
//! let exponent = growth(&[(10.0, 3.0), (100.0, 30.0)]).unwrap_or_default();
//! assert!((exponent - 1.0).abs() < 1e-9);
//! ```

use std::time::Duration;

/// Measurements of one kind, in ascending order.
#[derive(Debug, Clone, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Of these measurements, in whatever order.
    #[must_use]
    pub fn new(mut measured: Vec<f64>) -> Self {
        measured.sort_by(f64::total_cmp);
        Self(measured)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest and the highest; `None` if there are none.
    #[must_use]
    pub fn spread(&self) -> Option<(f64, f64)> {
        Some((*self.0.first()?, *self.0.last()?))
    }

    /// What half of the measurements do not exceed; no number if there are none, so that no budget is kept by it.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.at(50)
    }

    /// The smallest measurement that so many hundredths of all do not exceed; no number if there are none.
    #[must_use]
    pub fn at(&self, hundredths: usize) -> f64 {
        let rank = (self.0.len() * hundredths).div_ceil(100);
        let found = self.0.get(rank.saturating_sub(1));
        found.copied().unwrap_or(f64::NAN)
    }
}

/// The time between two readings of the steady clock, which may be in either order.
#[must_use]
pub fn millis_between(from: Duration, to: Duration) -> f64 {
    (to.as_secs_f64() - from.as_secs_f64()) * 1_000.0
}

/// `b` in the `a * x^b` that fits the points best: 1 for what grows with the number of nodes, 0 for what does not grow.
/// `None` unless there are two points at least.
#[must_use]
pub fn growth(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .filter(|(x, y)| *x > 0.0 && *y > 0.0)
        .map(|(x, y)| (x.ln(), y.ln()))
        .collect();
    let count = f64::from(u32::try_from(logs.len()).ok().filter(|count| *count > 1)?);
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let together: f64 = logs.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let alone: f64 = logs.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    (alone > 0.0).then(|| together / alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundredths_are_measurements_that_were_made() {
        let sample = Sample::new((1..=50).rev().map(f64::from).collect());
        assert_eq!(
            [
                sample.median(),
                sample.at(90),
                sample.at(99),
                sample.at(100)
            ],
            [25.0, 45.0, 50.0, 50.0]
        );
        assert!(Sample::default().median().is_nan());
    }

    #[test]
    fn what_doubles_with_the_nodes_grows_with_exponent_one() {
        let exponent = |points: &[(f64, f64)]| growth(points).unwrap();
        assert!((exponent(&[(10.0, 3.0), (100.0, 30.0), (1_000.0, 300.0)]) - 1.0).abs() < 1e-9);
        assert!(exponent(&[(10.0, 3.0), (100.0, 3.0)]).abs() < 1e-9);
        assert_eq!(growth(&[(10.0, 3.0)]), None);
    }
}
