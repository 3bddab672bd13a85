//! Something between a node and Redis fails: while nothing happens, while the mode changes, while a drain goes on.

use std::sync::Arc;

use intermission::{ActivationId, ExecutionInfo, Gate, Phase, Record, StateErrorKind};
use intermission_tests::redis::{Direction, Mode, Proxy, RedisServer};
use intermission_tests::wait::until;
use libtest_mimic::Trial;

use crate::counted::Counted;
use crate::fleet::{
    Pace, Site, millis, notices, options, patient, reaches, recovers, started, steady,
};
use crate::trials;
use crate::visitors::Visitors;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_cut_connection,
        a_black_hole,
        a_connection_slower_than_the_limit,
        a_connection_whose_requests_are_lost,
        a_connection_whose_answers_are_lost,
        a_trickle,
        a_connection_that_is_slow_within_the_limit_serves,
        an_answer_that_breaks_off_anywhere_is_asked_for_again,
        a_black_hole_costs_one_time_out_and_a_redial,
        connections_that_the_server_ends_while_the_mode_changes,
    ]
}

async fn a_cut_connection() {
    weathers(Mode::Cut).await;
}

async fn a_black_hole() {
    weathers(Mode::Stall).await;
}

async fn a_connection_slower_than_the_limit() {
    weathers(Mode::Delay(millis(300))).await;
}

async fn a_connection_whose_requests_are_lost() {
    weathers(Mode::HalfClose(Direction::ToServer)).await;
}

async fn a_connection_whose_answers_are_lost() {
    weathers(Mode::HalfClose(Direction::ToClient)).await;
}

async fn a_trickle() {
    weathers(Mode::Trickle(millis(2))).await;
}

/// A node behind a fault that no answer gets through, and one that is well.
async fn weathers(fault: Mode) {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.address()).await;
    let site = Site::on(&server, steady()).await;
    let node = started(site.builder_by(&proxy.url(), "behind")).await;
    let well = site.node("well").await;
    let job = node.execution(ExecutionInfo::new("import")).unwrap();

    // While nothing happens.
    let visitors = Visitors::at(&[&node, &well]);
    proxy.set(fault).await;
    notices(&node, StateErrorKind::Unavailable).await;
    proxy.set(Mode::Pass).await;
    recovers(&node).await;
    visitors.everything_got_in();
    assert_eq!(site.view().await.count.nodes, 2);

    // While the site is closed. The node may hear of it in spite of all; it cannot have drained.
    proxy.set(fault).await;
    let first = site.close().await;
    site.view_when("the other has drained", |view| view.count.drained == 1)
        .await;
    notices(&node, StateErrorKind::Unavailable).await;
    site.heard(&server, &[&well], 3).await;
    assert_eq!(site.view().await.record.phase(), Phase::Activating);
    proxy.set(Mode::Pass).await;
    reaches(&node, Phase::Activating).await;
    site.view_when("both are closed", |view| view.count.closed == 2)
        .await;

    // While the drain ends.
    proxy.set(fault).await;
    notices(&node, StateErrorKind::Unavailable).await;
    drop(job);
    proxy.set(Mode::Pass).await;
    for node in [&node, &well] {
        let record = reaches(node, Phase::Activated).await;
        let on = record.activation().unwrap();
        assert_eq!(on.id, first);
        let done = on.completion.as_ref().unwrap();
        assert!(
            done.unconfirmed.is_empty() && done.state_lost_at.is_none(),
            "{done:?}"
        );
    }
    recovers(&node).await;

    // While the site opens and is closed again. No answer that was on its way opens the node late.
    let visitors = Visitors::at(&[&node]);
    proxy.set(fault).await;
    notices(&node, StateErrorKind::Unavailable).await;
    site.open_all(&[&well]).await;
    let second = site.close().await;
    reaches(&well, Phase::Activating).await;
    if matches!(fault, Mode::Cut | Mode::Stall | Mode::HalfClose(_)) {
        // It has drained for the first time, and has not heard of the second.
        site.heard(&server, &[&well], 3).await;
        assert_eq!(site.view().await.record.phase(), Phase::Activating);
    }
    proxy.set(Mode::Pass).await;
    for node in [&node, &well] {
        let record = reaches_activation(node, second).await;
        assert!(record.activation().unwrap().completion.is_some());
    }
    recovers(&node).await;
    site.heard(&server, &[&node, &well], 3).await;
    visitors.nobody_found_it_open();
    let view = site.view().await;
    assert_eq!((view.count.nodes, view.lost_at), (2, None));
    site.open_all(&[&node, &well]).await;
}

async fn reaches_activation(node: &Gate, id: ActivationId) -> Arc<Record> {
    until("the second activation is complete here", || async {
        let record = node.record();
        let is_there = record.phase() == Phase::Activated
            && record
                .activation()
                .is_some_and(|activation| activation.id == id);
        is_there.then_some(record)
    })
    .await
}

async fn a_connection_that_is_slow_within_the_limit_serves() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.address()).await;
    let site = Site::on(&server, patient()).await;
    let node = started(site.builder_by(&proxy.url(), "a")).await;
    proxy.set(Mode::Delay(millis(200))).await;
    for _ in 0..2 {
        site.close_all(&[&node]).await;
        site.open_all(&[&node]).await;
    }
    assert_eq!(node.status().trouble, None);
    assert_eq!(proxy.counts().accepted, 1);
}

async fn an_answer_that_breaks_off_anywhere_is_asked_for_again() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.address()).await;
    let site = Site::on(&server, steady()).await;
    let node = started(site.builder_by(&proxy.url(), "behind")).await;
    let well = site.node("well").await;
    let nodes = [&node, &well];
    let breaks = async |bytes| {
        let before = proxy.counts().accepted;
        proxy.set(Mode::CutDuringReply(bytes)).await;
        before
    };
    let is_replaced = async |before| {
        until("the connection was replaced", || async {
            (proxy.counts().accepted > before).then_some(())
        })
        .await;
        recovers(&node).await;
    };
    // In the push and in the answers: at once, within a length, within the record, near its end, after it.
    for bytes in [0, 1, 3, 9, 40, 150, 400, 600, 900] {
        let before = breaks(bytes).await;
        let activation = site.close_all(&nodes).await;
        let visitors = Visitors::at(&nodes);
        is_replaced(before).await;
        assert_eq!(node.record().activation().unwrap().id, activation);
        assert_eq!(*node.record(), *well.record());
        visitors.nobody_got_in();
        let before = breaks(bytes).await;
        site.open_all(&nodes).await;
        let visitors = Visitors::at(&nodes);
        is_replaced(before).await;
        assert_eq!(*node.record(), *well.record());
        visitors.everything_got_in();
    }
    let view = site.view().await;
    assert_eq!((view.count.nodes, view.lost_at), (2, None));
}

/// The connection never comes back, only others do. In the node's own count: the report that was swallowed fails.
async fn a_black_hole_costs_one_time_out_and_a_redial() {
    let server = RedisServer::start().await;
    let hole = Proxy::start(server.address()).await;
    let way = Proxy::start(hole.address()).await;
    let pace = Pace {
        timeout: millis(1_000),
        timing: patient().timing,
    };
    let site = Site::on(&server, pace).await;
    let url = way.url().parse().unwrap();
    let state = Counted::new(options(&url, pace).build());
    let builder = Gate::builder(state.clone()).with_timing(pace.timing);
    let node = started(builder).await;
    let (dialled, failed) = (way.counts().accepted, state.failed());

    hole.set(Mode::Stall).await;
    way.set_target(server.address()).await;
    until("a report has failed", || async {
        (state.failed() > failed).then_some(())
    })
    .await;
    recovers(&node).await;
    let failure = state.last_failure();
    assert!(failure.contains("no answer within 1s"), "{failure}");
    // Another one on a machine that is very busy.
    assert!(state.failed() <= failed + 2, "{}", state.failed());
    assert!(way.counts().accepted <= dialled + 2, "{:?}", way.counts());
    // The new connection hears what is published.
    site.close_all(&[&node]).await;
    let visitors = Visitors::at(&[&node]);
    // What was swallowed is carried out now, long after it was given up.
    hole.set(Mode::Pass).await;
    site.heard(&server, &[&node], 3).await;
    let view = site.view().await;
    assert_eq!((view.node_count, view.count.drained), (1, 1));
    visitors.nobody_got_in();
    site.open_all(&[&node]).await;
}

async fn connections_that_the_server_ends_while_the_mode_changes() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, steady()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let (nodes, kill) = ([&a, &b], ["CLIENT", "KILL", "TYPE", "pubsub"]);
    let mut ended = 0;
    for _ in 0..10 {
        let (activation, killed) = tokio::join!(site.close_all(&nodes), server.ask::<u32>(&kill));
        assert_eq!(a.record().activation().unwrap().id, activation);
        let visitors = Visitors::at(&nodes);
        ended += killed + server.ask::<u32>(&kill).await;
        for node in nodes {
            recovers(node).await;
        }
        visitors.nobody_got_in();
        tokio::join!(site.open_all(&nodes), server.command(&kill));
        assert_eq!(*a.record(), *b.record());
    }
    assert!(ended >= 10, "{ended}");
    assert_eq!(site.view().await.count.nodes, 2);
}
