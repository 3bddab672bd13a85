//! `watch`.

use std::io::{self, Write};
use std::time::Duration;

use intermission::{Activate, Change, Deactivate};
use serde_json::Value;

use super::ailing::Ailing;
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

#[tokio::test(start_paused = true)]
async fn watch_hears_of_changes_that_nobody_pushes_and_outlasts_outages() {
    let deaf = Ailing::default();
    let shared = deaf.shared();
    let bob = somebody_else(&deaf.healthy());
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
        deaf.goes_away();
        // Some tries fail. The time is the test's own.
        tokio::time::sleep(Duration::from_secs(20)).await;
        deaf.is_back();
        for _ in 0..2 {
            bob.change(Change::Deactivate(Deactivate::new()))
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_secs(20)).await;
            bob.change(Change::Activate(Activate::by("bob")))
                .await
                .unwrap();
        }
    };
    let mut notes = Vec::new();
    let mut output = Output::new(&mut reader, &mut notes);
    let (code, ()) = tokio::join!(ran_into(&shared, &["watch"], &mut output), changes);
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

#[tokio::test(start_paused = true)]
async fn watch_begins_with_an_outage_if_there_is_one() {
    let state = Ailing::default();
    state.goes_away();
    let mut reader = Reader {
        lines: Vec::new(),
        wanted: 1,
        after_each: |_| (),
    };
    let bob = somebody_else(&state.healthy());
    let changes = async {
        tokio::time::sleep(Duration::from_secs(90)).await;
        state.is_back();
        tokio::time::sleep(Duration::from_secs(20)).await;
        bob.change(Change::Activate(Activate::by("bob")))
            .await
            .unwrap();
    };
    let mut notes = Vec::new();
    let mut output = Output::new(&mut reader, &mut notes);
    let shared = state.shared();
    let (code, ()) = tokio::join!(ran_into(&shared, &["watch"], &mut output), changes);
    drop(output);
    assert_eq!(code, ExitCode::Done);
    let notes = String::from_utf8(notes).unwrap();
    assert_eq!(
        notes,
        "warning: trying again until it is back: the state is away: wait\nthe state is in reach again\n"
    );
    let [first] = reader.lines.as_slice() else {
        panic!("{:?}", reader.lines)
    };
    assert!(first.contains("  deactivated  current"), "{first}");
}
