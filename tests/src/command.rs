//! The command, as an operator types it.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::programs;

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said besides.
    pub stderr: String,
}

impl Outcome {
    /// What it printed, as JSON.
    ///
    /// # Panics
    ///
    /// It is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, if the command did what it was asked.
    ///
    /// # Panics
    ///
    /// It did not.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often it is the doing that matters"
    )]
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// The command on the state in that directory, not started yet.
#[must_use]
pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::intermission());
    command
        .arg("--state")
        .arg(format!("file:{}", directory.display()))
        .args(arguments)
        .env_clear()
        .env("USER", "ana")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs the command on the state in that directory.
///
/// # Panics
///
/// It does not start, or is killed.
pub async fn intermission(directory: &Path, arguments: &[&str]) -> Outcome {
    let output = command(directory, arguments)
        .output()
        .await
        .expect("the command starts");
    Outcome {
        code: output.status.code().expect("the command ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}
