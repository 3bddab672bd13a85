//! The command itself, as a shell runs it, on a state in a directory.
#![expect(
    clippy::unwrap_used,
    reason = "in tests, outside of the functions that clippy takes for tests"
)]

mod bad_input;
mod streams;
mod waiting;

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use intermission::{Actor, Operator};
use intermission_file::FileState;
use tempfile::TempDir;

/// A site whose state is in a directory of its own.
struct Site {
    folder: TempDir,
}

/// What came of one command.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: i32,
    data: String,
    notes: String,
}

impl Site {
    /// A site that was initialised.
    fn new() -> Self {
        let site = Self::without_state();
        assert_eq!(site.ran(["init"]).code, 0);
        site
    }

    /// A site without a directory for its state.
    fn without_state() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn directory(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn url(&self) -> String {
        format!("file:{}", self.directory().display())
    }

    /// The command, with the state and the person in its environment.
    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intermission"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("INTERMISSION_STATE", self.url())
            .env("INTERMISSION_USER", "ana")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn ran<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// The record's file, byte for byte.
    fn bytes(&self) -> Vec<u8> {
        fs::read(self.directory().join("record.json")).unwrap()
    }

    fn operator(&self) -> Operator {
        Operator::new(
            FileState::open(self.directory()).unwrap(),
            Actor::new("bob", "code"),
        )
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            data: String::from_utf8(output.stdout).unwrap(),
            notes: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
