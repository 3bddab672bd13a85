//! `watch`: one line for each change.

use std::sync::Arc;

use intermission::{HistoryEntry, Record};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::history::{Line, since};
use crate::render::json;
use crate::session::Session;

/// More changes than this between two looks, and some go untold.
const LOOK_BACK: usize = 256;

pub(crate) async fn run(session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    tokio::select! {
        ended = follow(session) => ended,
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => Ok(ExitCode::Done),
            Err(error) => Err(Failure::new(ExitCode::Failed, format!("cannot wait for Ctrl-C: {error}"))),
        },
    }
}

async fn follow(session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let mut record = session.operator.inspect(0).await?.record;
    tell(session, &Line::current(&record, session.now()))?;
    let history = session.operator.history(LOOK_BACK).await?;
    // What came after the record that was just told is told with the next.
    let mut last = history
        .into_iter()
        .find(|entry| entry.revision <= record.revision());
    loop {
        record = session.operator.changed(&record).await?;
        last = tell_what_is_new(session, &record, last).await?;
    }
}

async fn tell_what_is_new(
    session: &mut Session<'_, '_>,
    record: &Arc<Record>,
    last: Option<HistoryEntry>,
) -> Result<Option<HistoryEntry>, Failure> {
    let history = session.operator.history(LOOK_BACK).await?;
    let new = since(&history, last.as_ref());
    for entry in &new {
        tell(session, &Line::from(*entry))?;
    }
    if new.is_empty() {
        tell(session, &Line::unexplained(record, session.now()))?;
    }
    Ok(history.into_iter().next().or(last))
}

fn tell(session: &mut Session<'_, '_>, line: &Line<'_>) -> Result<(), Failure> {
    if session.json {
        session.output.json(&json::Event::of(line))
    } else {
        session.output.line(&line.in_words())
    }
}
