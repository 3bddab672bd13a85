//! The report: sections of tables, charts and verdicts, the same on the terminal, in `report.json` and in `report.html`.

mod document;
#[cfg(test)]
mod fixtures;
mod markdown;
mod page;
mod terminal;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
pub use document::{NotMeasured, ORDER, Report};

/// What one bench has found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Section {
    /// What it is called on the command line, such as `throughput`.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// What it answers, in a sentence or two.
    pub question: String,
    /// When it was measured, RFC 3339 in UTC.
    pub measured_at: String,
    /// Where it was measured.
    pub machine: Machine,
    /// What else took part, each with its version: `redis-server 7.0.15`.
    #[serde(default)]
    pub versions: Vec<String>,
    /// The figures.
    pub tables: Vec<Table>,
    /// What is drawn of them.
    pub charts: Vec<Chart>,
    /// The budgets, each with what was measured.
    pub verdicts: Vec<Verdict>,
    /// How to read it: what is noise and what is not, what was compared with what.
    pub reading: Vec<String>,
}

/// Figures, in rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Table {
    /// What the rows are.
    pub title: String,
    /// The names of the columns; the first column names the row, the others are figures.
    pub columns: Vec<String>,
    /// As many cells each as there are columns, formatted as people read them.
    pub rows: Vec<Vec<String>>,
}

/// Something to look at.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Chart {
    /// One bar for each thing that was measured.
    Bars {
        /// What is shown.
        title: String,
        /// What the lengths are, such as `instructions`.
        unit: String,
        /// From top to bottom.
        bars: Vec<Bar>,
    },
    /// Curves over a common horizontal axis.
    Curves {
        /// What is shown.
        title: String,
        /// The horizontal axis.
        x: Axis,
        /// The vertical axis.
        y: Axis,
        /// In the order of the legend.
        curves: Vec<Curve>,
    },
}

/// One bar.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bar {
    /// What was measured.
    pub label: String,
    /// How long the bar is.
    pub value: f64,
    /// The lowest and the highest of the single measurements, where there were many.
    pub spread: Option<(f64, f64)>,
    /// The budget, where there is one: a mark across the bar.
    pub budget: Option<f64>,
}

/// An axis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Axis {
    /// What it measures, with its unit.
    pub label: String,
    /// Whether each step multiplies.
    pub is_logarithmic: bool,
}

/// A curve.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Curve {
    /// What the legend calls it.
    pub label: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// A budget, and what was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// What has the budget.
    pub what: String,
    /// The budget, in words: `at most 40 instructions`.
    pub budget: String,
    /// What was measured, in words: `14 instructions`.
    pub measured: String,
    /// Whether the budget is kept.
    pub is_kept: bool,
    /// Whether a check may fail by it: it does not depend on what else the machine does, and is more than a goal.
    pub is_stable: bool,
}

impl Section {
    /// A section without anything in it yet, measured now, on this machine.
    #[must_use]
    pub fn new(name: &str, title: &str, question: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            question: question.to_owned(),
            measured_at: crate::machine::now(),
            machine: Machine::this(),
            versions: Vec::new(),
            tables: Vec::new(),
            charts: Vec::new(),
            verdicts: Vec::new(),
            reading: Vec::new(),
        }
    }

    /// Prints it.
    pub fn print(&self) {
        terminal::print(self);
    }

    /// Keeps it as `NAME.json` in this folder, for the report.
    ///
    /// # Errors
    /// If the folder or the file cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let file = folder.join(format!("{}.json", self.name));
        let text = serde_json::to_vec_pretty(self)?;
        // JSON has nothing for 0 / 0, and who reads it later cannot say where that came from.
        serde_json::from_slice::<Self>(&text).with_context(|| {
            format!(
                "a figure in a chart of `{}` is no number, such as 0 / 0: something was not measured",
                self.name
            )
        })?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut section = fixtures::section("lists", "Lists", "2026-11-30T11:41:13Z");
        section.keep(folder.path()).unwrap();
        for value in [f64::NAN, f64::INFINITY] {
            section.charts = vec![Chart::Bars {
                title: "Nothing".to_owned(),
                unit: "ms".to_owned(),
                bars: vec![Bar {
                    label: "0 / 0".to_owned(),
                    value,
                    spread: None,
                    budget: None,
                }],
            }];
            let error = section.keep(folder.path()).unwrap_err().to_string();
            assert!(error.contains("chart of `lists` is no number"), "{error}");
        }
        Report::read(folder.path()).unwrap();
    }
}
