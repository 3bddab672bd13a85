//! `--wait`: until an activation has come as far as asked.
//!
//! It ends when the goal is reached, when the time is over, when somebody ends the activation, and when the state is
//! lost. Each has its own exit code, and what still runs is said.

use std::future::pending;
use std::time::Duration;

use intermission::{
    ActivationId, Goal, HistoryEntry, HistoryEvent, Record, Unconfirmed, View, Waited,
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::fleet;
use crate::session::Session;
use crate::time::brief;

/// How far back the end of an activation is looked for.
const LOOK_BACK: usize = 256;

/// What is to be waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) activation: ActivationId,
    pub(crate) goal: Goal,
    pub(crate) limit: Option<Duration>,
}

/// Waits, shows what still runs, and says how it ended. `changed` is whether the request changed anything.
pub(crate) async fn wait(
    wish: Wish,
    changed: bool,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let progress = session.output.progress();
    let clock = session.clock();
    let (shown, seen) = watch::channel(None);
    let show = |view: &View| {
        progress.set_message(fleet::progress_in_words(view, clock.now()));
        shown.send_replace(Some(view.clone()));
    };
    let reached = async {
        tokio::select! {
            waited = session.operator.wait(wish.activation, wish.goal, show) => waited,
            view = doubt(seen.clone()) => Ok(Waited::Reached(view)),
        }
    };
    let waited = match wish.limit {
        Some(limit) => timeout(limit, reached).await.map_err(|_| limit),
        None => Ok(reached.await),
    };
    progress.finish_and_clear();
    let waited = match waited {
        Ok(waited) => {
            waited.map_err(|error| Failure::from(error).with_hint("the request stays"))?
        }
        Err(limit) => return Err(timed_out(limit, seen.borrow().as_ref(), session)),
    };
    match waited {
        Waited::Reached(view) => reached_as(&view, wish.goal, changed, session),
        Waited::Superseded(_) => Err(superseded(wish.activation, session).await?),
        other => Err(Failure::new(
            ExitCode::Failed,
            format!("the wait ended in an unknown way: {other:?}"),
        )),
    }
}

/// Waits for a view that is activated with nodes in doubt. Quiescence does not come while one is, and whoever waits for
/// it is to know instead of waiting for ever.
async fn doubt(mut seen: watch::Receiver<Option<View>>) -> View {
    let is_in_doubt = |view: &Option<View>| {
        view.as_ref()
            .is_some_and(|view| !unconfirmed(&view.record).is_empty())
    };
    let found = seen.wait_for(is_in_doubt).await.map(|view| view.clone());
    match found {
        Ok(Some(view)) => view,
        // Nobody looks any more, so the wait itself has ended.
        Ok(None) | Err(_) => pending().await,
    }
}

fn unconfirmed(record: &Record) -> &[Unconfirmed] {
    let completion = record.activation().and_then(|on| on.completion.as_ref());
    completion.map_or(&[], |completion| &completion.unconfirmed)
}

fn reached_as(
    view: &View,
    goal: Goal,
    changed: bool,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let unconfirmed = unconfirmed(&view.record);
    session.report_change(&view.record, changed)?;
    if !unconfirmed.is_empty() {
        let nodes: Vec<String> = unconfirmed
            .iter()
            .map(fleet::unconfirmed_in_words)
            .collect();
        let nodes = nodes.join(", ");
        session.output.warning(&format!(
            "activated, but nobody knows what still runs on {nodes}"
        ))?;
        return Ok(ExitCode::Unconfirmed);
    }
    match (goal, view.quiescent_at) {
        (Goal::Quiescent, Some(at)) => session
            .output
            .note(&format!("activated, quiescent since {at}"))?,
        _ => session.output.note("activated")?,
    }
    Ok(ExitCode::Done)
}

fn timed_out(limit: Duration, last_seen: Option<&View>, session: &Session<'_, '_>) -> Failure {
    let how_far =
        last_seen.map(|view| format!(": {}", fleet::progress_in_words(view, session.now())));
    let message = format!(
        "timed out after {}{}",
        brief(limit),
        how_far.unwrap_or_default()
    );
    Failure::new(ExitCode::TimedOut, message)
        .with_hint("the request stays: `intermission status` shows how far it is, `intermission deactivate` ends it")
}

/// Says who ended the activation, as far as the history knows.
async fn superseded(
    activation: ActivationId,
    session: &Session<'_, '_>,
) -> Result<Failure, Failure> {
    let history = session.operator.history(LOOK_BACK).await?;
    let Some(ending) = ending_of(activation, &history) else {
        return Ok(Failure::new(
            ExitCode::ChangedMeanwhile,
            "somebody else ended this maintenance meanwhile",
        ));
    };
    let at = ending.at;
    let (code, message) = match ending.event {
        HistoryEvent::Aborted => (
            ExitCode::Failed,
            format!("the drain took longer than its limit, so the site was opened again at {at}"),
        ),
        HistoryEvent::Ended => (
            ExitCode::Failed,
            format!("the announced end came first, and the site opened by itself at {at}"),
        ),
        HistoryEvent::Restored => (
            ExitCode::ChangedMeanwhile,
            format!("the state had lost data, and a node brought another record back at {at}"),
        ),
        _ => {
            let by = ending.by.as_deref().unwrap_or("somebody");
            let origin = ending
                .origin
                .as_deref()
                .map(|origin| format!(" ({origin})"))
                .unwrap_or_default();
            (
                ExitCode::ChangedMeanwhile,
                format!("{by}{origin} deactivated meanwhile, at {at}"),
            )
        }
    };
    Ok(Failure::new(code, message))
}

/// The first thing that ended the activation. `history` has the newest first.
fn ending_of(activation: ActivationId, history: &[HistoryEntry]) -> Option<&HistoryEntry> {
    let ends = |entry: &&HistoryEntry| {
        let is_end = matches!(
            entry.event,
            HistoryEvent::Deactivated
                | HistoryEvent::Aborted
                | HistoryEvent::Ended
                | HistoryEvent::Restored
        );
        is_end && entry.revision > activation.began()
    };
    history.iter().rev().find(ends)
}
