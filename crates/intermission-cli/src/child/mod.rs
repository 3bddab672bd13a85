//! The command that `exec` or `during` runs, and this process as a node of the site for that long.

pub(crate) mod node;
pub(crate) mod signals;

use std::ffi::{OsStr, OsString};
use std::future::pending;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use intermission::{Execution, ExecutionInfo, Gate, HolderId, Record, ScopeName};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use signals::{Signals, is_of_the_keyboard};

use crate::exit_code::ExitCode;
use crate::failure::{Failure, in_full};
use crate::output::Output;

/// What a shell answers if there is no such command, and if it cannot be started.
const NOT_FOUND: ExitCode = ExitCode::Child(127);
const NOT_STARTED: ExitCode = ExitCode::Child(126);

/// As what the fleet knows of the command while it runs.
pub(crate) enum Registration {
    /// Not at all.
    None,
    /// As an execution, for which drains wait.
    Execution(Execution),
    /// As such an execution, but only once the site is open: the command began while it was closed.
    OnceOpen(Gate, ExecutionInfo),
    /// As one that holds the site closed, or this part of it.
    Holder(Gate, Option<ScopeName>, HolderId),
}

impl Registration {
    /// Waits until the site is open, and begins the execution that could not begin before.
    async fn opened(&self) -> Execution {
        match self {
            Self::OnceOpen(gate, info) => gate.execution_when_open(info.clone()).await,
            Self::None | Self::Execution(_) | Self::Holder(..) => pending().await,
        }
    }

    /// Waits until the command is to end.
    async fn cancelled(&self) {
        match self {
            Self::Execution(execution) => execution.cancelled().await,
            Self::None | Self::OnceOpen(..) | Self::Holder(..) => pending().await,
        }
    }

    /// Waits until somebody opens the site that the command holds closed.
    async fn overruled(&self) {
        let Self::Holder(gate, scope, id) = self else {
            return pending().await;
        };
        let is_in = |record: &Record| record.holders().iter().any(|holder| holder.id == *id);
        let holds = |record: &Record| match scope {
            Some(scope) => is_in(&record.of_scope(scope)),
            None => is_in(record),
        };
        // This node may not have heard of the holder yet.
        gate.reached(holds).await;
        gate.reached(|record| !holds(record)).await;
    }
}

/// Runs the command until it ends by itself. It is told to end, and never killed: what it does then is its own affair,
/// and for as long as it runs, so does its execution.
pub(crate) async fn run(
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
            execution = registration.opened() => {
                registration = Registration::Execution(execution);
            }
        }
    }
}

/// What lists call the command. Its arguments are left out: they may hold secrets, and every operator reads lists.
pub(crate) fn program_name(command: &[OsString]) -> String {
    let program = command.first().map(Path::new);
    program
        .and_then(|program| program.file_name().or(Some(program.as_os_str())))
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Says something to whoever listens. If nobody does, the command is run, or not, all the same.
pub(crate) fn say(output: &mut Output<'_>, line: &str) {
    drop(output.note(line));
}

/// Says of what went wrong that the command was not run.
pub(crate) fn not_run(failure: Failure) -> Failure {
    failure.adding("the command was not run")
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
    fn lists_have_the_name_of_the_program_and_no_arguments() {
        for (command, name) in [
            (&["/usr/bin/php", "--password=hunter2"][..], "php"),
            (&["./nightly.sh"], "nightly.sh"),
            (&["make"], "make"),
            (&[".."], ".."),
        ] {
            let command: Vec<OsString> = command.iter().map(OsString::from).collect();
            assert_eq!(program_name(&command), name);
        }
    }

    #[test]
    fn codes_are_as_shells_have_them() {
        for (raw, code) in [(0, 0), (3 << 8, 3), (255 << 8, 255), (15, 143), (9, 137)] {
            assert_eq!(code_of(ExitStatus::from_raw(raw)), ExitCode::Child(code));
        }
    }
}
