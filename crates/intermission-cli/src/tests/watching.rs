//! `watch`.

use std::future::pending;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use intermission::{
    Activate, Change, Deactivate, Departure, HistoryEntry, MaintenanceState, MemoryState, NodeId,
    NodeReport, OperateReply, Operation, Record, Revision, SharedState, StateError, StateErrorKind,
    SyncReply, View,
};
use serde_json::Value;

use super::{ran_into, somebody_else, state};
use crate::exit_code::ExitCode;
use crate::output::Output;

/// A reader that takes some lines, does something after the first, and goes away.
struct Reader<F> {
    lines: Vec<String>,
    wanted: usize,
    after_each: F,
}

impl<F: FnMut(usize)> Write for Reader<F> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.lines.len() == self.wanted {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.lines.push(String::from_utf8(buf.to_vec()).unwrap());
        (self.after_each)(self.lines.len());
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn watch_tells_how_things_are_and_then_each_change_until_the_reader_goes() {
    let state = state();
    let bob = somebody_else(&state);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let after_each = |line| tell.send(line).unwrap();
    let mut reader = Reader {
        lines: Vec::new(),
        wanted: 3,
        after_each,
    };
    let changes = async {
        told.recv().await;
        bob.change(Change::Activate(
            Activate::by("bob").with_message("\u{1b}[2J"),
        ))
        .await
        .unwrap();
        while told.recv().await != Some(3) {}
        bob.change(Change::Deactivate(Deactivate::new()))
            .await
            .unwrap();
    };
    let mut notes = Vec::new();
    let mut output = Output::new(&mut reader, &mut notes);
    let (code, ()) = tokio::join!(ran_into(&state, &["watch", "--json"], &mut output), changes);
    drop(output);
    assert_eq!(
        (code, notes.as_slice()),
        (ExitCode::Done, &[][..]),
        "a reader that goes away is no failure"
    );
    let lines: Vec<Value> = reader
        .lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["event"].as_str().unwrap(),
                line["phase"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        events,
        [
            ("current", "deactivated"),
            ("requested", "activating"),
            ("activated", "activated")
        ]
    );
    assert_eq!(
        (&lines[1]["by"], &lines[1]["origin"]),
        (&"bob".into(), &"admin 192.0.2.7".into())
    );
    assert!(reader.lines.iter().all(|line| line.ends_with("}\n")));
}

/// A state whose pushes never arrive, and which may be out of reach.
struct Deaf {
    state: MemoryState,
    is_away: Arc<AtomicBool>,
}

impl Deaf {
    fn reach(&self) -> Result<&MemoryState, StateError> {
        if self.is_away.load(Ordering::Relaxed) {
            let kind = StateErrorKind::Unavailable;
            return Err(StateError::new(kind, "the state is away: wait"));
        }
        Ok(&self.state)
    }
}

impl MaintenanceState for Deaf {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.reach()?.sync(report).await
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        self.reach()?.operate(operation).await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.reach()?.leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        self.reach()?.inspect(limit).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.reach()?.history(limit).await
    }

    async fn watch(&self, _seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn watch_hears_of_changes_that_nobody_pushes_and_outlasts_outages() {
    let (state, is_away) = (MemoryState::new(), Arc::new(AtomicBool::new(false)));
    let bob = somebody_else(&SharedState::new(state.clone()));
    let deaf = SharedState::new(Deaf {
        state,
        is_away: Arc::clone(&is_away),
    });
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut reader = Reader {
        lines: Vec::new(),
        wanted: 4,
        after_each: |line| tell.send(line).unwrap(),
    };
    let changes = async {
        told.recv().await;
        bob.change(Change::Activate(Activate::by("bob")))
            .await
            .unwrap();
        while told.recv().await != Some(3) {}
        is_away.store(true, Ordering::Relaxed);
        // Some tries fail. The time is the test's own.
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        is_away.store(false, Ordering::Relaxed);
        for _ in 0..2 {
            bob.change(Change::Deactivate(Deactivate::new()))
                .await
                .unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            bob.change(Change::Activate(Activate::by("bob")))
                .await
                .unwrap();
        }
    };
    let mut notes = Vec::new();
    let mut output = Output::new(&mut reader, &mut notes);
    let (code, ()) = tokio::join!(ran_into(&deaf, &["watch"], &mut output), changes);
    drop(output);
    assert_eq!(code, ExitCode::Done);
    let notes = String::from_utf8(notes).unwrap();
    assert_eq!(
        notes,
        "warning: trying again until it is back: the state is away: wait\nthe state is in reach again\n"
    );
    let last = reader.lines.last().unwrap();
    assert!(last.contains("  deactivated  deactivated"), "{last}");
}
