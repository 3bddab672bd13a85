//! The master behind Sentinel fails.

use intermission::{ExecutionInfo, Gate, MaintenanceState, Phase, StateErrorKind};
use intermission_tests::redis::{RedisServer, Sentinels};
use intermission_tests::wait::until;
use libtest_mimic::Trial;

use crate::fleet::{Pace, Site, check, millis, notices, quick, reaches, recovers};
use crate::trials;
use crate::visitors::Visitors;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        writes_that_no_replica_saw_are_brought_back_by_the_nodes,
        a_drain_outlives_its_master,
        sentinels_are_needed_only_to_find_the_master,
    ]
}

/// A failover takes some seconds, and every redial several steps.
pub(crate) fn pace() -> Pace {
    let mut pace = quick();
    pace.timing.lease = millis(4_000);
    pace.timing.timeout = millis(1_500);
    pace.timing.grace = millis(4_000);
    pace.timeout = millis(500);
    pace
}

/// What this server keeps of the record: its revision and its phase.
async fn kept(site: &Site, server: &RedisServer) -> (Option<String>, Option<String>) {
    let revision = site.kept(server, "record", "revision").await;
    (revision, site.kept(server, "record", "phase").await)
}

async fn is_kept(site: &Site, server: &RedisServer, node: &Gate) {
    let record = node.record();
    let expected = (
        Some(record.revision().to_string()),
        Some(record.phase().as_str().to_owned()),
    );
    until(&format!("{server} has the newest record"), || async {
        (kept(site, server).await == expected).then_some(())
    })
    .await;
}

async fn writes_that_no_replica_saw_are_brought_back_by_the_nodes() {
    let group = Sentinels::start().await;
    let site = Site::at(&group.url(), pace()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let old = group.master().await;
    assert_eq!(old.ask::<u32>(&["WAIT", "2", "10000"]).await, 2);
    let replicas = group.others(old);
    old.cut_off(&replicas).await;
    let activation = site.close_all(&[&a, &b]).await;
    let visitors = Visitors::at(&[&a, &b]);
    old.kill();
    for replica in &replicas {
        replica.resume();
    }
    for replica in &replicas {
        let seen = kept(&site, replica).await;
        assert_eq!(seen, (None, None), "{replica} has seen nothing of it");
    }

    let new = group.wait_for_failover(old).await;
    is_kept(&site, new, &a).await;
    let view = site
        .view_when("both are back", |view| view.count.nodes == 2)
        .await;
    assert_eq!(view.record.activation().unwrap().id, activation);
    assert!(view.lost_at.is_some());
    for node in [&a, &b] {
        recovers(node).await;
        assert_eq!(node.record().phase(), Phase::Activated);
    }

    // What comes back is a replica now, and gets what it has lost; nobody follows it.
    old.start_again().await;
    until("the old master is a replica", || async {
        // It ends all connections when a sentinel tells it.
        let role = old.try_command(&["ROLE"]).await.ok()?;
        let (role, ..): (
            String,
            redis::Value,
            redis::Value,
            redis::Value,
            redis::Value,
        ) = redis::from_redis_value(role).ok()?;
        (role == "slave").then_some(())
    })
    .await;
    is_kept(&site, old, &a).await;
    let late = site.node("late").await;
    reaches(&late, Phase::Activated).await;
    visitors.nobody_got_in();
    site.open_all(&[&a, &b, &late]).await;
    assert_eq!(group.master().await.port(), new.port());
}

async fn a_drain_outlives_its_master() {
    let group = Sentinels::start().await;
    let site = Site::at(&group.url(), pace()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let job = b.execution(ExecutionInfo::new("import")).unwrap();
    let activation = site.close().await;
    site.view_when("b holds the drain up", |view| {
        view.count.closed == 2 && view.count.drained == 1
    })
    .await;
    let old = group.master().await;
    assert!(old.ask::<u32>(&["WAIT", "1", "10000"]).await >= 1);
    old.kill();
    let new = group.wait_for_failover(old).await;
    for node in [&a, &b] {
        recovers(node).await;
    }
    let view = site
        .view_when("both are heard again", |view| {
            view.grace.is_zero() && view.count.closed == 2 && view.count.drained == 1
        })
        .await;
    assert_eq!(view.record.phase(), Phase::Activating);
    assert_eq!(view.record.activation().unwrap().id, activation);
    site.heard(new, &[&a, &b], 3).await;
    assert_eq!(site.view().await.record.phase(), Phase::Activating);
    drop(job);
    for node in [&a, &b] {
        let record = reaches(node, Phase::Activated).await;
        let done = record.activation().unwrap().completion.clone().unwrap();
        assert!(done.unconfirmed.is_empty(), "{done:?}");
        assert!(done.state_lost_at.is_some(), "{done:?}");
    }
    site.open_all(&[&a, &b]).await;
}

async fn sentinels_are_needed_only_to_find_the_master() {
    let group = Sentinels::start().await;
    let site = Site::at(&group.url(), pace()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let master = group.master().await;
    let ends_connections = ["CLIENT", "KILL", "TYPE", "pubsub"];

    // One that hangs is passed over.
    group.sentinels()[0].pause();
    master.command(&ends_connections).await;
    site.close_all(&[&a, &b]).await;
    site.open_all(&[&a, &b]).await;

    // Who is connected needs none of them.
    for sentinel in group.sentinels() {
        sentinel.kill();
    }
    site.close_all(&[&a, &b]).await;
    let visitors = Visitors::at(&[&a, &b]);
    master.command(&ends_connections).await;
    for node in [&a, &b] {
        notices(node, StateErrorKind::Unavailable).await;
    }
    let error = site.hand().inspect(0).await.unwrap_err();
    let advice = "look whether it runs there";
    for sentinel in group.sentinels() {
        let place = sentinel.address().to_string();
        check(
            &error,
            StateErrorKind::Unavailable,
            &place,
            "inspect",
            advice,
        );
    }
    group.sentinels()[1].start_again().await;
    for node in [&a, &b] {
        recovers(node).await;
    }
    visitors.nobody_got_in();
    site.open_all(&[&a, &b]).await;
}
