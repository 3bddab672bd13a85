//! A file state as services and operators use it, in real directories.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod corrupt;
mod magento;
mod opening;
mod ownership;
mod sharing;
mod watching;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use intermission_core::{
    Activate, Actor, Change, Clock, Deactivate, MaintenanceState, OperateReply, Operation,
    OperationId, Outcome, Record, SystemClock,
};
use intermission_file::FileState;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// An empty directory of a service.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn open(&self) -> FileState {
        FileState::open(self.path()).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn record(&self) -> Vec<u8> {
        fs::read(self.file("record.json")).unwrap()
    }
}

fn activate() -> Change {
    Change::Activate(Activate::by("ana").with_message("Upgrading"))
}

fn deactivate() -> Change {
    Change::Deactivate(Deactivate::new())
}

fn operation(before: &Record, change: &Change) -> Operation {
    let Outcome::Changed(next) = before.apply(change, SystemClock.now()).unwrap() else {
        panic!("{change:?} changes nothing")
    };
    Operation::replace(
        OperationId::random().unwrap(),
        before,
        next,
        Actor::new("ana", "test"),
    )
}

async fn stored(state: &FileState, change: &Change) -> Arc<Record> {
    let before = state.inspect(0).await.unwrap().record;
    match state.operate(operation(&before, change)).await.unwrap() {
        OperateReply::Stored(record) => record,
        other => panic!("{other:?}"),
    }
}

/// Runs it on a thread that has given up root's right to read and write everywhere, if it had it. The threads of the
/// runtime inherit that.
fn unprivileged<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    let run = || {
        let mut sets = capabilities(None).unwrap();
        sets.effective
            .remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
        set_capabilities(None, sets).unwrap();
        block_on(work())
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
