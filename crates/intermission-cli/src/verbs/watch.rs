//! `watch`: one line for each change.

mod hook;
mod watcher;

use intermission::{HistoryEntry, Ledger, Record};
use intermission_admin::{Line, since};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedSender};

use crate::args::Watch;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::session::Session;
use hook::{Change, Hook};
use watcher::Watcher;

/// All that a history keeps. After more changes than this between two looks, some go untold, and that is said.
const LOOK_BACK: usize = Ledger::HISTORY_KEPT;

pub(crate) async fn run(args: &Watch, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let cannot_wait = |error| {
        Failure::new(
            ExitCode::Failed,
            format!("cannot wait for signals: {error}"),
        )
    };
    let mut terminated = signal(SignalKind::terminate()).map_err(cannot_wait)?;
    let watcher = Watcher::new(session);
    let (changes, queue) = mpsc::unbounded_channel();
    let hook = Hook::of(args);
    let changes = hook.is_some().then_some(changes);
    // A hook that runs meanwhile is asked to end, as what runs it is dropped.
    tokio::select! {
        ended = follow(&watcher, changes) => ended,
        ended = hook::tell_all(hook, &watcher, queue) => ended,
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| ExitCode::Done).map_err(cannot_wait),
        _ = terminated.recv() => Ok(ExitCode::Done),
    }
}

/// Prints each change, and queues it for the hook, if there is one.
async fn follow(
    watcher: &Watcher<'_, '_, '_>,
    hook: Option<UnboundedSender<Change>>,
) -> Result<ExitCode, Failure> {
    let mut record = watcher
        .answer(async |state| Ok(state.inspect(0).await?.record))
        .await?;
    watcher.tell(&Line::current(&record, watcher.now()))?;
    let history = watcher
        .answer(async |state| state.history(LOOK_BACK).await)
        .await?;
    // What came after the record that was just told is told with the next.
    let mut last = history
        .into_iter()
        .find(|entry| entry.revision <= record.revision());
    loop {
        let (newest, history) = watcher
            .answer(async |state| {
                let newest = state.changed(&record).await?;
                Ok((newest, state.history(LOOK_BACK).await?))
            })
            .await?;
        let mut changes = Vec::new();
        last = tell_what_is_new(watcher, &record, &newest, history, last, &mut changes)?;
        record = newest;
        if let Some(hook) = &hook {
            for change in changes {
                // Whoever takes them ends with this.
                drop(hook.send(change));
            }
        }
    }
}

fn tell_what_is_new(
    watcher: &Watcher<'_, '_, '_>,
    before: &Record,
    record: &Record,
    history: Vec<HistoryEntry>,
    last: Option<HistoryEntry>,
    changes: &mut Vec<Change>,
) -> Result<Option<HistoryEntry>, Failure> {
    let now = watcher.now();
    let new = since(&history, last.as_ref());
    let mut missed = may_miss_some(&history, &new);
    if let (true, Some(first)) = (missed, new.first()) {
        watcher.say(|output| {
            output.warning(&format!(
                "the history keeps {LOOK_BACK} changes, and all of them are new: those before revision {}, if there were \
                 more, are not told",
                first.revision
            ))
        })?;
    }
    let mut tell_change = |line: Line<'_>| {
        changes.push(Change::of(&line, std::mem::take(&mut missed))?);
        watcher.tell(&line)
    };
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

/// Whether changes may have come and gone unseen: the history is full, and what was told last is no longer in it.
fn may_miss_some(history: &[HistoryEntry], new: &[&HistoryEntry]) -> bool {
    history.len() >= LOOK_BACK && new.len() == history.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> HistoryEntry {
        serde_json::from_value(serde_json::json!({
            "at": "2026-11-20T10:15:00.000Z",
            "revision": number,
            "event": "updated",
            "phase": "activated",
            "by": null,
            "origin": null,
            "note": null,
        }))
        .unwrap()
    }

    #[test]
    fn only_a_full_history_without_what_was_told_last_may_have_dropped_something() {
        let full = u64::try_from(LOOK_BACK).unwrap();
        for (kept, last, may_miss) in [
            (0..3, None, false),
            (0..3, Some(1), false),
            (1..full + 1, Some(1), false),
            (1..full + 1, Some(full), false),
            (2..full + 2, Some(1), true),
            (9..full + 9, Some(1), true),
            (9..full + 9, None, true),
        ] {
            let history: Vec<_> = kept.rev().map(entry).collect();
            let last = last.map(entry);
            let new = since(&history, last.as_ref());
            assert_eq!(may_miss_some(&history, &new), may_miss, "{last:?}");
        }
    }
}
