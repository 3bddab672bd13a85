//! All sections in one document.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Section, Verdict};
use crate::machine::Machine;

/// The sections, in the order in which they are shown.
pub const ORDER: [&str; 6] = [
    "instructions",
    "throughput",
    "lists",
    "fleet",
    "contention",
    "cold-start",
];

/// The version of the format of `report.json`. A reader of another version cannot rely on what it knows.
const FORMAT: u32 = 1;

/// What was measured this much before the newest section is not of the same run.
const RUN_AT_MOST: SignedDuration = SignedDuration::from_hours(2);

/// What was measured, as it is written to `report.json`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// When the newest section was measured.
    pub measured_at: String,
    /// On what was measured, each machine and build once, the newest first.
    pub machines: Vec<Machine>,
    /// The versions of what else took part, in any section.
    pub versions: BTreeSet<String>,
    /// What was measured.
    pub sections: Vec<Section>,
    /// What was not.
    pub not_measured: Vec<NotMeasured>,
}

/// A section that is missing.
#[derive(Debug, Serialize)]
pub struct NotMeasured {
    /// Its name.
    pub name: String,
    /// What measures it.
    pub command: String,
}

impl Report {
    /// Reads the sections that are kept in this folder.
    ///
    /// # Errors
    /// If there are none, or if one cannot be understood.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut sections = Vec::new();
        let mut not_measured = Vec::new();
        for name in ORDER {
            match read(folder, name)? {
                Some(section) => sections.push(section),
                None => not_measured.push(NotMeasured {
                    name: name.to_owned(),
                    command: command(name),
                }),
            }
        }
        let Some(newest) = sections.iter().max_by_key(|section| section.measured()) else {
            bail!(
                "no section is kept in {}: run `cargo xtask bench`, or one of `{}`",
                folder.display(),
                ORDER.map(command).join("`, `")
            );
        };
        let mut machines = vec![newest.machine.clone()];
        for section in &sections {
            if !machines.iter().any(|other| other.is_same(&section.machine)) {
                machines.push(section.machine.clone());
            }
        }
        let versions = sections.iter().flat_map(|section| &section.versions);
        Ok(Self {
            version: FORMAT,
            measured_at: newest.measured_at.clone(),
            machines,
            versions: versions.cloned().collect(),
            sections,
            not_measured,
        })
    }

    /// Writes `report.json` and `report.html`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (name, content) in [
            ("report.json", serde_json::to_string_pretty(self)?),
            ("report.html", super::page::render(self)?),
        ] {
            let file = folder.join(name);
            fs::write(&file, content)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }

    /// The budgets in one Markdown table, for the README.
    #[must_use]
    pub fn markdown(&self) -> String {
        super::markdown::overview(self)
    }

    /// How many budgets are kept, and how many there are.
    #[must_use]
    pub fn kept(&self) -> (usize, usize) {
        let verdicts = || self.verdicts();
        (
            verdicts().filter(|verdict| verdict.is_kept).count(),
            verdicts().count(),
        )
    }

    /// All budgets.
    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.sections.iter().flat_map(|section| &section.verdicts)
    }

    /// In what a section is not of the same run as the newest one, in sentences.
    #[must_use]
    pub fn caveats(&self, section: &Section) -> Vec<String> {
        let mut caveats = Vec::new();
        if let (Some(then), Ok(newest)) = (section.measured(), self.measured_at.parse()) {
            let age = Timestamp::duration_since(newest, then);
            if age > RUN_AT_MOST {
                caveats.push(format!(
                    "measured {} before the newest section",
                    in_words(age)
                ));
            }
        }
        if let Some(newest) = self.machines.first() {
            caveats.extend(newest.differences(&section.machine));
        }
        caveats
    }
}

impl Section {
    /// When it was measured; `None` if that is no time.
    fn measured(&self) -> Option<Timestamp> {
        self.measured_at.parse().ok()
    }
}

/// What measures this section.
fn command(name: &str) -> String {
    format!("cargo xtask bench {name}")
}

fn read(folder: &Path, name: &str) -> Result<Option<Section>> {
    let file = folder.join(format!("{name}.json"));
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(format!("cannot read {}", file.display())),
    };
    let wrong = || {
        format!(
            "{} is no section of this version: measure it again with `{}`, or remove it",
            file.display(),
            command(name)
        )
    };
    let section: Section = serde_json::from_str(&text).with_context(wrong)?;
    ensure!(section.name == name, "{}", wrong());
    ensure!(section.measured().is_some(), "{}", wrong());
    Ok(Some(section))
}

/// In the unit that says enough.
fn in_words(age: SignedDuration) -> String {
    match age.as_hours() {
        hours @ ..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    const NEWEST: &str = "2026-11-30T11:41:13Z";

    #[test]
    fn sections_have_their_order_however_they_were_measured() {
        let folder = tempfile::tempdir().unwrap();
        for (name, at) in [("fleet", NEWEST), ("instructions", "2026-11-30T10:00:00Z")] {
            fixtures::section(name, name, at)
                .keep(folder.path())
                .unwrap();
        }
        let report = Report::read(folder.path()).unwrap();
        let names: Vec<_> = report
            .sections
            .iter()
            .map(|section| section.name.as_str())
            .collect();
        assert_eq!(names, ["instructions", "fleet"]);
        assert_eq!(report.measured_at, NEWEST);
        assert_eq!(report.kept(), (2, 4));
        assert_eq!(report.not_measured.len(), 4);
    }

    #[test]
    fn an_empty_folder_says_what_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let error = Report::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("cargo xtask bench fleet"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_section_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fleet.json");
        let misplaced = fixtures::section("lists", "Lists", NEWEST);
        let timeless = fixtures::section("fleet", "The fleet", "yesterday");
        for text in [
            "{}".to_owned(),
            serde_json::to_string(&misplaced).unwrap(),
            serde_json::to_string(&timeless).unwrap(),
        ] {
            fs::write(&file, text).unwrap();
            let error = Report::read(folder.path()).unwrap_err().to_string();
            assert!(
                error.contains("fleet.json is no section of this version"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_section_without_versions_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let section = fixtures::section("fleet", "The fleet", NEWEST);
        let mut section = serde_json::to_value(section).unwrap();
        section.as_object_mut().unwrap().remove("versions");
        fs::write(folder.path().join("fleet.json"), section.to_string()).unwrap();
        assert!(Report::read(folder.path()).unwrap().versions.is_empty());
    }
}
