//! The command on a Redis, as a process: all verbs, whatever goes wrong, and the rights that it needs.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod new_site;

use std::collections::BTreeSet;
use std::process::Stdio;

use intermission_tests::app::{App, Framework};
use intermission_tests::command::{Outcome, command, intermission};
use intermission_tests::programs;
use intermission_tests::redis::{Cluster, RedisServer, Sentinels, ServerOptions};
use intermission_tests::wait::until;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use new_site::new_site;

/// What a service and an operator need, as the README has it. Names of keys and of the channel begin alike.
const SERVICE: &str = "~{intermission:* &{intermission:* +evalsha +script|load +ssubscribe +get +hdel +hget +hgetall \
    +hlen +hmget +hset +info +lpush +lrange +ltrim +set +spublish +time +unlink +zadd +zcard +zrange +zrangebyscore \
    +zrem +zremrangebyscore +zscore";

/// What somebody needs who may only look.
const LOOKER: &str = "~{intermission:* &{intermission:* +evalsha +script|load +ssubscribe +get +hget +hgetall +hlen \
    +hmget +info +lrange +time +zcard +zrange";

/// Asserts that this line fails so, and says all of these, on one line.
async fn assert_fails(state: &str, line: &[&str], code: i32, says: &[&str]) {
    let outcome = intermission(state, line).await;
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (code, ""),
        "{line:?}: {outcome:?}"
    );
    let error = outcome.stderr.lines().next().unwrap_or_default();
    assert!(error.starts_with("error: "), "{line:?}: {outcome:?}");
    for text in says {
        assert!(
            error.contains(text),
            "{line:?} does not say `{text}`: {outcome:?}"
        );
    }
}

/// Runs all verbs, and asserts that they do what they are for.
async fn all_verbs(state: &str) {
    let ran = |line: &'static [&'static str]| async move { intermission(state, line).await.done() };
    let says = |outcome: &Outcome, text: &str| {
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(all.contains(text), "{text}: {outcome:?}");
    };
    says(&ran(&["init"]).await, "already initialised");
    says(&ran(&["status"]).await, "Maintenance: deactivated");
    let closed = ran(&[
        "activate",
        "--message",
        "Upgrading",
        "--ip",
        "192.0.2.10",
        "--wait",
    ])
    .await;
    says(&closed, "activated\n");
    says(&ran(&["status"]).await, "  Message:       Upgrading\n");
    let code = intermission(state, &["status", "--exit-code"]).await.code;
    assert_eq!(code, 3);
    says(&ran(&["activate"]).await, "already activated");
    says(
        &ran(&["allow-ips", "--add", "192.0.2.11"]).await,
        "2 addresses",
    );
    says(&ran(&["allow-ips"]).await, "192.0.2.11/32\n");
    says(
        &ran(&["pass", "create", "auditor"]).await,
        "?intermission-pass=",
    );
    says(&ran(&["pass", "list"]).await, "auditor");
    says(&ran(&["pass", "revoke", "--all"]).await, "revoked");
    says(
        &ran(&["explain", "GET", "/", "--ip", "192.0.2.11"]).await,
        "admit (allowed-address)",
    );
    says(&ran(&["nodes", "--json"]).await, "\"nodes\":[");
    says(&ran(&["executions", "--json"]).await, "\"running\":0");
    let nobody = "00000000000000000000000000000000";
    let forgotten = intermission(state, &["nodes", "forget", nobody])
        .await
        .done();
    says(&forgotten, "already off the list");
    says(&ran(&["deactivate"]).await, "deactivated");
    says(
        &ran(&["activate", "--starts", "+1h"]).await,
        "planned to start at",
    );
    says(
        &ran(&["deactivate"]).await,
        "cancelled the planned maintenance",
    );
    let history = ran(&["history"]).await;
    for event in [
        "initialised",
        "requested",
        "activated",
        "updated",
        "deactivated",
        "planned",
        "plan-cancelled",
    ] {
        says(&history, event);
    }
}

/// Watches until somebody activates, and returns what was printed by then.
async fn watched(state: &str, operator: &str) -> String {
    let mut watching = command(state, &["watch"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(watching.stdout.take().expect("it is piped")).lines();
    let mut printed = String::new();
    for (number, change) in (1..).zip([None, Some("activate"), Some("deactivate")]) {
        if let Some(change) = change {
            intermission(operator, &[change]).await.done();
        }
        // The activation is requested, and then activated.
        for _ in 0..if number == 2 { 2 } else { 1 } {
            let line = lines.next_line().await.expect("text").expect("it goes on");
            printed.push_str(&line);
            printed.push('\n');
        }
    }
    printed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_topology_is_reached() {
    let single = RedisServer::start().await;
    let (sentinels, cluster) = tokio::join!(Sentinels::start(), Cluster::start());
    for url in [single.url(), sentinels.url(), cluster.url()] {
        new_site(&url).await;
        all_verbs(&url).await;
        let printed = watched(&url, &url).await;
        assert!(
            printed.contains("  requested ") && printed.contains("  deactivated "),
            "{printed}"
        );
        println!("all verbs work on {url}");
    }
}

/// An empty Redis may be new, or may have lost its data: `init` hears the nodes for a grace, and then says which.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_site_is_initialised_when_nobody_knows_better() {
    let server = RedisServer::start().await;
    let state = server.url();
    let shown = intermission(&*state, &["status"]).await.done().stdout;
    assert!(
        shown.starts_with(
            "Maintenance: deactivated (not certain yet)\n  Reconciling:   15 s left: "
        ),
        "{shown}"
    );
    let first = intermission(&*state, &["init"]).await.done();
    let lines: Vec<&str> = first.stderr.lines().collect();
    assert!(
        matches!(lines.as_slice(), [waiting, "initialised as a new site"] if waiting.starts_with("reconciling, ")),
        "{first:?}"
    );
    let again = intermission(&*state, &["init", "--json"]).await.done();
    assert_eq!(again.stderr, "already initialised\n");
    assert!(
        again.stdout.starts_with("{\"v\":1,\"changed\":false,"),
        "{again:?}"
    );
    let json = intermission(&*state, &["status", "--json"])
        .await
        .done()
        .json();
    assert_eq!(
        json["state"],
        serde_json::json!({"reconciling_s": null, "behind": false, "lost_at": null})
    );
}

/// Which server, which operation, what to do; and never the password.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_is_said() {
    let server = ServerOptions::new()
        .with_user("ops on >hunter2 ~* &* +@all")
        .with_user("weak on >hunter2 ~* &* +@all -zadd")
        .with_user("stranger on >hunter2 ~other:* &* +@all")
        .start()
        .await;
    let place = format!("redis://{}/0", server.address());
    let place = place.as_str();
    let url = server.url_as("ops", "hunter2");
    new_site(&url).await;
    let verbs: [&[&str]; 6] = [
        &["status"],
        &["nodes"],
        &["activate"],
        &["deactivate"],
        &["history"],
        &["init"],
    ];
    for verb in verbs {
        for (user, password, says) in [
            (
                "ops",
                "wrong",
                "it does not know this user with this password",
            ),
            (
                "nobody",
                "hunter2",
                "it does not know this user with this password",
            ),
            (
                "stranger",
                "hunter2",
                "the user `stranger` may not use the site's keys",
            ),
        ] {
            let state = server.url_as(user, password);
            assert_fails(&state, verb, 1, &[place, "refuses", says]).await;
        }
    }
    let weak = server.url_as("weak", "hunter2");
    assert_fails(
        &weak,
        &["activate"],
        1,
        &[place, "the user `weak` may not run ZADD"],
    )
    .await;
    let json = intermission(&*url, &["status", "--json"])
        .await
        .done()
        .json();
    assert_eq!(
        json["phase"], "deactivated",
        "what is refused has changed nothing"
    );

    server
        .command(&["SET", "{intermission:foreign}:nodes", "mine"])
        .await;
    let foreign = format!("{url}?site=foreign");
    for verb in verbs {
        assert_fails(
            &foreign,
            verb,
            1,
            &[
                place,
                "somebody else keeps something",
                "{intermission:foreign}:nodes",
            ],
        )
        .await;
    }
    assert_eq!(
        server
            .ask::<String>(&["GET", "{intermission:foreign}:nodes"])
            .await,
        "mine"
    );

    let newer = format!("{url}?site=newer");
    new_site(&newer).await;
    server
        .set_field("{intermission:newer}:meta", "format", "999")
        .await;
    for verb in verbs {
        assert_fails(
            &newer,
            verb,
            1,
            &[place, "newer Intermission (format 999", "upgrade"],
        )
        .await;
    }

    server.pause();
    for verb in [&["status"][..], &["activate", "--wait"]] {
        assert_fails(
            &url,
            verb,
            6,
            &[place, "no answer within 1s", "look whether it is up"],
        )
        .await;
    }
    server.resume();
    server.kill();
    for verb in verbs {
        assert_fails(
            &url,
            verb,
            6,
            &[place, "it cannot be reached", "look whether it runs there"],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_never_repeated() {
    let server = ServerOptions::new()
        .with_user("ops on >hunter2 ~* &* +@all")
        .start()
        .await;
    let url = server.url_as("ops", "hunter2");
    new_site(&url).await;
    let app = App::start(&*url, "web-1", &[]).await;
    let broken = url.replace("127.0.0.1:", "127.0.0.1:x");
    let no_such = url.replace("redis://", "rediss://");
    for state in [&url, &broken, &no_such] {
        for line in [
            &["--verbose", "status"][..],
            &["status", "--json"],
            &["--help"],
            &["status", "--help"],
            &["man"],
            &["nodes", "--verbose"],
            &["history", "--json"],
            &["activate", "--wait", "--json"],
            &["executions"],
            &["deactivate"],
            &["nonsense"],
            &["activate", "--drain", "nonsense"],
        ] {
            // By the environment, where others cannot read it, and by the command line.
            let mut by_environment = Command::new(programs::intermission());
            by_environment
                .args(line)
                .env_clear()
                .env("INTERMISSION_STATE", state)
                .stdin(Stdio::null());
            for mut command in [by_environment, command(state.as_str(), line)] {
                let output = command.output().await.expect("the command starts");
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said);
                assert!(!said.contains("hunter2"), "{line:?}: {said}");
            }
        }
    }
    drop(app);
    server.kill();
    let mut refused = Command::new(programs::app(Framework::Axum));
    let refused = refused
        .args(["--state", &url])
        .output()
        .await
        .expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && !said.contains("hunter2"),
        "{said}"
    );
    assert!(
        said.contains(&format!("redis://{}/0", server.address())),
        "{said}"
    );
}

/// The rules that the README tells to copy are enough, and those of a looker are enough for looking and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_are_documented_are_enough() {
    let server = ServerOptions::new()
        .with_user(&format!(
            "shop on >pw resetkeys resetchannels -@all {SERVICE}"
        ))
        .with_user(&format!(
            "look on >pw resetkeys resetchannels -@all {LOOKER}"
        ))
        .start()
        .await;
    let (shop, look) = (server.url_as("shop", "pw"), server.url_as("look", "pw"));
    new_site(&shop).await;
    let mut app = App::start(&*shop, "web-1", &["--lost", "wait:1s"]).await;
    app.start_job(1).await.expect("it is open");
    all_verbs(&shop).await;
    let printed = watched(&look, &shop).await;
    assert!(
        printed.contains("  requested ") && printed.contains("  deactivated "),
        "{printed}"
    );

    // A node that is given up in mid-drain, a restart of the scripts' cache, lost data: what else the scripts do.
    let mut dying = App::start(&*shop, "web-2", &["--lost", "wait:1s"]).await;
    dying.start_job(600_000).await.expect("it is open");
    until("the state knows of the job", || async {
        let json = intermission(&*shop, &["executions", "--json"])
            .await
            .done()
            .json();
        (json["running"] == 1).then_some(())
    })
    .await;
    intermission(&*shop, &["activate"]).await.done();
    dying.kill().await;
    server.command(&["SCRIPT", "FLUSH"]).await;
    let given_up = intermission(&*shop, &["activate", "--wait"]).await;
    assert_eq!(given_up.code, 9, "{given_up:?}");
    for line in [
        &["status"][..],
        &["status", "--json"],
        &["nodes"],
        &["executions"],
        &["history"],
        &["allow-ips"],
        &["pass", "list"],
        &["explain", "GET", "/"],
    ] {
        let outcome = intermission(&*look, line).await.done();
        assert!(!outcome.stderr.contains("warning"), "{outcome:?}");
    }
    let shown = intermission(&*look, &["status"]).await.done().stdout;
    assert!(shown.contains("  Unconfirmed:   web-2 ("), "{shown}");
    for line in [
        &["deactivate"][..],
        &["activate", "--message", "mine"],
        &["allow-ips", "192.0.2.1"],
        &["nodes", "forget", "00000000"],
    ] {
        let outcome = intermission(&*look, line).await;
        assert_eq!(outcome.code, 1, "{line:?}: {outcome:?}");
    }
    server
        .command(&["DEL", "{intermission:default}:reports"])
        .await;
    let restored = intermission(&*shop, &["status"]).await.done().stdout;
    assert!(restored.contains("  State lost:    2"), "{restored}");
    app.terminate().await;
    let nodes = intermission(&*look, &["nodes", "--json"])
        .await
        .done()
        .json();
    assert_eq!(
        nodes["nodes"],
        serde_json::json!([]),
        "it could say goodbye"
    );
}

/// A script that needs another command needs another line in the README.
#[test]
fn the_rights_that_are_documented_are_those_that_the_scripts_need() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../crates/intermission-redis/src/scripts"
    );
    let mut needed = BTreeSet::from(["evalsha", "script|load", "ssubscribe"].map(str::to_owned));
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap() == "clock_manual.lua" {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for call in text.split("call('").skip(1) {
            needed.insert(call.split('\'').next().unwrap().to_lowercase());
        }
    }
    let rights = |rule: &str| -> BTreeSet<String> {
        let rights = rule
            .split_whitespace()
            .filter_map(|word| word.strip_prefix('+'));
        rights.map(str::to_owned).collect()
    };
    assert_eq!(rights(SERVICE), needed);
    assert!(rights(LOOKER).is_subset(&needed));
}

/// Whoever waits is not sent away by a server that stands still for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlasts_an_outage() {
    let server = RedisServer::start().await;
    let state = server.url();
    new_site(&state).await;
    let app = App::start(&*state, "web-1", &[]).await;
    app.start_job(3_000).await.expect("it is open");
    let mut waiting = command(&*state, &["activate", "--wait"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    until("it is closed for jobs", || async {
        app.start_job(1).await.is_none().then_some(())
    })
    .await;
    server.pause();
    let mut said = BufReader::new(waiting.stderr.take().expect("it is piped")).lines();
    let line = said.next_line().await.expect("text").expect("it goes on");
    assert!(
        line.starts_with("warning: trying again for half a minute: redis://"),
        "{line}"
    );
    server.resume();
    let mut rest = String::new();
    said.into_inner()
        .read_to_string(&mut rest)
        .await
        .expect("text");
    assert_eq!(
        waiting.wait().await.expect("it ends").code(),
        Some(0),
        "{rest}"
    );
    assert!(
        rest.starts_with("the state is in reach again\n") && rest.ends_with("activated\n"),
        "{rest}"
    );
}

/// Quiescence that nobody can know any more is no reason to wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_quiescence_ends_when_it_cannot_be_known_any_more() {
    let server = RedisServer::start().await;
    let state = server.url();
    new_site(&state).await;
    let app = App::start(&*state, "web-1", &[]).await;
    let address = app.address;
    let visitor = tokio::spawn(async move {
        let path = "/slow?ms=60000";
        intermission_tests::http::send(address, http::Method::GET, path, &[]).await
    });
    until("the state knows of the request", || async {
        let json = intermission(&*state, &["nodes", "--json"])
            .await
            .done()
            .json();
        (json["nodes"][0]["requests"] == 1).then_some(())
    })
    .await;
    let waiting = command(&*state, &["activate", "--wait=quiescent"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    until("executions are drained, and the visitor stays", || async {
        let json = intermission(&*state, &["status", "--json"])
            .await
            .done()
            .json();
        (json["phase"] == "activated").then_some(())
    })
    .await;
    server
        .command(&["DEL", "{intermission:default}:meta"])
        .await;
    let output = waiting.wait_with_output().await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{said}");
    assert!(
        said.contains("warning: activated, but the state lost data at 2")
            && said.contains("hint: `intermission "),
        "{said}"
    );
    visitor.abort();
}

/// A change that only Redis knows of may be lost with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_no_service_has_seen_is_said_to_be_so() {
    let server = RedisServer::start().await;
    let state = server.url();
    new_site(&state).await;
    let mut app = App::start(&*state, "web-1", &[]).await;
    let seen = intermission(&*state, &["activate"]).await.done();
    assert!(!seen.stderr.contains("warning"), "{seen:?}");
    app.kill().await;
    let unseen = intermission(&*state, &["deactivate"]).await.done();
    assert!(
        unseen
            .stderr
            .starts_with("deactivated\nwarning: it is done, but no service has seen it yet"),
        "{unseen:?}"
    );
}
