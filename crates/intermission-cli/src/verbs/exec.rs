//! `exec`: a cron job or a script that runs only while the site is open, and for which a drain waits.
//!
//! For as long as the command runs, this process is a node of the site, with one execution. What it has to say goes to
//! standard error, and a stream that nobody reads changes nothing about what runs: standard output is the command's.

mod begin;

use intermission::ExecutionInfo;

use crate::args::Exec;
use crate::child::node::leave;
use crate::child::signals::{self, Signals};
use crate::child::{self, Registration, not_run, program_name, say};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::session::Session;
use begin::{Begun, begin, join};

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
        Registration::None,
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
    let info = match &session.scope {
        Some(scope) => info.with_scope(scope.clone()),
        None => info,
    };
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
        Ok(Ok(Begun::Execution(execution))) => Registration::Execution(execution),
        Ok(Ok(Begun::Unregistered)) => Registration::OnceOpen(gate.clone(), info),
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
