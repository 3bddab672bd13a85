//! Where a value is on an axis, and where the axis has its ticks.

use super::figures::short;

/// At most so many ticks, or they touch on a phone.
const TICKS: f64 = 6.0;

/// An axis from its low end to its high end.
#[derive(Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    is_logarithmic: bool,
    ticks: Vec<f64>,
}

/// A mark on an axis.
#[derive(Debug)]
pub(super) struct Tick {
    /// Hundredths of the axis.
    pub(super) at: String,
    pub(super) label: String,
}

impl Scale {
    /// From zero, or from the lowest value if that is less, to a tick.
    pub(super) fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = ends(values);
        let (low, high) = (low.min(0.0), high.max(0.0));
        let range = if high > low { high - low } else { 1.0 };
        let step = steps(range / TICKS)
            .find(|step| range / step <= TICKS - 1.0)
            .unwrap_or(range);
        // Slack, so that 1.1 is not above eleven times 0.1.
        let (first, last) = ((low / step).ceil(), (high / step - 1e-9).ceil());
        let last = if last > first { last } else { first + 1.0 };
        let ticks = std::iter::successors(Some(first), |at| Some(at + 1.0));
        Self {
            low,
            high: last * step,
            is_logarithmic: false,
            ticks: ticks
                .take_while(|at| *at <= last)
                .map(|at| at * step)
                .collect(),
        }
    }

    /// Each step multiplies. Only for what is above zero.
    pub(super) fn logarithmic(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = ends(values.into_iter().filter(|value| *value > 0.0));
        let (low, high) = if low > 0.0 { (low, high) } else { (1.0, 10.0) };
        // Slack, so that 10 is not above 9.999999999999998.
        let all: Vec<f64> = steps(low / 10.0)
            .take_while(|step| *step < high * 10.0)
            .collect();
        let is_below = |step: &&f64| **step <= low * (1.0 + 1e-9);
        let is_above = |step: &&f64| **step >= high * (1.0 - 1e-9);
        let first = all.iter().rfind(is_below).copied().unwrap_or(low);
        let last = all.iter().find(is_above).copied().unwrap_or(high);
        let last = if last > first { last } else { first * 10.0 };
        let decades = (last / first).log10();
        let is_tick = |step: f64| {
            let decade = step.log10().round();
            let is_decade = (step.log10() - decade).abs() < 1e-9;
            let every = (decades / TICKS).ceil().max(1.0);
            decades < 2.0 || (is_decade && (decade / every).fract().abs() < 1e-9)
        };
        let ticks = all
            .into_iter()
            .chain([last])
            .filter(|step| (first..=last).contains(step) && is_tick(*step));
        let mut ticks: Vec<f64> = ticks.collect();
        ticks.dedup();
        Self {
            low: first,
            high: last,
            is_logarithmic: true,
            ticks,
        }
    }

    /// Whether this axis has a place for that.
    pub(super) fn can_show(&self, value: f64) -> bool {
        value.is_finite() && (!self.is_logarithmic || value > 0.0)
    }

    /// Where on the axis that is, from 0 to 1.
    pub(super) fn at(&self, value: f64) -> f64 {
        let along = if self.is_logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        along.clamp(0.0, 1.0)
    }

    /// From left to right.
    pub(super) fn ticks(&self) -> impl Iterator<Item = Tick> {
        self.ticks.iter().map(|tick| Tick {
            at: hundredths(self.at(*tick)),
            label: short(*tick),
        })
    }

    /// The same from top to bottom, so that it grows upwards.
    pub(super) fn ticks_upwards(&self) -> impl Iterator<Item = Tick> {
        self.ticks.iter().map(|tick| Tick {
            at: hundredths(1.0 - self.at(*tick)),
            label: short(*tick),
        })
    }
}

/// A part of the whole as a percentage, without the sign.
pub(super) fn hundredths(part: f64) -> String {
    format!("{:.2}", part * 100.0)
}

/// 1, 2 and 5 times the powers of ten, from the last power below `from`, without end.
fn steps(from: f64) -> impl Iterator<Item = f64> {
    let power = if from > 0.0 {
        from.log10().floor()
    } else {
        0.0
    };
    let powers = std::iter::successors(Some(power), |power| Some(power + 1.0));
    powers.flat_map(|power| [1.0, 2.0, 5.0].map(|times| times * 10_f64.powf(power)))
}

/// The lowest and the highest; zeros if there is none.
fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|value| value.is_finite());
    finite
        .fold(None, |ends, value| match ends {
            None => Some((value, value)),
            Some((low, high)) => Some((value.min(low), value.max(high))),
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks().map(|tick| tick.label).collect()
    }

    #[test]
    fn a_linear_axis_begins_at_zero_or_below_and_ends_with_a_tick() {
        let scale = Scale::linear([12.0, 95.0]);
        assert_eq!(labels(&scale), ["0", "20", "40", "60", "80", "100"]);
        assert!((scale.at(50.0) - 0.5).abs() < 1e-9);
        assert_eq!(
            labels(&Scale::linear([0.93, 1.01])),
            ["0", "0.5", "1", "1.5"]
        );
        assert_eq!(labels(&Scale::linear([-3.0, 8.0])), ["0", "5", "10"]);
    }

    #[test]
    fn a_logarithmic_axis_has_its_ticks_at_the_powers_of_ten() {
        let scale = Scale::logarithmic([1.0, 10.0, 100.0, 1_000.0]);
        assert_eq!(labels(&scale), ["1", "10", "100", "1,000"]);
        assert!((scale.at(100.0) - 2.0 / 3.0).abs() < 1e-9);
        let scale = Scale::logarithmic([0.04, 354.0]);
        assert_eq!(labels(&scale), ["0.1", "1", "10", "100"]);
        assert!(scale.at(0.04) < scale.at(0.1));
    }

    #[test]
    fn a_short_logarithmic_axis_has_ticks_between() {
        assert_eq!(
            labels(&Scale::logarithmic([3.0, 40.0])),
            ["2", "5", "10", "20", "50"]
        );
    }

    #[test]
    fn a_long_logarithmic_axis_leaves_ticks_out() {
        let scale = Scale::logarithmic([1.0, 1e12]);
        assert!(labels(&scale).len() <= 7, "{:?}", labels(&scale));
    }

    #[test]
    fn nothing_and_one_value_have_an_axis_too() {
        for values in [vec![], vec![0.0], vec![7.0], vec![f64::NAN]] {
            for scale in [Scale::linear(values.clone()), Scale::logarithmic(values)] {
                assert!(scale.ticks().count() >= 2, "{scale:?}");
                assert!((0.0..=1.0).contains(&scale.at(7.0)), "{scale:?}");
            }
        }
        assert!(!Scale::logarithmic([1.0]).can_show(0.0));
        assert!(Scale::linear([1.0]).can_show(0.0));
    }
}
