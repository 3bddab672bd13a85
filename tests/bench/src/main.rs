//! What a request pays, counted in instructions.
//!
//! `intermission-bench CASE TIMES` does one thing that many times. `cargo xtask bench` runs it under callgrind with
//! two numbers of times and divides the difference, so that the start of the process counts for nothing. Counts do
//! not depend on what else the machine does. `intermission-bench flip` times how fast a change spreads, and
//! `intermission-bench throughput FOLDER` what servers answer in a second.
#![expect(clippy::print_stdout, reason = "what a bench prints is what it is for")]

#[cfg(test)]
mod allocations;
mod fleet;
mod flip;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use intermission_bench::{cases, throughput};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["fleet", options @ ..] = words.as_slice() {
        ensure!(fleet::run(&plan(options)?)?, "a budget is broken");
        return Ok(());
    }
    if let ["throughput", folder, options @ ..] = words.as_slice()
        && !["count", "serve"].contains(folder)
    {
        let section = throughput::measure(&throughput::Plan::of(options)?)?;
        section.print();
        return section.keep(Path::new(folder));
    }
    // One thread, on which the keeper runs only while somebody waits: what is counted is the caller's work alone.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words.as_slice() {
        ["flip"] => runtime.block_on(flip::parent()),
        ["flip-child", directory] => runtime.block_on(flip::child(Path::new(directory))),
        ["throughput", "serve", name] => runtime.block_on(throughput::serve(name)),
        ["throughput", "count", case, times] => {
            runtime.block_on(throughput::count(case, number(times)?))
        }
        [name, times] => runtime.block_on(cases::prepare(name))?(number(times)?),
        _ => bail!(
            "usage: intermission-bench throughput FOLDER [--seconds S] [--rounds N] [--without-peers], or fleet [--nodes N,N…] \
             [--flips N], or flip, or CASE TIMES with a case of: {}",
            cases::names().join(", ")
        ),
    }
}

fn number(times: &str) -> Result<u64> {
    times
        .parse()
        .with_context(|| format!("`{times}` is not a number of times"))
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
