//! Bars: a table with a track in each row.

use super::figures::figure;
use super::scale::{Scale, Tick, hundredths};
use crate::report::Bar;

/// A chart of bars, ready to be drawn.
#[derive(Debug)]
pub(super) struct BarsView {
    pub(super) title: String,
    pub(super) unit: String,
    pub(super) rows: Vec<Row>,
    pub(super) ticks: Vec<Tick>,
    pub(super) has_spread: bool,
    pub(super) has_budget: bool,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) label: String,
    pub(super) value: String,
    /// Where the bar begins, and how long it is, in hundredths of the track.
    pub(super) from: String,
    pub(super) length: String,
    pub(super) spread: Option<Spread>,
    pub(super) budget: Option<Mark>,
}

#[derive(Debug)]
pub(super) struct Spread {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) words: String,
}

#[derive(Debug)]
pub(super) struct Mark {
    pub(super) at: String,
    pub(super) words: String,
}

impl BarsView {
    pub(super) fn new(title: &str, unit: &str, bars: &[Bar]) -> Self {
        let scale = Scale::linear(bars.iter().flat_map(|bar| {
            let (low, high) = bar.spread.unwrap_or((bar.value, bar.value));
            [bar.value, low, high, bar.budget.unwrap_or(bar.value)]
        }));
        Self {
            title: title.to_owned(),
            unit: unit.to_owned(),
            rows: bars.iter().map(|bar| Row::new(bar, &scale)).collect(),
            ticks: scale.ticks().collect(),
            has_spread: bars.iter().any(|bar| bar.spread.is_some()),
            has_budget: bars.iter().any(|bar| bar.budget.is_some()),
        }
    }
}

impl Row {
    fn new(bar: &Bar, scale: &Scale) -> Self {
        let (zero, end) = (scale.at(0.0), scale.at(bar.value));
        Self {
            label: bar.label.clone(),
            value: figure(bar.value),
            from: hundredths(zero.min(end)),
            length: hundredths((end - zero).abs()),
            spread: bar.spread.map(|(low, high)| Spread {
                from: hundredths(scale.at(low)),
                to: hundredths(scale.at(high)),
                words: format!("{} to {}", figure(low), figure(high)),
            }),
            budget: bar.budget.map(|budget| Mark {
                at: hundredths(scale.at(budget)),
                words: figure(budget),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(value: f64, spread: Option<(f64, f64)>, budget: Option<f64>) -> Bar {
        Bar {
            label: "a thing".to_owned(),
            value,
            spread,
            budget,
        }
    }

    #[test]
    fn everything_that_is_drawn_is_on_the_track() {
        let view = BarsView::new(
            "Things",
            "ms",
            &[
                bar(40.0, Some((30.0, 80.0)), None),
                bar(10.0, None, Some(100.0)),
            ],
        );
        let [first, second] = view.rows.as_slice() else {
            panic!("{view:?}")
        };
        assert_eq!(
            (first.from.as_str(), first.length.as_str()),
            ("0.00", "40.00")
        );
        let spread = first.spread.as_ref().unwrap();
        assert_eq!(
            (spread.from.as_str(), spread.to.as_str()),
            ("30.00", "80.00")
        );
        assert_eq!(spread.words, "30 to 80");
        assert_eq!(second.budget.as_ref().unwrap().at, "100.00");
        assert!(view.has_spread && view.has_budget);
    }

    #[test]
    fn a_bar_below_zero_goes_to_the_left() {
        let view = BarsView::new(
            "Differences",
            "%",
            &[bar(-4.0, None, None), bar(4.0, None, None)],
        );
        let spans: Vec<_> = view
            .rows
            .iter()
            .map(|row| (row.from.as_str(), row.length.as_str()))
            .collect();
        assert_eq!(spans, [("0.00", "50.00"), ("50.00", "50.00")]);
    }
}
