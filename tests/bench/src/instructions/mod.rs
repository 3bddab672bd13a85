//! Instructions, counted by callgrind: the same for every run, whatever else the machine does.
//!
//! `benches/instructions.rs` counts, by gungraun, and leaves a summary of each case in a folder. Here they become a
//! section: what one operation costs, against its budget and against the count that was recorded for it.

mod judge;
mod profile;
mod ratchet;
mod summaries;
mod words;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

pub use self::profile::print as print_profile;
use self::words::{GROUPS, does};
use crate::budgets::{Budgets, InstructionBudget};
use crate::cases;
use crate::machine::version_of;
use crate::report::{Bar, Chart, Section, Table};

/// What the section is called.
pub const NAME: &str = "instructions";

/// How many operations are in the shorter of the two counts of each case.
pub const TIMES: u64 = 1_000;

/// The environment variable that names the one case to profile.
pub const PROFILED: &str = "INTERMISSION_BENCH_PROFILED";

/// What one operation of each case costs, by the name of the case.
type Counts = BTreeMap<String, u64>;

/// Makes the section of what has been counted into this folder, gungraun's home.
///
/// # Errors
/// If a case has not been counted, or a budget names something that is no case.
pub fn section(counted: &Path) -> Result<Section> {
    let names = cases::names();
    let counts = summaries::read(counted, &names)?;
    let budgets = Budgets::load()?;
    budgets.check(&names)?;

    let mut section = Section::new(
        NAME,
        "Instructions",
        "What does one operation cost, in instructions of the processor?",
    );
    for (title, prefix) in GROUPS {
        let group: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| words::group(name) == *prefix)
            .collect();
        section
            .tables
            .push(table(title, *prefix, &group, &counts, &budgets));
        section.charts.push(bars(title, &group, &counts, &budgets));
    }
    section.versions = vec![version_of(Path::new("valgrind"), "--version")];
    let judged_by = ratchet::toolchain();
    section.verdicts = judge::budgets(&counts, &budgets)?;
    section
        .verdicts
        .extend(ratchet::verdicts(&counts, &budgets.ratchet, &judged_by));
    section.reading = reading(&budgets);
    section
        .reading
        .extend(ratchet::reading(&counts, &budgets.ratchet, &judged_by));
    Ok(section)
}

/// What would be recorded in `budgets.toml` of what has been counted into this folder.
///
/// # Errors
/// If a case has not been counted.
pub fn record(counted: &Path) -> Result<String> {
    let counts = summaries::read(counted, &cases::names())?;
    Ok(ratchet::record(
        &counts,
        Budgets::load()?.ratchet.percent,
        &ratchet::toolchain(),
    ))
}

fn table(
    title: &str,
    framework: Option<&str>,
    group: &[&str],
    counts: &Counts,
    budgets: &Budgets,
) -> Table {
    let bare = framework.and_then(|framework| counts.get(&format!("{framework}-bare")));
    let mut columns = vec!["case", "instructions", "recorded", "against recorded"];
    if bare.is_some() {
        columns.push("over bare");
    }
    let row = |name: &&str| {
        let each = counts.get(*name).copied().unwrap_or_default();
        let recorded = budgets.ratchet.counts.get(*name).copied();
        let mut row = vec![
            format!("{name}: {}", does(name)),
            each.to_string(),
            recorded.map_or_else(|| "–".to_owned(), |recorded| recorded.to_string()),
            recorded.map_or_else(|| "–".to_owned(), |recorded| percent_over(each, recorded)),
        ];
        if let Some(bare) = bare {
            row.push(percent_over(each, *bare));
        }
        row
    };
    Table {
        title: title.to_owned(),
        columns: columns.into_iter().map(str::to_owned).collect(),
        rows: group.iter().map(row).collect(),
    }
}

fn bars(title: &str, group: &[&str], counts: &Counts, budgets: &Budgets) -> Chart {
    let bar = |name: &&str| Bar {
        label: does(name).to_owned(),
        value: counts.get(*name).copied().unwrap_or_default() as f64,
        spread: None,
        budget: budgets
            .instructions
            .get(*name)
            .and_then(|budget| judge::limit(budget, counts)),
    };
    Chart::Bars {
        title: title.to_owned(),
        unit: "instructions".to_owned(),
        bars: group.iter().map(bar).collect(),
    }
}

/// How much more than another count this one is: `+4.2 %`.
fn percent_over(each: u64, other: u64) -> String {
    format!("{:+.1} %", 100.0 * (each as f64 / other as f64 - 1.0))
}

fn reading(budgets: &Budgets) -> Vec<String> {
    let mut lines = vec![
        format!(
            "Callgrind runs each case {TIMES} times and {} times; the difference, divided, is what one operation costs. \
             Neither the start of the process, nor the set-up, nor the loop is in it.",
            2 * TIMES
        ),
        "The counts do not depend on what else the machine does. Three runs gave the same, to the instruction, but for \
         those with hyper: one more or less."
            .to_owned(),
        "They depend on the compiler, on what it puts inline where, and for the frameworks on the C library, whose malloc \
         and memcpy are about a third of a request."
            .to_owned(),
        "A request of a framework is one through its service, in this process: made, routed, answered, dropped. With \
         hyper it is bytes to bytes. There is no socket and no kernel, so a share of it is no share of throughput."
            .to_owned(),
    ];
    // Several have the same reason.
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, reason) in &budgets.instructions_not_judged {
        reasons.entry(reason).or_default().push(name);
    }
    for (reason, names) in reasons {
        lines.push(format!(
            "Shown and not judged by --check: {}. Each is {reason}.",
            names.join(", ")
        ));
    }
    lines
}

impl InstructionBudget {
    /// The case that it is compared with.
    #[must_use]
    pub fn other(&self) -> Option<&str> {
        match self {
            Self::AtMost(_) => None,
            Self::Over { case, .. } | Self::Below(case) => Some(case),
        }
    }
}
