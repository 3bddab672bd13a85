//! A section on the terminal.

use super::{Section, Table, Verdict};

pub(super) fn print(section: &Section) {
    println!("\n{}", section.title);
    println!("{}", "=".repeat(section.title.chars().count()));
    println!("{}", section.question);
    println!("{}, {}", section.measured_at, section.machine);
    if !section.versions.is_empty() {
        println!("with {}", section.versions.join(", "));
    }
    for table in &section.tables {
        println!("\n{}", table.title);
        print_table(table);
    }
    if !section.verdicts.is_empty() {
        println!();
        print_table(&verdicts(&section.verdicts));
    }
    if !section.reading.is_empty() {
        println!();
    }
    for line in &section.reading {
        println!("  * {line}");
    }
}

/// The budgets, as a table.
pub(super) fn verdicts(verdicts: &[Verdict]) -> Table {
    let row = |verdict: &Verdict| {
        let kept = if verdict.is_kept { "kept" } else { "MISSED" };
        let Verdict {
            what,
            budget,
            measured,
            ..
        } = verdict.clone();
        vec![what, budget, measured, kept.to_owned()]
    };
    Table {
        title: "Budgets".to_owned(),
        columns: ["budget", "limit", "measured", ""]
            .map(str::to_owned)
            .into(),
        rows: verdicts.iter().map(row).collect(),
    }
}

/// The first column to the left, the others to the right, each as wide as its widest cell.
fn print_table(table: &Table) {
    let lines = || std::iter::once(&table.columns).chain(&table.rows);
    let width = |column: usize| {
        let cells = lines().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    for line in lines() {
        let cells = line.iter().zip(&widths).enumerate();
        let cells = cells.map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
