//! Counts the instructions of each case under callgrind. `cargo xtask bench instructions` runs it, and
//! `intermission_bench::instructions` reads what it counted.
#![expect(
    clippy::exit,
    missing_docs,
    unused_qualifications,
    reason = "what the macros of gungraun write"
)]

use std::hint::black_box;

use anyhow::Result;
use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use intermission_bench::cases::{Prepared, names};
use intermission_bench::instructions::{PROFILED, TIMES};

// The second count is of twice as many as the first, so that their difference is what the operations cost, and nothing
// of what it takes to call them.
#[library_benchmark]
#[benches::case(iter = chosen(), setup = prepared, teardown = succeeded)]
fn operations(mut prepared: Prepared) -> (Prepared, [Result<()>; 2]) {
    let few = counted(&mut prepared, TIMES);
    let many = counted(&mut prepared, 2 * TIMES);
    (prepared, [few, many])
}

/// Callgrind writes down what it has counted whenever this function ends.
#[inline(never)]
fn counted(prepared: &mut Prepared, times: u64) -> Result<()> {
    (prepared.case)(black_box(times))
}

/// All cases, or the one that is profiled.
fn chosen() -> Vec<String> {
    std::env::var(PROFILED).map_or_else(|_| names(), |case| vec![case])
}

#[expect(
    clippy::needless_pass_by_value,
    clippy::panic,
    reason = "that is how a benchmark of gungraun is set up, and how it fails"
)]
fn prepared(name: String) -> Prepared {
    let prepared = Prepared::new(&name).and_then(|mut prepared| {
        // What is made once, at the first requests.
        (prepared.case)(TIMES)?;
        Ok(prepared)
    });
    prepared.unwrap_or_else(|error| panic!("cannot set `{name}` up: {error:#}"))
}

#[expect(clippy::panic, reason = "that is how a benchmark of gungraun fails")]
fn succeeded((_, results): (Prepared, [Result<()>; 2])) {
    for result in results {
        result.unwrap_or_else(|error| panic!("an operation failed: {error:#}"));
    }
}

fn configuration() -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::with_args(["--cache-sim=no", "--separate-threads=no"]);
    // callgrind_annotate cannot tell the functions apart in what is written in the middle of a call.
    if std::env::var_os(PROFILED).is_none() {
        callgrind.args(["--dump-after=instructions::counted*"]);
    }
    let mut configuration = LibraryBenchmarkConfig::default();
    configuration.tool(callgrind).pass_through_env(PROFILED);
    configuration
}

library_benchmark_group!(name = cases, benchmarks = operations);

main!(config = configuration(), library_benchmark_groups = cases);
