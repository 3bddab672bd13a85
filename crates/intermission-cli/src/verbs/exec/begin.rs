//! Whether the command may run: now, later, or not at all.

use std::time::Duration;

use intermission::{
    Execution, ExecutionInfo, ExecutionRefused, Gate, GateStatus, LostContact, ScopeName,
    StartError, StateError, StateErrorKind,
};
use tokio::time::sleep;

use crate::args::IfClosed;
use crate::child::{node, not_run, say};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, in_full};
use crate::session::Session;

/// How often a state that is out of reach is tried again, and how often whoever waits looks whether it is.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// A node of the site.
pub(super) struct Joined {
    pub(super) gate: Gate,
    /// Whether somebody was told that the command waits.
    has_waited: bool,
}

/// Whether the command is to run, and with what.
pub(super) enum Begun {
    /// As this execution.
    Execution(Execution),
    /// Although the site is closed.
    Unregistered,
    /// Not at all.
    Not,
}

/// Joins the site. Who may wait for it to open waits for a state that is out of reach, too.
pub(super) async fn join(
    policy: IfClosed,
    name: &str,
    session: &mut Session<'_, '_>,
) -> Result<Joined, Failure> {
    let mut has_waited = false;
    loop {
        let error = match node::join(name, LostContact::default(), session).await {
            Ok(gate) => return Ok(Joined { gate, has_waited }),
            Err(StartError::State(error)) => error,
            Err(other) => return Err(not_run(Failure::new(ExitCode::Failed, in_full(&other)))),
        };
        if policy != IfClosed::Wait || error.kind() != StateErrorKind::Unavailable {
            return Err(not_run(error.into()));
        }
        if !std::mem::replace(&mut has_waited, true) {
            say(
                session.output,
                &format!("waiting to run: {}", out_of_reach(&error)),
            );
        }
        sleep(TRY_EVERY).await;
    }
}

/// Begins an execution, or does what the policy says.
pub(super) async fn begin(
    policy: IfClosed,
    joined: Joined,
    info: &ExecutionInfo,
    session: &mut Session<'_, '_>,
) -> Result<Begun, Failure> {
    let Joined { gate, has_waited } = joined;
    let refused = match gate.execution(info.clone()) {
        Ok(execution) => {
            if has_waited {
                say(session.output, RUNNING);
            }
            return Ok(Begun::Execution(execution));
        }
        Err(refused) => refused,
    };
    let why = in_words(&gate.status(), info.scopes(), refused);
    match policy {
        IfClosed::Skip => {
            let line = format!(
                "not run: {why}; run it again once the site is open, or with --if-closed wait"
            );
            say(session.output, &line);
            Ok(Begun::Not)
        }
        IfClosed::Wait => {
            say(session.output, &format!("waiting to run: {why}"));
            let execution = until_open(&gate, info, session).await?;
            say(session.output, RUNNING);
            Ok(Begun::Execution(execution))
        }
        IfClosed::Run => {
            let line = format!(
                "running all the same: {why}; no drain waits for it until the site has been open again"
            );
            say(session.output, &line);
            Ok(Begun::Unregistered)
        }
    }
}

const RUNNING: &str = "the site is open: running";

/// Waits until the site is open. Says when the state goes out of reach meanwhile, and when it is back; what the state is
/// never in reach for again, such as a right that was taken away, ends the wait.
async fn until_open(
    gate: &Gate,
    info: &ExecutionInfo,
    session: &mut Session<'_, '_>,
) -> Result<Execution, Failure> {
    let mut opening = std::pin::pin!(gate.execution_when_open(info.clone()));
    let mut is_away = false;
    loop {
        tokio::select! {
            biased;
            execution = &mut opening => return Ok(execution),
            () = sleep(TRY_EVERY) => {}
        }
        match gate.status().trouble {
            None if is_away => {
                is_away = false;
                say(
                    session.output,
                    "the state is in reach again: waiting until the site is open",
                );
            }
            None => {}
            Some(StateErrorKind::Unavailable) if is_away => {}
            Some(kind) => {
                // The node knows what kind of trouble it is; the state says more.
                let looking = session.operator.inspect(0);
                let trouble = tokio::select! {
                    biased;
                    execution = &mut opening => return Ok(execution),
                    looked = looking => looked.err(),
                };
                match trouble {
                    Some(error) if error.kind() == StateErrorKind::Unavailable => {
                        is_away = true;
                        say(
                            session.output,
                            &format!("still waiting to run: {}", out_of_reach(&error)),
                        );
                    }
                    Some(error) => return Err(not_run(error.into())),
                    // Back already, or only for the node: it looks again.
                    None if kind == StateErrorKind::Unavailable => {}
                    None => {
                        let message = format!(
                            "the state takes no more reports of this node ({kind:?}): look at the rights of its user"
                        );
                        return Err(not_run(Failure::new(ExitCode::Failed, message)));
                    }
                }
            }
        }
    }
}

fn out_of_reach(error: &StateError) -> String {
    format!(
        "the state is out of reach, and is tried again until it is back: {}",
        in_full(error)
    )
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
        return match trouble {
            StateErrorKind::Unavailable => "the state is out of reach".to_owned(),
            other => format!("the state cannot be used ({other:?})"),
        };
    }
    if status.executions_suspended {
        return "the state may have lost data, or is new, and hears its nodes first, which takes some seconds"
            .to_owned();
    }
    refused.to_string()
}
