//! What a request pays, counted in instructions.
//!
//! `intermission-bench NAME FOLDER` measures a section of the report, prints it and keeps it in the folder: `cargo xtask
//! bench` runs it. `intermission-bench CASE TIMES` does one thing that many times, for a profiler of your choice, and
//! `intermission-bench flip` times how fast a change spreads.
#![expect(clippy::print_stdout, reason = "what a bench prints is what it is for")]

#[cfg(test)]
mod allocations;
mod fleet;
mod flip;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use intermission_bench::cases::{self, Prepared};
use intermission_bench::instructions;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [instructions::NAME, folder] => return count(Path::new(folder)),
        ["profile", home] => return instructions::print_profile(Path::new(home)),
        _ => {}
    }
    if let ["fleet", options @ ..] = words.as_slice() {
        // It prints its table, and keeps nothing in the folder that each bench is given.
        let options = match options {
            [folder, options @ ..] if !folder.starts_with("--") => options,
            options => options,
        };
        ensure!(fleet::run(&plan(options)?)?, "a budget is broken");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words.as_slice() {
        ["flip"] => runtime.block_on(flip::parent()),
        ["flip-child", directory] => runtime.block_on(flip::child(Path::new(directory))),
        [name, times] => {
            let times = times
                .parse()
                .with_context(|| format!("`{times}` is not a number of times"))?;
            (Prepared::new(name)?.case)(times)
        }
        _ => bail!(
            "usage: intermission-bench instructions FOLDER, or profile HOME, or fleet [--nodes N,N…] [--flips N], or flip, or CASE TIMES with a case of: {}",
            cases::names().join(", ")
        ),
    }
}

/// Reads what gungraun has counted into its home in this folder.
fn count(folder: &Path) -> Result<()> {
    let home = folder.join("gungraun");
    let section = instructions::section(&home)?;
    section.print();
    section.keep(folder)?;
    let record = folder.join("ratchet.toml");
    fs::write(&record, instructions::record(&home)?)
        .with_context(|| format!("cannot write {}", record.display()))
}

/// What `fleet` is to measure.
fn plan(mut options: &[&str]) -> Result<fleet::Plan> {
    let mut plan = fleet::Plan {
        sizes: vec![1, 10, 100, 1_000],
        flips: 100,
    };
    while let [name, value, rest @ ..] = options {
        let number = |text: &str| {
            text.parse::<usize>()
                .with_context(|| format!("`{text}` is not a number"))
        };
        match *name {
            "--nodes" => plan.sizes = value.split(',').map(number).collect::<Result<_>>()?,
            "--flips" => plan.flips = number(value)?,
            _ => bail!("`fleet` has no option `{name}`"),
        }
        options = rest;
    }
    ensure!(options.is_empty(), "an option of `fleet` lacks its number");
    ensure!(
        plan.sizes.is_sorted(),
        "a fleet only grows: name the numbers of nodes in ascending order"
    );
    Ok(plan)
}
