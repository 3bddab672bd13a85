//! `ci`: the gate that every change passes. It changes no file of the repository.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::workspace::{Workspace, line_of, run};
use crate::{Command, bench, demo, no_arguments, test, tidy};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    arguments: "",
    does: "the gate: format, tidy, clippy, documentation, every test, the demo, instructions; changes nothing",
    run: command,
};

fn command(arguments: &[String]) -> anyhow::Result<ExitCode> {
    no_arguments(COMMAND.name, arguments)?;
    let workspace = Workspace::find()?;
    test::provide_requirements(&workspace)?;
    bench::provide_requirements()?;

    // All of them, even after a failure: a gate that stops at the first complaint makes its reader come back for each.
    let checks = [
        ("format", format(&workspace)?),
        ("tidy", tidy::check(&workspace)?),
        ("clippy", clippy(&workspace)?),
        ("documentation", documentation(&workspace)?),
    ];
    let verdict = verdict_on(&checks);
    let tested = test::everything(&workspace, &[]).with_context(|| verdict.clone())?;
    println!("\n== cargo xtask demo --once");
    let shown = demo::once().with_context(|| verdict.clone())?;
    println!("\n== cargo xtask bench --check");
    // It comes last, so that its failure hides nothing that the others have found.
    let within = bench::check(&workspace).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        false
    });
    println!("\n{verdict}");
    println!("ci: the demo {}", if shown { "passed" } else { "FAILED" });
    println!(
        "ci: the budgets of instructions are {}",
        if within { "kept" } else { "BROKEN" }
    );
    // The runner's own summary stays the last line.
    tested.print();
    let passed = shown && within && checks.iter().all(|(_, passed)| *passed);
    Ok(if passed {
        tested.code()
    } else {
        ExitCode::FAILURE
    })
}

fn verdict_on(checks: &[(&str, bool)]) -> String {
    let failed: Vec<&str> = checks
        .iter()
        .filter(|(_, passed)| !passed)
        .map(|(name, _)| *name)
        .collect();
    if failed.is_empty() {
        "ci: format, tidy, clippy and documentation passed".to_owned()
    } else {
        format!("ci: FAILED before the tests: {}", failed.join(", "))
    }
}

fn format(workspace: &Workspace) -> anyhow::Result<bool> {
    // The names alone: `cargo xtask fix` is the answer to all of it, and a diff would bury what the others say.
    announced(workspace.cargo(["fmt", "--all", "--check", "--", "--files-with-diff"]))
}

fn clippy(workspace: &Workspace) -> anyhow::Result<bool> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    announced(workspace.cargo(arguments))
}

fn documentation(workspace: &Workspace) -> anyhow::Result<bool> {
    let mut command = workspace.cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    announced(command)
}

/// Runs a check, with its command line above its output. Whether it passed.
fn announced(mut command: std::process::Command) -> anyhow::Result<bool> {
    println!("\n== {}", line_of(&command));
    Ok(run(&mut command)?.success())
}
