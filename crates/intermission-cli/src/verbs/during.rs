//! `during`: the service is closed for as long as a command runs.
//!
//! The record names this process as a holder from the first change to the last, so whatever ends it in between leaves a
//! closed site of which anybody can see who has closed it. It is a node of the site, too, for as long as it lives: by
//! that, whoever looks can tell a holder that works from one that is gone. It begins no execution, so no drain waits for
//! it.
//!
//! | if it ends … | the site is … |
//! |---|---|
//! | before the first change | as it was |
//! | by `kill -9` or a power cut, at any time after it | closed, held by a process that is not in contact |
//! | by a signal, a limit or an error before the command runs | as it was |
//! | because the command succeeded | as it was |
//! | because the command failed | closed, held by what has failed; as it was with `--on-failure lift` |
//! | while the state is out of reach | closed, held |

mod holder;

use std::time::Duration;

use intermission::{
    ActivationId, Completion, DrainPolicy, Gate, Goal, LostContact, NodeId, OnFailure, Phase,
    Record, StartError, Unconfirmed, UnconfirmedCause, View,
};

use crate::args::During;
use crate::child::node::{self, leave};
use crate::child::signals::{self, Signals};
use crate::child::{self, Registration, not_run, program_name, say};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, in_full};
use crate::render::fleet;
use crate::render::text::printable;
use crate::session::Session;
use crate::wait::{Ended, Wish, superseded, timed_out, watched};
use crate::witness::{unwitnessed, witnessed};
use holder::{Holder, Last};
use rustix::process::Signal;
use tokio::time::timeout;

/// How long an answer is waited for that nobody needs any more.
const ANSWER_AT_MOST: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: &During, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    // Before anything else, so that none of them ends this process while it holds the site.
    let mut signals = Signals::listen()
        .map_err(|error| Failure::new(ExitCode::Failed, format!("cannot start: {error}")))?;
    // Standard output is the command's.
    session.json = false;
    let program = program_name(&args.command);
    let name = format!("during {program} pid {}", std::process::id());
    let gate = tokio::select! {
        signal = signals.next() => return Ok(signals::ended_by(signal)),
        joined = join(&name, session) => joined.map_err(not_run)?,
    };
    let label = args.label.as_deref().unwrap_or(&program);
    let request = args.closing.request(&session.requested_by, session.now());
    let ended = match request {
        Ok(request) => {
            let node = gate.status().node;
            let mut holder = Holder::new(label, node, &name, request)?;
            held(args, &mut holder, &gate, &mut signals, session).await
        }
        Err(failure) => Err(not_run(failure)),
    };
    leave(gate).await;
    if let Ok((_, Some(opened))) = &ended {
        // This process is no witness that stays.
        drop(witnessed(opened, session).await);
    }
    ended.map(|(code, _)| code)
}

/// This process as a node of the site. It serves nobody and runs nothing, so if it dies, it has left.
async fn join(name: &str, session: &Session<'_, '_>) -> Result<Gate, Failure> {
    let joined = node::join(name, LostContact::Leave, session).await;
    joined.map_err(|error| match error {
        StartError::State(error) => error.into(),
        other => Failure::new(ExitCode::Failed, in_full(&other)),
    })
}

/// Holds the site for as long as the command runs. Returns the record by which the site was opened, if it was.
async fn held(
    args: &During,
    holder: &mut Holder,
    gate: &Gate,
    signals: &mut Signals,
    session: &mut Session<'_, '_>,
) -> Result<(ExitCode, Option<Record>), Failure> {
    let drained = drain(args, holder, gate.status().node, signals, session).await;
    if let Err(stopped) = drained {
        let code = not_begun(stopped, holder, signals, session).await?;
        return Ok((code, None));
    }
    say(session.output, "activated: running the command");
    let registration = Registration::Holder(gate.clone(), session.scope.clone(), holder.id);
    let ended = child::run(&args.command, signals, registration, session.output).await;
    match ended {
        Ok(code @ ExitCode::Child(0)) => {
            let record = holder.end(Last::Release, signals, session).await?;
            say(session.output, &restored(&record));
            Ok((code, opening(record)))
        }
        Ok(code) => Ok(failed(code, args.on_failure, holder, signals, session).await),
        // Nothing ran.
        Err(failure) => Err(match holder.end(Last::Release, signals, session).await {
            Ok(record) => {
                say(session.output, &restored(&record));
                failure
            }
            Err(kept) => failure.adding(&kept.in_words()),
        }),
    }
}

/// Restores what was, since the command is not to run.
async fn not_begun(
    stopped: Stopped,
    holder: &Holder,
    signals: &mut Signals,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let stopped = match stopped {
        Stopped::Opened(failure) => return Err(not_run(failure)),
        Stopped::By(code) => Ok(code),
        Stopped::Failed(failure) => Err(not_run(failure)),
    };
    let released = holder.end(Last::Release, signals, session).await;
    match (stopped, released) {
        (stopped, Ok(record)) => {
            let line = format!("{}, the command was not run", restored(&record));
            say(session.output, &line);
            stopped
        }
        (Ok(_), Err(kept)) => Err(kept),
        (Err(failure), Err(kept)) => Err(failure.adding(&kept.in_words())),
    }
}

/// Keeps the site closed, or restores what was, since the command has failed. What it says about itself counts more than
/// what comes of it here.
async fn failed(
    code: ExitCode,
    on_failure: OnFailure,
    holder: &Holder,
    signals: &mut Signals,
    session: &mut Session<'_, '_>,
) -> (ExitCode, Option<Record>) {
    let last = match on_failure {
        OnFailure::Keep => Last::Failure(reason(code)),
        OnFailure::Lift => Last::Release,
    };
    let record = match holder.end(last, signals, session).await {
        Ok(record) => record,
        Err(failure) => {
            drop(session.output.warning(&failure.in_words()));
            return (code, None);
        }
    };
    match on_failure {
        OnFailure::Keep => say_that_it_stays(code, &record, session),
        OnFailure::Lift => {
            let line = format!(
                "the command failed ({}): {}",
                reason(code),
                restored(&record)
            );
            say(session.output, &line);
        }
    }
    (code, opening(record))
}

/// The record, if it is that of an open site.
fn opening(record: Record) -> Option<Record> {
    (!record.phase().is_on()).then_some(record)
}

/// Why the command is not to run.
enum Stopped {
    /// By a signal, which is answered with this code.
    By(ExitCode),
    /// Because the site cannot be made ready for it.
    Failed(Failure),
    /// Because somebody has opened the site, so there is nothing left to restore.
    Opened(Failure),
}

/// Closes the site, or joins those who have, and waits until the command may run.
async fn drain(
    args: &During,
    holder: &mut Holder,
    own: NodeId,
    signals: &mut Signals,
    session: &mut Session<'_, '_>,
) -> Result<(), Stopped> {
    let (acquired, signal) = acquire(holder, signals, session).await;
    if let Some(signal) = signal {
        return Err(Stopped::By(signals::ended_by(signal)));
    }
    let record = acquired.map_err(Stopped::Failed)?;
    let Some(activation) = record.activation() else {
        return Err(Stopped::Opened(Failure::new(
            ExitCode::Failed,
            "the limit of the drain has passed, and something still runs: the site is open",
        )));
    };
    let line = match (record.phase(), record.holders()) {
        (Phase::Activated, _) => "activated already: waiting with those who have closed the site",
        (_, [_]) => "activating: nothing new starts, and what runs may finish",
        _ => "activating: waiting with those who have closed the site",
    };
    say(session.output, line);
    let wish = Wish {
        activation: activation.id,
        goal: args.wait,
        limit: args.timeout,
    };
    let (ended, said) = tokio::select! {
        signal = signals.next() => return Err(Stopped::By(signals::ended_by(signal))),
        watched = watched(wish, session) => watched,
    };
    // What nobody reads changes nothing about what runs.
    drop(said);
    match ended {
        Ended::Reached(view) => {
            let forces = matches!(args.closing.drain, Some(DrainPolicy::Force(_)));
            ready(&view, args.wait, forces, own, session)
        }
        Ended::Superseded => Err(opened(activation.id, session).await),
        Ended::Lost(error) => Err(Stopped::Failed(error.into())),
        Ended::TimedOut(limit, last_seen) => Err(Stopped::Failed(timed_out(
            limit,
            last_seen.as_ref(),
            session,
        ))),
    }
}

/// Closes the site, or joins those who have. A signal is heard, but what is on its way to the state is waited for: it
/// could arrive there after it was taken back.
async fn acquire(
    holder: &mut Holder,
    signals: &mut Signals,
    session: &mut Session<'_, '_>,
) -> (Result<Record, Failure>, Option<Signal>) {
    let mut acquiring = std::pin::pin!(holder.acquire(session));
    let signal = tokio::select! {
        acquired = &mut acquiring => return (acquired, None),
        signal = signals.next() => signal,
    };
    let acquired = timeout(ANSWER_AT_MOST, acquiring).await;
    let acquired = acquired.unwrap_or_else(|_elapsed| {
        Err(Failure::new(
            ExitCode::Unreachable,
            "the state does not answer",
        ))
    });
    (acquired, Some(signal))
}

async fn opened(activation: ActivationId, session: &Session<'_, '_>) -> Stopped {
    Stopped::Opened(match superseded(activation, session).await {
        Ok(failure) | Err(failure) => failure,
    })
}

/// Whether it is certain enough that nothing runs. What still runs although the drain was forced is accepted by who has
/// asked for that, and not by who joins.
fn ready(
    view: &View,
    goal: Goal,
    forces: bool,
    own: NodeId,
    session: &mut Session<'_, '_>,
) -> Result<(), Stopped> {
    let completion = view
        .record
        .activation()
        .and_then(|on| on.completion.as_ref());
    let unconfirmed = completion.map_or(&[][..], |Completion { unconfirmed, .. }| unconfirmed);
    let in_words = |nodes: &[&Unconfirmed]| {
        let words = nodes.iter().map(|node| fleet::unconfirmed_in_words(node));
        words.collect::<Vec<_>>().join(", ")
    };
    let (running, unknown): (Vec<&Unconfirmed>, Vec<&Unconfirmed>) = unconfirmed
        .iter()
        .partition(|node| node.cause == UnconfirmedCause::StillRunning);
    if !unknown.is_empty() || (!forces && !running.is_empty()) {
        let message = if unknown.is_empty() {
            format!(
                "somebody has forced the drain, and work still runs on {}",
                in_words(&running)
            )
        } else {
            format!("nobody knows what still runs on {}", in_words(&unknown))
        };
        let mut failure = Failure::new(ExitCode::Unconfirmed, message);
        for hint in fleet::ways_out(unconfirmed, &session.invocation) {
            failure = failure.adding(&hint);
        }
        return Err(Stopped::Failed(failure));
    }
    if goal == Goal::Quiescent && view.quiescent_at.is_none() {
        let message = if running.is_empty() {
            "the state has lost data, so nobody can know when the last request of a visitor ends"
        } else {
            "the drain was forced, so nobody can know when the last request of a visitor ends"
        };
        return Err(Stopped::Failed(Failure::new(
            ExitCode::Unconfirmed,
            message,
        )));
    }
    if !running.is_empty() {
        let line = format!(
            "work still runs on {}, as the drain was forced",
            in_words(&running)
        );
        drop(session.output.warning(&line));
    }
    if let Some(lost_at) = completion.and_then(|done| done.state_lost_at) {
        let line = format!(
            "the state lost data at {lost_at}, before it was activated: a node that was cut off at that time may be \
             missing, and still run something"
        );
        drop(session.output.warning(&line));
    }
    if view.node_count <= 1 && view.nodes.iter().all(|node| node.node == own) {
        drop(unwitnessed(session));
    }
    Ok(())
}

/// What came of the release.
fn restored(record: &Record) -> String {
    if !record.phase().is_on() {
        return "deactivated".to_owned();
    }
    let (failed, working): (Vec<_>, Vec<_>) = record
        .holders()
        .iter()
        .partition(|holder| holder.failure.is_some());
    let named = |holders: &[&intermission::Holder]| {
        let labels = holders.iter().map(|holder| printable(&holder.label));
        labels.collect::<Vec<_>>().join(", ")
    };
    if !failed.is_empty() {
        let failed = named(&failed);
        return format!(
            "the site stays closed, because {failed} has failed before; `status` shows how to get out"
        );
    }
    if working.is_empty() {
        return "the site stays closed, as it was asked for besides".to_owned();
    }
    format!("the site stays closed, held by {}", named(&working))
}

fn say_that_it_stays(code: ExitCode, record: &Record, session: &mut Session<'_, '_>) {
    let reason = reason(code);
    if record.phase().is_on() {
        let warning = format!("the command failed ({reason}), so the site stays closed");
        drop(session.output.warning(&warning));
        let hint = format!(
            "when all is well again, `{} deactivate` opens it",
            session.invocation
        );
        drop(session.output.hint(&hint));
    } else {
        let warning = format!("the command failed ({reason}), and the site is open");
        drop(session.output.warning(&warning));
    }
}

/// How the command has failed.
fn reason(code: ExitCode) -> String {
    match code.number() {
        number @ 129.. => format!("signal {}", number - 128),
        number => format!("exit status {number}"),
    }
}
