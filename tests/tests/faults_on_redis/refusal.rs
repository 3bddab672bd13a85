//! Redis is there, and refuses: the password, a right, writes, everything.

use std::fmt::Write as _;

use intermission::{
    Activate, Actor, Change, Departure, MaintenanceState, NodeId, NodeReport, Operation,
    OperationId, OperatorError, Phase, Revision, StartPolicy, StateError, StateErrorKind,
};
use intermission_tests::redis::{RedisServer, ServerOptions};
use intermission_tests::wait::until;
use libtest_mimic::Trial;

use crate::fleet::{
    Pace, SECRET, Site, check, is_open, millis, notices, recovers, refuses_to_start, started,
    steady,
};
use crate::trials;
use crate::visitors::{Visitors, page};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_password_that_was_wrong_from_the_start,
        a_password_that_changes,
        a_command_that_is_no_longer_allowed,
        keys_that_are_no_longer_allowed,
        a_channel_that_is_no_longer_allowed,
        a_right_that_is_missing_half_way_leaves_no_step_half_taken,
        a_master_that_becomes_a_replica,
        a_server_that_loads_its_data,
        a_server_that_cannot_save,
        a_server_without_enough_replicas,
        a_server_that_is_busy_with_a_script,
        a_server_without_room_for_another_client,
        a_server_whose_memory_is_full_serves_us_all_the_same,
    ]
}

/// The least rights that the crate's documentation names, and a bit more room than scripts need.
const RIGHTS: &str = "on >hunter2 ~{intermission:* &{intermission:* -@all +evalsha +script|load +ssubscribe +spublish \
    +info +time +get +set +hget +hset +hmget +hdel +hlen +hgetall +zadd +zcard +zrem +zrange +zscore +zrangebyscore \
    +zremrangebyscore +unlink +lpush +ltrim +lrange";

/// What is called, and what it came to.
const OPERATIONS: [&str; 6] = ["sync", "operate", "leave", "watch", "inspect", "history"];
/// What needs to change nothing.
const LOOKS: [&str; 3] = ["watch", "inspect", "history"];

/// A refusal, as a node and an operator get it.
struct Refusal {
    kind: StateErrorKind,
    advice: &'static str,
    /// The operations that are not refused.
    allowed: &'static [&'static str],
}

/// A closed site of two nodes, and its server, which has a password.
struct Scene {
    server: RedisServer,
    site: Site,
    nodes: [intermission::Gate; 2],
}

impl Scene {
    async fn new() -> Self {
        Self::on(ServerOptions::new()).await
    }

    async fn on(options: ServerOptions) -> Self {
        let server = options.with_password(SECRET).start().await;
        let url = server.url();
        Self::by(server, &url).await
    }

    async fn with_user() -> Self {
        let server = ServerOptions::new()
            .with_user(&format!("app {RIGHTS}"))
            .start()
            .await;
        let url = server.url_as("app", SECRET);
        Self::by(server, &url).await
    }

    async fn by(server: RedisServer, url: &str) -> Self {
        let site = Site::at(url, pace()).await;
        let nodes = [site.node("a").await, site.node("b").await];
        site.close_all(&[&nodes[0], &nodes[1]]).await;
        Self {
            server,
            site,
            nodes,
        }
    }

    /// Both nodes notice and keep what they know, every operation says what is wrong, and when it is over all goes on by
    /// itself.
    async fn weathers(
        &self,
        refusal: Refusal,
        fault: impl AsyncFnOnce(&RedisServer),
        heal: impl AsyncFnOnce(&RedisServer),
    ) {
        let Self {
            server,
            site,
            nodes: [a, b],
        } = self;
        let before = a.record();
        let visitors = Visitors::at(&[a, b]);
        fault(server).await;
        for node in [a, b] {
            notices(node, refusal.kind).await;
            assert_eq!(*node.record(), *before);
        }
        let place = server.address().to_string();
        for operation in OPERATIONS {
            let outcome = ask(site, operation).await;
            if refusal.allowed.contains(&operation) {
                outcome.unwrap_or_else(|error| panic!("{operation}: {}", error.in_full()));
            } else {
                let error = outcome.expect_err(operation);
                // To watch is to look whether something was missed, if that is what fails.
                let name = if error.to_string().contains("inspect") {
                    "inspect"
                } else {
                    operation
                };
                check(&error, refusal.kind, &place, name, refusal.advice);
            }
        }
        heal(server).await;
        for node in [a, b] {
            recovers(node).await;
            assert_eq!(*node.record(), *before);
        }
        let view = site
            .view_when("both are heard again", |view| {
                view.grace.is_zero() && view.count.closed == 2
            })
            .await;
        assert_eq!(*view.record, *before);
        assert_eq!((view.node_count, view.count.nodes), (2, 2));
        visitors.nobody_got_in();
        site.open_all(&[a, b]).await;
    }
}

/// A change of the server's identity is followed by a grace, which is not to take a minute here.
fn pace() -> Pace {
    let mut pace = steady();
    pace.timing.lease = millis(5_000);
    pace.timing.grace = millis(5_000);
    pace
}

/// Asks once, by a connection of its own, with plenty of time.
async fn ask(site: &Site, operation: &str) -> Result<(), StateError> {
    let state = site.hand();
    let stranger = NodeId::random().unwrap();
    match operation {
        "sync" => state.sync(NodeReport::new(stranger, 1)).await.map(drop),
        "operate" => {
            let id = OperationId::random().unwrap();
            let init = Operation::init(id, Actor::new("ana", "test"));
            state.operate(init).await.map(drop)
        }
        "leave" => state.leave(stranger, Departure::Died).await,
        // It is at another revision, so this returns at once.
        "watch" => state.watch(Revision::ZERO).await.map(drop),
        "inspect" => {
            let view = state.inspect(0).await?;
            assert_eq!(view.record.phase(), Phase::Activated);
            Ok(())
        }
        "history" => state
            .history(9)
            .await
            .map(|lines| assert!(!lines.is_empty())),
        _ => panic!("no operation: {operation}"),
    }
}

async fn a_password_that_was_wrong_from_the_start() {
    let server = ServerOptions::new().with_password("other").start().await;
    let url = server.url_at(server.address()).replace("other", SECRET);
    let site = Site::untouched(&url, pace());
    let (place, advice) = (
        server.address().to_string(),
        "put them right in the state's URL",
    );
    let error = refuses_to_start(site.builder("a"), advice).await;
    check(&error, StateErrorKind::Denied, &place, "sync", advice);

    let builder = site
        .builder("b")
        .with_start_policy(StartPolicy::StartClosed);
    let shown = format!("{builder:?} {:?} {:?}", site.state(), site.url());
    assert!(!shown.contains(SECRET), "{shown}");
    let node = builder.start().await.unwrap();
    let visitors = Visitors::at(&[&node]);
    notices(&node, StateErrorKind::Denied).await;
    assert!(!node.decide(&page()).is_admit());
    visitors.nobody_got_in();
    server
        .command(&["CONFIG", "SET", "requirepass", SECRET])
        .await;
    is_open(&node).await;
    drop(started(site.builder("a")).await);
}

async fn a_password_that_changes() {
    let refusal = Refusal {
        kind: StateErrorKind::Denied,
        advice: "put them right in the state's URL",
        allowed: &[],
    };
    let scene = Scene::new().await;
    // Who is in stays in, so the connections are ended, too.
    let fault = async |server: &RedisServer| {
        let other = ["CONFIG", "SET", "requirepass", "other"];
        server.command(&other).await;
        server.command(&["CLIENT", "KILL", "USER", "default"]).await;
    };
    let heal = async |server: &RedisServer| {
        let right = ["CONFIG", "SET", "requirepass", SECRET];
        server.command(&right).await;
    };
    scene.weathers(refusal, fault, heal).await;
}

async fn user(server: &RedisServer, rule: &str) {
    let words: Vec<&str> = ["ACL", "SETUSER", "app"]
        .into_iter()
        .chain(rule.split(' '))
        .collect();
    server.command(&words).await;
}

async fn a_command_that_is_no_longer_allowed() {
    let refusal = Refusal {
        kind: StateErrorKind::Denied,
        advice: "the user `app` may not run EVALSHA: give it the rights",
        allowed: &[],
    };
    let scene = Scene::with_user().await;
    let fault = async |server: &RedisServer| user(server, "-evalsha").await;
    let heal = async |server: &RedisServer| user(server, "+evalsha").await;
    scene.weathers(refusal, fault, heal).await;
}

async fn keys_that_are_no_longer_allowed() {
    let refusal = Refusal {
        kind: StateErrorKind::Denied,
        advice: "the user `app` may not use the site's keys: give it the rights",
        allowed: &[],
    };
    let scene = Scene::with_user().await;
    let fault = async |server: &RedisServer| user(server, "resetkeys").await;
    let heal = async |server: &RedisServer| user(server, "~{intermission:*").await;
    scene.weathers(refusal, fault, heal).await;
}

async fn a_channel_that_is_no_longer_allowed() {
    let refusal = Refusal {
        kind: StateErrorKind::Denied,
        advice: "the user `app` may not use the site's channel: give it the rights",
        allowed: &["inspect", "history"],
    };
    let scene = Scene::with_user().await;
    let fault = async |server: &RedisServer| user(server, "resetchannels").await;
    let heal = async |server: &RedisServer| user(server, "&{intermission:*").await;
    scene.weathers(refusal, fault, heal).await;
}

/// Redis takes nothing back that a script has done before it is refused something.
async fn a_right_that_is_missing_half_way_leaves_no_step_half_taken() {
    let server = RedisServer::start().await;
    let place = server.address().to_string();
    for command in [
        "hset",
        "hdel",
        "hgetall",
        "zadd",
        "zrem",
        "zscore",
        "zrange",
        "zrangebyscore",
        "zremrangebyscore",
        "set",
        "unlink",
        "lpush",
        "ltrim",
        "spublish",
    ] {
        let site = Site::named(&server, command, pace()).await;
        site.node("gone").await.shutdown().await;
        user(&server, &format!("reset {RIGHTS} -{command}")).await;
        let url = server.url_as("app", SECRET);
        let hindered = Site::untouched(&format!("{url}?site={command}"), pace());
        let contents = site.contents(&server).await;
        let advice = match command {
            "spublish" => {
                "the user `app` may not use the site's channel: give it the rights".into()
            }
            _ => format!(
                "the user `app` may not run {}: give it",
                command.to_ascii_uppercase()
            ),
        };
        let change = || Change::Activate(Activate::by("ana"));
        let refused = hindered.operator().change(change()).await.unwrap_err();
        let OperatorError::State(error) = refused else {
            panic!("{command}: {refused:?}")
        };
        check(&error, StateErrorKind::Denied, &place, "operate", &advice);
        let error = refuses_to_start(hindered.builder("a"), &advice).await;
        check(&error, StateErrorKind::Denied, &place, "sync", &advice);
        let error = ask(&hindered, "leave").await.unwrap_err();
        check(&error, StateErrorKind::Denied, &place, "leave", &advice);
        assert_eq!(site.contents(&server).await, contents, "{command}");

        user(&server, &format!("+{command}")).await;
        let node = hindered.node("a").await;
        hindered.close_all(&[&node]).await;
        hindered.open_all(&[&node]).await;
    }
}

async fn a_master_that_becomes_a_replica() {
    let refusal = Refusal {
        kind: StateErrorKind::Unavailable,
        advice: "it is a replica, which takes no changes",
        allowed: &LOOKS,
    };
    let scene = Scene::new().await;
    // Of a master that is not there, so that it keeps its data.
    let fault = async |server: &RedisServer| {
        server.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    };
    let heal = async |server: &RedisServer| {
        server.command(&["REPLICAOF", "NO", "ONE"]).await;
    };
    scene.weathers(refusal, fault, heal).await;
}

async fn a_server_that_loads_its_data() {
    let refusal = Refusal {
        kind: StateErrorKind::Unavailable,
        advice: "it is loading its data: try again when it has",
        allowed: &[],
    };
    let options = ServerOptions::new()
        .with_config("key-load-delay 50000")
        .with_config("loading-process-events-interval-bytes 1024")
        .with_config("rdbcompression no");
    let scene = Scene::on(options).await;
    let fault = async |server: &RedisServer| {
        let fill = "for i = 1, 500 do redis.call('SET', i, string.rep('x', 2048)) end";
        server.command(&["EVAL", fill, "0"]).await;
        server.command(&["SAVE"]).await;
        server.kill();
        server.start_again_listening().await;
    };
    let heal = async |server: &RedisServer| {
        server
            .command(&["CONFIG", "SET", "key-load-delay", "0"])
            .await;
    };
    scene.weathers(refusal, fault, heal).await;
}

async fn a_server_that_cannot_save() {
    let refusal = Refusal {
        kind: StateErrorKind::Unavailable,
        advice: "it cannot save, and takes no changes therefore: see its log and its disk",
        allowed: &LOOKS,
    };
    let scene = Scene::on(ServerOptions::new().with_config("save 3600 1")).await;
    let saves = async |server: &RedisServer, status: &str| {
        until("the server has tried to save", || async {
            server.try_command(&["BGSAVE"]).await.ok()?;
            let last = server.info("rdb_last_bgsave_status").await?;
            (last == status).then_some(())
        })
        .await;
    };
    // A folder with something in it cannot be replaced by a file, not even by root.
    let fault = async |server: &RedisServer| {
        let path = server.folder().join("dump.rdb");
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        saves(server, "err").await;
    };
    let heal = async |server: &RedisServer| {
        std::fs::remove_dir_all(server.folder().join("dump.rdb")).unwrap();
        saves(server, "ok").await;
    };
    scene.weathers(refusal, fault, heal).await;
}

async fn a_server_without_enough_replicas() {
    let refusal = Refusal {
        kind: StateErrorKind::Unavailable,
        advice: "too few of its replicas are in contact (min-replicas-to-write): bring them back",
        allowed: &LOOKS,
    };
    let scene = Scene::new().await;
    let fault = async |server: &RedisServer| {
        let wants = ["CONFIG", "SET", "min-replicas-to-write", "1"];
        server.command(&wants).await;
    };
    let heal = async |server: &RedisServer| {
        let wants = ["CONFIG", "SET", "min-replicas-to-write", "0"];
        server.command(&wants).await;
    };
    scene.weathers(refusal, fault, heal).await;
}

async fn a_server_that_is_busy_with_a_script() {
    let refusal = Refusal {
        kind: StateErrorKind::Unavailable,
        advice: "somebody's script keeps it busy: wait, or end that one with SCRIPT KILL",
        allowed: &[],
    };
    let scene = Scene::on(ServerOptions::new().with_config("busy-reply-threshold 20")).await;
    let fault = async |server: &RedisServer| {
        let mut hand = server.connect().await;
        tokio::spawn(async move {
            let endless = redis::cmd("EVAL")
                .arg("while true do end")
                .arg(0)
                .exec_async(&mut hand)
                .await;
            endless.expect_err("it is killed");
        });
        until("it is busy", || async {
            let error = server.try_command(&["DBSIZE"]).await.err()?;
            (error.code() == Some("BUSY")).then_some(())
        })
        .await;
    };
    let heal = async |server: &RedisServer| {
        server.command(&["SCRIPT", "KILL"]).await;
    };
    scene.weathers(refusal, fault, heal).await;
}

async fn a_server_without_room_for_another_client() {
    let refusal = Refusal {
        kind: StateErrorKind::Unavailable,
        advice: "it has no room for another client: raise its maxclients",
        allowed: &[],
    };
    let scene = Scene::new().await;
    let mut hand = scene.server.connect().await;
    let mut other_hand = hand.clone();
    let config = |most: &str| {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxclients").arg(most);
        command
    };
    let fault = async |_: &RedisServer| {
        // This one, and the operator's.
        config("2").exec_async(&mut hand).await.unwrap();
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("pubsub");
        let killed: u32 = kill.query_async(&mut hand).await.unwrap();
        assert_eq!(killed, 2);
    };
    let heal = async |_: &RedisServer| {
        config("1000").exec_async(&mut other_hand).await.unwrap();
    };
    scene.weathers(refusal, fault, heal).await;
}

async fn a_server_whose_memory_is_full_serves_us_all_the_same() {
    let Scene {
        server,
        site,
        nodes: [a, b],
    } = Scene::new().await;
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = server.try_command(&["SET", "foreign", "x"]).await;
    assert_eq!(refused.unwrap_err().code(), Some("OOM"));
    for _ in 0..2 {
        // Who comes, and scripts that have to be loaded anew.
        server.command(&["SCRIPT", "FLUSH"]).await;
        let c = site.node("c").await;
        site.open_all(&[&a, &b, &c]).await;
        site.close_all(&[&a, &b, &c]).await;
        c.shutdown().await;
    }
    let mut troubles = String::new();
    for operation in OPERATIONS {
        if let Err(error) = ask(&site, operation).await {
            writeln!(troubles, "{operation}: {}", error.in_full()).unwrap();
        }
    }
    assert_eq!(troubles, "");
    site.open_all(&[&a, &b]).await;
}
