//! `watch`: one line for each change.

mod hook;

use std::time::Duration;

use intermission::{HistoryEntry, Operator, Record, StateError, StateErrorKind};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Watch;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, in_full};
use crate::render::history::in_words;
use crate::session::Session;
use intermission_admin::json;
use intermission_admin::{Line, since};

use hook::{Change, Hook};

/// More changes than this between two looks, and some go untold.
const LOOK_BACK: usize = 256;

/// How often a state that is out of reach is tried again.
const TRY_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: &Watch, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let cannot_wait = |error| {
        Failure::new(
            ExitCode::Failed,
            format!("cannot wait for signals: {error}"),
        )
    };
    let mut terminated = signal(SignalKind::terminate()).map_err(cannot_wait)?;
    // A hook that runs meanwhile is asked to end, as what runs it is dropped.
    tokio::select! {
        ended = follow(session, Hook::of(args)) => ended,
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| ExitCode::Done).map_err(cannot_wait),
        _ = terminated.recv() => Ok(ExitCode::Done),
    }
}

async fn follow(
    session: &mut Session<'_, '_>,
    hook: Option<Hook<'_>>,
) -> Result<ExitCode, Failure> {
    let mut record = answer(session, async |state| Ok(state.inspect(0).await?.record)).await?;
    tell(session, &Line::current(&record, session.now()))?;
    let history = answer(session, async |state| state.history(LOOK_BACK).await).await?;
    // What came after the record that was just told is told with the next.
    let mut last = history
        .into_iter()
        .find(|entry| entry.revision <= record.revision());
    loop {
        let (newest, history) = answer(session, async |state| {
            let newest = state.changed(&record).await?;
            Ok((newest, state.history(LOOK_BACK).await?))
        })
        .await?;
        let mut changes = Vec::new();
        last = tell_what_is_new(session, &record, &newest, history, last, &mut changes)?;
        record = newest;
        if let Some(hook) = &hook {
            for change in &changes {
                hook.tell(session, change).await?;
            }
        }
    }
}

/// Asks until there is an answer: a failover is no reason to stop watching, nor not to begin.
async fn answer<T>(
    session: &mut Session<'_, '_>,
    ask: impl AsyncFn(&Operator) -> Result<T, StateError>,
) -> Result<T, Failure> {
    loop {
        match ask(&session.operator).await {
            Ok(answer) => return Ok(answer),
            Err(error) => until_in_reach(session, error).await?,
        }
    }
}

/// Waits until the state is in reach. Says that the state is out of reach, and when it is back.
async fn until_in_reach(session: &mut Session<'_, '_>, error: StateError) -> Result<(), Failure> {
    let mut trouble = error;
    let mut is_said = false;
    loop {
        if trouble.kind() != StateErrorKind::Unavailable {
            return Err(trouble.into());
        }
        if !std::mem::replace(&mut is_said, true) {
            let trouble = in_full(&trouble);
            session
                .output
                .warning(&format!("trying again until it is back: {trouble}"))?;
        }
        tokio::time::sleep(TRY_EVERY).await;
        match session.operator.inspect(0).await {
            Ok(_) => return session.output.note("the state is in reach again"),
            Err(error) => trouble = error,
        }
    }
}

fn tell_what_is_new(
    session: &mut Session<'_, '_>,
    before: &Record,
    record: &Record,
    history: Vec<HistoryEntry>,
    last: Option<HistoryEntry>,
    changes: &mut Vec<Change>,
) -> Result<Option<HistoryEntry>, Failure> {
    let now = session.now();
    let mut tell_change = |line: Line<'_>| {
        changes.push(Change::of(&line)?);
        tell(session, &line)
    };
    let new = since(&history, last.as_ref());
    for entry in &new {
        tell_change(Line::from(*entry))?;
    }
    if new.is_empty() {
        // Its line may have been told already, when it came between the look at the record and that at the history.
        let is_told = last
            .as_ref()
            .is_some_and(|last| last.revision >= record.revision());
        if record.revision() < before.revision() {
            tell_change(Line::lost(record, now))?;
        } else if !is_told {
            tell_change(Line::unexplained(record, now))?;
        }
    }
    Ok(history.into_iter().next().or(last))
}

fn tell(session: &mut Session<'_, '_>, line: &Line<'_>) -> Result<(), Failure> {
    if session.json {
        session.output.json(&json::Event::of(line))
    } else {
        session.output.line(&in_words(line))
    }
}
