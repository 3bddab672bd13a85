use std::fs;
use std::time::Duration;

use intermission_core::{
    Change, Deactivate, Departure, HistoryEvent, MaintenanceState, OperateReply, Phase, Revision,
    StateErrorKind, Timing,
};

use super::{Node, Site, activate, operate, stored};

fn deactivate() -> Change {
    Change::Deactivate(Deactivate::new())
}

#[tokio::test]
async fn an_untouched_directory_is_open_without_a_grace() {
    let site = Site::new();
    let state = site.open();
    let reply = state
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    assert_eq!((reply.record, reply.grace), (None, Duration::ZERO));
    assert!(
        !site.file("record.json").exists(),
        "a heartbeat changes no record"
    );
}

#[tokio::test]
async fn without_its_members_the_ledger_hears_the_nodes_first_and_keeps_the_record() {
    for damage in [
        (|path| fs::remove_file(path).unwrap()) as fn(&std::path::Path),
        |path| fs::write(path, "").unwrap(),
        |path| fs::write(path, &fs::read(path).unwrap()[..40]).unwrap(),
        |path| fs::write(path, r#"{"v":1,"edition":1}"#).unwrap(),
    ] {
        let site = Site::new();
        let state = site.open();
        let node = Node::new(1);
        node_is_there(&state, &node).await;
        stored(&state, &activate()).await;
        stored(&state, &deactivate()).await;
        let before = site.open().inspect(0).await.unwrap().record;
        damage(&site.file("members.json"));
        let other = site.open();
        let reply = other
            .sync(Node::new(2).report(before.revision()))
            .await
            .unwrap();
        assert_eq!(reply.grace, Timing::default().grace);
        assert_eq!(reply.record.as_ref(), Some(&before));
        // Everybody else goes on with this grace, and does not begin another.
        site.hands.advance(Duration::from_secs(1));
        let reply = state.sync(node.report(before.revision())).await.unwrap();
        assert_eq!(
            reply.grace,
            Timing::default().grace - Duration::from_secs(1)
        );
        assert_eq!(
            stored(&state, &activate()).await.phase(),
            Phase::Activating,
            "nothing completes"
        );
        assert!(
            matches!(
                operate(&state, &deactivate()).await,
                OperateReply::Reconciling(_)
            ),
            "nobody opens"
        );
        site.wait(&state, Timing::default().grace).await;
        assert_eq!(
            stored(&state, &deactivate()).await.phase(),
            Phase::Deactivated
        );
    }
}

#[tokio::test]
async fn what_is_no_file_in_the_place_of_the_members_stops_every_step_and_is_named() {
    let site = Site::new();
    let state = site.open();
    stored(&state, &activate()).await;
    fs::remove_file(site.file("members.json")).unwrap();
    fs::create_dir(site.file("members.json")).unwrap();
    for number in 1..3 {
        let error = state
            .sync(Node::new(number).report(Revision::ZERO))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("members.json"), "{error}");
    }
    fs::remove_dir(site.file("members.json")).unwrap();
    assert!(
        state
            .sync(Node::new(3).report(Revision::ZERO))
            .await
            .unwrap()
            .grace
            > Duration::ZERO
    );
}

async fn node_is_there(state: &crate::FileState, node: &Node) {
    assert_eq!(
        state.sync(node.report(Revision::ZERO)).await.unwrap().grace,
        Duration::ZERO
    );
}

#[tokio::test]
async fn a_record_that_is_gone_is_brought_back_by_a_node() {
    let site = Site::new();
    let state = site.open();
    let node = Node::new(1);
    node_is_there(&state, &node).await;
    let record = stored(&state, &activate()).await;
    fs::remove_file(site.file("record.json")).unwrap();
    // Another process, which has seen nothing itself.
    let other = site.open();
    let reply = other
        .sync(Node::new(2).report(Revision::ZERO))
        .await
        .unwrap();
    assert_eq!((reply.record, reply.grace), (None, Timing::default().grace));
    let mut report = node.report(record.revision());
    report.offer = Some(record.clone());
    assert_eq!(
        state.sync(report).await.unwrap().record,
        Some(record.clone())
    );
    let history = state.history(9).await.unwrap();
    assert_eq!(history[0].event, HistoryEvent::Restored);
    assert_eq!(site.open().inspect(0).await.unwrap().record, record);
}

#[tokio::test]
async fn an_older_record_is_noticed_and_overruled() {
    let site = Site::new();
    let state = site.open();
    let node = Node::new(1);
    node_is_there(&state, &node).await;
    stored(&state, &activate()).await;
    let backup = site.read("record.json");
    let newest = stored(&state, &deactivate()).await;
    fs::write(site.file("record.json"), backup).unwrap();
    let reply = site
        .open()
        .sync(Node::new(2).report(Revision::ZERO))
        .await
        .unwrap();
    assert_eq!(reply.grace, Timing::default().grace);
    let mut report = node.report(newest.revision());
    report.offer = Some(newest.clone());
    assert_eq!(state.sync(report).await.unwrap().record, Some(newest));
}

#[tokio::test]
async fn a_directory_that_vanished_is_made_again_and_the_node_brings_the_record_back() {
    let site = Site::new();
    let directory = site.path().join("a").join("b");
    let state = crate::FileOptions::new(&directory)
        .open_or_create()
        .unwrap();
    let node = Node::new(1);
    node_is_there(&state, &node).await;
    let record = stored(&state, &activate()).await;
    fs::remove_dir_all(site.path().join("a")).unwrap();
    assert_eq!(
        state.inspect(0).await.unwrap_err().kind(),
        StateErrorKind::Unavailable
    );
    let first = state.sync(node.report(record.revision())).await.unwrap();
    assert!(first.grace > Duration::ZERO, "{first:?}");
    let mut report = node.report(record.revision());
    report.offer = Some(record.clone());
    assert_eq!(state.sync(report).await.unwrap().record, Some(record));
}

#[tokio::test]
async fn who_has_seen_more_does_not_take_an_empty_directory_for_a_new_site() {
    let site = Site::new();
    let state = site.open();
    node_is_there(&state, &Node::new(1)).await;
    stored(&state, &activate()).await;
    stored(&state, &deactivate()).await;
    for name in ["record.json", "members.json", "lock"] {
        fs::remove_file(site.file(name)).unwrap();
    }
    let record = stored(&state, &activate()).await;
    assert_eq!(
        record.phase(),
        Phase::Activating,
        "nodes may live that are not on the list any more"
    );
}

#[tokio::test]
async fn a_step_whose_writer_died_before_it_was_taken_was_not_taken() {
    let site = Site::new();
    let state = site.open();
    node_is_there(&state, &Node::new(1)).await;
    stored(&state, &activate()).await;
    let (record, members) = (site.read("record.json"), site.read("members.json"));
    stored(&state, &deactivate()).await;
    let next = site.read("members.json");
    fs::write(site.file("record.json"), &record).unwrap();
    fs::write(site.file("members.json"), &members).unwrap();
    fs::write(site.file("members.json.next"), &next).unwrap();
    let view = site.open().inspect(9).await.unwrap();
    assert_eq!(
        (view.record.phase(), view.grace, view.node_count),
        (Phase::Activating, Duration::ZERO, 1)
    );
}

#[tokio::test]
async fn a_step_whose_writer_died_after_it_was_taken_was_taken() {
    let site = Site::new();
    let state = site.open();
    node_is_there(&state, &Node::new(1)).await;
    stored(&state, &activate()).await;
    let members = site.read("members.json");
    stored(&state, &deactivate()).await;
    fs::rename(site.file("members.json"), site.file("members.json.next")).unwrap();
    fs::write(site.file("members.json"), &members).unwrap();
    let other = site.open();
    let view = other.inspect(9).await.unwrap();
    assert_eq!(
        (view.record.phase(), view.grace, view.node_count),
        (Phase::Deactivated, Duration::ZERO, 1)
    );
    assert_eq!(stored(&other, &activate()).await.phase(), Phase::Activating);
    assert!(!site.file("members.json.next").exists());
}

#[tokio::test]
async fn a_step_that_cannot_be_written_changes_nothing() {
    let site = Site::new();
    let state = site.open();
    node_is_there(&state, &Node::new(1)).await;
    stored(&state, &activate()).await;
    let before = (site.read("record.json"), site.read("members.json"));
    fs::create_dir(site.file("members.json.next")).unwrap();
    fs::write(site.file("members.json.next").join("in the way"), "").unwrap();
    let error = state
        .leave(Node::new(1).id, Departure::Goodbye)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable);
    assert!(error.to_string().contains("members.json.next"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(
        (site.read("record.json"), site.read("members.json")),
        before
    );
    assert_eq!(
        state.inspect(9).await.unwrap().node_count,
        1,
        "who cannot write may look"
    );
}

#[tokio::test]
async fn unfinished_files_of_killed_writers_are_removed() {
    let site = Site::new();
    let state = site.open();
    fs::write(site.file(".record.json.abc123"), "{").unwrap();
    fs::write(site.file(".record.json.swp"), "an editor's").unwrap();
    stored(&state, &activate()).await;
    let mut names: Vec<_> = fs::read_dir(site.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [".record.json.swp", "lock", "members.json", "record.json"]
    );
}
