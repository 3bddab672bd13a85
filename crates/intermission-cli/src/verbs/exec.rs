//! `exec`: a cron job or a script that runs only while the site is open, and for which a drain waits.
//!
//! For as long as the command runs, this process is a node of the site, with one execution. What it has to say goes to
//! standard error, and a stream that nobody reads changes nothing about what runs: standard output is the command's.

mod child;
mod signals;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use intermission::{
    Execution, ExecutionInfo, ExecutionRefused, Gate, GateStatus, ScopeName, StartError,
};
use tokio::time::timeout;

use crate::args::{Exec, IfClosed};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, in_full};
use crate::output::Output;
use crate::session::Session;
use child::Registration;
use signals::Signals;

/// How long this node tries to say goodbye. A state that is out of reach learns of its end by its silence.
const GOODBYE_AT_MOST: Duration = Duration::from_secs(5);

/// Whether the command is to run, and with what.
enum Begun {
    /// As this execution.
    Execution(Execution),
    /// Although the site is closed.
    Unregistered,
    /// Not at all.
    Not,
}

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
        view = session.operator.inspect(0) => view?,
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
    child::run(&args.command, signals, Registration::none(), session.output).await
}

/// Joins the state as a node, and runs the command as an execution there.
async fn as_node(
    args: &Exec,
    mut signals: Signals,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let program = program_name(&args.command);
    let joining = Gate::builder(session.state.clone())
        .with_node_name(format!("exec {program} pid {}", std::process::id()))
        .start();
    let gate = tokio::select! {
        signal = signals.next() => return Ok(signals::ended_by(signal)),
        joined = joining => joined.map_err(not_joined)?,
    };
    let info = ExecutionInfo::new(args.kind.clone()).with_label(program);
    let info = match &session.scope {
        Some(scope) => info.with_scope(scope.clone()),
        None => info,
    };
    let begun = tokio::select! {
        // First, so that a signal that came is not answered by a start.
        biased;
        signal = signals.next() => Err(signal),
        begun = begin(args.if_closed, &gate, &info, session.output) => Ok(begun),
    };
    let registration = match begun {
        Ok(Begun::Execution(execution)) => Registration::begun(execution),
        Ok(Begun::Unregistered) => Registration::once_open(gate.clone(), info),
        Ok(Begun::Not) => {
            leave(gate).await;
            return Ok(ExitCode::NotRun);
        }
        Err(signal) => {
            leave(gate).await;
            return Ok(signals::ended_by(signal));
        }
    };
    let ended = child::run(&args.command, signals, registration, session.output).await;
    leave(gate).await;
    ended
}

/// Begins an execution, or does what the policy says.
async fn begin(
    policy: IfClosed,
    gate: &Gate,
    info: &ExecutionInfo,
    output: &mut Output<'_>,
) -> Begun {
    let refused = match gate.execution(info.clone()) {
        Ok(execution) => return Begun::Execution(execution),
        Err(refused) => refused,
    };
    let why = in_words(&gate.status(), info.scopes(), refused);
    match policy {
        IfClosed::Skip => {
            let line = format!(
                "not run: {why}; run it again once the site is open, or with --if-closed wait"
            );
            say(output, &line);
            Begun::Not
        }
        IfClosed::Wait => {
            say(output, &format!("waiting to run: {why}"));
            let execution = gate.execution_when_open(info.clone()).await;
            say(output, "the site is open: running");
            Begun::Execution(execution)
        }
        IfClosed::Run => {
            let line = format!(
                "running all the same: {why}; no drain waits for it until the site has been open again"
            );
            say(output, &line);
            Begun::Unregistered
        }
    }
}

/// Why no execution may start.
fn in_words(status: &GateStatus, scopes: &[ScopeName], refused: ExecutionRefused) -> String {
    let parts = scopes
        .iter()
        .map(|scope| (format!(" of {scope}"), status.record.of_scope(scope)));
    let whole = [(String::new(), (*status.record).clone())];
    for (of, record) in whole.into_iter().chain(parts) {
        if let Some(activation) = record.activation() {
            let phase = record.phase();
            let message = record.message();
            let message = message.map_or_else(String::new, |message| format!(" (\"{message}\")"));
            return format!(
                "maintenance{of} is {phase}, requested by {}{message}",
                activation.requested_by
            );
        }
    }
    if let Some(trouble) = status.trouble {
        return format!("the state cannot be used ({trouble:?})");
    }
    if status.executions_suspended {
        return "the state may have lost data, or is new, and hears its nodes first, which takes some seconds"
            .to_owned();
    }
    refused.to_string()
}

fn not_joined(error: StartError) -> Failure {
    let failure = match error {
        StartError::State(error) => Failure::from(error),
        other => Failure::new(ExitCode::Failed, in_full(&other)),
    };
    failure.with_hint("the command was not run")
}

/// Says goodbye, so that no drain waits for the lease of a node that is gone.
async fn leave(gate: Gate) {
    // Should the time be over, the silence says it.
    let _ = timeout(GOODBYE_AT_MOST, gate.shutdown()).await;
}

/// What the lists call the command. Its arguments are left out: they may hold secrets, and every operator reads lists.
fn program_name(command: &[OsString]) -> String {
    let program = command.first().map(Path::new);
    program
        .and_then(|program| program.file_name().or(Some(program.as_os_str())))
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Says something to whoever listens. If nobody does, the command is run, or not, all the same.
fn say(output: &mut Output<'_>, line: &str) {
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
