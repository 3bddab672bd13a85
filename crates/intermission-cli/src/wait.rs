//! `--wait`: until an activation has come as far as asked.
//!
//! It ends when the goal is reached, when the goal cannot be reached any more, when the time is over, when somebody ends
//! the activation, and when the state is lost. Each has its own exit code, and what still runs is said. A state that is
//! out of reach for a while, as in a failover, is waited for, since it has accepted what is waited for.

mod teller;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use intermission::{
    ActivationId, Completion, Goal, HistoryEntry, HistoryEvent, Operator, Record, ScopeName,
    StateError, StateErrorKind, UnconfirmedCause, View, Waited,
};
use tokio::time::{Instant, sleep, timeout};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::fleet;
use crate::render::text::printable;
use crate::session::Session;
use crate::time::brief;
use crate::witness::unwitnessed;
use teller::Teller;

/// How far back the end of an activation is looked for.
const LOOK_BACK: usize = 256;

/// For how long a state that is out of reach is waited for: the usual failover of a Sentinel or a Cluster takes less.
const OUTAGE_AT_MOST: Duration = Duration::from_secs(30);

/// How often it is tried again meanwhile.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// What is to be waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) activation: ActivationId,
    pub(crate) goal: Goal,
    pub(crate) limit: Option<Duration>,
}

/// How a wait came to its end.
pub(crate) enum Ended {
    /// The goal is reached, or can only be reached in part.
    Reached(View),
    /// Somebody or something has ended the activation.
    Superseded,
    /// The state was out of reach for too long, or failed for good.
    Lost(StateError),
    /// The time was over first. This was seen last.
    TimedOut(Duration, Option<View>),
}

/// Waits, and shows what still runs meanwhile. Beside how it ended, it tells whether all of that could be shown.
pub(crate) async fn watched(
    wish: Wish,
    session: &mut Session<'_, '_>,
) -> (Ended, Result<(), Failure>) {
    let clock = session.clock();
    let Session {
        operator,
        output,
        invocation,
        ..
    } = &mut *session;
    let teller = RefCell::new(Teller::new(output, invocation, clock));
    let seen = RefCell::new(None);
    let show = |view: &View| {
        teller.borrow_mut().show(view);
        seen.replace(Some(view.clone()));
    };
    let reached = through_outages(operator, wish, show, &teller);
    let waited = match wish.limit {
        Some(limit) => timeout(limit, reached).await.map_err(|_| limit),
        None => Ok(reached.await),
    };
    let said = teller.into_inner().finish();
    let ended = match waited {
        Ok(Ok(Waited::Reached(view) | Waited::Doubtful(view))) => Ended::Reached(view),
        Ok(Ok(_)) => Ended::Superseded,
        Ok(Err(error)) => Ended::Lost(error),
        Err(limit) => Ended::TimedOut(limit, seen.into_inner()),
    };
    (ended, said)
}

/// Waits, shows what still runs, and says how it ended. `changed` is whether the request changed anything.
pub(crate) async fn wait(
    wish: Wish,
    changed: bool,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let (ended, said) = watched(wish, session).await;
    said?;
    match ended {
        Ended::Reached(view) => reached_as(&view, wish.goal, changed, session),
        Ended::Superseded => Err(superseded(wish.activation, session).await?),
        Ended::Lost(error) => Err(Failure::from(error).with_hint("the request stays")),
        Ended::TimedOut(limit, last_seen) => {
            let invocation = &session.invocation;
            let hint = format!(
                "the request stays: `{invocation} status` shows how far it is, `{invocation} deactivate` ends it"
            );
            Err(timed_out(limit, last_seen.as_ref(), session).with_hint(hint))
        }
    }
}

/// Waits, and goes on waiting when the state was out of reach for a while.
async fn through_outages(
    operator: &Operator,
    wish: Wish,
    mut show: impl FnMut(&View),
    teller: &RefCell<Teller<'_, '_>>,
) -> Result<Waited, StateError> {
    let out_since = Cell::new(None);
    loop {
        let show = |view: &View| {
            out_since.set(None);
            show(view);
        };
        let error = match operator.wait(wish.activation, wish.goal, show).await {
            Err(error) if error.kind() == StateErrorKind::Unavailable => error,
            ended => return ended,
        };
        let since = out_since.get().unwrap_or_else(Instant::now);
        out_since.set(Some(since));
        if since.elapsed() >= OUTAGE_AT_MOST {
            return Err(error);
        }
        teller.borrow_mut().out_of_reach(&error);
        sleep(TRY_EVERY).await;
    }
}

fn completion(record: &Record) -> Option<&Completion> {
    record.activation().and_then(|on| on.completion.as_ref())
}

fn reached_as(
    view: &View,
    goal: Goal,
    changed: bool,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    session.report_change(&view.record, changed)?;
    let done = completion(&view.record);
    say_what_was_lost(view, goal, session)?;
    if view.node_count == 0 {
        unwitnessed(session)?;
    }
    let unconfirmed = done.map_or(&[][..], |done| &done.unconfirmed);
    if !unconfirmed.is_empty() {
        let nodes: Vec<String> = unconfirmed
            .iter()
            .map(fleet::unconfirmed_in_words)
            .collect();
        let nodes = nodes.join(", ");
        let is_known = unconfirmed
            .iter()
            .all(|node| node.cause == UnconfirmedCause::StillRunning);
        let what = if is_known {
            "activated, with work that still runs on"
        } else {
            "activated, but nobody knows what still runs on"
        };
        session.output.warning(&format!("{what} {nodes}"))?;
        for hint in fleet::ways_out(unconfirmed, &session.invocation) {
            session.output.hint(&hint)?;
        }
        return Ok(ExitCode::Unconfirmed);
    }
    match (goal, view.quiescent_at, view.lost_at) {
        (Goal::Quiescent, Some(at), _) => session
            .output
            .note(&format!("activated, quiescent since {at}"))?,
        (Goal::Quiescent, None, Some(lost_at)) => {
            session.output.warning(&format!(
                "activated, but the state lost data at {lost_at}, so nobody can know for sure when the last request of a \
                 visitor ends"
            ))?;
            session.output.hint(&format!(
                "`{} nodes` shows how many requests run on each node that is in contact",
                session.invocation
            ))?;
            return Ok(ExitCode::Unconfirmed);
        }
        _ => session.output.note("activated")?,
    }
    Ok(ExitCode::Done)
}

/// Whoever was forgotten with lost data was not waited for, however well the wait ended.
fn say_what_was_lost(
    view: &View,
    goal: Goal,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    let before = completion(&view.record).and_then(|done| done.state_lost_at);
    // Where quiescence cannot be known for that reason, that is said instead.
    let is_said = goal == Goal::Quiescent && view.quiescent_at.is_none();
    let since = view.lost_at.filter(|_| !is_said);
    for (lost_at, when) in [(before, "before"), (since, "since")] {
        if let Some(lost_at) = lost_at {
            session.output.warning(&format!(
                "the state lost data at {lost_at}, {when} it was activated: a node that was cut off at that time may be \
                 missing in `{} nodes`, and still run something",
                session.invocation
            ))?;
        }
    }
    Ok(())
}

pub(crate) fn timed_out(
    limit: Duration,
    last_seen: Option<&View>,
    session: &Session<'_, '_>,
) -> Failure {
    let how_far =
        last_seen.map(|view| format!(": {}", fleet::progress_in_words(view, session.now())));
    let message = format!(
        "timed out after {}{}",
        brief(limit),
        how_far.unwrap_or_default()
    );
    Failure::new(ExitCode::TimedOut, message)
}

/// Says who ended the activation, as far as the history knows.
pub(crate) async fn superseded(
    activation: ActivationId,
    session: &Session<'_, '_>,
) -> Result<Failure, Failure> {
    let history = session.operator.history(LOOK_BACK).await?;
    let scope = session.scope.as_ref().map(ScopeName::as_str);
    let Some(ending) = ending_of(activation, scope, &history) else {
        return Ok(Failure::new(
            ExitCode::ChangedMeanwhile,
            "somebody else ended this maintenance meanwhile",
        ));
    };
    let at = ending.at;
    let what = scope.unwrap_or("the site");
    let (code, message) = match ending.event {
        HistoryEvent::Aborted => (
            ExitCode::Failed,
            format!("the drain took longer than its limit, so {what} was opened again at {at}"),
        ),
        HistoryEvent::Ended => (
            ExitCode::Failed,
            format!("the announced end came first, and {what} opened by itself at {at}"),
        ),
        HistoryEvent::Restored => (
            ExitCode::ChangedMeanwhile,
            format!("the state had lost data, and a node brought another record back at {at}"),
        ),
        _ => {
            let by = printable(ending.by.as_deref().unwrap_or("somebody"));
            let origin = ending
                .origin
                .as_deref()
                .map(|origin| format!(" ({})", printable(origin)))
                .unwrap_or_default();
            (
                ExitCode::ChangedMeanwhile,
                format!("{by}{origin} deactivated meanwhile, at {at}"),
            )
        }
    };
    Ok(Failure::new(code, message))
}

/// The first thing that ended the activation, which is one of this scope, or of the whole site. `history` has the newest
/// first.
fn ending_of<'a>(
    activation: ActivationId,
    scope: Option<&str>,
    history: &'a [HistoryEntry],
) -> Option<&'a HistoryEntry> {
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
    let all = || history.iter().rev().filter(ends);
    // Where it happened to many scopes at once, none of them has a line of its own.
    all()
        .find(|entry| entry.scope() == scope)
        .or_else(|| all().find(|entry| scope.is_some() && entry.scope_count().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `null` for no note.
    fn entry(event: &str, revision: u64, note: &str) -> HistoryEntry {
        let json = format!(
            r#"{{"at":"2026-11-30T10:00:00.000Z","revision":{revision},"event":"{event}","phase":"deactivated","by":null,"origin":null,"note":{note}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn the_end_in_many_scopes_at_once_is_that_of_a_scope_and_not_of_the_site() {
        let history = [
            entry("ended", 9, r#""300 scopes""#),
            entry("aborted", 8, r#""scope search""#),
            entry("plan-started", 5, r#""300 scopes""#),
        ];
        let activation = ActivationId::new(intermission::Revision::new(5));
        let found = |scope| ending_of(activation, scope, &history).map(|end| end.revision.number());
        assert_eq!(found(None), None);
        assert_eq!(found(Some("billing")), Some(9));
        assert_eq!(found(Some("search")), Some(8));
        let and_site = [entry("deactivated", 10, "null")];
        let history = [&and_site[..], &history].concat();
        let end = ending_of(activation, None, &history).map(|end| end.revision.number());
        assert_eq!(end, Some(10));
    }
}
