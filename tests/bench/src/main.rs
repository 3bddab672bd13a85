//! The benches: `intermission-bench NAME FOLDER` measures a section of the report and keeps it in the folder, and
//! `intermission-bench report FOLDER` makes the report of what is kept there. `cargo xtask bench` does both.
//!
//! `intermission-bench CASE TIMES` does one thing that many times, for a profiler of your choice. Instructions are counted
//! in another program, `benches/instructions.rs`; this one reads what was counted.
#![expect(clippy::print_stdout, reason = "what a bench prints is what it is for")]

#[cfg(test)]
mod allocations;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use intermission_bench::cases::{self, Prepared};
use intermission_bench::report::{Report, Section};
use intermission_bench::{cold_start, contention, fleet, instructions, lists, throughput};

const USAGE: &str = "usage: intermission-bench NAME FOLDER, where NAME is instructions, throughput [--seconds S] [--rounds N]
[--without-peers], lists, fleet [--nodes N,N…] [--flips N], contention or cold-start, with the options after the folder;
or report FOLDER [--markdown], or cases, or profile HOME, or CASE TIMES with a case of: ";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [instructions::NAME, folder] => counted(folder),
        ["cases"] => {
            println!("{}", cases::names().join("\n"));
            Ok(())
        }
        ["profile", home] => instructions::print_profile(Path::new(home)),
        [lists::NAME, folder] => with_counting_allocator(lists::NAME, folder),
        [contention::NAME, folder] => keep(&contention::measure()?, folder),
        [cold_start::NAME, folder] => keep(&cold_start::measure()?, folder),
        ["fleet", folder, options @ ..] => {
            let plan = fleet::Plan::from_options(options)?;
            keep(&fleet::measure(&plan)?, folder)
        }
        // These two are started by the next.
        ["throughput", "serve", name] => runtime()?.block_on(throughput::serve(name)),
        ["throughput", "count", case, times] => {
            runtime()?.block_on(throughput::count(case, number(times)?))
        }
        ["throughput", folder, options @ ..] => {
            let plan = throughput::Plan::of(options)?;
            keep(&throughput::measure(&plan)?, folder)
        }
        ["report", folder, options @ ..] => report(Path::new(folder), options),
        // These are started by those above.
        [cold_start::CHILD, start] => cold_start::child(start),
        ["flip-child", directory] => runtime()?.block_on(fleet::child(Path::new(directory))),
        [case, times] if !case.starts_with('-') => (Prepared::new(case)?.case)(number(times)?),
        _ => bail!("{USAGE}{}", cases::names().join(", ")),
    }
}

/// One thread, on which a keeper runs only while somebody waits: what is counted is the caller's work alone.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime)
}

fn number(times: &str) -> Result<u64> {
    times
        .parse()
        .with_context(|| format!("`{times}` is not a number of times"))
}

/// Shows what was measured, and keeps it for the report.
fn keep(section: &Section, folder: &str) -> Result<()> {
    section.print();
    section.keep(Path::new(folder))
}

/// Reads what gungraun has counted into its home in this folder, and writes beside it what the ratchet would record.
fn counted(folder: &str) -> Result<()> {
    let home = Path::new(folder).join("gungraun");
    keep(&instructions::section(&home)?, folder)?;
    let record = Path::new(folder).join("ratchet.toml");
    fs::write(&record, instructions::record(&home)?)
        .with_context(|| format!("cannot write {}", record.display()))
}

/// The program beside this one whose allocator counts.
fn with_counting_allocator(name: &str, folder: &str) -> Result<()> {
    let program = std::env::current_exe()?.with_file_name("intermission-bench-counted");
    let ended = Command::new(&program)
        .args([name, folder])
        .status()
        .with_context(|| {
            let program = program.display();
            format!("{program} cannot be started: `cargo build --release --package intermission-bench` makes it")
        })?;
    ensure!(ended.success(), "the bench `{name}` failed: {ended}");
    Ok(())
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
