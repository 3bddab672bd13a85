//! `cargo xtask bench [--check]`: what a request pays. `cargo xtask bench fleet`: how fast a change spreads.

mod instructions;

use std::path::PathBuf;
use std::process::{Command as Program, ExitCode};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace::{Workspace, run as run_command, text_of};
use crate::{Command, UsageError};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    arguments: "[--check | fleet]",
    does: "counts what a request pays, or times how fast a change spreads; --check fails when a budget is broken",
    run,
};

fn run(arguments: &[String]) -> Result<ExitCode> {
    let (check, fleet) = match arguments {
        [] => (false, None),
        [flag] if flag == "--check" => (true, None),
        [name, options @ ..] if name == "fleet" => (false, Some(options)),
        _ => {
            let message = "`bench` takes --check, `fleet` with its options, or nothing".to_owned();
            return Err(UsageError(message).into());
        }
    };
    let workspace = Workspace::find()?;
    let built = run_command(&mut workspace.cargo([
        "build",
        "--release",
        "--package",
        "intermission-bench",
    ]))?;
    ensure!(built.success(), "the benches do not build");
    let program = target(&workspace)?
        .join("release")
        .join("intermission-bench");
    if let Some(options) = fleet {
        let folder = target(&workspace)?.join("bench");
        let mut fleet = Program::new(&program);
        let measured = run_command(fleet.arg("fleet").arg(folder).args(options))?;
        return Ok(if measured.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let within = instructions::report(&program)?;
    Ok(if within || !check {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where cargo puts what it builds.
fn target(workspace: &Workspace) -> Result<PathBuf> {
    let metadata =
        text_of(&mut workspace.cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo's metadata is no JSON")?;
    let target = metadata.get("target_directory").and_then(Value::as_str);
    Ok(target
        .context("cargo's metadata names no target folder")?
        .into())
}
