//! Where the instructions of a case go.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::TIMES;

/// How many functions are shown.
const SHOWN: usize = 30;

/// The operations of both counts.
const OPERATIONS: u64 = 3 * TIMES;

/// Prints where the instructions of the case go that was profiled into this folder, gungraun's home.
///
/// # Errors
/// If there is no profile, or callgrind_annotate cannot read it.
pub fn print(home: &Path) -> Result<()> {
    let file = profile(&home.join("intermission-bench/instructions/cases/operations.case_0"))?;
    let output = Command::new("callgrind_annotate")
        .args(["--auto=no", "--threshold=100", "--show-percs=no"])
        .arg(&file)
        .output()
        .context("cannot start callgrind_annotate, which comes with valgrind")?;
    ensure!(
        output.status.success(),
        "callgrind_annotate failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = lines(&text);
    ensure!(
        !lines.is_empty(),
        "callgrind_annotate named no function:\n{text}"
    );
    let all: u64 = lines.iter().map(|(count, _)| count).sum();
    println!("{:>9}  {:>6}  file:function", "each", "share");
    for (count, function) in lines.iter().take(SHOWN) {
        println!(
            "{:>9.1}  {:>4.1} %  {function}",
            *count as f64 / OPERATIONS as f64,
            100.0 * *count as f64 / all as f64
        );
    }
    let rest: u64 = lines.iter().skip(SHOWN).map(|(count, _)| count).sum();
    println!(
        "{:>9.1}  {:>4.1} %  all others",
        rest as f64 / OPERATIONS as f64,
        100.0 * rest as f64 / all as f64
    );
    println!(
        "{:>9.1}          together, the loop included; all of it: callgrind_annotate {}",
        all as f64 / OPERATIONS as f64,
        file.display()
    );
    Ok(())
}

fn profile(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("there is no profile in {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "out") {
            return Ok(path);
        }
    }
    bail!("there is no profile in {}", folder.display())
}

/// The functions of callgrind_annotate's list, each with its own instructions, most first.
fn lines(text: &str) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    let rest = text
        .lines()
        .skip_while(|line| !line.contains("file:function"));
    for line in rest.skip(1) {
        let Some((count, function)) = line.trim().split_once(' ') else {
            continue;
        };
        let Ok(count) = count.replace(',', "").parse() else {
            continue;
        };
        // The object in brackets is a path, and long.
        let function = function
            .rsplit_once(" [")
            .map_or(function, |(function, _)| function);
        lines.push((count, short(function.trim()).to_owned()));
    }
    lines
}

/// Without the folder that the standard library or the registry is in.
fn short(function: &str) -> &str {
    let library = function
        .strip_prefix("/rustc/")
        .and_then(|rest| Some(rest.split_once('/')?.1));
    let registry = || Some(function.split_once("/registry/src/")?.1.split_once('/')?.1);
    library.or_else(registry).unwrap_or(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_others_are_shortened() {
        for (long, brief) in [
            (
                "/rustc/59807616/library/core/src/cmp.rs:f",
                "library/core/src/cmp.rs:f",
            ),
            (
                "/home/ana/.cargo/registry/src/index.crates.io-1/http-1.5.0/src/lib.rs:f",
                "http-1.5.0/src/lib.rs:f",
            ),
            (
                "crates/intermission/src/gate.rs:f",
                "crates/intermission/src/gate.rs:f",
            ),
            ("???:malloc", "???:malloc"),
        ] {
            assert_eq!(short(long), brief);
        }
    }

    #[test]
    fn functions_are_read_and_the_rest_is_not() {
        let text = "
-----------
Ir
-----------
11,462 (100.0%)  PROGRAM TOTALS

-----------
Ir      file:function
-----------
10,000  cases.rs:core::ops::function::FnOnce<[u8; 2], A> [/target/release/instructions]
 1,462  ???:malloc [/usr/lib/libc.so.6]
";
        assert_eq!(
            lines(text),
            [
                (
                    10_000,
                    "cases.rs:core::ops::function::FnOnce<[u8; 2], A>".to_owned()
                ),
                (1_462, "???:malloc".to_owned())
            ]
        );
    }
}
