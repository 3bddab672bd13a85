//! Instructions, counted by callgrind: the same for every run, whatever else the machine does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// How often each case is done, in the shorter of its two runs.
const TIMES: u64 = 2_000;

/// What one operation may cost.
enum Budget {
    /// At most so many instructions.
    AtMost(u64),
    /// At most so many hundredths more than another case.
    Above(&'static str, u64),
    /// Fewer than another case.
    Below(&'static str),
    /// Shown, not judged.
    None,
}

struct Case {
    name: &'static str,
    does: &'static str,
    budget: Budget,
}

const fn case(name: &'static str, does: &'static str, budget: Budget) -> Case {
    Case { name, does, budget }
}

const CASES: &[Case] = &[
    case("decide-off", "decide, mode off", Budget::AtMost(40)),
    case(
        "decide-refused",
        "decide, refused by the default rule",
        Budget::None,
    ),
    case(
        "decide-address-1",
        "decide, admitted by one listed network",
        Budget::None,
    ),
    case(
        "decide-address-1000000",
        "decide, admitted by one of 1,000,000 networks",
        Budget::AtMost(1_500),
    ),
    case(
        "admit-off",
        "admit and end a request, mode off",
        Budget::None,
    ),
    case("admit-refused", "admit, refused", Budget::None),
    case(
        "admit-execution",
        "admit and end a request that starts an execution",
        Budget::None,
    ),
    case(
        "execution",
        "begin and end an execution, mode off",
        Budget::AtMost(150),
    ),
    case("axum-bare", "axum hello", Budget::None),
    case(
        "axum-bare-body",
        "axum hello, its body looked at until its end",
        Budget::None,
    ),
    case(
        "axum-off",
        "axum hello, into_service, mode off",
        Budget::Above("axum-bare", 5),
    ),
    case(
        "axum-off-flags",
        "axum hello, into_service with flags, mode off",
        Budget::None,
    ),
    case(
        "axum-off-around",
        "axum hello, layer around the router, mode off",
        Budget::None,
    ),
    case(
        "axum-bare-layer",
        "axum hello, Router::layer that does nothing",
        Budget::None,
    ),
    case(
        "axum-off-layer",
        "axum hello, Router::layer, mode off",
        Budget::None,
    ),
    case(
        "axum-refused",
        "axum, into_service, refused",
        Budget::Below("axum-bare"),
    ),
    case("actix-bare", "actix-web hello", Budget::None),
    case(
        "actix-off",
        "actix-web hello, middleware, mode off",
        Budget::Above("actix-bare", 5),
    ),
    case(
        "actix-off-table",
        "actix-web hello, middleware with a table, off",
        Budget::None,
    ),
    case(
        "actix-bare-scope",
        "actix-web hello in a scope",
        Budget::None,
    ),
    case(
        "actix-off-scope",
        "actix-web hello, MaintenanceScope, mode off",
        Budget::None,
    ),
    case(
        "actix-refused",
        "actix-web, middleware, refused",
        Budget::Below("actix-bare"),
    ),
    case("warp-bare", "warp hello", Budget::None),
    case("warp-off", "warp hello, guard, mode off", Budget::None),
    case(
        "warp-off-table",
        "warp hello, guard with a table, mode off",
        Budget::None,
    ),
    case(
        "warp-off-around",
        "warp hello, layer around the service, mode off",
        Budget::None,
    ),
    case(
        "warp-off-around-table",
        "warp hello, layer with a table, mode off",
        Budget::None,
    ),
    case("warp-refused", "warp, guard, refused", Budget::None),
    case("hyper-bare", "hyper hello, bytes to bytes", Budget::None),
    case(
        "hyper-off",
        "hyper hello, layer, mode off",
        Budget::Above("hyper-bare", 5),
    ),
    case(
        "hyper-off-table",
        "hyper hello, layer with a table, mode off",
        Budget::None,
    ),
    case("hyper-refused", "hyper, layer, refused", Budget::None),
    case("tower-bare", "a function, called", Budget::None),
    case("tower-off", "a function, layer, mode off", Budget::None),
    case("tower-refused", "a function, layer, refused", Budget::None),
];

/// Prints the table. Says whether every budget is kept.
pub(super) fn report(program: &Path) -> Result<bool> {
    ensure!(
        Command::new("valgrind")
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success()),
        "valgrind is not installed: apt-get install valgrind, or what your system calls it"
    );
    // What the loop itself costs.
    let nothing = count(program, "nothing")?;
    let mut counts = BTreeMap::new();
    let mut all_within = true;
    println!("{:<48} {:>12}  budget", "instructions", "each");
    for Case { name, does, budget } in CASES {
        let each = count(program, name)?.saturating_sub(nothing);
        counts.insert(*name, each);
        let other = |name: &str| {
            counts
                .get(name)
                .copied()
                .context("a budget names a case that comes later")
        };
        let (limit, words) = match budget {
            Budget::AtMost(limit) => (Some(*limit), format!("at most {limit}")),
            Budget::Above(name, hundredths) => {
                let bare = other(name)?;
                let over = 100.0 * (each as f64 / bare as f64 - 1.0);
                (
                    Some(bare + bare * hundredths / 100),
                    format!("at most {hundredths} % more than {name}: {over:+.1} %"),
                )
            }
            Budget::Below(name) => (
                Some(other(name)?.saturating_sub(1)),
                format!("less than {name}"),
            ),
            Budget::None => (None, String::new()),
        };
        let within = limit.is_none_or(|limit| each <= limit);
        all_within &= within;
        let verdict = match (limit, within) {
            (None, _) => "",
            (Some(_), true) => "  kept",
            (Some(_), false) => "  BROKEN",
        };
        println!("{does:<48} {each:>12}  {words}{verdict}");
    }
    Ok(all_within)
}

/// What one operation of a case costs: the difference of two runs, divided by the difference of their lengths.
fn count(program: &Path, case: &str) -> Result<u64> {
    let long = collected(program, case, TIMES * 2)?;
    let short = collected(program, case, TIMES)?;
    Ok((long - short) / TIMES)
}

fn collected(program: &Path, case: &str, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([case, &times.to_string()])
        .output()
        .context("cannot start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "valgrind failed on `{case}`:\n{said}"
    );
    let Some((_, rest)) = said.split_once("Collected : ") else {
        bail!("valgrind counted nothing on `{case}`:\n{said}");
    };
    let number = rest.split_whitespace().next().unwrap_or_default();
    number
        .parse()
        .with_context(|| format!("valgrind counted `{number}`"))
}
