//! `intermission exec`, as cron starts it: commands that run only while the site is open, and for which a drain waits.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod each_state;
#[path = "../new_site/mod.rs"]
mod new_site;
mod out_of_reach;
mod periods;
#[path = "../states/mod.rs"]
mod states;
mod work;

use std::path::Path;

use intermission_tests::command::{State, intermission};
use intermission_tests::programs;
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::until;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use intermission_tests::running::{Ended, Running};
use work::{WORK, begin, finish, start, well};

/// A new site in a directory.
async fn site() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let state = Path::url(folder.path());
    intermission(state.as_str(), &["init"]).await.done();
    (folder, state)
}

async fn phase(state: &str) -> String {
    let status = intermission(state, &["status", "--json"]).await.done();
    status.json()["phase"].as_str().expect("a phase").to_owned()
}

/// How many nodes are listed.
async fn nodes(state: &str) -> usize {
    let nodes = intermission(state, &["nodes", "--json"]).await.done();
    nodes.json()["nodes"].as_array().expect("nodes").len()
}

/// Waits until the fleet knows that the work runs.
async fn is_listed(state: &str) -> serde_json::Value {
    until("the execution is listed", || async {
        let listed = intermission(state, &["executions", "--json"]).await.done();
        listed.json()["executions"]
            .as_array()
            .and_then(|executions| executions.first())
            .cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_its_own_streams_and_code_and_is_listed_while_it_runs() {
    let (_folder, state) = site().await;
    let running = start(&state, &["--kind", "import", "--json"]).await;
    let listed = is_listed(&state).await;
    assert_eq!(listed["kind"], "import");
    assert_eq!(listed["label"], "sh", "no arguments: they may be secret");
    let node = listed["node_label"].as_str().expect("a name");
    assert!(node.starts_with("exec sh pid "), "{node}");
    assert_eq!(finish(running).await, well());
    assert_eq!(nodes(&state).await, 0, "it has said goodbye");
    for (script, code) in [("exit 0", 0), ("exit 255", 255), ("kill -9 $$", 137)] {
        let outcome = intermission(state.as_str(), &["exec", "--", "/bin/sh", "-c", script]).await;
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (code, ""),
            "{script}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_site_is_closed_it_is_skipped() {
    let (_folder, state) = site().await;
    let line = ["activate", "--wait", "--message", "Upgrading"];
    intermission(state.as_str(), &line).await.done();
    let skipped = intermission(state.as_str(), &["exec", "--", "/bin/sh", "-c", "echo ran"]).await;
    assert_eq!(
        (skipped.code, skipped.stdout.as_str()),
        (8, ""),
        "{skipped:?}"
    );
    assert_eq!(
        skipped.stderr,
        "not run: maintenance is activated, requested by ana (\"Upgrading\"); run it again once the site is open, or \
         with --if-closed wait\n"
    );
    assert_eq!(nodes(&state).await, 0, "it has said goodbye");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_until_the_site_is_open() {
    let (_folder, state) = site().await;
    intermission(state.as_str(), &["activate", "--wait"])
        .await
        .done();
    let mut waiting = begin(&state, &["--if-closed", "wait"]);
    assert_eq!(
        waiting.said().await,
        "waiting to run: maintenance is activated, requested by ana"
    );
    let interrupted = begin(&state, &["--if-closed=wait"]);
    until("both wait", || async {
        (nodes(&state).await == 2).then_some(())
    })
    .await;
    interrupted.signal(Signal::TERM);
    let ended = interrupted.ended().await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(143), ""),
        "{ended:?}"
    );
    // Whoever waits runs nothing, so nothing waits for it.
    intermission(state.as_str(), &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
    intermission(state.as_str(), &["deactivate"]).await.done();
    waiting.has_started().await;
    assert_eq!(waiting.said().await, "the site is open: running");
    is_listed(&state).await;
    assert_eq!(finish(waiting).await, well());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_listed_by_its_label() {
    let (_folder, state) = site().await;
    let running = start(&state, &["--kind", "import", "--label", "prices"]).await;
    let listed = is_listed(&state).await;
    assert_eq!(
        (&listed["kind"], &listed["label"]),
        (&"import".into(), &"prices".into())
    );
    let shown = intermission(state.as_str(), &["executions"]).await.done();
    assert!(shown.stdout.contains("prices"), "{shown:?}");
    assert_eq!(finish(running).await, well());
    let both = [
        "exec",
        "--only-in-maintenance",
        "--label",
        "x",
        "--",
        "true",
    ];
    assert_eq!(intermission(state.as_str(), &both).await.code, 2);
}

/// The next drain waits for what began while the site was closed.
#[tokio::test(flavor = "multi_thread")]
async fn it_runs_although_the_site_is_closed() {
    let (_folder, state) = site().await;
    intermission(state.as_str(), &["activate", "--wait"])
        .await
        .done();
    let mut running = start(&state, &["--if-closed", "run"]).await;
    assert_eq!(
        running.said().await,
        "running all the same: maintenance is activated, requested by ana; no drain waits for it until the site has \
         been open again"
    );
    intermission(state.as_str(), &["deactivate"]).await.done();
    is_listed(&state).await;
    intermission(state.as_str(), &["activate"]).await.done();
    assert_eq!(phase(&state).await, "activating");
    assert_eq!(finish(running).await, well());
    intermission(state.as_str(), &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
}

/// Nobody can know more of a Redis that is empty: it may have lost that the site is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_have_lost_its_data_runs_nothing_yet() {
    let server = RedisServer::start().await;
    let state = server.url();
    let skipped = intermission(state.as_str(), &["exec", "--", "/bin/sh", "-c", "echo ran"]).await;
    assert_eq!(
        (skipped.code, skipped.stdout.as_str()),
        (8, ""),
        "{skipped:?}"
    );
    assert!(
        skipped
            .stderr
            .starts_with("not run: the state may have lost data, or is new, and hears its nodes"),
        "{skipped:?}"
    );
    let mut waiting = start(&state, &["--if-closed", "wait"]).await;
    assert!(
        waiting
            .said()
            .await
            .starts_with("waiting to run: the state may")
    );
    assert_eq!(waiting.said().await, "the site is open: running");
    assert_eq!(finish(waiting).await, well());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_on_files_does_not_wait_for_one_that_was_killed() {
    let (_folder, state) = site().await;
    let mut running = start(&state, &[]).await;
    is_listed(&state).await;
    running.signal(Signal::KILL);
    running.process.wait().await.expect("it ends");
    // The command lives on, since its input is still open.
    intermission(state.as_str(), &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
    let ended = finish(running).await;
    assert_eq!(
        ended,
        Ended {
            code: None,
            ..well()
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_are_passed_on() {
    let (_folder, state) = site().await;
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let running = start(&state, &[]).await;
        running.signal(signal);
        let ended = running.ended().await;
        let expected = Ended {
            code: Some(code),
            stdout: String::new(),
            stderr: String::new(),
        };
        assert_eq!(ended, expected, "{signal:?}");
        assert_eq!(nodes(&state).await, 0, "{signal:?}: it has said goodbye");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nohup_ignores_stays_ignored() {
    let (_folder, state) = site().await;
    let mut nohup = Command::new("/bin/sh");
    nohup
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(programs::intermission())
        .args(["--state", &state, "exec", "--"])
        .args(WORK)
        .kill_on_drop(true);
    let mut running = Running::of(nohup);
    running.has_started().await;
    running.signal(Signal::HUP);
    assert_eq!(finish(running).await, well());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_forced_asks_it_to_end() {
    let (_folder, state) = site().await;
    let mut running = start(&state, &[]).await;
    intermission(state.as_str(), &["activate", "--drain", "force:1s"])
        .await
        .done();
    assert_eq!(
        running.said().await,
        "the limit of the drain has passed: the command is asked to end, by SIGTERM"
    );
    assert_eq!(running.ended().await.code, Some(143));
    assert_eq!(phase(&state).await, "activated");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_for_maintenance_runs_only_then() {
    let (_folder, state) = site().await;
    let line = [
        "exec",
        "--only-in-maintenance",
        "--",
        "/bin/sh",
        "-c",
        "echo ran; exit 3",
    ];
    let refused = intermission(state.as_str(), &line).await;
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (8, ""),
        "{refused:?}"
    );
    assert!(
        refused.stderr.starts_with("not run: maintenance is off"),
        "{refused:?}"
    );
    intermission(state.as_str(), &["activate", "--wait"])
        .await
        .done();
    let ran = intermission(state.as_str(), &line).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (3, "ran\n"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_started_fails_as_in_a_shell() {
    let (folder, state) = site().await;
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "no program").expect("it can be written");
    let plain = plain.to_str().expect("text");
    for (program, code) in [("no-such-program", 127), (plain, 126)] {
        let outcome = intermission(state.as_str(), &["exec", "--", program]).await;
        assert_eq!(outcome.code, code, "{outcome:?}");
        let begins = format!("error: cannot run `{program}`: ");
        assert!(outcome.stderr.starts_with(&begins), "{outcome:?}");
        assert_eq!(nodes(&state).await, 0, "it has said goodbye");
    }
}
