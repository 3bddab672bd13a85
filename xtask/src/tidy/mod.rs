//! `tidy`: the rules of the repository that no compiler checks.
//!
//! | file | rules |
//! |---|---|
//! | `crates` | which crate may know which, by a table of ours |
//! | `manifests` | dependencies come from the workspace's table, each with its reason; lints are inherited |
//! | `files` | what may lie at the top, no machine's paths, no endless source files |
//! | `links` | relative links in Markdown lead somewhere |
//! | `adapters` | what each adapter says of itself in its manifest: everything, and nothing that nobody knows |
//! | `first_programs` | an adapter's documentation begins with a short program to paste |
//! | `readme` | the table of adapters says what their manifests say |

mod adapters;
mod crates;
mod files;
mod finding;
mod first_programs;
mod links;
mod manifests;
mod metadata;
mod readme;

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;

use self::files::Repository;
use self::metadata::Metadata;
use crate::workspace::{Workspace, text_of};
use crate::{Command, no_arguments};

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    arguments: "",
    does: "proves the rules that no compiler checks: who may depend on whom, files, links",
    run: command,
};

fn command(arguments: &[String]) -> anyhow::Result<ExitCode> {
    no_arguments(COMMAND.name, arguments)?;
    Ok(if check(&Workspace::find()?)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Checks everything and prints what it found. Whether there was nothing to find.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<bool> {
    println!("\n== tidy");
    let metadata = metadata(workspace)?;
    let repository = Repository::read(workspace)?;

    let mut findings = crates::check(&metadata);
    findings.extend(manifests::check(&metadata, &repository));
    findings.extend(files::check(&repository));
    findings.extend(links::check(&repository));
    findings.extend(first_programs::check(&repository));
    findings.extend(readme::check(&metadata, &repository));

    for note in files::long_tests(&repository) {
        println!("note: {note}");
    }
    for finding in &findings {
        println!("{finding}");
    }
    let (crates, files) = (metadata.members().count(), repository.files().len());
    match findings.len() {
        0 => println!("tidy: {crates} crates and {files} files are in order"),
        count => println!("tidy: {count} to put right, in {crates} crates and {files} files"),
    }
    Ok(findings.is_empty())
}

/// Writes what a program can write: the README's table of adapters. Whether it could.
pub(crate) fn mend(workspace: &Workspace) -> anyhow::Result<bool> {
    let path = workspace.root().join(readme::FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    match readme::renewed(&metadata(workspace)?, &text) {
        Ok(renewed) if renewed == text => println!("{} is as it should be", readme::FILE),
        Ok(renewed) => {
            std::fs::write(&path, renewed)
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("{} has a new table of adapters", readme::FILE);
        }
        Err(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            return Ok(false);
        }
    }
    Ok(true)
}

/// What cargo knows, with every feature, for every platform.
fn metadata(workspace: &Workspace) -> anyhow::Result<Metadata> {
    let text =
        text_of(&mut workspace.cargo(["metadata", "--format-version", "1", "--all-features"]))?;
    let value: Value = serde_json::from_str(&text).context("cargo's metadata is not JSON")?;
    Metadata::read(&value).context("cargo's metadata is not as expected")
}
