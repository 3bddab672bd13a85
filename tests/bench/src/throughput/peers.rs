//! The program of the peers: a workspace of its own, so that what they need stays out of ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Its manifest, from the manifest of this package.
const MANIFEST: &str = "peers/Cargo.toml";

/// What its program is called.
const PROGRAM: &str = "intermission-bench-peers";

/// Builds it below cargo's target folder, unless that has been done, and returns where it is.
pub(super) fn build() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(MANIFEST);
    ensure!(
        manifest.is_file(),
        "the sources that this program was built from are gone: {} is missing; build it anew",
        manifest.display()
    );
    let folder = target()?.join("bench-peers");
    println!("building the peers (the first time takes minutes) …");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--manifest-path",
        ])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&folder)
        .stdin(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    ensure!(
        status.success(),
        "the peers cannot be built (cargo says above why). The first build needs the network, for what `{MANIFEST}` names; \
         without it, `--without-peers` measures the rest"
    );
    Ok(folder.join("release").join(PROGRAM))
}

/// Cargo's target folder, in which this program lies: in `target/PROFILE`.
fn target() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let target = own.parent().and_then(Path::parent);
    Ok(target
        .context("this program lies in no target folder of cargo's")?
        .to_owned())
}
