//! A writer that is killed at any moment leaves a state that is whole, and never older than what it has promised.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use intermission_core::{
    Activate, Actor, AllowChange, Change, Clock, Deactivate, HistoryEntry, MaintenanceState,
    Network, NodeId, NodeReport, OperateReply, Operation, OperationId, Outcome, Phase, Record,
    Revision, SystemClock,
};
use intermission_file::{FileOptions, FileState};

/// Where the writer writes. The test binary is its own writer when this is set.
const PLACE: &str = "INTERMISSION_POWER_CUT_PLACE";
const CUTS: u64 = 200;

fn open(url: &str) -> FileState {
    let url = url.parse().unwrap();
    FileOptions::from_url(&url).unwrap().open().unwrap()
}

async fn toggle(state: &FileState) -> Record {
    let before = state.inspect(0).await.unwrap().record;
    // Another list each time, so that a step in Magento's directory changes both of its files.
    let number = u32::try_from(before.revision().number() & 0xff_ffff).unwrap();
    let address = Ipv4Addr::from_bits(0x0a00_0000 | number);
    let allow = AllowChange::Replace([Network::from(IpAddr::V4(address))].into_iter().collect());
    let change = if before.phase().is_on() {
        Change::Deactivate(Deactivate::new().with_allow(allow))
    } else {
        Change::Activate(Activate::by("writer").with_allow(allow))
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
    let Ok(place) = std::env::var(PLACE) else {
        return;
    };
    let state = open(&place);
    let node = NodeId::random().unwrap();
    for sequence in 1.. {
        state.sync(NodeReport::new(node, sequence)).await.unwrap();
        println!("stored {}", toggle(&state).await.revision());
    }
}

fn start(url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture"])
        .env(PLACE, url)
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
    cut_again_and_again(&format!("file:{}", folder.path().display()), |_, _, _| {}).await;
}

#[tokio::test]
async fn magentos_files_say_what_the_record_says_and_nobody_else_is_suspected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    cut_again_and_again(
        &format!("magento:{}", path.display()),
        |cut, record, history| {
            let flag = path.join(".maintenance.flag").exists();
            assert_eq!(record.phase().is_on(), flag, "cut {cut}");
            let addresses = std::fs::read_to_string(path.join(".maintenance.ip")).unwrap();
            let list: Vec<String> = record
                .allow()
                .networks()
                .map(|network| network.bare().to_string())
                .collect();
            assert_eq!(addresses, list.join(","), "cut {cut}");
            for line in history {
                assert_ne!(line.by.as_deref(), Some("magento"), "cut {cut}");
            }
        },
    )
    .await;
}

async fn cut_again_and_again(url: &str, check: impl Fn(u64, &Record, &[HistoryEntry])) {
    let mut newest = Revision::ZERO;
    for cut in 0..CUTS {
        let mut writer = start(url);
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

        let state = open(url);
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
        // Whoever looks finishes what was cut off, since the dead writer is to be taken off the list.
        check(cut, &view.record, &state.history(256).await.unwrap());
        let next = toggle(&state).await;
        check(cut, &next, &state.history(256).await.unwrap());
        assert_ne!(
            next.phase(),
            Phase::Activating,
            "cut {cut}: nobody holds up the drain"
        );
        newest = next.revision();
    }
}
