use std::fs;

use intermission_core::{
    Departure, MaintenanceState, NodeFacts, NodeId, NodeReport, OperateReply, Phase, Revision,
    StateUrl,
};
use intermission_file::FileOptions;

use super::{Site, activate, deactivate, operation, stored};

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart() {
    let site = Site::new();
    let node = NodeId::random().unwrap();
    let (record, history) = {
        let state = site.open();
        let mut report = NodeReport::new(node, 1);
        report.facts = NodeFacts::labelled("worker");
        state.sync(report).await.unwrap();
        (
            stored(&state, &activate()).await,
            state.history(99).await.unwrap(),
        )
    };
    let state = site.open();
    let view = state.inspect(9).await.unwrap();
    assert_eq!(view.record, record);
    assert_eq!(
        view.nodes
            .iter()
            .map(|node| node.facts.label.as_str())
            .collect::<Vec<_>>(),
        ["worker"]
    );
    assert_eq!(state.history(99).await.unwrap(), history);
    assert_eq!(state.history(1).await.unwrap().as_slice(), &history[..1]);
}

#[tokio::test]
async fn the_slower_of_two_operators_sees_the_record_of_the_faster() {
    let site = Site::new();
    let (one, other) = (site.open(), site.open());
    stored(&one, &activate()).await;
    let before = one.inspect(0).await.unwrap().record;
    let open = operation(&before, &deactivate());
    let faster = one.operate(open.clone()).await.unwrap();
    let OperateReply::Stored(record) = faster else {
        panic!("{faster:?}")
    };
    let slower = other
        .operate(operation(&before, &deactivate()))
        .await
        .unwrap();
    assert_eq!(slower, OperateReply::Conflict(record.clone()));
    assert_eq!(
        other.operate(open).await.unwrap(),
        OperateReply::Duplicate(record)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_handles_lose_nothing() {
    const EACH: u64 = 20;
    let site = Site::new();
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..8_u128 {
        let state = site.open();
        workers.spawn(async move {
            let node = NodeId::from_bits(number + 1);
            for sequence in 1..=EACH {
                let reply = state.sync(NodeReport::new(node, sequence)).await.unwrap();
                assert_eq!(reply.sequence, sequence);
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    let state = site.open();
    assert_eq!(state.inspect(99).await.unwrap().node_count, 8);
    for number in 0..8_u128 {
        let stale = state
            .sync(NodeReport::new(NodeId::from_bits(number + 1), EACH))
            .await
            .unwrap();
        assert_eq!(stale.sequence, EACH, "the last report was kept");
        state
            .leave(NodeId::from_bits(number + 1), Departure::Goodbye)
            .await
            .unwrap();
    }
    assert_eq!(state.inspect(99).await.unwrap().node_count, 0);
}

#[tokio::test]
async fn a_heartbeat_leaves_the_record_alone() {
    let site = Site::new();
    let state = site.open();
    stored(&state, &activate()).await;
    let before = fs::metadata(site.file("record.json")).unwrap();
    state
        .sync(NodeReport::new(NodeId::random().unwrap(), 1))
        .await
        .unwrap();
    let after = fs::metadata(site.file("record.json")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[tokio::test]
async fn sites_in_one_directory_are_their_own() {
    let site = Site::new();
    let open = |name: &str| {
        let url: StateUrl = format!("file:{}?site={name}", site.path().display())
            .parse()
            .unwrap();
        FileOptions::from_url(&url)
            .unwrap()
            .open_or_create()
            .unwrap()
    };
    let (shop, blog) = (open("shop"), open("blog"));
    stored(&shop, &activate()).await;
    assert_eq!(
        shop.inspect(0).await.unwrap().record.phase(),
        Phase::Activated
    );
    assert_eq!(
        blog.inspect(0).await.unwrap().record.revision(),
        Revision::ZERO
    );
}

#[tokio::test]
async fn a_dropped_call_leaves_the_next_one_its_turn() {
    let site = Site::new();
    let state = site.open();
    let node = NodeId::random().unwrap();
    for sequence in 1..20 {
        let call = state.sync(NodeReport::new(node, sequence));
        tokio::select! {
            biased;
            _ = call => {}
            () = tokio::task::yield_now() => {}
        }
    }
    let reply = state.sync(NodeReport::new(node, 20)).await.unwrap();
    assert_eq!((reply.sequence, reply.count.nodes), (20, 1));
}
