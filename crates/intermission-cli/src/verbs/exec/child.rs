//! The command of `exec`, while it runs.

use std::ffi::{OsStr, OsString};
use std::future::pending;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use intermission::{Execution, ExecutionInfo, Gate, HolderId, Record};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::say;
use super::signals::{Signals, is_of_the_keyboard};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, in_full};
use crate::output::Output;

/// What a shell answers if there is no such command, and if it cannot be started.
const NOT_FOUND: ExitCode = ExitCode::Child(127);
const NOT_STARTED: ExitCode = ExitCode::Child(126);

/// Whether the fleet knows that the command runs.
pub(in crate::verbs) struct Registration {
    execution: Option<Execution>,
    /// What to begin as soon as the site is open, for a command that began while it was closed.
    once_open: Option<(Gate, ExecutionInfo)>,
    /// As whom the command holds the site closed.
    holder: Option<(Gate, HolderId)>,
}

impl Registration {
    pub(in crate::verbs) const fn begun(execution: Execution) -> Self {
        Self {
            execution: Some(execution),
            once_open: None,
            holder: None,
        }
    }

    pub(in crate::verbs) const fn once_open(gate: Gate, info: ExecutionInfo) -> Self {
        Self {
            execution: None,
            once_open: Some((gate, info)),
            holder: None,
        }
    }

    pub(in crate::verbs) const fn none() -> Self {
        Self {
            execution: None,
            once_open: None,
            holder: None,
        }
    }

    pub(in crate::verbs) const fn holder(gate: Gate, id: HolderId) -> Self {
        Self {
            execution: None,
            once_open: None,
            holder: Some((gate, id)),
        }
    }

    /// Waits until somebody opens the site that the command holds closed.
    async fn overruled(&self) {
        let Some((gate, id)) = &self.holder else {
            return pending().await;
        };
        let holds = |record: &Record| record.holders().iter().any(|holder| holder.id == *id);
        // This node may not have heard of the holder yet.
        gate.reached(holds).await;
        gate.reached(|record| !holds(record)).await;
    }

    /// Waits until the site is open, and begins the execution that could not begin before.
    async fn opened(&self) -> Execution {
        match &self.once_open {
            Some((gate, info)) => gate.execution_when_open(info.clone()).await,
            None => pending().await,
        }
    }

    /// Waits until the command is to end.
    async fn cancelled(&self) {
        match &self.execution {
            Some(execution) => execution.cancelled().await,
            None => pending().await,
        }
    }
}

/// Runs the command until it ends by itself. It is told to end, and never killed: what it does then is its own affair,
/// and for as long as it runs, so does its execution.
pub(in crate::verbs) async fn run(
    command: &[OsString],
    signals: &mut Signals,
    mut registration: Registration,
    output: &mut Output<'_>,
) -> Result<ExitCode, Failure> {
    let mut child = start(command)?;
    let mut is_told = false;
    let mut is_overruled = false;
    loop {
        tokio::select! {
            ended = child.wait() => return ended.map(code_of).map_err(|error| {
                Failure::new(ExitCode::Failed, format!("cannot wait for the command: {error}"))
            }),
            signal = signals.next() => {
                if !is_of_the_keyboard(signal) {
                    send(&child, signal);
                }
            }
            () = registration.cancelled(), if !is_told => {
                is_told = true;
                say(output, "the limit of the drain has passed: the command is asked to end, by SIGTERM");
                send(&child, Signal::TERM);
            }
            () = registration.overruled(), if !is_overruled => {
                is_overruled = true;
                say(output, "somebody has opened the site: visitors may be let in while the command runs on");
            }
            execution = registration.opened(), if registration.execution.is_none() => {
                registration.execution = Some(execution);
            }
        }
    }
}

/// Starts it, with the streams of this process.
fn start(command: &[OsString]) -> Result<Child, Failure> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| Failure::usage("there is no command: write it after `--`"))?;
    Command::new(program)
        .args(arguments)
        .spawn()
        .map_err(|error| not_started(program, &error))
}

fn not_started(program: &OsStr, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_STARTED,
    };
    let program = program.display();
    Failure::new(code, format!("cannot run `{program}`: {}", in_full(error)))
}

fn send(child: &Child, signal: Signal) {
    // It has an id until it has been waited for, so nobody else can be hit.
    let id = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(id) = id {
        // One that is gone needs none, and a command that has become another user may not be sent any.
        let _ = kill_process(id, signal);
    }
}

fn code_of(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::Failed, ExitCode::Child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_as_shells_have_them() {
        for (raw, code) in [(0, 0), (3 << 8, 3), (255 << 8, 255), (15, 143), (9, 137)] {
            assert_eq!(code_of(ExitStatus::from_raw(raw)), ExitCode::Child(code));
        }
    }
}
