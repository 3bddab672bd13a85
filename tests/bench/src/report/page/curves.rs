//! Curves over a common axis.

use super::figures::figure;
use super::scale::{Scale, Tick, hundredths};
use crate::report::{Axis, Curve};

/// How many looks of curves there are, each a colour, a pattern and a mark.
const LOOKS: usize = 6;

/// A chart of curves, ready to be drawn.
#[derive(Debug)]
pub(super) struct CurvesView {
    pub(super) title: String,
    pub(super) x: AxisView,
    pub(super) y: AxisView,
    pub(super) curves: Vec<CurveView>,
    /// What has no place on a logarithmic axis.
    pub(super) not_drawn: Vec<String>,
}

#[derive(Debug)]
pub(super) struct AxisView {
    pub(super) label: String,
    pub(super) is_logarithmic: bool,
    pub(super) ticks: Vec<Tick>,
}

#[derive(Debug)]
pub(super) struct CurveView {
    pub(super) label: String,
    /// Which of the looks.
    pub(super) look: usize,
    /// The points of the line, in thousandths of the plot.
    pub(super) line: String,
    pub(super) points: Vec<Point>,
    /// All points in words.
    pub(super) words: String,
}

#[derive(Debug)]
pub(super) struct Point {
    /// Hundredths of the plot.
    pub(super) x: String,
    pub(super) y: String,
    pub(super) words: String,
}

impl CurvesView {
    pub(super) fn new(title: &str, x: &Axis, y: &Axis, curves: &[Curve]) -> Self {
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let x_scale = scale(x, points().map(|(x, _)| *x));
        let y_scale = scale(y, points().map(|(_, y)| *y));
        let can_show = |(x, y): &(f64, f64)| x_scale.can_show(*x) && y_scale.can_show(*y);
        let left = curves.iter().flat_map(|curve| {
            let left = curve.points.iter().filter(|point| !can_show(point));
            left.map(|(x, y)| format!("{}: {}", curve.label, in_words(*x, *y)))
        });
        let drawn = curves.iter().enumerate().map(|(number, curve)| {
            let drawn = curve.points.iter().copied().filter(can_show);
            let place = |(x, y)| (x_scale.at(x), 1.0 - y_scale.at(y));
            CurveView::new(number, curve, drawn.map(|point| (point, place(point))))
        });
        Self {
            title: title.to_owned(),
            not_drawn: left.collect(),
            curves: drawn.collect(),
            x: AxisView::new(x, x_scale.ticks()),
            y: AxisView::new(y, y_scale.ticks_upwards()),
        }
    }
}

impl CurveView {
    /// The how-manieth curve, with those of its points that are drawn, and where.
    fn new(
        number: usize,
        curve: &Curve,
        drawn: impl Iterator<Item = ((f64, f64), (f64, f64))>,
    ) -> Self {
        let label = &curve.label;
        let (line, points) = drawn
            .map(|((x, y), (right, down))| {
                let point = Point {
                    x: hundredths(right),
                    y: hundredths(down),
                    words: format!("{label}: {}", in_words(x, y)),
                };
                (
                    format!("{:.1},{:.1}", right * 1_000.0, down * 1_000.0),
                    point,
                )
            })
            .unzip::<_, _, Vec<_>, Vec<_>>();
        let words = curve.points.iter().map(|(x, y)| in_words(*x, *y));
        Self {
            label: label.clone(),
            look: number % LOOKS,
            line: line.join(" "),
            points,
            words: words.collect::<Vec<_>>().join(", "),
        }
    }
}

impl AxisView {
    fn new(axis: &Axis, ticks: impl Iterator<Item = Tick>) -> Self {
        Self {
            label: axis.label.clone(),
            is_logarithmic: axis.is_logarithmic,
            ticks: ticks.collect(),
        }
    }
}

fn scale(axis: &Axis, values: impl Iterator<Item = f64>) -> Scale {
    if axis.is_logarithmic {
        Scale::logarithmic(values)
    } else {
        Scale::linear(values)
    }
}

fn in_words(x: f64, y: f64) -> String {
    format!("{} at {}", figure(y), figure(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(is_logarithmic: bool) -> Axis {
        Axis {
            label: "nodes".to_owned(),
            is_logarithmic,
        }
    }

    fn curve(points: &[(f64, f64)]) -> Curve {
        Curve {
            label: "flip".to_owned(),
            points: points.to_vec(),
        }
    }

    #[test]
    fn what_grows_goes_from_the_lower_left_to_the_upper_right() {
        let points = [(1.0, 1.0), (10.0, 10.0), (100.0, 100.0)];
        let view = CurvesView::new("Growth", &axis(true), &axis(true), &[curve(&points)]);
        let curve = view.curves.first().unwrap();
        assert_eq!(curve.line, "0.0,1000.0 500.0,500.0 1000.0,0.0");
        assert_eq!(curve.words, "1 at 1, 10 at 10, 100 at 100");
        let last = curve.points.last().unwrap();
        assert_eq!((last.x.as_str(), last.y.as_str()), ("100.00", "0.00"));
        assert_eq!(last.words, "flip: 100 at 100");
        let top = view.y.ticks.last().unwrap();
        assert_eq!((top.at.as_str(), top.label.as_str()), ("0.00", "100"));
    }

    #[test]
    fn a_zero_on_a_logarithmic_axis_is_named_instead_of_drawn() {
        let points = [(1.0, 0.0), (10.0, 3.0)];
        let view = CurvesView::new("Drains", &axis(true), &axis(true), &[curve(&points)]);
        assert_eq!(view.not_drawn, ["flip: 0 at 1"]);
        assert_eq!(view.curves.first().unwrap().points.len(), 1);
    }

    #[test]
    fn each_of_six_curves_looks_different() {
        let curves = vec![curve(&[(1.0, 1.0)]); 7];
        let view = CurvesView::new("Many", &axis(false), &axis(false), &curves);
        let looks: Vec<_> = view.curves.iter().map(|curve| curve.look).collect();
        assert_eq!(looks, [0, 1, 2, 3, 4, 5, 0]);
    }
}
