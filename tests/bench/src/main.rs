//! What a request pays, counted in instructions.
//!
//! `intermission-bench CASE TIMES` does one thing that many times. `cargo xtask bench` runs it under callgrind with
//! two numbers of times and divides the difference, so that the start of the process counts for nothing. Counts do
//! not depend on what else the machine does. `intermission-bench flip` times how fast a change spreads.
#![expect(clippy::print_stdout, reason = "what a bench prints is what it is for")]

mod cases;
mod flip;

use std::path::Path;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // One thread, on which the keeper runs only while somebody waits: what is counted is the caller's work alone.
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
            runtime.block_on(cases::run(name, times))
        }
        _ => bail!(
            "usage: intermission-bench flip, or CASE TIMES with a case of: {}",
            cases::names().join(", ")
        ),
    }
}
