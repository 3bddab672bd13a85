//! Something else is kept under our keys: another program's value, damage, or what a newer Intermission writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use intermission::{
    Activate, Change, Deactivate, Departure, ExecutionInfo, Gate, GateBuilder, MaintenanceState,
    NodeId, NodeReport, OperatorError, Phase, StateErrorKind,
};
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::until;
use libtest_mimic::Trial;
use tokio::task::JoinSet;

use crate::counted::Counted;
use crate::fleet::{
    KEYS, Site, check, notices, quick, reaches, recovers, refuses_to_start, started,
};
use crate::trials;
use crate::visitors::Visitors;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_foreign_value_under_one_of_our_keys_is_named_and_left_alone,
        a_damaged_record_is_named_and_left_alone,
        damage_to_what_is_kept_of_the_fleet_is_a_loss_and_mended,
        a_record_of_a_newer_version_is_followed_and_left_alone,
        keys_of_a_newer_format_are_left_alone,
        keys_of_an_older_format_are_heard_anew,
    ]
}

/// A closed site of two nodes, of which is known how often they were answered.
struct Scene {
    server: Arc<RedisServer>,
    site: Site,
    states: [Counted; 2],
    nodes: [Gate; 2],
}

impl Scene {
    async fn new(server: Arc<RedisServer>, name: &str) -> Self {
        let site = Site::named(&server, name, quick()).await;
        let states = [(); 2].map(|()| Counted::new(site.state()));
        let mut nodes = Vec::new();
        for state in &states {
            nodes.push(started(builder(&site, state)).await);
        }
        let nodes: [Gate; 2] = nodes.try_into().expect("two of them");
        site.close_all(&[&nodes[0], &nodes[1]]).await;
        site.view_when("all is quiet", |view| view.quiescent_at.is_some())
            .await;
        Self {
            server,
            site,
            states,
            nodes,
        }
    }

    /// Opens the site, and plans to close it in a day.
    async fn plan(&self) {
        let [a, b] = &self.nodes;
        self.site.open_all(&[a, b]).await;
        let requested_at = self.site.operator().history(1).await.unwrap()[0].at;
        let day = std::time::Duration::from_secs(86_400);
        let plan = Activate::by("ana").with_starts_at(requested_at.saturating_add(day));
        let accepted = self.site.operator().change(Change::Activate(plan)).await;
        let revision = accepted.unwrap().record.revision();
        for node in [a, b] {
            node.reached(|record| record.revision() == revision).await;
            assert!(node.record().plan().is_some());
        }
    }

    async fn contents(&self) -> BTreeMap<&'static str, (String, Vec<u8>)> {
        self.site.contents(&self.server).await
    }

    /// Waits until each node has failed a few times more.
    async fn fails_on(&self) {
        for state in &self.states {
            let before = state.failed();
            until("the node has failed again", || async {
                (state.failed() >= before + 3).then_some(())
            })
            .await;
        }
    }

    /// When the fault is over.
    async fn recovers(&self, before: &intermission::Record) {
        let [a, b] = &self.nodes;
        for node in [a, b] {
            recovers(node).await;
        }
        let view = self
            .site
            .view_when("both are heard again", |view| {
                view.grace.is_zero() && view.count.closed == 2 && view.count.drained == 2
            })
            .await;
        assert_eq!(view.record.activation(), before.activation());
        assert_eq!((view.node_count, view.count.nodes), (2, 2));
    }
}

fn builder(site: &Site, state: &Counted) -> GateBuilder {
    Gate::builder(state.clone()).with_timing(site.pace().timing)
}

async fn a_foreign_value_under_one_of_our_keys_is_named_and_left_alone() {
    let server = Arc::new(RedisServer::start().await);
    let mut all = JoinSet::new();
    for key in KEYS {
        let server = Arc::clone(&server);
        all.spawn(async move { is_occupied(Scene::new(server, key).await, key).await });
    }
    succeed(all).await;
}

/// All of these, and what became of each that did not.
async fn succeed(mut all: JoinSet<()>) {
    let mut failed = 0;
    while let Some(outcome) = all.join_next().await {
        failed += u32::from(outcome.is_err());
    }
    assert_eq!(failed, 0, "failed; what they said is above");
}

async fn is_occupied(scene: Scene, key: &'static str) {
    let [a, b] = &scene.nodes;
    let before = a.record();
    let visitors = Visitors::at(&[a, b]);
    scene
        .server
        .command(&["SET", &scene.site.key(key), "somebody else's"])
        .await;
    for node in [a, b] {
        notices(node, StateErrorKind::Corrupt).await;
    }
    let contents = scene.contents().await;
    assert_eq!(contents[key].0, "string");
    scene.fails_on().await;
    let change = Change::Deactivate(Deactivate::new());
    let outcome = scene.site.operator().change(change).await;
    let Err(OperatorError::State(error)) = outcome else {
        panic!("{key}: {outcome:?}")
    };
    let place = scene.server.address().to_string();
    check(
        &error,
        StateErrorKind::Corrupt,
        &place,
        "fails at",
        &scene.site.key(key),
    );
    let failure = scene.states[0].last_failure();
    assert!(failure.contains("rename or delete it"), "{key}: {failure}");
    // Who starts now has nothing to go by.
    let error = refuses_to_start(scene.site.builder("c"), "rename or delete it").await;
    assert_eq!(error.kind(), StateErrorKind::Corrupt, "{key}");
    // Not a byte of any key has changed meanwhile: no step was taken by half.
    assert_eq!(scene.contents().await, contents, "{key}");
    assert_eq!(*a.record(), *before);

    // What has to be begun anew does not take the foreign value with it.
    let other = if key == "meta" { "nodes" } else { "meta" };
    scene.server.command(&["DEL", &scene.site.key(other)]).await;
    let contents = scene.contents().await;
    scene.fails_on().await;
    assert_eq!(scene.contents().await, contents, "{key}");

    scene.server.command(&["DEL", &scene.site.key(key)]).await;
    scene.recovers(&before).await;
    visitors.nobody_got_in();
    scene.site.open_all(&[a, b]).await;
}

/// Each field of the record, of a closed site and of one with a plan.
async fn a_damaged_record_is_named_and_left_alone() {
    let server = Arc::new(RedisServer::start().await);
    let mut all = JoinSet::new();
    for field in [
        "version",
        "revision",
        "operation",
        "phase",
        "id",
        "level_since",
        "settings",
        "requested_by",
        "requested_at",
        "completed_at",
        "forced",
        "state_lost_at",
        "unconfirmed",
        "plan_starts_at",
        "passes",
        "allow",
        "other",
        "text",
    ] {
        let server = Arc::clone(&server);
        all.spawn(async move {
            let scene = Scene::new(server, field).await;
            let visitors = Visitors::at(&[&scene.nodes[0], &scene.nodes[1]]);
            is_damaged(&scene, field).await;
            visitors.nobody_got_in();
            scene
                .site
                .open_all(&[&scene.nodes[0], &scene.nodes[1]])
                .await;
        });
    }
    for field in [
        "version",
        "revision",
        "operation",
        "phase",
        "plan_starts_at",
        "plan_settings",
        "plan_requested_by",
        "plan_requested_at",
    ] {
        let server = Arc::clone(&server);
        all.spawn(async move {
            let scene = Scene::new(server, &format!("planned-{field}")).await;
            scene.plan().await;
            let visitors = Visitors::at(&[&scene.nodes[0], &scene.nodes[1]]);
            is_damaged(&scene, field).await;
            visitors.everybody_got_in();
            scene
                .site
                .close_all(&[&scene.nodes[0], &scene.nodes[1]])
                .await;
        });
    }
    succeed(all).await;
}

async fn is_damaged(scene: &Scene, field: &'static str) {
    const DAMAGE: &str = "{\"dam:age";
    let [a, b] = &scene.nodes;
    let before = a.record();
    let record = scene.site.key("record");
    let good: String = scene.server.ask(&["HGET", &record, field]).await;
    scene
        .server
        .command(&["HSET", &record, field, DAMAGE])
        .await;
    let damaged = scene.contents().await["record"].clone();

    // Who has the record already need not read it again, and goes on; who reads it finds the damage.
    let fresh = scene.site.hand();
    let error = fresh.inspect(0).await.expect_err(field);
    assert_eq!(
        error.kind(),
        StateErrorKind::Corrupt,
        "{field}: {}",
        error.in_full()
    );
    assert!(
        error.in_full().contains("bring it back"),
        "{field}: {}",
        error.in_full()
    );
    let stranger = NodeId::random().unwrap();
    let outcome = fresh.sync(NodeReport::new(stranger, 1)).await;
    let error = outcome.expect_err(field);
    assert_eq!(
        error.kind(),
        StateErrorKind::Corrupt,
        "{field}: {}",
        error.in_full()
    );
    // It may have been heard, though it could not read the answer.
    fresh.leave(stranger, Departure::Died).await.ok();
    for state in &scene.states {
        let before = state.answered() + state.failed();
        until("the node has spoken again", || async {
            (state.answered() + state.failed() >= before + 3).then_some(())
        })
        .await;
    }
    assert_eq!(scene.contents().await["record"], damaged, "{field}");
    for node in [a, b] {
        assert_eq!(*node.record(), *before, "{field}");
    }
    scene.server.command(&["HSET", &record, field, &good]).await;
    for node in [a, b] {
        recovers(node).await;
    }
    let view = scene.site.view_after_grace().await;
    assert_eq!(view.record.activation(), before.activation(), "{field}");
    assert_eq!(view.record.plan(), before.plan(), "{field}");
}

/// Who is there can be asked anew, so nobody needs to be called for it.
async fn damage_to_what_is_kept_of_the_fleet_is_a_loss_and_mended() {
    let server = Arc::new(RedisServer::start().await);
    let mut all = JoinSet::new();
    for field in [
        "server",
        "clock",
        "moved_at",
        "grace_since",
        "grace_until",
        "reconcile_until",
        "newest_seen",
        "lost_at",
        "drain_since",
        "quiescent_for",
        "quiescent_at",
        "known_before",
        "anew_since",
        "claims",
        "quiets",
        "running",
        "closed",
        "drained",
        "quiet",
        "members",
        "lease",
        "step",
        "grace",
        "reconcile",
        "heartbeat",
        "record",
        "format",
    ] {
        let server = Arc::clone(&server);
        all.spawn(async move {
            let scene = Scene::new(server, field).await;
            let meta = scene.site.key("meta");
            if field == "clock" {
                // The site is months old, and so is its last grace.
                let (now, then) = ("9000000000", "8000000000");
                scene.server.set_field(&meta, "grace_until", then).await;
                scene.server.set_field(&meta, "clock", now).await;
                scene.recovers(&scene.nodes[0].record()).await;
            }
            let damaging = scene.server.set_field(&meta, field, r#""dam:age""#);
            is_mended(&scene, damaging).await;
        });
    }
    for name in ["reports", "nodes"] {
        let server = Arc::clone(&server);
        all.spawn(async move {
            let scene = Scene::new(server, name).await;
            let node = scene.nodes[1].status().node.to_string();
            let key = scene.site.key(name);
            let damage = match name {
                "reports" => vec!["HSET", &key, &node, "{\"dam:age"],
                _ => vec!["ZADD", &key, "1", "{\"dam:age"],
            };
            let damaging = async { drop(scene.server.command(&damage).await) };
            is_mended(&scene, damaging).await;
        });
    }
    succeed(all).await;
}

async fn is_mended(scene: &Scene, damaging: impl Future<Output = ()>) {
    let [a, b] = &scene.nodes;
    let before = a.record();
    let visitors = Visitors::at(&[a, b]);
    damaging.await;
    scene.site.heard(&scene.server, &[a, b], 3).await;
    scene.recovers(&before).await;
    visitors.nobody_got_in();
    scene.site.open_all(&[a, b]).await;
    let job = b.execution(ExecutionInfo::new("import")).unwrap();
    scene.site.close().await;
    scene
        .site
        .view_when("b holds the drain up", |view| {
            view.count.closed == 2 && view.count.drained == 1
        })
        .await;
    drop(job);
    for node in [a, b] {
        reaches(node, Phase::Activated).await;
    }
}

/// What a newer Intermission says is done; what it keeps is not touched.
async fn a_record_of_a_newer_version_is_followed_and_left_alone() {
    let server = Arc::new(RedisServer::start().await);
    let scene = Scene::new(Arc::clone(&server), "newer").await;
    let [a, b] = &scene.nodes;
    scene.site.open_all(&[a, b]).await;
    let revision = a.record().revision().number() + 1_000;
    let text = format!(
        "{{\"v\":2,\"revision\":{revision},\"operation\":null,\"phase\":\"activated\",\"mood\":\"calm\"}}"
    );
    let (record, revision) = (scene.site.key("record"), revision.to_string());
    server.command(&["DEL", &record]).await;
    server
        .command(&[
            "HSET",
            &record,
            "version",
            "2",
            "revision",
            &revision,
            "operation",
            "",
            "phase",
            "activated",
            "id",
            &revision,
            "level_since",
            &revision,
            "settings",
            "{\"drain\":{}}",
            "completed_at",
            "0",
            "text",
            &text,
        ])
        .await;
    for node in [a, b] {
        let heard = reaches(node, Phase::Activated).await;
        assert_eq!(
            (heard.version(), heard.revision().number().to_string()),
            (2, revision.clone())
        );
    }
    let kept = scene.contents().await["record"].clone();
    let visitors = Visitors::at(&[a, b]);
    let change = Change::Deactivate(Deactivate::new());
    let error = scene.site.operator().change(change).await.unwrap_err();
    assert!(error.to_string().contains("upgrade it"), "{error}");
    let c = scene.site.node("c").await;
    reaches(&c, Phase::Activated).await;
    scene.site.view_after_grace().await;
    scene.site.heard(&server, &[a, b, &c], 3).await;
    assert_eq!(scene.contents().await["record"], kept);

    // Lost, it is brought back as it was.
    server.command(&["DEL", &record]).await;
    let view = scene
        .site
        .view_when("it is back", |view| view.record.version() == 2)
        .await;
    assert_eq!(view.record.revision().number().to_string(), revision);
    let brought: String = server.ask(&["HGET", &record, "text"]).await;
    assert_eq!(brought, text);
    visitors.nobody_got_in();
}

async fn keys_of_a_newer_format_are_left_alone() {
    let server = Arc::new(RedisServer::start().await);
    let scene = Scene::new(Arc::clone(&server), "newer-format").await;
    let [a, b] = &scene.nodes;
    let before = a.record();
    let visitors = Visitors::at(&[a, b]);
    let meta = scene.site.key("meta");
    server.set_field(&meta, "format", "3").await;
    for node in [a, b] {
        notices(node, StateErrorKind::Unsupported).await;
    }
    let contents = scene.contents().await;
    scene.fails_on().await;
    let error = scene.site.hand().inspect(0).await.unwrap_err();
    let place = server.address().to_string();
    let advice = "upgrade this node or command";
    check(
        &error,
        StateErrorKind::Unsupported,
        &place,
        "inspect",
        advice,
    );
    assert_eq!(scene.contents().await, contents);
    server.set_field(&meta, "format", "2").await;
    scene.recovers(&before).await;
    visitors.nobody_got_in();
    scene.site.open_all(&[a, b]).await;
}

/// What an older version has stored of the nodes is read otherwise, so they are heard anew: a loss like any other.
async fn keys_of_an_older_format_are_heard_anew() {
    let server = Arc::new(RedisServer::start().await);
    let scene = Scene::new(Arc::clone(&server), "older-format").await;
    let [a, b] = &scene.nodes;
    let visitors = Visitors::at(&[a, b]);
    let meta = scene.site.key("meta");
    server.set_field(&meta, "format", "1").await;
    let view = scene
        .site
        .view_when("both are heard anew", |view| {
            view.lost_at.is_some() && view.count.nodes == 2
        })
        .await;
    assert_eq!(
        view.record.activation().map(|on| on.id),
        a.record().activation().map(|on| on.id)
    );
    visitors.nobody_got_in();
    scene.site.open_all(&[a, b]).await;
    let stored = server.field(&meta, "format").await;
    assert_eq!(stored.as_deref(), Some("2"));
}
