//! The figures.

use super::{Idle, KINDS, Measured, nodes_of, number, per_second, per_second_and_node};
use crate::fleet::costs::Bytes;
use crate::fleet::flips::Spread;
use crate::report::Table;
use crate::statistics::{Sample, growth};

impl Measured {
    /// How long flips and bare publishes took.
    pub(super) fn times(&self, since: &str, of: fn(&Spread) -> &Sample) -> Table {
        let mut rows = Vec::new();
        for (name, kind) in KINDS {
            rows.extend(both(name, &self.flips, |flips| {
                (flips.nodes, of(kind(flips)))
            }));
        }
        let made = self
            .flips
            .iter()
            .map(|flips| flips.drained.len().to_string());
        rows.push(row("flips each way", made, None));
        self.over_sizes(
            &format!("A call, {since} until the last one knows, ms"),
            rows,
        )
    }

    pub(super) fn drain_times(&self) -> Table {
        let mut rows = Vec::new();
        rows.extend(both(
            "nothing runs: activation until all have drained",
            &self.flips,
            |flips| (flips.nodes, &flips.drained),
        ));
        rows.extend(both(
            "one execution: its end until activated",
            &self.drains,
            |drains| (drains.nodes, &drains.activated),
        ));
        rows.extend(both(
            "one execution: its end until the waiting operator hears it",
            &self.drains,
            |drains| (drains.nodes, &drains.heard),
        ));
        let made = self
            .drains
            .iter()
            .map(|drains| drains.heard.len().to_string());
        rows.push(row("drains with one execution", made, None));
        self.over_sizes("A drain, ms", rows)
    }

    /// What an idle fleet costs Redis.
    pub(super) fn costs(&self) -> Table {
        let cost = |name, decimals: usize, of: fn(&Idle) -> f64| {
            let cells = self
                .idle
                .iter()
                .map(|idle| format!("{:.decimals$}", of(idle)));
            let points = self.idle.iter().map(|idle| (number(idle.nodes), of(idle)));
            row(name, cells, growth(&points.collect::<Vec<_>>()))
        };
        self.over_sizes(
            "What an idle fleet costs Redis",
            vec![
                cost("commands per second", 2, per_second),
                cost("… and node", 3, per_second_and_node),
                cost("Redis' processor for one, µs", 1, |idle| {
                    number(idle.work.micros) / number(idle.work.scripts).max(1.0)
                }),
                cost("hundredths of a processor", 2, |idle| {
                    number(idle.work.micros) / idle.seconds / 10_000.0
                }),
            ],
        )
    }

    pub(super) fn memory(&self) -> Table {
        let Bytes {
            deactivated,
            activated,
            connection,
        } = self.bytes;
        let row = |name: &str, bytes: u64| vec![name.to_owned(), bytes.to_string()];
        let nodes = self.flips.last().map_or(0, |flips| flips.nodes);
        Table {
            title: format!("Redis' memory for each of {}", nodes_of(nodes)),
            columns: vec![String::new(), "bytes".to_owned()],
            rows: vec![
                row("keys, deactivated", deactivated),
                row("keys, activated", activated),
                row("a connection", connection),
            ],
        }
    }

    pub(super) fn file_state(&self) -> Table {
        let took = &self.one_machine;
        let cells = [took.median(), took.at(90), took.at(99), took.at(100)];
        let cells = cells.map(|millis| format!("{millis:.1}"));
        Table {
            title: format!(
                "One machine, file state: a change, from the call until another process enforces it, ms, {} changes",
                took.len()
            ),
            columns: ["", "median", "p90", "p99", "longest"]
                .map(str::to_owned)
                .into(),
            rows: vec![row("file state", cells.into_iter(), None)],
        }
    }

    /// A table whose columns are the sizes, and how it grows with them.
    fn over_sizes(&self, title: &str, mut rows: Vec<Vec<String>>) -> Table {
        let sizes = self.flips.iter().map(|flips| nodes_of(flips.nodes));
        let mut columns = vec![String::new()];
        columns.extend(sizes);
        if self.flips.len() > 1 {
            columns.push("growth".to_owned());
        }
        for row in &mut rows {
            row.resize(columns.len(), "–".to_owned());
        }
        Table {
            title: title.to_owned(),
            columns,
            rows,
        }
    }
}

/// Two rows: the medians and the p99s over the sizes, each with its growth.
fn both<'a, T: 'a>(
    name: &str,
    sizes: &'a [T],
    of: impl Fn(&'a T) -> (usize, &'a Sample),
) -> [Vec<String>; 2] {
    [("median", 50), ("p99", 99)].map(|(word, hundredths)| {
        let points = sizes.iter().map(|size| {
            let (nodes, sample) = of(size);
            (number(nodes), sample.at(hundredths))
        });
        let points: Vec<(f64, f64)> = points.collect();
        let cells = points.iter().map(|(_, millis)| format!("{millis:.2}"));
        row(&format!("{name}, {word}"), cells, growth(&points))
    })
}

/// A row with what it grows by, if that can be said.
fn row(name: &str, cells: impl Iterator<Item = String>, growth: Option<f64>) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    row.extend(cells);
    row.extend(growth.map(|exponent| format!("N^{exponent:.2}")));
    row
}
