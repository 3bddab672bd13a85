//! What is drawn.

use super::{Idle, KINDS, Measured, nodes_of, number, per_second, per_second_and_node};
use crate::budgets::FleetBudgets;
use crate::fleet::flips::Flips;
use crate::report::{Axis, Bar, Chart, Curve};
use crate::statistics::Sample;

impl Measured {
    pub(super) fn charts(&self, budgets: &FleetBudgets) -> Vec<Chart> {
        let largest = self.flips.last();
        let largest = largest.map(|flips| at_the_largest(flips, budgets));
        let mut charts = vec![self.flip_curves()];
        charts.extend(largest);
        charts.extend([self.drain_curves(), self.idle_curves()]);
        charts
    }

    fn flip_curves(&self) -> Chart {
        let curves = KINDS.map(|(name, kind)| Curve {
            label: name.to_owned(),
            points: medians(self.flips.iter(), |flips| {
                (flips.nodes, &kind(flips).from_call)
            }),
        });
        curves_over_nodes(
            "A call, from its start until the last one knows",
            "median, ms",
            curves.into(),
        )
    }

    fn drain_curves(&self) -> Chart {
        curves_over_nodes(
            "A drain",
            "median, ms",
            vec![
                Curve {
                    label: "nothing runs: activation until all have drained".to_owned(),
                    points: medians(self.flips.iter(), |flips| (flips.nodes, &flips.drained)),
                },
                Curve {
                    label: "one execution: its end until activated".to_owned(),
                    points: medians(self.drains.iter(), |drains| {
                        (drains.nodes, &drains.activated)
                    }),
                },
                Curve {
                    label: "one execution: its end until the waiting operator hears it".to_owned(),
                    points: medians(self.drains.iter(), |drains| (drains.nodes, &drains.heard)),
                },
            ],
        )
    }

    fn idle_curves(&self) -> Chart {
        let curve = |label: &str, of: fn(&Idle) -> f64| Curve {
            label: label.to_owned(),
            points: self
                .idle
                .iter()
                .map(|idle| (number(idle.nodes), of(idle)))
                .collect(),
        };
        curves_over_nodes(
            "Commands of an idle fleet",
            "commands per second",
            vec![
                curve("all nodes", per_second),
                curve("for each node", per_second_and_node),
            ],
        )
    }
}

/// What the budget compares: how long it takes until the last one knows, at the largest size.
fn at_the_largest(largest: &Flips, budgets: &FleetBudgets) -> Chart {
    let at_most = largest.clients.from_return.median() * budgets.median_of_bare_publish;
    let bar = |name: &str, sample: &Sample, budget| Bar {
        label: name.to_owned(),
        value: sample.median(),
        spread: sample.spread(),
        budget,
    };
    let (closing, clients, sockets) = (&largest.closing, &largest.clients, &largest.sockets);
    Chart::Bars {
        title: format!(
            "A call with {}, from its return until the last one knows",
            nodes_of(largest.nodes)
        ),
        unit: "ms, median".to_owned(),
        bars: vec![
            bar("closing flip", &closing.from_return, Some(at_most)),
            bar("bare PUBLISH, same client", &clients.from_return, None),
            bar("bare PUBLISH, bare sockets", &sockets.from_return, None),
        ],
    }
}

fn curves_over_nodes(title: &str, y: &str, curves: Vec<Curve>) -> Chart {
    let axis = |label: &str| Axis {
        label: label.to_owned(),
        is_logarithmic: true,
    };
    Chart::Curves {
        title: title.to_owned(),
        x: axis("nodes"),
        y: axis(y),
        curves,
    }
}

fn medians<'a, T: 'a>(
    sizes: impl Iterator<Item = &'a T>,
    of: impl Fn(&'a T) -> (usize, &'a Sample),
) -> Vec<(f64, f64)> {
    let points = sizes.map(|size| {
        let (nodes, sample) = of(size);
        (number(nodes), sample.median())
    });
    points.collect()
}
