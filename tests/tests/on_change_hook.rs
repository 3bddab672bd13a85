//! `watch --on-change`: a command for each change, as a shell starts it.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod new_site;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use intermission_tests::command::{State, command, intermission};
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use new_site::new_site;

/// Starts a watch with that hook, and waits until it has said how things are.
async fn watch(
    state: &(impl State + ?Sized),
    folder: &Path,
    hook: &str,
    options: &[&str],
) -> Child {
    let mut line = vec!["watch", "--on-change", hook];
    line.extend(options);
    let mut command = command(state, &line);
    command
        .env("PATH", "/usr/bin:/bin")
        .current_dir(folder)
        .stdout(Stdio::piped());
    let mut process = command.spawn().expect("the watch starts");
    let said = process.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(said).lines();
    let first = timeout(PATIENCE, lines.next_line()).await;
    let first = first.expect("it says something in time").expect("text");
    assert!(first.is_some());
    // Read on, so that it can write.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    process
}

fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Closes and opens the site, and waits until both were told.
async fn each_change_is_told_once(state: &(impl State + ?Sized)) {
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("told");
    let hook = r#"read -r line; printf '%s %s %s\n' "$INTERMISSION_EVENT" "$INTERMISSION_PHASE" "$line" >> told"#;
    let mut process = watch(state, folder.path(), hook, &[]).await;
    let message = ["activate", "--message", "A 'new' \"database\"", "--wait"];
    intermission(state, &message).await.done();
    intermission(state, &["deactivate"]).await.done();
    let is_told = || async { (lines(&told).len() >= 3).then(|| lines(&told)) };
    let told = until("all are told", is_told).await;
    let events: Vec<_> = told
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(events, ["requested", "activated", "deactivated"]);
    for line in &told {
        let mut words = line.splitn(3, ' ');
        let (event, phase) = (words.next().expect("one"), words.next().expect("two"));
        let json: Value = serde_json::from_str(words.next().expect("three")).expect("JSON");
        assert_eq!(json["v"], 1);
        assert_eq!(json["change"]["event"], event);
        assert_eq!(json["change"]["phase"], phase);
        assert!(json["status"]["phase"].is_string(), "{json}");
    }
    end(&mut process).await;
}

async fn end(process: &mut Child) {
    let id = process.id().and_then(|id| i32::try_from(id).ok());
    let id = id.and_then(Pid::from_raw).expect("it runs");
    kill_process(id, Signal::TERM).expect("it can be signalled");
    let ended = timeout(PATIENCE, process.wait()).await;
    let status = ended.expect("it ends in time").expect("it ran");
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once_on_files() {
    let state = tempfile::tempdir().unwrap();
    intermission(state.path(), &["init"]).await.done();
    each_change_is_told_once(state.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once_on_redis() {
    let state = RedisServer::start().await;
    new_site(&state.url()).await;
    each_change_is_told_once(state.url().as_str()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_until_it_works() {
    let state = tempfile::tempdir().unwrap();
    intermission(state.path(), &["init"]).await.done();
    let folder = tempfile::tempdir().unwrap();
    // It reads nothing of its input, and works at the second try.
    let hook = "echo tried >> tries; [ $(wc -l < tries) -ge 2 ] && echo done >> worked";
    let mut process = watch(state.path(), folder.path(), hook, &[]).await;
    let plan = ["activate", "--starts", "+1h"];
    intermission(state.path(), &plan).await.done();
    let worked = folder.path().join("worked");
    until("it has worked", || async {
        (!lines(&worked).is_empty()).then_some(())
    })
    .await;
    assert_eq!(lines(&folder.path().join("tries")).len(), 2);
    end(&mut process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_is_killed_with_all_that_it_started_and_the_next_change_is_told() {
    let state = tempfile::tempdir().unwrap();
    intermission(state.path(), &["init"]).await.done();
    let folder = tempfile::tempdir().unwrap();
    let hook = r#"echo "$INTERMISSION_EVENT" >> told
        if [ "$INTERMISSION_EVENT" = planned ]; then sleep 600 & echo $! > grandchild; wait; fi"#;
    let options = ["--on-change-timeout", "1s", "--on-change-retries", "0"];
    let mut process = watch(state.path(), folder.path(), hook, &options).await;
    let plan = ["activate", "--starts", "+1h"];
    intermission(state.path(), &plan).await.done();
    let grandchild = folder.path().join("grandchild");
    let id = until("it has started something", || async {
        lines(&grandchild).first().and_then(|id| id.parse().ok())
    })
    .await;
    let id = Pid::from_raw(id).expect("a process");
    intermission(state.path(), &["deactivate"]).await.done();
    let told = folder.path().join("told");
    until("the next change is told", || async {
        (lines(&told) == ["planned", "plan-cancelled"]).then_some(())
    })
    .await;
    until("nothing is left of it", || async {
        // Whoever inherits it may take a moment to bury it.
        let stat = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero()));
        let is_dead = stat.map_or(true, |stat| stat.contains(") Z "));
        (is_dead || test_kill_process(id).is_err()).then_some(())
    })
    .await;
    end(&mut process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_watch_ends_the_hook() {
    let state = tempfile::tempdir().unwrap();
    intermission(state.path(), &["init"]).await.done();
    let folder = tempfile::tempdir().unwrap();
    let hook = "trap 'echo ended >> ended; exit 0' TERM; echo begun >> begun; sleep 600 & wait";
    let mut process = watch(state.path(), folder.path(), hook, &[]).await;
    let plan = ["activate", "--starts", "+1h"];
    intermission(state.path(), &plan).await.done();
    let begun = folder.path().join("begun");
    until("it runs", || async {
        (!lines(&begun).is_empty()).then_some(())
    })
    .await;
    end(&mut process).await;
    let ended = folder.path().join("ended");
    until("it was told", || async {
        (!lines(&ended).is_empty()).then_some(())
    })
    .await;
}
