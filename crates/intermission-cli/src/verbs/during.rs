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
    ActivationId, Completion, Gate, Goal, LostContact, NodeId, OnFailure, Phase, Record,
    StartError, Unconfirmed, UnconfirmedCause, View,
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
    match drained {
        Ok(()) => {}
        Err(Stopped::Opened(failure)) => return Err(not_run(failure)),
        Err(stopped) => {
            let record = holder.end(Last::Release, signals, session).await;
            if let Ok(record) = &record {
                let line = format!("{}, the command was not run", restored(record));
                say(session.output, &line);
            }
            return match stopped {
                Stopped::By(code) => record.map(|_| (code, None)),
                Stopped::Failed(failure) | Stopped::Opened(failure) => Err(match record {
                    Ok(_) => not_run(failure),
                    Err(kept) => not_run(failure).adding(&kept.in_words()),
                }),
            };
        }
    }
    say(session.output, "activated: running the command");
    let registration = Registration::Holder(gate.clone(), session.scope.clone(), holder.id);
    let ended = child::run(&args.command, signals, registration, session.output).await;
    let (code, last) = match ended {
        // Nothing ran.
        Err(_) => (None, Last::Release),
        Ok(code @ ExitCode::Child(0)) => (Some(code), Last::Release),
        Ok(code) if args.on_failure == OnFailure::Lift => (Some(code), Last::Release),
        Ok(code) => (Some(code), Last::Failure(reason(code))),
    };
    let has_succeeded = code == Some(ExitCode::Child(0));
    let keeps = matches!(last, Last::Failure(_));
    let record = holder.end(last, signals, session).await;
    match (&record, code) {
        (Ok(record), Some(code)) if keeps => {
            say_that_it_stays(code, record, session);
        }
        (Ok(record), Some(code)) if !has_succeeded => {
            let line = format!(
                "the command failed ({}): {}",
                reason(code),
                restored(record)
            );
            say(session.output, &line);
        }
        (Ok(record), _) => say(session.output, &restored(record)),
        (Err(_), _) => {}
    }
    match (ended, record) {
        // What the command says about itself counts more than what comes of it here.
        (Ok(code), Err(failure)) if !has_succeeded => {
            drop(session.output.warning(&failure.in_words()));
            Ok((code, None))
        }
        (Ok(_), Err(failure)) => Err(failure),
        (Ok(code), Ok(record)) => {
            let is_open = !record.phase().is_on();
            Ok((code, is_open.then_some(record)))
        }
        (Err(failure), Ok(_)) => Err(failure),
        (Err(failure), Err(kept)) => Err(failure.adding(&kept.in_words())),
    }
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
        Ended::Reached(view) => ready(&view, args.wait, own, session),
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

/// Whether it is certain enough that nothing runs. What a drain that was forced leaves running is what was asked for.
fn ready(
    view: &View,
    goal: Goal,
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
    if !unknown.is_empty() {
        let message = format!("nobody knows what still runs on {}", in_words(&unknown));
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
