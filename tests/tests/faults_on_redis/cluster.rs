//! A Cluster's node fails, or the site's slot moves.

use intermission::{ExecutionInfo, MaintenanceState, Phase, StateErrorKind};
use intermission_tests::redis::{Cluster, ClusterOptions};
use intermission_tests::wait::until;
use libtest_mimic::Trial;

use crate::fleet::{Site, check, millis, notices, reaches, recovers};
use crate::sentinel::pace;
use crate::trials;
use crate::visitors::Visitors;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_replica_takes_over_from_a_killed_owner,
        a_slot_moves_under_a_live_fleet,
        a_cluster_that_is_down_is_waited_for,
    ]
}

async fn a_replica_takes_over_from_a_killed_owner() {
    let cluster = Cluster::start().await;
    let site = Site::at(&cluster.url(), pace()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let slot = cluster.slot_of(&site.key("record")).await;
    let owner = cluster.owner_of(slot).await;
    let activation = site.close_all(&[&a, &b]).await;
    assert_eq!(owner.ask::<u32>(&["WAIT", "1", "10000"]).await, 1);
    let visitors = Visitors::at(&[&a, &b]);
    owner.kill();
    for node in [&a, &b] {
        notices(node, StateErrorKind::Unavailable).await;
    }
    let heir = cluster.wait_for_new_owner(slot, owner).await;
    for node in [&a, &b] {
        recovers(node).await;
    }
    site.heard(heir, &[&a, &b], 3).await;
    let view = site.view_after_grace().await;
    assert_eq!(view.record.activation().unwrap().id, activation);
    assert_eq!(
        (view.record.phase(), view.count.nodes),
        (Phase::Activated, 2)
    );

    // Back as a replica, it sends everybody on to the new owner.
    owner.start_again().await;
    heir.wait_for_replicas(1).await;
    cluster.wait_until_ok().await;
    let late = site.node("late").await;
    reaches(&late, Phase::Activated).await;
    visitors.nobody_got_in();
    site.open_all(&[&a, &b, &late]).await;
}

/// Heartbeats are so rare here that only pushes can carry the changes: a subscription that died with the move would be
/// missed.
async fn a_slot_moves_under_a_live_fleet() {
    let cluster = Cluster::start().await;
    let mut rare = pace();
    rare.timing.heartbeat = millis(8_000);
    rare.timing.drain_poll = millis(8_000);
    rare.timing.lease = millis(120_000);
    rare.timing.grace = millis(120_000);
    let site = Site::at(&cluster.url(), rare).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let job = a.execution(ExecutionInfo::new("import")).unwrap();
    let slot = cluster.slot_of(&site.key("record")).await;
    let from = cluster.owner_of(slot).await;
    let masters = &cluster.nodes()[..3];
    let others: Vec<_> = masters
        .iter()
        .filter(|node| node.port() != from.port())
        .collect();

    // Closed while it moves. First some of the keys are missing, then all of them.
    let activation = site.close().await;
    for node in [&a, &b] {
        reaches(node, Phase::Activating).await;
    }
    let half_way = cluster.begin_move(slot, others[0]).await;
    let hand = site.hand();
    let moving = hand.inspect(0).await.unwrap_err();
    check(
        &moving,
        StateErrorKind::Unavailable,
        "127.0.0.1",
        "inspect",
        "moving to another node",
    );
    half_way.move_keys().await;
    let moved = hand.inspect(0).await.unwrap_err();
    check(
        &moved,
        StateErrorKind::Unavailable,
        "127.0.0.1",
        "inspect",
        "moving to another node",
    );
    half_way.finish().await;
    let view = site
        .view_when("both have followed", |view| {
            view.count.nodes == 2 && view.lost_at.is_some()
        })
        .await;
    assert_eq!(view.record.activation().unwrap().id, activation);
    for node in [&a, &b] {
        recovers(node).await;
        assert_eq!(node.record().activation().unwrap().id, activation);
        assert!(node.execution(ExecutionInfo::new("import")).is_err());
    }
    drop(job);

    // Back and forth, with a change on each of them.
    for (round, to) in [from, others[1], from].into_iter().enumerate() {
        site.open().await;
        for node in [&a, &b] {
            reaches(node, Phase::Deactivated).await;
        }
        cluster.move_slot(slot, to).await;
        site.close().await;
        for node in [&a, &b] {
            let record = reaches(node, Phase::Activating).await;
            assert_eq!(
                record.revision(),
                site.view().await.record.revision(),
                "{round}"
            );
        }
    }
    for node in [&a, &b] {
        recovers(node).await;
        assert_eq!(node.status().keeper_restarts, 0);
    }
    assert_eq!(site.view().await.count.nodes, 2);
}

async fn a_cluster_that_is_down_is_waited_for() {
    // Without replicas, so that nobody takes over.
    let cluster = ClusterOptions::new().with_replicas(0).start().await;
    let site = Site::at(&cluster.url(), pace()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let slot = cluster.slot_of(&site.key("record")).await;
    let owner = cluster.owner_of(slot).await;
    let other = cluster
        .nodes()
        .iter()
        .find(|node| node.port() != owner.port());
    let other = other.expect("there are three");
    let activation = site.close_all(&[&a, &b]).await;
    let visitors = Visitors::at(&[&a, &b]);
    // A slot that nobody serves takes the whole Cluster down.
    other.kill();
    for node in [&a, &b] {
        notices(node, StateErrorKind::Unavailable).await;
    }
    let hand = site.hand();
    let error = until("it is said to be down", || async {
        hand.inspect(0).await.err()
    })
    .await;
    check(
        &error,
        StateErrorKind::Unavailable,
        "127.0.0.1",
        "inspect",
        "look at CLUSTER INFO",
    );
    for node in [&a, &b] {
        assert_eq!(node.record().activation().unwrap().id, activation);
    }
    other.start_again().await;
    cluster.wait_until_ok().await;
    for node in [&a, &b] {
        recovers(node).await;
    }
    let view = site.view().await;
    assert_eq!(
        (view.record.phase(), view.count.nodes),
        (Phase::Activated, 2)
    );
    assert_eq!(view.lost_at, None);
    visitors.nobody_got_in();
    site.open_all(&[&a, &b]).await;
}
