//! `fix`: mends what a program can mend.

use std::process::ExitCode;

use crate::workspace::{Workspace, line_of, run};
use crate::{Command, no_arguments, tidy};

pub(crate) const COMMAND: Command = Command {
    name: "fix",
    arguments: "",
    does: "mends what can be mended by itself: the README's table, clippy's suggestions, the format",
    run: command,
};

fn command(arguments: &[String]) -> anyhow::Result<ExitCode> {
    no_arguments(COMMAND.name, arguments)?;
    let workspace = Workspace::find()?;
    println!("\n== the README's table of adapters");
    // What is wrong with a manifest is for a person, and keeps nobody from the rest.
    let mended = tidy::mend(&workspace)?;
    // A dirty checkout is the usual case for somebody who calls this.
    let suggestions = [
        "clippy",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
        "--workspace",
        "--all-targets",
        "--all-features",
    ];
    // The format comes last: clippy's suggestions are not formatted.
    for mut step in [
        workspace.cargo(suggestions),
        workspace.cargo(["fmt", "--all"]),
    ] {
        println!("\n== {}", line_of(&step));
        if !run(&mut step)?.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(if mended {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
