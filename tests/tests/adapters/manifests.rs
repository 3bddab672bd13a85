//! What a crate's manifest says of the contract, and so the README's table, is what its server says.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use intermission_conformance::adapter::Unmet;
use libtest_mimic::Trial;
use serde_json::Value;

/// A trial for each crate, with the form of its server that the table is about.
pub(crate) fn trials(crates: &[(&'static str, &'static [Unmet])]) -> Vec<Trial> {
    let trial = |&(name, unmet)| {
        Trial::test(format!("manifests::{name}"), move || {
            Ok(compare(name, unmet)?)
        })
    };
    crates.iter().map(trial).collect()
}

fn compare(name: &str, unmet: &[Unmet]) -> Result<()> {
    let said: BTreeMap<_, _> = unmet
        .iter()
        .map(|unmet| (unmet.row, unmet.reason))
        .collect();
    let listed = manifest(name)?;
    let listed = listed.as_object().context("`unmet` is no table")?;
    let listed: BTreeMap<_, _> = listed
        .iter()
        .map(|(row, reason)| (row.as_str(), reason.as_str().unwrap_or_default()))
        .collect();
    ensure!(
        said == listed,
        "the server cannot meet {said:#?}\nand the manifest says {listed:#?}:\nmend the manifest, and run `cargo xtask fix`"
    );
    Ok(())
}

/// The table `package.metadata.intermission.unmet` of a crate.
fn manifest(name: &str) -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .context("cannot run `cargo metadata`")?;
    ensure!(
        metadata.status.success(),
        "`cargo metadata` failed: {}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let is_meant = |package: &&Value| package.get("name").is_some_and(|found| found == name);
    let package = packages.and_then(|packages| packages.iter().find(is_meant));
    let package = package.with_context(|| format!("there is no crate {name}"))?;
    package
        .pointer("/metadata/intermission/unmet")
        .cloned()
        .with_context(|| format!("{name} says nothing of the contract"))
}
