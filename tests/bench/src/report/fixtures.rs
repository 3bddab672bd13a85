//! Sections with plausible figures, for tests alone.

use super::{Axis, Bar, Chart, Curve, Section, Table, Verdict};
use crate::machine::Machine;

/// Measured at this time, with a table, a chart of each kind, and a budget of each kind.
pub(super) fn section(name: &str, title: &str, measured_at: &str) -> Section {
    Section {
        measured_at: measured_at.to_owned(),
        machine: machine(),
        versions: vec!["redis-server 7.0.15".to_owned()],
        tables: vec![table()],
        charts: vec![bars(), curves()],
        verdicts: vec![
            verdict(
                "decide, mode off",
                "at most 40 instructions",
                "14 instructions",
                true,
                true,
            ),
            verdict(
                "two threads",
                "at least 1.7 times one",
                "1.52 times",
                false,
                false,
            ),
        ],
        reading: vec!["Both ran in turns, so what disturbs one disturbs the other.".to_owned()],
        ..Section::new(
            name,
            title,
            "What does it cost a request, and what does it add?",
        )
    }
}

pub(super) fn machine() -> Machine {
    Machine {
        processor: "A processor".to_owned(),
        processors: 2,
        system: "linux 6.18".to_owned(),
        load: "0.10 0.20 0.30".to_owned(),
        rustc: "rustc 1.95.0".to_owned(),
        intermission: "0.1.0".to_owned(),
    }
}

fn verdict(what: &str, budget: &str, measured: &str, is_kept: bool, is_stable: bool) -> Verdict {
    Verdict {
        what: what.to_owned(),
        budget: budget.to_owned(),
        measured: measured.to_owned(),
        is_kept,
        is_stable,
    }
}

fn table() -> Table {
    let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
    Table {
        title: "Requests per second".to_owned(),
        columns: row(["", "bare", "layered off", "layered on"]),
        rows: vec![
            row(["axum", "41,210", "41,002", "48,770"]),
            row(["nginx, `if (-f flag)` & a <list>", "61,004", "–", "66,120"]),
        ],
    }
}

fn bars() -> Chart {
    let bar = |label: &str, value, spread, budget| Bar {
        label: label.to_owned(),
        value,
        spread,
        budget,
    };
    Chart::Bars {
        title: "What one operation takes".to_owned(),
        unit: "instructions".to_owned(),
        bars: vec![
            bar("decide, mode off", 14.0, None, Some(40.0)),
            bar(
                "decide, refused by the default rule",
                122.0,
                Some((110.0, 139.0)),
                Some(150.0),
            ),
            bar(
                "begin and end an execution, mode off",
                141.0,
                Some((120.5, 160.0)),
                None,
            ),
        ],
    }
}

fn curves() -> Chart {
    let axis = |label: &str| Axis {
        label: label.to_owned(),
        is_logarithmic: true,
    };
    let curve = |label: &str, points: &[(f64, f64)]| Curve {
        label: label.to_owned(),
        points: points.to_vec(),
    };
    Chart::Curves {
        title: "Until the last one knows".to_owned(),
        x: axis("nodes"),
        y: axis("median, ms"),
        curves: vec![
            curve(
                "closing flip",
                &[(1.0, 0.13), (10.0, 0.53), (100.0, 2.12), (1_000.0, 20.6)],
            ),
            curve(
                "bare PUBLISH",
                &[(1.0, 0.0), (10.0, 0.39), (100.0, 1.36), (1_000.0, 12.8)],
            ),
        ],
    }
}
