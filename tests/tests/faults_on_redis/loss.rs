//! Redis loses data: all of it, one key, or its scripts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use intermission::{
    AllowChange, AllowList, Change, ExecutionInfo, FleetCount, Gate, HistoryEvent, Hold,
    LostContact, Phase, View,
};
use intermission_tests::redis::{Mode, Proxy, RedisServer, ServerOptions};
use intermission_tests::wait::PATIENCE;
use libtest_mimic::Trial;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fleet::{KEYS, Site, is_open, millis, patient, quick, reaches, recovers, started};
use crate::trials;
use crate::visitors::Visitors;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_deleted_key_completes_no_drain_and_opens_nothing,
        an_empty_restart_gets_the_mode_back_and_lets_nobody_in,
        a_flush_is_mended_within_two_heartbeats,
        a_flush_closes_no_open_site,
        a_restart_with_its_data_completes_nothing_before_everybody_has_spoken,
        who_comes_to_an_empty_redis_waits_for_those_who_know_better,
        a_lost_record_is_noticed_even_if_no_node_is_there,
        data_that_goes_back_as_a_whole_is_noticed_by_what_nodes_have_seen,
        flushed_scripts_are_loaded_again_on_the_same_connection,
    ]
}

async fn an_empty_restart_gets_the_mode_back_and_lets_nobody_in() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let activation = site.close_all(&[&a, &b]).await;
    let before = a.record();
    let visitors = Visitors::at(&[&a, &b]);

    server.kill();
    server.start_again_empty().await;
    let view = site
        .view_when("both nodes are back", |view| view.count.nodes == 2)
        .await;
    assert_eq!(*view.record, *before);
    assert!(view.lost_at.is_some(), "{view:?}");
    let history = site.operator().history(10).await.unwrap();
    let restored = history
        .iter()
        .filter(|line| line.event == HistoryEvent::Restored);
    assert_eq!(restored.count(), 1, "{history:?}");

    let view = site.view_after_grace().await;
    assert_eq!(view.record.activation().unwrap().id, activation);
    assert_eq!((view.node_count, view.count.nodes), (2, 2));
    visitors.nobody_got_in();
    site.open_all(&[&a, &b]).await;
}

/// The promise of the issue, counted in what the server saw: the node's first heartbeat after the loss shows it, and the
/// second brings the record back. Under every policy, not even an execution gets in meanwhile.
async fn a_flush_is_mended_within_two_heartbeats() {
    let server = RedisServer::start().await;
    let policies = [
        ("wait", LostContact::Wait(millis(120_000))),
        ("hold", LostContact::Hold),
        ("fence", LostContact::Fence(millis(200))),
    ];
    let mut sites = BTreeMap::new();
    for (name, policy) in policies {
        let site = Site::named(&server, name, quick()).await;
        let node = started(site.builder(name).with_lost_contact(policy)).await;
        site.close_all(&[&node]).await;
        sites.insert(name, (site, node));
    }
    let gates: Vec<&Gate> = sites.values().map(|(_, node)| node).collect();
    let visitors = Visitors::at(&gates);
    let mut monitor = Monitor::start(&server).await;

    server.command(&["FLUSHALL"]).await;
    while !monitor.next().await.contains("\"FLUSHALL\"") {}
    let mut heartbeats: BTreeMap<&str, u32> = BTreeMap::new();
    let mut restored = Vec::new();
    while restored.len() < sites.len() {
        let line = monitor.next().await;
        let of = |name: &&str| line.contains(&format!("{{intermission:{name}}}"));
        let Some(name) = sites.keys().copied().find(of) else {
            continue;
        };
        if line.contains("] \"EVALSHA\"") {
            let spoken = heartbeats.entry(name).or_default();
            *spoken += 1;
            assert!(
                restored.contains(&name) || *spoken <= 2,
                "{name}: {heartbeats:?}"
            );
        } else if line.contains(" lua] \"HSET\"") && line.contains(":record\"") {
            restored.push(name);
        }
    }
    for (site, node) in sites.values() {
        let view = site.view_after_grace().await;
        assert_eq!(*view.record, *node.record());
        assert_eq!(view.record.phase(), Phase::Activated);
        assert_eq!(view.count.nodes, 1);
    }
    visitors.nobody_got_in();
    for (site, node) in sites.values() {
        site.open_all(&[node]).await;
    }
}

/// What is open stays open, for executions, too, on nodes whose lease is unbroken; and who passes by address does so
/// still.
async fn a_flush_closes_no_open_site() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, patient()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let list = AllowList::parse(["192.0.2.0/24"]).unwrap();
    let change = Change::Allow(AllowChange::Replace(list.clone()));
    let record = site.operator().change(change).await.unwrap().record;
    for node in [&a, &b] {
        node.reached(|heard| heard.revision() == record.revision())
            .await;
        is_open(node).await;
    }
    let visitors = Visitors::at(&[&a, &b]);
    for _ in 0..3 {
        server.command(&["FLUSHALL"]).await;
        let view = site
            .view_when("both nodes are back", |view| {
                view.count.nodes == 2 && view.record.revision() == record.revision()
            })
            .await;
        assert_eq!(*view.record, *record);
        assert_eq!(*view.record.allow(), list);
    }
    visitors.everything_got_in();
}

/// The server's identity has changed, so it may have forgotten a node. All that it kept is there, though: nobody is
/// forgotten, nothing is restored, and the drain goes on where it was.
async fn a_restart_with_its_data_completes_nothing_before_everybody_has_spoken() {
    let server = ServerOptions::new().with_append_only().start().await;
    let site = Site::on(&server, quick()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let job = b.execution(ExecutionInfo::new("import")).unwrap();
    let activation = site.close().await;
    site.view_when("both are closed", |view| view.count.closed == 2)
        .await;
    let draining = site.view().await.record;

    server.stop().await;
    server.start_again().await;
    // The last acknowledgement comes during the grace.
    drop(job);
    for node in [&a, &b] {
        reaches(node, Phase::Activated).await;
    }
    let view = site.view_after_grace().await;
    let done = view.record.activation().unwrap().completion.clone();
    let done = done.expect("it is activated");
    assert_eq!(view.record.activation().unwrap().id, activation);
    assert_eq!(view.record.operation(), draining.operation());
    assert!(done.unconfirmed.is_empty(), "{done:?}");
    let lost_at = done
        .state_lost_at
        .expect("it says that it may have lost something");
    // By the store's own clock, which never believes more than has passed.
    assert!(
        done.at.saturating_since(lost_at) >= site.pace().timing.grace,
        "{done:?}"
    );
    assert_eq!((view.node_count, view.count.drained), (2, 2));
    let history = site.operator().history(100).await.unwrap();
    let events: Vec<HistoryEvent> = history.iter().map(|line| line.event).collect();
    assert_eq!(events, [HistoryEvent::Activated, HistoryEvent::Requested]);
    site.open_all(&[&a, &b]).await;
}

/// A node that has never heard of the site meets an empty Redis before those who know that it is closed.
async fn who_comes_to_an_empty_redis_waits_for_those_who_know_better() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.address()).await;
    let mut pace = quick();
    pace.timing.grace = millis(5_000);
    let site = Site::on(&server, pace).await;
    let knower = started(site.builder_by(&proxy.url(), "knower")).await;
    site.close_all(&[&knower]).await;
    let record = knower.record();

    proxy.set(Mode::Cut).await;
    server.command(&["FLUSHALL"]).await;
    let fresh = site.node("fresh").await;
    let visitors = Visitors::at(&[&fresh, &knower]);
    // There may have been a record, so neither visitors nor executions are let in before the grace is over.
    assert_eq!(fresh.status().hold, Some(Hold::StateReconciling));
    assert!(fresh.execution(ExecutionInfo::new("import")).is_err());
    assert!(fresh.status().executions_suspended);
    let error = site.operator().init().await.unwrap_err();
    assert!(error.to_string().contains("try again"), "{error}");
    proxy.set(Mode::Pass).await;
    reaches(&fresh, Phase::Activated).await;
    assert_eq!(*fresh.record(), *record);
    let view = site.view_after_grace().await;
    assert_eq!(*view.record, *record);
    assert_eq!(view.count.nodes, 2);
    recovers(&knower).await;
    visitors.nobody_got_in();
    assert!(!site.operator().init().await.unwrap(), "it is no new site");
    site.open_all(&[&fresh, &knower]).await;
}

/// As a backup that is put back, or a disk that has lied: all is consistent, and old.
async fn data_that_goes_back_as_a_whole_is_noticed_by_what_nodes_have_seen() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    site.close_all(&[&a, &b]).await;
    site.open_all(&[&a, &b]).await;
    let mut hand = server.connect().await;
    let mut back = redis::pipe();
    back.atomic();
    for (suffix, (_, value)) in site.contents(&server).await {
        back.del(site.key(suffix)).ignore();
        if !value.is_empty() {
            let mut restore = redis::cmd("RESTORE");
            restore.arg(site.key(suffix)).arg(0).arg(value);
            back.add_command(restore).ignore();
        }
    }
    let activation = site.close_all(&[&a, &b]).await;
    let newest = a.record();
    let visitors = Visitors::at(&[&a, &b]);
    back.exec_async(&mut hand).await.unwrap();
    let view = site
        .view_when("the newest record is back", |view| *view.record == *newest)
        .await;
    assert!(view.lost_at.is_some(), "{view:?}");
    let view = site.view_after_grace().await;
    assert_eq!(view.record.activation().unwrap().id, activation);
    assert_eq!((view.node_count, view.count.nodes), (2, 2));
    visitors.nobody_got_in();
    site.open_all(&[&a, &b]).await;
}

async fn a_lost_record_is_noticed_even_if_no_node_is_there() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, patient()).await;
    let node = site.node("a").await;
    site.close_all(&[&node]).await;
    node.shutdown().await;
    let before = site.view().await;
    assert_eq!((before.grace.is_zero(), before.lost_at), (true, None));
    server.command(&["DEL", &site.key("record")]).await;
    let view = site.view().await;
    assert_eq!(
        view.record.phase(),
        Phase::Deactivated,
        "nobody knows better"
    );
    assert!(!view.grace.is_zero() && view.lost_at.is_some(), "{view:?}");
    // Who comes now begins no execution yet.
    let fresh = site.node("fresh").await;
    assert!(fresh.status().executions_suspended);
}

async fn flushed_scripts_are_loaded_again_on_the_same_connection() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.address()).await;
    let site = Site::on(&server, patient()).await;
    let node = started(site.builder_by(&proxy.url(), "a")).await;
    let loaded = proxy.counts().command("SCRIPT");
    for round in 1..=3 {
        server.command(&["SCRIPT", "FLUSH"]).await;
        site.close_all(&[&node]).await;
        assert!(proxy.counts().command("SCRIPT") >= loaded + round);
        site.open_all(&[&node]).await;
    }
    let counts = proxy.counts();
    assert_eq!((counts.accepted, counts.open), (1, 1), "{counts:?}");
    assert_eq!(site.view().await.lost_at, None, "scripts are no data");
}

/// Each of our keys, first while a drain waits for an execution, then while maintenance is on.
async fn a_deleted_key_completes_no_drain_and_opens_nothing() {
    let server = Arc::new(RedisServer::start().await);
    let mut losses = JoinSet::new();
    for key in KEYS {
        let server = Arc::clone(&server);
        losses.spawn(async move { loses(&server, key).await });
    }
    while let Some(outcome) = losses.join_next().await {
        outcome.unwrap();
    }
}

async fn loses(server: &RedisServer, key: &str) {
    let site = Site::named(server, key, quick()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    match key {
        "gone" => {
            site.phantom(|report| report.lost_contact = LostContact::Wait(Duration::ZERO))
                .await;
            site.view_when("the phantom is given up", |view| {
                (view.node_count, view.count.nodes) == (3, 2)
            })
            .await;
        }
        "departed" => site.node("c").await.shutdown().await,
        _ => {}
    }
    let job = b.execution(ExecutionInfo::new("import")).unwrap();
    let activation = site.close().await;
    let is_draining = |count: FleetCount| (count.nodes, count.closed, count.drained) == (2, 2, 1);
    site.view_when("b holds the drain up", |view| is_draining(view.count))
        .await;
    let matters = !matches!(key, "history" | "departed");

    // There is nothing in the set of the quiet before the drain is over.
    let deleted: u32 = server.ask(&["DEL", &site.key(key)]).await;
    assert_eq!(deleted, u32::from(key != "quiet"), "{key}");
    site.heard(server, &[&a, &b], 3).await;
    let is_past = |view: &View| view.grace.is_zero() && is_draining(view.count);
    let view = site
        .view_when(&format!("the loss of {key} is mended"), is_past)
        .await;
    assert_eq!(view.record.phase(), Phase::Activating, "{key}");
    assert_eq!(view.record.activation().unwrap().id, activation, "{key}");
    let is_lost = matters && key != "quiet";
    assert_eq!(view.lost_at.is_some(), is_lost, "{key}");
    site.heard(server, &[&a, &b], 3).await;
    assert_eq!(site.view().await.record.phase(), Phase::Activating, "{key}");

    drop(job);
    for node in [&a, &b] {
        let record = reaches(node, Phase::Activated).await;
        let on = record.activation().unwrap();
        let done = on.completion.as_ref().unwrap();
        assert_eq!(on.id, activation, "{key}");
        assert_eq!(done.state_lost_at.is_some(), is_lost, "{key}");
        // Who was given up is named, unless it was forgotten; then the loss is.
        assert_eq!(done.unconfirmed.len(), 0, "{key}");
    }

    let view = site
        .view_when(&format!("{key}: all is quiet"), |view| {
            view.quiescent_at.is_some()
        })
        .await;
    let visitors = Visitors::at(&[&a, &b]);
    let deleted: u32 = server.ask(&["DEL", &site.key(key)]).await;
    let exists = !matches!(key, "gone" | "departed");
    assert_eq!(deleted, u32::from(exists), "{key}");
    site.heard(server, &[&a, &b], 3).await;
    let after = site
        .view_when(&format!("the loss of {key} is mended again"), |view| {
            view.grace.is_zero() && view.count.closed == 2 && view.count.drained == 2
        })
        .await;
    assert_eq!(after.record.activation(), view.record.activation(), "{key}");
    assert_eq!(after.count.nodes, 2, "{key}");
    // What was lost may have been a node that still serves visitors: it claims no more than it knows.
    let matters = matters && key != "gone";
    let quiescent_at = view.quiescent_at.filter(|_| !matters);
    assert_eq!(after.quiescent_at, quiescent_at, "{key}");
    visitors.nobody_got_in();
    site.open_all(&[&a, &b]).await;
}

/// All commands that a server carries out, those of scripts included.
struct Monitor {
    lines: Lines<BufReader<TcpStream>>,
}

impl Monitor {
    async fn start(server: &RedisServer) -> Self {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(b"MONITOR\r\n").await.unwrap();
        let mut monitor = Self {
            lines: BufReader::new(stream).lines(),
        };
        assert_eq!(monitor.next().await, "+OK");
        monitor
    }

    async fn next(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line());
        let line = line.await.expect("something happens");
        line.unwrap().expect("the server goes on")
    }
}
