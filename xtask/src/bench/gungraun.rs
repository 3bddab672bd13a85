//! gungraun, which runs each case under callgrind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::workspace::{Workspace, line_of, run, text_of};

/// The harness, as the workspace uses it.
pub(super) struct Gungraun {
    version: String,
    /// Where it is installed, for no other use.
    tools: PathBuf,
    /// Where it writes what it counts.
    home: PathBuf,
    /// The same, for the profile of one case.
    profile: PathBuf,
}

impl Gungraun {
    pub(super) fn of(metadata: &Value, folder: &Path) -> Result<Self> {
        let version = version(metadata)?;
        Ok(Self {
            tools: folder.join("tools").join(format!("gungraun-{version}")),
            version,
            home: folder.join("gungraun"),
            profile: folder.join("profile"),
        })
    }

    fn runner(&self) -> PathBuf {
        self.tools.join("bin").join("gungraun-runner")
    }

    /// Installs its runner, which must be of the version of the library, if that is not there.
    pub(super) fn provide(&self, workspace: &Workspace) -> Result<()> {
        if self.runner().is_file() {
            return Ok(());
        }
        let version = format!("={}", self.version);
        // It starts valgrind and reads a few files: what takes the time is to build it.
        let mut command = workspace.cargo([
            "install",
            "gungraun-runner",
            "--version",
            &version,
            "--locked",
            "--debug",
        ]);
        let build = self.tools.join("build");
        command.arg("--root").arg(&self.tools);
        command.arg("--target-dir").arg(&build);
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        println!("\n== {}", line_of(&command));
        ensure!(
            run(&mut command)?.success(),
            "gungraun-runner {} cannot be installed from crates.io; cargo says above why",
            self.version
        );
        remove(&build)
    }

    /// What its library and its runner read. The library, when it is compiled.
    pub(super) fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("GUNGRAUN_RUNNER", self.runner())
    }

    /// Counts all cases.
    pub(super) fn count(&self, workspace: &Workspace) -> Result<()> {
        println!("counting instructions under callgrind: about half a minute");
        self.bench(workspace, &self.home, |command| {
            command.env("GUNGRAUN_SAVE_SUMMARY", "json")
        })
    }

    /// Profiles one case, and says where the profile is.
    pub(super) fn profile(&self, workspace: &Workspace, case: &str) -> Result<&Path> {
        // Our own crates with the lines of their source, and of what became a part of them; the others as they are.
        self.bench(workspace, &self.profile, |command| {
            command
                .args(["--config", "profile.bench.debug='line-tables-only'"])
                .args(["--config", "profile.bench.package.'*'.debug=false"])
                .env("INTERMISSION_BENCH_PROFILED", case)
        })?;
        Ok(&self.profile)
    }

    fn bench(
        &self,
        workspace: &Workspace,
        home: &Path,
        change: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<()> {
        // What an earlier run has left is not what this one has counted.
        remove(home)?;
        let arguments = [
            "bench",
            "--quiet",
            "--package",
            "intermission-bench",
            "--bench",
            "instructions",
        ];
        let mut command = workspace.cargo(arguments);
        let command = change(self.environment(&mut command))
            .env("GUNGRAUN_HOME", home)
            .env("GUNGRAUN_PARALLEL", "auto");
        text_of(command)?;
        Ok(())
    }
}

/// The version of the library, as Cargo.lock has it.
fn version(metadata: &Value) -> Result<String> {
    let packages = metadata.get("packages").and_then(Value::as_array);
    let gungraun = packages
        .context("cargo's metadata names no packages")?
        .iter()
        .find(|package| package.get("name").and_then(Value::as_str) == Some("gungraun"));
    let version = gungraun.and_then(|package| package.get("version")?.as_str());
    Ok(version
        .context("the workspace does not use gungraun")?
        .to_owned())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
