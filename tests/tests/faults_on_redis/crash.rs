//! The server is killed, or stands still.

use intermission::{ExecutionInfo, LostContact, Phase, RefuseReason, RunError, StateErrorKind};
use intermission_tests::redis::{RedisServer, ServerOptions};
use intermission_tests::wait::until;
use libtest_mimic::Trial;

use crate::fleet::{Site, millis, notices, quick, reaches, recovers, started, steady};
use crate::trials;
use crate::visitors::Visitors;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_killed_server_with_its_data_is_waited_for_and_nothing_is_lost,
        a_killed_server_without_its_data_still_waits_for_a_job_that_goes_on,
        a_brief_pause_of_the_server_is_noticed_and_changes_nothing,
        after_a_long_pause_of_the_server_nobody_is_given_up,
        a_long_pause_of_the_server_completes_no_drain,
    ]
}

async fn a_killed_server_with_its_data_is_waited_for_and_nothing_is_lost() {
    let server = ServerOptions::new().with_append_only().start().await;
    let site = Site::on(&server, quick()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);

    // Open, and so it stays.
    let visitors = Visitors::at(&[&a, &b]);
    server.kill();
    for node in [&a, &b] {
        notices(node, StateErrorKind::Unavailable).await;
    }
    server.start_again().await;
    for node in [&a, &b] {
        recovers(node).await;
    }
    visitors.everybody_got_in();
    site.view_after_grace().await;

    // Closed, and so it stays.
    let activation = site.close_all(&[&a, &b]).await;
    let before = a.record();
    let history = site.operator().history(100).await.unwrap();
    let visitors = Visitors::at(&[&a, &b]);
    server.kill();
    for node in [&a, &b] {
        notices(node, StateErrorKind::Unavailable).await;
        let age = node.status().contact_age;
        until("time passes", || async {
            (node.status().contact_age > age).then_some(())
        })
        .await;
    }
    server.start_again().await;
    for node in [&a, &b] {
        recovers(node).await;
        assert_eq!(*node.record(), *before);
    }
    let view = site.view_after_grace().await;
    assert_eq!(*view.record, *before);
    assert_eq!(view.record.activation().unwrap().id, activation);
    assert_eq!(view.count.nodes, 2);
    assert_eq!(site.operator().history(100).await.unwrap(), history);
    visitors.nobody_got_in();
    site.open_all(&[&a, &b]).await;
}

async fn a_killed_server_without_its_data_still_waits_for_a_job_that_goes_on() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let job = b.execution(ExecutionInfo::new("import")).unwrap();
    let activation = site.close().await;
    site.view_when("b holds the drain up", |view| view.count.drained == 1)
        .await;

    server.kill();
    for node in [&a, &b] {
        notices(node, StateErrorKind::Unavailable).await;
    }
    server.start_again().await;
    let view = site
        .view_when("both are back and the grace is over", |view| {
            view.grace.is_zero() && view.count.closed == 2 && view.count.drained == 1
        })
        .await;
    assert_eq!(view.record.phase(), Phase::Activating);
    assert_eq!(view.count.running, 1);
    site.heard(&server, &[&a, &b], 3).await;
    assert_eq!(site.view().await.record.phase(), Phase::Activating);
    assert_eq!(b.status().running, 1);

    drop(job);
    let record = reaches(&a, Phase::Activated).await;
    let on = record.activation().unwrap();
    assert_eq!(on.id, activation);
    let done = on.completion.as_ref().unwrap();
    assert!(
        done.state_lost_at.is_some() && done.unconfirmed.is_empty(),
        "{done:?}"
    );
    reaches(&b, Phase::Activated).await;
    site.open_all(&[&a, &b]).await;
}

async fn a_brief_pause_of_the_server_is_noticed_and_changes_nothing() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, steady()).await;
    let mut nodes = Vec::new();
    let mut jobs = Vec::new();
    for policy in [
        LostContact::Wait(millis(0)),
        LostContact::Hold,
        LostContact::Fence(millis(0)),
    ] {
        let node = started(site.builder("a").with_lost_contact(policy)).await;
        jobs.push(node.execution(ExecutionInfo::new("import")).unwrap());
        nodes.push(node);
    }
    let nodes: Vec<_> = nodes.iter().collect();
    let visitors = Visitors::at(&nodes);
    server.pause();
    for node in &nodes {
        notices(node, StateErrorKind::Unavailable).await;
    }
    server.resume();
    for node in &nodes {
        recovers(node).await;
    }
    visitors.everything_got_in();
    assert!(jobs.iter().all(|job| !job.is_cancelled()));
    let view = site.view().await;
    assert_eq!((view.count.nodes, view.count.running), (3, 3));
    assert_eq!((view.grace.is_zero(), view.lost_at), (true, None));
    drop(jobs);
    site.close_all(&nodes).await;
    site.open_all(&nodes).await;
}

/// Longer than the lease and all that comes after it, so that only the fleet clock's disbelief keeps the nodes.
async fn after_a_long_pause_of_the_server_nobody_is_given_up() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    let wait = started(
        site.builder("wait")
            .with_lost_contact(LostContact::Wait(millis(200))),
    )
    .await;
    let hold = started(site.builder("hold").with_lost_contact(LostContact::Hold)).await;
    let fence = LostContact::Fence(millis(200));
    let fence = started(site.builder("fence").with_lost_contact(fence)).await;
    let nodes = [&wait, &hold, &fence];
    let jobs: Vec<_> = nodes
        .iter()
        .map(|node| node.execution(ExecutionInfo::new("import")).unwrap())
        .collect();
    let droppable = {
        let fence = fence.clone();
        tokio::spawn(async move {
            let work = std::future::pending::<()>();
            fence.run(ExecutionInfo::new("droppable"), work).await
        })
    };
    site.view_when("all jobs are known", |view| view.count.running == 4)
        .await;
    let visitors = Visitors::at(&nodes);
    // One that says nothing more, so that no report of its own brings it back.
    let silent = site
        .phantom(|report| report.lost_contact = LostContact::Wait(millis(1_500)))
        .await;

    server.pause();
    let dropped = droppable.await.unwrap().unwrap_err();
    assert_eq!(dropped, RunError::Dropped);
    for node in nodes {
        until("the pause is longer than all leases", || async {
            (node.status().contact_age? > millis(4_000)).then_some(())
        })
        .await;
    }
    assert!(jobs[2].is_cancelled());
    let refused = fence.execution(ExecutionInfo::new("import")).unwrap_err();
    assert_eq!(refused.reason, RefuseReason::OutOfContact);
    for (node, job) in [(&wait, &jobs[0]), (&hold, &jobs[1])] {
        assert!(!job.is_cancelled());
        assert!(node.execution(ExecutionInfo::new("import")).is_ok());
    }
    server.resume();
    let view = site.view().await;
    assert_eq!((view.node_count, view.count.nodes), (4, 4), "{view:?}");
    site.operator().forget(silent).await.unwrap();
    for node in nodes {
        recovers(node).await;
    }
    until("the fenced node begins executions again", || async {
        fence
            .execution(ExecutionInfo::new("import"))
            .is_ok()
            .then_some(())
    })
    .await;
    visitors.everybody_got_in();
    drop(jobs);
    site.close_all(&nodes).await;
    site.open_all(&nodes).await;
}

async fn a_long_pause_of_the_server_completes_no_drain() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    let wait = LostContact::Wait(millis(4_000));
    let wait = started(site.builder("wait").with_lost_contact(wait)).await;
    let fence = LostContact::Fence(millis(200));
    let fence = started(site.builder("fence").with_lost_contact(fence)).await;
    let jobs = [&wait, &fence].map(|node| node.execution(ExecutionInfo::new("import")).unwrap());
    site.close().await;
    site.view_when("both are closed", |view| view.count.closed == 2)
        .await;
    // One that says nothing more, and would count as drained when its time is over.
    let silent = site
        .phantom(|report| report.lost_contact = LostContact::Fence(millis(1_500)))
        .await;

    server.pause();
    until("the pause is longer than all leases", || async {
        (fence.status().contact_age? > millis(4_000)).then_some(())
    })
    .await;
    server.resume();
    let view = site.view().await;
    assert_eq!(view.record.phase(), Phase::Activating);
    assert_eq!(
        (view.count.nodes, view.count.closed, view.count.drained),
        (3, 2, 0)
    );
    site.operator().forget(silent).await.unwrap();
    site.heard(&server, &[&wait, &fence], 3).await;
    assert_eq!(site.view().await.record.phase(), Phase::Activating);

    drop(jobs);
    for node in [&wait, &fence] {
        let record = reaches(node, Phase::Activated).await;
        let done = record.activation().unwrap().completion.clone().unwrap();
        assert!(done.unconfirmed.is_empty(), "{done:?}");
        assert_eq!(done.state_lost_at, None);
    }
    site.open_all(&[&wait, &fence]).await;
}
