//! Processes with an end.

use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::interrupt::Interrupt;
use crate::patience::{Deadline, Seconds};
use crate::workspace::line_of;

/// How long a process that was asked to end may take for it.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where a process's stderr goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stderr {
    OnScreen,
    Kept,
}

/// What a process left behind.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    /// Empty if it went to the screen.
    pub(super) stderr: String,
}

/// Runs a process until it ends, but no longer than `limit`, and never longer than this program.
pub(super) fn run_to_end(
    command: &mut Command,
    stderr: Stderr,
    limit: Duration,
    interrupt: &Interrupt,
) -> anyhow::Result<Finished> {
    // Files, not pipes: a full pipe would stop the process while it is waited for.
    let mut stdout_file = tempfile::tempfile().context("cannot make a temporary file")?;
    let mut stderr_file = tempfile::tempfile().context("cannot make a temporary file")?;
    command
        .stdin(Stdio::null())
        .stdout(stdout_file.try_clone()?);
    if stderr == Stderr::Kept {
        command.stderr(stderr_file.try_clone()?);
    }
    let mut child = EndsWithUs::spawn(command)?;
    let Some(status) = interrupt.wait(limit, || child.ended())? else {
        bail!(
            "`{}` was waited for in vain, for {}",
            line_of(command),
            Seconds(limit)
        );
    };
    Ok(Finished {
        status,
        stdout: content(&mut stdout_file)?,
        stderr: content(&mut stderr_file)?,
    })
}

fn content(file: &mut (impl Read + Seek)) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.rewind().context("cannot read a temporary file")?;
    file.read_to_end(&mut bytes)
        .context("cannot read a temporary file")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A process that is ended when its owner is dropped: asked first, then forced.
pub(super) struct EndsWithUs {
    child: Child,
}

impl EndsWithUs {
    pub(super) fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start `{}`", line_of(command)))?;
        Ok(Self { child })
    }

    pub(super) fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot ask after a process")
    }
}

impl Drop for EndsWithUs {
    fn drop(&mut self) {
        // Its id is its own until it has been waited for, so nobody else can be hit.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if kill_process(Pid::from_child(&self.child), Signal::TERM).is_ok() {
            let deadline = Deadline::after(FAREWELL);
            while deadline.pause() {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
            }
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
            eprintln!(
                "warning: process {} could not be ended: {error}",
                self.child.id()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_status_are_kept_apart() {
        let mut command = shell("echo out; echo err >&2; exit 3");
        let finished = run_to_end(
            &mut command,
            Stderr::Kept,
            Duration::MAX,
            &Interrupt::never(),
        )
        .unwrap();
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str()),
            ("out\n", "err\n")
        );
        assert_eq!(finished.status.code(), Some(3));
    }

    #[test]
    fn a_process_that_does_not_end_is_an_error() {
        let mut command = shell("exec sleep 600");
        let error = run_to_end(
            &mut command,
            Stderr::Kept,
            Duration::ZERO,
            &Interrupt::never(),
        )
        .err()
        .unwrap();
        assert!(error.to_string().contains("in vain"), "{error}");
    }

    #[test]
    fn a_process_ends_with_its_owner() {
        let child = EndsWithUs::spawn(&mut shell("exec sleep 600")).unwrap();
        let id = Pid::from_child(&child.child);
        assert!(test_kill_process(id).is_ok());
        drop(child);
        assert!(test_kill_process(id).is_err());
    }
}
