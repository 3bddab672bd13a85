//! What takes another machine, another process or another clock than there is.

mod death;
mod followed;
mod loss;
mod reboot;
mod torn;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use intermission_core::{
    Activate, Actor, Change, Clock, LostContact, MaintenanceState, NodeFacts, NodeId, NodeReport,
    OperateReply, Operation, OperationId, Outcome, Record, Revision, SystemClock, Timestamp,
    Timing,
};

use crate::process::Surroundings;
use crate::{FileOptions, FileState};

/// Clocks that move when they are told to.
#[derive(Debug, Default)]
struct Hands(AtomicU64);

impl Hands {
    fn advance(&self, by: Duration) {
        self.0
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + self.0.load(Ordering::Relaxed))
    }

    fn steady(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A directory with clocks that stand still.
struct Site {
    folder: tempfile::TempDir,
    hands: Arc<Hands>,
}

impl Site {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            hands: Arc::default(),
        }
    }

    fn options(&self) -> FileOptions {
        FileOptions::new(self.path()).with_clock(Arc::clone(&self.hands) as Arc<dyn Clock>)
    }

    fn open(&self) -> FileState {
        self.options().open_or_create().unwrap()
    }

    /// As another process, machine or boot would open it.
    fn open_with(&self, change: impl Fn(&mut Surroundings) + Send + Sync + 'static) -> FileState {
        let look = move || {
            let mut surroundings = Surroundings::look();
            change(&mut surroundings);
            surroundings
        };
        self.options()
            .with_look(Arc::new(look))
            .open_or_create()
            .unwrap()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// Lets time pass, in steps that the ledger believes.
    async fn wait(&self, state: &FileState, time: Duration) {
        let step = Timing::default().step;
        for _ in 0..time.as_millis().div_ceil(step.as_millis()) {
            self.hands.advance(step);
            state
                .leave(NodeId::from_bits(0), intermission_core::Departure::Goodbye)
                .await
                .unwrap();
        }
    }
}

/// A node that says what it is told to say.
struct Node {
    id: NodeId,
    sequence: Mutex<u64>,
}

impl Node {
    fn new(number: u128) -> Self {
        Self {
            id: NodeId::from_bits(number),
            sequence: Mutex::default(),
        }
    }

    fn report(&self, seen: Revision) -> NodeReport {
        let mut sequence = self.sequence.lock().unwrap();
        *sequence += 1;
        let mut report = NodeReport::new(self.id, *sequence);
        report.seen = seen;
        report.lost_contact = LostContact::Hold;
        report.facts = NodeFacts::labelled(format!("node {}", self.id.bits()));
        report
    }
}

fn activate() -> Change {
    Change::Activate(Activate::by("ana"))
}

async fn operate(state: &FileState, change: &Change) -> OperateReply {
    let before = state.inspect(0).await.unwrap().record;
    let next = match before.apply(change, SystemClock.now()).unwrap() {
        Outcome::Changed(next) => next,
        Outcome::Unchanged => panic!("{change:?} changes nothing"),
    };
    let operation = Operation::replace(
        OperationId::random().unwrap(),
        &before,
        next,
        Actor::new("ana", "test"),
    );
    state.operate(operation).await.unwrap()
}

async fn stored(state: &FileState, change: &Change) -> Arc<Record> {
    match operate(state, change).await {
        OperateReply::Stored(record) => record,
        other => panic!("{other:?}"),
    }
}

/// A process that sleeps until it is killed.
struct Sleeper(std::process::Child);

impl Sleeper {
    fn new() -> Self {
        Self(
            std::process::Command::new("sleep")
                .arg("600")
                .spawn()
                .unwrap(),
        )
    }

    fn process(&self) -> crate::process::Process {
        crate::process::Process::of(self.0.id()).unwrap()
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Already dead in most tests; this one is for those that fail.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
