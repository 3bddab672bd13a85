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

/// Where a state is, as somebody types it: a directory, or a URL.
pub trait State {
    /// Its URL.
    fn url(&self) -> String;
}

impl State for Path {
    fn url(&self) -> String {
        format!("file:{}", self.display())
    }
}

impl State for str {
    fn url(&self) -> String {
        self.to_owned()
    }
}

/// The command on that state, not started yet.
#[must_use]
pub fn command(state: &(impl State + ?Sized), arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::intermission());
    command
        .arg("--state")
        .arg(state.url())
        .args(arguments)
        .env_clear()
        .env("USER", "ana")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs the command on that state.
///
/// # Panics
///
/// It does not start, or is killed.
pub async fn intermission(state: &(impl State + ?Sized), arguments: &[&str]) -> Outcome {
    outcome(command(state, arguments)).await
}

/// Runs a command line as a shell would, which begins with `intermission`. What somebody is told to type is tested so.
///
/// # Panics
///
/// It is another command, does not start, or is killed.
pub async fn typed(line: &str) -> Outcome {
    let words = line
        .strip_prefix("intermission ")
        .unwrap_or_else(|| panic!("another command: {line}"));
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("exec \"$0\" {words}")])
        .arg(programs::intermission())
        .env_clear()
        .env("USER", "ana")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    outcome(command).await
}

async fn outcome(mut command: Command) -> Outcome {
    let output = command.output().await.expect("the command starts");
    Outcome {
        code: output.status.code().expect("the command ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}
