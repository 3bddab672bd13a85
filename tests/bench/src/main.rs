//! The benches: `intermission-bench NAME FOLDER` measures a section of the report and keeps it in the folder, and
//! `intermission-bench report FOLDER` makes the report of what is kept there.
//!
//! `intermission-bench CASE TIMES` does one thing that many times, for a profiler of your choice. Instructions are counted
//! in another program, `benches/instructions.rs`; this one reads what was counted.
#![expect(clippy::print_stdout, reason = "what a bench prints is what it is for")]

#[cfg(test)]
mod allocations;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use intermission_bench::cases::{self, Prepared};
use intermission_bench::report::{Report, Section};
use intermission_bench::{fleet, instructions};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [instructions::NAME, folder] => return counted(Path::new(folder)),
        ["profile", home] => return instructions::print_profile(Path::new(home)),
        ["fleet", folder, options @ ..] => {
            let section = fleet::measure(&fleet::Plan::from_options(options)?)?;
            return keep(&section, Path::new(folder));
        }
        ["report", folder, options @ ..] => return report(Path::new(folder), options),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words.as_slice() {
        ["flip-child", directory] => runtime.block_on(fleet::child(Path::new(directory))),
        [name, times] => {
            let times = times
                .parse()
                .with_context(|| format!("`{times}` is not a number of times"))?;
            (Prepared::new(name)?.case)(times)
        }
        _ => bail!(
            "usage: intermission-bench instructions FOLDER, or profile HOME, or fleet FOLDER [--nodes N,N…] [--flips N], or report FOLDER [--markdown], or CASE TIMES with a case of: {}",
            cases::names().join(", ")
        ),
    }
}

/// Shows what was measured, and keeps it for the report.
fn keep(section: &Section, folder: &Path) -> Result<()> {
    section.print();
    section.keep(folder)
}

/// Reads what gungraun has counted into its home in this folder, and writes beside it what the ratchet would record.
fn counted(folder: &Path) -> Result<()> {
    let home = folder.join("gungraun");
    keep(&instructions::section(&home)?, folder)?;
    let record = folder.join("ratchet.toml");
    fs::write(&record, instructions::record(&home)?)
        .with_context(|| format!("cannot write {}", record.display()))
}

/// Writes the report of the sections that are kept in this folder, or prints its budgets.
fn report(folder: &Path, options: &[&str]) -> Result<()> {
    let report = Report::read(folder)?;
    match options {
        [] => {
            report.write(folder)?;
            println!("{}", folder.join("report.html").display());
        }
        ["--markdown"] => println!("{}", report.markdown()),
        _ => bail!("`report` takes a folder, and --markdown"),
    }
    Ok(())
}
