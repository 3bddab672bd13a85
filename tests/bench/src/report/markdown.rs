//! The budgets as a table in Markdown.

use super::Report;

/// With the date and the machine.
pub(super) fn overview(report: &Report) -> String {
    let mut lines = vec![
        "| | limit | measured | |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for section in &report.sections {
        for verdict in &section.verdicts {
            let load = if verdict.is_stable { "" } else { " ¹" };
            let kept = if verdict.is_kept {
                "kept"
            } else {
                "**missed**"
            };
            lines.push(format!(
                "| {} | {} | {}{load} | {kept} |",
                cell(&verdict.what),
                cell(&verdict.budget),
                cell(&verdict.measured),
            ));
        }
    }
    lines.push(String::new());
    let (kept, all) = report.kept();
    let date = report.measured_at.split('T').next().unwrap_or_default();
    lines.push(format!("{kept} of {all} budgets kept, measured on {date}."));
    for machine in &report.machines {
        lines.push(format!("{machine}."));
    }
    for section in &report.sections {
        let caveats = report.caveats(section);
        if !caveats.is_empty() {
            lines.push(format!("{}: {}.", section.title, caveats.join(", ")));
        }
    }
    for missing in &report.not_measured {
        lines.push(format!(
            "Not measured: {}, run `{}`.",
            missing.name, missing.command
        ));
    }
    if report.verdicts().any(|verdict| !verdict.is_stable) {
        lines.push("¹ shown: it depends on what else the machine does, or is a goal.".to_owned());
    }
    lines.join("\n")
}

/// A text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    #[test]
    fn the_table_has_every_budget_the_date_and_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let mut section = fixtures::section("instructions", "Instructions", "2026-11-30T11:41:13Z");
        for verdict in &mut section.verdicts {
            verdict.measured.push_str(" | so");
        }
        section.keep(folder.path()).unwrap();
        let table = Report::read(folder.path()).unwrap().markdown();
        for line in [
            "| decide, mode off | at most 40 instructions | 14 instructions \\| so | kept |",
            "| two threads | at least 1.7 times one | 1.52 times \\| so ¹ | **missed** |",
            "1 of 2 budgets kept, measured on 2026-11-30.",
            "Not measured: fleet, run `cargo xtask bench fleet`.",
            "¹ shown: it depends on what else the machine does, or is a goal.",
        ] {
            assert!(table.lines().any(|found| found == line), "{line}\n{table}");
        }
        assert!(table.contains("A processor, 2 processors; linux 6.18"));
    }
}
