//! A writer that is killed at any moment leaves a state that is whole, and never older than what it has promised.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use intermission_core::{
    Activate, Actor, Change, Clock, Deactivate, MaintenanceState, NodeId, NodeReport, OperateReply,
    Operation, OperationId, Outcome, Phase, Record, Revision, SystemClock,
};
use intermission_file::FileState;

/// Where the writer writes. The test binary is its own writer when this is set.
const DIRECTORY: &str = "INTERMISSION_POWER_CUT_DIRECTORY";
const CUTS: u64 = 200;

async fn toggle(state: &FileState) -> Record {
    let before = state.inspect(0).await.unwrap().record;
    let change = if before.phase().is_on() {
        Change::Deactivate(Deactivate::new())
    } else {
        Change::Activate(Activate::by("writer"))
    };
    let Outcome::Changed(next) = before.apply(&change, SystemClock.now()).unwrap() else {
        panic!("{change:?}")
    };
    let id = OperationId::random().unwrap();
    let reply = state
        .operate(Operation::replace(
            id,
            &before,
            next,
            Actor::new("writer", "test"),
        ))
        .await
        .unwrap();
    match reply {
        OperateReply::Stored(record) => (*record).clone(),
        other => panic!("{other:?}"),
    }
}

/// Not a test of its own: what the other one runs in a process that it kills. It says every revision that was stored.
#[tokio::test]
async fn writer() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let state = FileState::open(directory).unwrap();
    let node = NodeId::random().unwrap();
    for sequence in 1.. {
        state.sync(NodeReport::new(node, sequence)).await.unwrap();
        println!("stored {}", toggle(&state).await.revision());
    }
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The revisions that the writer has been promised. Its last line may be cut off.
fn promised(said: &str) -> Option<Revision> {
    let whole = said
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let numbers = whole.filter_map(|line| line.trim_end().rsplit_once("stored ")?.1.parse().ok());
    numbers.map(Revision::new).max()
}

#[tokio::test]
async fn nothing_is_torn_and_nothing_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut newest = Revision::ZERO;
    for cut in 0..CUTS {
        let mut writer = start(folder.path());
        let mut said = String::new();
        let mut output = BufReader::new(writer.stdout.take().unwrap());
        while !said.contains("stored ") {
            assert_ne!(
                output.read_line(&mut said).unwrap(),
                0,
                "the writer ended by itself: {said}"
            );
        }
        // At another moment of a step each time, and the same ones in every run.
        std::thread::sleep(Duration::from_micros(cut * 7_919 % 8_192));
        writer.kill().unwrap();
        writer.wait().unwrap();
        output.read_to_string(&mut said).unwrap();

        let state = FileState::open(folder.path()).unwrap();
        let view = state
            .inspect(9)
            .await
            .unwrap_or_else(|error| panic!("cut {cut}: {}", error.in_full()));
        let promised = promised(&said).unwrap();
        assert!(
            view.record.revision() >= promised,
            "cut {cut}: {promised} was promised"
        );
        assert!(view.record.revision() > newest, "cut {cut}");
        assert_eq!(
            view.grace,
            Duration::ZERO,
            "cut {cut}: nothing was lost, so nobody need wait"
        );
        assert_eq!(view.node_count, 0, "cut {cut}: the writer is dead");
        let next = toggle(&state).await;
        assert_ne!(
            next.phase(),
            Phase::Activating,
            "cut {cut}: nobody holds up the drain"
        );
        newest = next.revision();
    }
}
