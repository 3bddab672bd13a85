//! `exec`: a cron job or a script that runs only while the site is open, and for which a drain waits.
//!
//! For as long as the command runs, this process is a node of the site, with one execution. What it has to say goes to
//! standard error, and a stream that nobody reads changes nothing about what runs: standard output is the command's.

mod begin;
pub(super) mod child;
pub(super) mod signals;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use intermission::{ExecutionInfo, Gate};
use tokio::time::timeout;

use crate::args::Exec;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use begin::{Begun, begin, join};
use child::Registration;
use signals::Signals;

/// How long this node tries to say goodbye. A state that is out of reach learns of its end by its silence.
const GOODBYE_AT_MOST: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: &Exec, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    // Before anything else, so that none of them ends this process before the command.
    let signals = Signals::listen()
        .map_err(|error| Failure::new(ExitCode::Failed, format!("cannot start: {error}")))?;
    if args.only_in_maintenance {
        in_maintenance(args, signals, session).await
    } else {
        as_node(args, signals, session).await
    }
}

/// Runs the command if maintenance is on. No drain is to wait for what is there for the maintenance itself.
async fn in_maintenance(
    args: &Exec,
    mut signals: Signals,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let view = tokio::select! {
        signal = signals.next() => return Ok(signals::ended_by(signal)),
        view = session.operator.inspect(0) => view.map_err(|error| not_run(error.into()))?,
    };
    if !view.record.phase().is_on() {
        say(
            session.output,
            &format!(
                "not run: maintenance is off, and --only-in-maintenance needs it on; `{} activate --wait` first",
                session.invocation
            ),
        );
        return Ok(ExitCode::NotRun);
    }
    child::run(
        &args.command,
        &mut signals,
        Registration::none(),
        session.output,
    )
    .await
}

/// Joins the state as a node, and runs the command as an execution there.
async fn as_node(
    args: &Exec,
    mut signals: Signals,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let program = program_name(&args.command);
    let name = format!("exec {program} pid {}", std::process::id());
    let info = ExecutionInfo::new(args.kind.clone()).with_label(match &args.label {
        Some(label) => label.clone(),
        None => program,
    });
    let joined = tokio::select! {
        signal = signals.next() => return Ok(signals::ended_by(signal)),
        joined = join(args.if_closed, &name, session) => joined?,
    };
    let gate = joined.gate.clone();
    let begun = tokio::select! {
        // First, so that a signal that came is not answered by a start.
        biased;
        signal = signals.next() => Err(signal),
        begun = begin(args.if_closed, joined, &info, session) => Ok(begun),
    };
    let registration = match begun {
        Ok(Ok(Begun::Execution(execution))) => Registration::begun(execution),
        Ok(Ok(Begun::Unregistered)) => Registration::once_open(gate.clone(), info),
        Ok(Ok(Begun::Not)) => {
            leave(gate).await;
            return Ok(ExitCode::NotRun);
        }
        Ok(Err(failure)) => {
            leave(gate).await;
            return Err(failure);
        }
        Err(signal) => {
            leave(gate).await;
            return Ok(signals::ended_by(signal));
        }
    };
    let ended = child::run(&args.command, &mut signals, registration, session.output).await;
    leave(gate).await;
    ended
}

/// Says of what went wrong that the command was not run.
pub(crate) fn not_run(failure: Failure) -> Failure {
    failure.adding("the command was not run")
}

/// Says goodbye, so that no drain waits for the lease of a node that is gone.
pub(super) async fn leave(gate: Gate) {
    // Should the time be over, the silence says it.
    let _ = timeout(GOODBYE_AT_MOST, gate.shutdown()).await;
}

/// What the lists call the command. Its arguments are left out: they may hold secrets, and every operator reads lists.
pub(super) fn program_name(command: &[OsString]) -> String {
    let program = command.first().map(Path::new);
    program
        .and_then(|program| program.file_name().or(Some(program.as_os_str())))
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Says something to whoever listens. If nobody does, the command is run, or not, all the same.
pub(super) fn say(output: &mut Output<'_>, line: &str) {
    drop(output.note(line));
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
}
