//! `tidy`: the rules of the repository that no compiler checks.
//!
//! | file | rules |
//! |---|---|
//! | `crates` | which crate may know which, by a table of ours |
//! | `manifests` | dependencies come from the workspace's table, each with its reason; lints are inherited |
//! | `files` | what may lie at the top, no machine's paths, no endless source files |
//! | `links` | relative links in Markdown lead somewhere |

mod crates;
mod files;
mod finding;
mod links;
mod manifests;
mod metadata;

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

/// What cargo knows, with every feature, for every platform.
fn metadata(workspace: &Workspace) -> anyhow::Result<Metadata> {
    let text =
        text_of(&mut workspace.cargo(["metadata", "--format-version", "1", "--all-features"]))?;
    let value: Value = serde_json::from_str(&text).context("cargo's metadata is not JSON")?;
    Metadata::read(&value).context("cargo's metadata is not as expected")
}
