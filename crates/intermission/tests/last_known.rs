//! A node that remembers the record across its own restarts.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test, helpers included"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use intermission::{
    Activate, Actor, Change, Deactivate, Departure, Gate, HistoryEntry, MaintenanceState,
    MemoryState, NodeId, NodeReport, OperateReply, Operation, Operator, Phase, Record, Revision,
    StartError, StartPolicy, StateError, StateErrorKind, SyncReply, View, Visitor,
};

/// A state that is out of reach.
struct Away;

fn away<T>() -> Result<T, StateError> {
    Err(StateError::new(StateErrorKind::Unavailable, "it is away"))
}

impl MaintenanceState for Away {
    async fn sync(&self, _: NodeReport) -> Result<SyncReply, StateError> {
        away()
    }

    async fn operate(&self, _: Operation) -> Result<OperateReply, StateError> {
        away()
    }

    async fn leave(&self, _: NodeId, _: Departure) -> Result<(), StateError> {
        away()
    }

    async fn inspect(&self, _: usize) -> Result<View, StateError> {
        away()
    }

    async fn history(&self, _: usize) -> Result<Vec<HistoryEntry>, StateError> {
        away()
    }

    async fn watch(&self, _: Revision) -> Result<Option<Arc<Record>>, StateError> {
        away()
    }
}

fn read(file: &Path) -> Option<Record> {
    std::fs::read(file)
        .ok()
        .map(|json| Record::from_json(&json).unwrap())
}

/// A node lives through these changes, and its file holds what it knew last.
async fn lived_through(changes: &[Change], file: PathBuf) {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone())
        .with_last_known(&file)
        .start()
        .await
        .unwrap();
    let operator = Operator::new(state, Actor::new("ana", "test"));
    let mut newest = Revision::ZERO;
    for change in changes {
        newest = operator
            .change(change.clone())
            .await
            .unwrap()
            .record
            .revision();
    }
    while read(&file).map(|record| record.revision()) < Some(newest) {
        tokio::task::yield_now().await;
    }
    gate.shutdown().await;
}

fn activate() -> Change {
    Change::Activate(Activate::by("ana").with_message("Back soon"))
}

fn page() -> Visitor<'static> {
    Visitor::new("GET", "/")
}

#[tokio::test]
async fn a_restart_during_an_outage_does_not_forget_that_the_site_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last-known.json");
    lived_through(&[activate()], file.clone()).await;
    for policy in [
        StartPolicy::RefuseToStart,
        StartPolicy::StartClosed,
        StartPolicy::StartOpen,
    ] {
        let gate = Gate::builder(Away)
            .with_last_known(&file)
            .with_start_policy(policy)
            .start()
            .await
            .unwrap();
        assert!(!gate.decide(&page()).is_admit(), "{policy:?}");
        assert_eq!(gate.record().message(), Some("Back soon"));
    }
}

#[tokio::test]
async fn a_record_that_is_open_or_absent_leaves_it_to_the_start_policy() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open.json");
    lived_through(
        &[activate(), Change::Deactivate(Deactivate::new())],
        open.clone(),
    )
    .await;
    for file in [open, folder.path().join("absent.json")] {
        let start = |policy| {
            let gate = Gate::builder(Away).with_last_known(&file);
            gate.with_start_policy(policy).start()
        };
        let refused = start(StartPolicy::RefuseToStart).await.unwrap_err();
        assert!(matches!(refused, StartError::State(_)), "{refused:?}");
        let closed = start(StartPolicy::StartClosed).await.unwrap();
        assert!(!closed.decide(&page()).is_admit());
        let open = start(StartPolicy::StartOpen).await.unwrap();
        assert!(open.decide(&page()).is_admit());
    }
}

#[tokio::test]
async fn a_store_that_has_lost_everything_gets_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last-known.json");
    lived_through(&[activate()], file.clone()).await;
    let emptied = MemoryState::new();
    let gate = Gate::builder(emptied.clone())
        .with_last_known(&file)
        .start()
        .await
        .unwrap();
    let phase = emptied.inspect(0).await.unwrap().record.phase();
    assert!(phase.is_on(), "{phase:?}");
    assert_ne!(gate.record().phase(), Phase::Deactivated);
}

#[tokio::test]
async fn a_file_that_holds_something_else_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last-known.json");
    std::fs::write(&file, r#"{"v":1,"revi"#).unwrap();
    let starting = Gate::builder(MemoryState::new()).with_last_known(&file);
    let error = starting.start().await.unwrap_err();
    assert!(error.to_string().contains("last-known.json"), "{error}");
    assert_eq!(read_text(&file), r#"{"v":1,"revi"#, "nothing overwrites it");
}

fn read_text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
