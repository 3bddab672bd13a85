//! Nodes are killed, or stopped for longer than their lease.

use std::time::Duration;

use intermission::{Completion, Gate, HistoryEvent, NodeId, Phase, UnconfirmedCause, View};
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::until;
use libtest_mimic::Trial;

use crate::fleet::{Site, millis, reaches};
use crate::node_process::{NodeProcess, boot_millis, pace};
use crate::trials;
use crate::visitors::Visitors;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_killed_node_under_wait_is_waited_for_and_then_named,
        a_killed_node_under_hold_is_waited_for_until_it_is_forgotten,
        a_killed_node_under_fence_counts_as_drained_when_its_time_is_over,
        a_node_that_was_killed_long_ago_is_named_by_the_next_drain,
        a_stopped_node_under_wait_is_named_until_it_is_back_and_done,
        a_stopped_node_under_hold_is_waited_for_until_it_is_back_and_done,
        a_stopped_node_under_fence_begins_nothing_when_it_goes_on,
        a_node_that_ends_in_order_is_off_the_list_at_once,
    ]
}

/// Of a policy that gives a node up: this long after its lease.
const MORE: Duration = millis(200);

struct Scene {
    server: RedisServer,
    site: Site,
    /// A node that stays.
    witness: Gate,
}

impl Scene {
    async fn new() -> Self {
        let server = RedisServer::start().await;
        let site = Site::on(&server, pace()).await;
        let witness = site.node("witness").await;
        Self {
            server,
            site,
            witness,
        }
    }

    async fn node(&self, name: &str, policy: &str) -> NodeProcess {
        let policy = format!("{policy}:{}", MORE.as_millis());
        NodeProcess::start(self.site.url(), name, &policy).await
    }

    /// Begins a drain that this node holds up.
    async fn close_while_it_works(&self, node: &mut NodeProcess) {
        node.begin().await;
        self.site.close().await;
        let view = self
            .site
            .view_when("both are closed", |view| view.count.closed == 2)
            .await;
        assert_eq!(view.record.phase(), Phase::Activating);
    }

    async fn completed(&self) -> Completion {
        let record = reaches(&self.witness, Phase::Activated).await;
        record.activation().unwrap().completion.clone().unwrap()
    }

    async fn clock(&self) -> Duration {
        let clock = self.server.field(&self.site.key("meta"), "clock").await;
        millis(clock.expect("it is kept").parse().expect("a number"))
    }

    /// Waits until a node that has just fallen silent would be given up twice, if its policy let it.
    async fn time_passes(&self) {
        let before = self.clock().await;
        let passes = (self.site.pace().timing.lease + MORE) * 2;
        until("time passes", || async {
            (self.clock().await > before + passes).then_some(())
        })
        .await;
    }

    async fn events(&self) -> Vec<HistoryEvent> {
        let history = self.site.operator().history(100).await.unwrap();
        history.iter().map(|line| line.event).collect()
    }

    /// By the store's own clock, the drain ended no earlier than this node's word did.
    async fn check_patience(&self, node: NodeId, done: &Completion) {
        let view = self.site.view().await;
        let heard_at = heard_at(&view, node);
        let waited = done.at.saturating_since(heard_at);
        let due = self.site.pace().timing.lease + MORE;
        assert!(waited >= due, "{waited:?} of {due:?}: {view:?}");
    }
}

fn heard_at(view: &View, node: NodeId) -> intermission::Timestamp {
    let listed = view.nodes.iter().find(|listed| listed.node == node);
    listed.expect("it is listed").heard_at
}

async fn a_killed_node_under_wait_is_waited_for_and_then_named() {
    let scene = Scene::new().await;
    let mut dying = scene.node("dying", "wait").await;
    let id = dying.id;
    scene.close_while_it_works(&mut dying).await;
    dying.kill().await;
    let done = scene.completed().await;
    let visitors = Visitors::at(&[&scene.witness]);
    assert_eq!((done.forced, done.state_lost_at), (false, None));
    let [named] = done.unconfirmed.as_slice() else {
        panic!("{done:?}")
    };
    assert_eq!((named.node, named.label.as_str()), (id, "dying"));
    assert_eq!(named.cause, UnconfirmedCause::OutOfContact);
    assert!(named.running >= 1, "{named:?}");
    scene.check_patience(id, &done).await;
    assert_eq!(scene.site.view().await.count.nodes, 1);
    assert!(
        scene
            .events()
            .await
            .contains(&HistoryEvent::NodeUnconfirmed)
    );

    let mut heir = scene.node("heir", "wait").await;
    let said = heir.said().await;
    assert_eq!(
        (said.phase.as_str(), said.admits, said.last_begun),
        ("activated", false, 0)
    );
    visitors.nobody_got_in();
    scene.site.open_all(&[&scene.witness]).await;
    heir.is("the heir is open", |said| {
        said.admits && said.last_begun > 0
    })
    .await;
}

async fn a_killed_node_under_hold_is_waited_for_until_it_is_forgotten() {
    let scene = Scene::new().await;
    let mut dying = scene.node("dying", "hold").await;
    let id = dying.id;
    scene.close_while_it_works(&mut dying).await;
    dying.kill().await;
    scene.time_passes().await;
    let view = scene.site.view().await;
    assert_eq!(view.record.phase(), Phase::Activating);
    assert_eq!((view.count.nodes, view.count.drained), (2, 1));
    let silent = view.nodes.first().expect("who holds it up comes first");
    assert!(silent.node == id && silent.out_of_contact, "{silent:?}");

    scene.site.operator().forget(id).await.unwrap();
    let done = scene.completed().await;
    assert!(done.unconfirmed.is_empty(), "{done:?}");
    assert!(scene.events().await.contains(&HistoryEvent::NodeForgotten));
    scene.site.open_all(&[&scene.witness]).await;
}

async fn a_killed_node_under_fence_counts_as_drained_when_its_time_is_over() {
    let scene = Scene::new().await;
    let mut dying = scene.node("dying", "fence").await;
    let id = dying.id;
    scene.close_while_it_works(&mut dying).await;
    dying.kill().await;
    let done = scene.completed().await;
    assert!(done.unconfirmed.is_empty(), "{done:?}");
    assert_eq!((done.forced, done.state_lost_at), (false, None));
    scene.check_patience(id, &done).await;
    scene.site.open_all(&[&scene.witness]).await;
}

async fn a_node_that_was_killed_long_ago_is_named_by_the_next_drain() {
    let scene = Scene::new().await;
    let mut dying = scene.node("dying", "wait").await;
    let id = dying.id;
    dying.begin().await;
    scene
        .site
        .view_when("its execution is known", |view| view.count.running >= 1)
        .await;
    dying.kill().await;
    scene
        .site
        .view_when("it is given up", |view| view.count.nodes == 1)
        .await;
    scene.site.close_all(&[&scene.witness]).await;
    let done = scene.completed().await;
    let named: Vec<NodeId> = done.unconfirmed.iter().map(|named| named.node).collect();
    assert_eq!(named, [id], "{done:?}");
    scene.site.open_all(&[&scene.witness]).await;
}

async fn a_stopped_node_under_wait_is_named_until_it_is_back_and_done() {
    let scene = Scene::new().await;
    let mut stopped = scene.node("stopped", "wait").await;
    stopped.begin().await;
    stopped.pause().await;
    scene.site.close().await;
    let done = scene.completed().await;
    let named: Vec<NodeId> = done.unconfirmed.iter().map(|named| named.node).collect();
    assert_eq!(named, [stopped.id]);
    scene.check_patience(stopped.id, &done).await;
    assert_eq!(scene.site.view().await.quiescent_at, None);

    stopped.resume();
    stopped
        .is("it is closed", |said| {
            said.phase == "activated" && !said.admits
        })
        .await;
    let back = |view: &View| view.count.closed == 2 && view.count.drained == 1;
    let view = scene.site.view_when("it is back", back).await;
    let still = view
        .record
        .activation()
        .unwrap()
        .completion
        .clone()
        .unwrap();
    assert_eq!(still.unconfirmed.len(), 1, "it still works: {still:?}");
    stopped.end().await;
    let view = scene
        .site
        .view_when("it is confirmed, and all is quiet", |view| {
            view.quiescent_at.is_some()
        })
        .await;
    let done = view
        .record
        .activation()
        .unwrap()
        .completion
        .clone()
        .unwrap();
    assert!(done.unconfirmed.is_empty(), "{done:?}");
    assert!(scene.events().await.contains(&HistoryEvent::NodeConfirmed));
    scene.site.open_all(&[&scene.witness]).await;
    stopped.is("it is open", |said| said.admits).await;
}

async fn a_stopped_node_under_hold_is_waited_for_until_it_is_back_and_done() {
    let scene = Scene::new().await;
    let mut stopped = scene.node("stopped", "hold").await;
    stopped.begin().await;
    stopped.pause().await;
    scene.site.close().await;
    scene
        .site
        .view_when("the witness has drained", |view| view.count.drained == 1)
        .await;
    scene.time_passes().await;
    assert_eq!(scene.site.view().await.record.phase(), Phase::Activating);

    stopped.resume();
    scene
        .site
        .view_when("it is back and closed", |view| view.count.closed == 2)
        .await;
    scene.site.heard(&scene.server, &[&scene.witness], 3).await;
    let view = scene.site.view().await;
    assert_eq!(
        view.record.phase(),
        Phase::Activating,
        "it still works: {view:?}"
    );
    stopped.end().await;
    let done = scene.completed().await;
    assert!(done.unconfirmed.is_empty(), "{done:?}");
    scene.site.open_all(&[&scene.witness]).await;
    stopped.is("it is open", |said| said.admits).await;
}

/// Several of them: which of its threads runs first when a process goes on is a matter of luck.
async fn a_stopped_node_under_fence_begins_nothing_when_it_goes_on() {
    let scene = Scene::new().await;
    let mut stopped = Vec::new();
    for name in ["first", "second", "third", "fourth"] {
        let mut node = scene.node(name, "fence").await;
        node.begin().await;
        node.run_on().await;
        node.is("it begins executions", |said| said.last_begun > 0)
            .await;
        stopped.push(node);
    }
    for node in &stopped {
        node.pause().await;
    }
    scene.site.close().await;
    let done = scene.completed().await;
    let activated_at = boot_millis();
    assert!(done.unconfirmed.is_empty(), "{done:?}");
    for node in &stopped {
        scene.check_patience(node.id, &done).await;
        node.resume();
    }
    for node in &mut stopped {
        let said = node
            .is("it is closed and has dropped what it ran", |said| {
                said.phase == "activated" && said.cancelled && said.dropped && !said.admits
            })
            .await;
        let later = node
            .is("it has tried many times more", |later| {
                later.tried > said.tried + 50
            })
            .await;
        assert!(
            later.last_begun <= activated_at,
            "it began an execution {} ms after everybody was told that none runs: {later:?}",
            later.last_begun - activated_at
        );
    }
    scene.site.open_all(&[&scene.witness]).await;
    for node in &mut stopped {
        node.is("it begins executions again", |said| {
            said.admits && said.last_begun > activated_at
        })
        .await;
    }
}

async fn a_node_that_ends_in_order_is_off_the_list_at_once() {
    let scene = Scene::new().await;
    for _ in 0..10 {
        let leaving = scene.site.node("leaving").await;
        scene.site.close_all(&[&scene.witness, &leaving]).await;
        leaving.shutdown().await;
        let view = scene.site.view().await;
        let labels: Vec<&str> = view
            .nodes
            .iter()
            .map(|node| node.facts.label.as_str())
            .collect();
        assert_eq!(labels, ["witness"]);
        scene.site.open_all(&[&scene.witness]).await;
    }
}
