use std::fs;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    MaintenanceState, NodeId, NodeReport, Phase, Record, Revision, StateErrorKind,
};
use intermission_file::FileState;
use tokio::task::JoinHandle;

use super::{Site, activate, deactivate, stored};

/// Longer than any machine takes that works at all. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);

fn watch(state: &FileState, seen: Revision) -> JoinHandle<Option<Arc<Record>>> {
    let state = state.clone();
    tokio::spawn(async move {
        tokio::time::timeout(PATIENCE, state.watch(seen))
            .await
            .unwrap()
            .unwrap()
    })
}

#[tokio::test]
async fn a_change_by_another_handle_is_seen_with_its_record() {
    let site = Site::new();
    let (watching, operator) = (site.open(), site.open());
    let mut seen = Revision::ZERO;
    for change in [activate(), deactivate(), activate(), deactivate()] {
        let hint = watch(&watching, seen);
        let record = stored(&operator, &change).await;
        assert_eq!(hint.await.unwrap(), Some(Arc::clone(&record)));
        seen = record.revision();
    }
}

#[tokio::test]
async fn who_has_seen_an_older_record_need_not_wait() {
    let site = Site::new();
    let state = site.open();
    let first = stored(&state, &activate()).await;
    let second = stored(&state, &deactivate()).await;
    for seen in [Revision::ZERO, first.revision()] {
        assert_eq!(
            watch(&state, seen).await.unwrap(),
            Some(Arc::clone(&second))
        );
    }
    let mut pending = Box::pin(state.watch(second.revision()));
    let heartbeat = state.sync(NodeReport::new(NodeId::random().unwrap(), 1));
    tokio::select! {
        biased;
        hint = &mut pending => panic!("nothing has changed: {hint:?}"),
        reply = heartbeat => assert_eq!(reply.unwrap().count.nodes, 1),
    }
    let hint = watch(&state, second.revision());
    let third = stored(&state, &activate()).await;
    assert_eq!(pending.await.unwrap(), Some(Arc::clone(&third)));
    assert_eq!(hint.await.unwrap(), Some(third));
}

#[tokio::test]
async fn a_file_put_in_place_by_hand_is_seen() {
    let site = Site::new();
    let state = site.open();
    stored(&state, &activate()).await;
    let backup = site.record();
    let open = stored(&state, &deactivate()).await;
    let hint = watch(&state, open.revision());
    fs::write(site.file("backup"), backup).unwrap();
    fs::rename(site.file("backup"), site.file("record.json")).unwrap();
    assert_eq!(hint.await.unwrap().unwrap().phase(), Phase::Activated);
}

#[tokio::test]
async fn a_record_that_is_gone_is_another_one() {
    let site = Site::new();
    let state = site.open();
    let record = stored(&state, &activate()).await;
    let hint = watch(&state, record.revision());
    fs::remove_file(site.file("record.json")).unwrap();
    assert_eq!(hint.await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_understood_is_an_error_until_it_is_mended() {
    let site = Site::new();
    let state = site.open();
    let record = stored(&state, &activate()).await;
    let whole = site.record();
    let waiting = state.clone();
    let hint = tokio::spawn(async move { waiting.watch(record.revision()).await });
    fs::write(site.file("record.json"), &whole[..whole.len() / 2]).unwrap();
    let error = tokio::time::timeout(PATIENCE, hint)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Corrupt);
    assert!(
        error.in_full().contains("JSON"),
        "the cause is kept: {}",
        error.in_full()
    );
    assert_eq!(
        state.watch(Revision::ZERO).await.unwrap_err().kind(),
        StateErrorKind::Corrupt
    );
    fs::write(site.file("record.json"), &whole).unwrap();
    tokio::time::timeout(PATIENCE, async {
        while state.watch(Revision::ZERO).await.is_err() {}
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_directory_that_takes_the_place_of_the_old_one_is_watched_instead() {
    let site = Site::new();
    let directory = site.path().join("maintenance");
    let state = FileState::open_or_create(&directory).unwrap();
    let first = stored(&state, &activate()).await;
    assert_eq!(
        state.watch(Revision::ZERO).await.unwrap(),
        Some(Arc::clone(&first))
    );
    fs::rename(&directory, site.path().join("old")).unwrap();
    let waiting = state.clone();
    let gone = tokio::spawn(async move { waiting.watch(first.revision()).await });
    let error = tokio::time::timeout(PATIENCE, gone)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable);
    let fresh = FileState::open_or_create(&directory).unwrap();
    let record = stored(&fresh, &activate()).await;
    let seen = async {
        loop {
            match state.watch(Revision::ZERO).await {
                Ok(seen) => return seen,
                Err(error) => assert_eq!(error.kind(), StateErrorKind::Unavailable),
            }
        }
    };
    assert_eq!(
        tokio::time::timeout(PATIENCE, seen).await.unwrap(),
        Some(record)
    );
}
