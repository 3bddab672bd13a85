//! What a request pays, counted in instructions.
//!
//! `intermission-bench CASE TIMES` does one thing that many times. `cargo xtask bench` runs it under callgrind with
//! two numbers of times and divides the difference, so that the start of the process counts for nothing. Counts do
//! not depend on what else the machine does.

mod cases;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(times), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        bail!("usage: intermission-bench CASE TIMES, with a case of: {}", cases::names().join(", "));
    };
    let times: u64 = times.parse().with_context(|| format!("`{times}` is not a number of times"))?;
    // One thread, on which the keeper runs only while somebody waits: what is counted is the caller's work alone.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(cases::run(&name, times))
}
