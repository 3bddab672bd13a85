//! `watch --on-change`: a command for each change, as a shell starts it.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod new_site;
mod states;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use intermission::{Activate, Actor, Change, Operator};
use intermission_file::FileOptions;
use intermission_tests::command::{State, command, intermission};
use intermission_tests::wait::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

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
async fn each_change_is_told_once(state: &str) {
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
        assert_eq!(json["missed"], false);
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
    each_change_is_told_once(&states::files().await.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once_on_magento() {
    each_change_is_told_once(&states::magento().url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once_on_redis() {
    each_change_is_told_once(&states::redis().await.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once_behind_sentinel() {
    each_change_is_told_once(&states::sentinel().await.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once_in_a_cluster() {
    each_change_is_told_once(&states::cluster().await.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once_with_no_more_rights_than_the_readme_gives() {
    each_change_is_told_once(&states::restricted().await.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory_there_is_nothing_to_watch() {
    let line = ["watch", "--on-change", "echo told >&2"];
    let outcome = intermission("memory:", &line).await;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
    assert!(
        outcome
            .stderr
            .starts_with("error: the state memory: is within one process, so no command can share it: name a state"),
        "{outcome:?}"
    );
}

/// Makes that many changes of the message on a site that is closed, and returns their revisions.
async fn changes(state: &Path, count: usize) -> Vec<u64> {
    let state = FileOptions::new(state).open().expect("it is there");
    let operator = Operator::new(state, Actor::new("ana", "test"));
    let mut revisions = Vec::new();
    for number in 0..count {
        let message = Activate::by("ana").with_message(format!("{number}"));
        let accepted = operator.change(Change::Activate(message)).await;
        let record = accepted.expect("it is accepted").record;
        revisions.push(record.revision().number());
    }
    revisions
}

/// What each run of a hook reads is kept, once there is a file `go`.
const PATIENT: &str = "while [ ! -e go ]; do sleep 0.05; done; cat >> told";

/// Waits until that many changes were told, and returns their revisions and the revisions before which some were missed.
async fn told(folder: &Path, count: usize) -> (Vec<u64>, Vec<u64>) {
    let told = folder.join("told");
    let told = until("all are told", || async {
        Some(lines(&told)).filter(|told| told.len() >= count)
    })
    .await;
    let (mut all, mut missed) = (Vec::new(), Vec::new());
    for line in told {
        let input: Value = serde_json::from_str(&line).expect("JSON");
        let revision = input["change"]["revision"].as_u64().expect("a revision");
        all.push(revision);
        if input["missed"].as_bool().expect("it is said") {
            missed.push(revision);
        }
    }
    (all, missed)
}

/// More of them than any history keeps.
#[tokio::test(flavor = "multi_thread")]
async fn lines_and_changes_do_not_wait_for_a_hook_that_takes_long() {
    let state = tempfile::tempdir().unwrap();
    intermission(state.path(), &["init"]).await.done();
    let close = ["activate", "--wait"];
    intermission(state.path(), &close).await.done();
    let folder = tempfile::tempdir().unwrap();
    let mut process = command(state.path(), &["watch", "--json", "--on-change", PATIENT])
        .env("PATH", "/usr/bin:/bin")
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the watch starts");
    let mut printed = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let first = printed.next_line().await.expect("text").expect("a line");
    assert!(first.contains(r#""event":"current""#), "{first}");
    let mut made = Vec::new();
    for _ in 0..3 {
        let batch = changes(state.path(), 100).await;
        for revision in &batch {
            let line = timeout(PATIENCE, printed.next_line()).await;
            let line = line
                .expect("it is printed while the hook runs")
                .expect("text");
            let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            assert_eq!(line["revision"], *revision);
        }
        made.extend(batch);
    }
    assert!(lines(&folder.path().join("told")).is_empty());
    fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(told(folder.path(), made.len()).await, (made, vec![]));
    end(&mut process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_history_has_dropped_is_not_told_and_that_is_said() {
    let state = tempfile::tempdir().unwrap();
    intermission(state.path(), &["init"]).await.done();
    let close = ["activate", "--wait"];
    intermission(state.path(), &close).await.done();
    let folder = tempfile::tempdir().unwrap();
    let mut process = command(state.path(), &["watch", "--on-change", PATIENT])
        .env("PATH", "/usr/bin:/bin")
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the watch starts");
    let mut printed = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let mut said = BufReader::new(process.stderr.take().expect("it is piped")).lines();
    printed.next_line().await.expect("text").expect("a line");
    tokio::spawn(async move { while let Ok(Some(_)) = printed.next_line().await {} });
    fs::write(folder.path().join("go"), "").unwrap();
    let id = process.id().and_then(|id| i32::try_from(id).ok());
    let id = id.and_then(Pid::from_raw).expect("it runs");
    kill_process(id, Signal::STOP).expect("it can be stopped");
    let made = changes(state.path(), 300).await;
    kill_process(id, Signal::CONT).expect("it can go on");
    let kept = made[300 - 256..].to_vec();
    let warning = timeout(PATIENCE, said.next_line()).await;
    assert_eq!(
        warning.expect("it is said").expect("text").expect("a line"),
        format!(
            "warning: the history keeps 256 changes, and all of them are new: those before revision {}, if there were \
             more, are not told",
            kept[0]
        )
    );
    let missed = vec![kept[0]];
    assert_eq!(told(folder.path(), kept.len()).await, (kept, missed));
    end(&mut process).await;
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

/// A scope that opens while the site is closed does not open the site.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_can_tell_a_part_of_the_site_from_the_whole() {
    let state = tempfile::tempdir().unwrap();
    intermission(state.path(), &["init"]).await.done();
    let folder = tempfile::tempdir().unwrap();
    let hook = r#"read -r line; printf '%s %s [%s] %s\n' "$INTERMISSION_EVENT" "$INTERMISSION_PHASE" "$INTERMISSION_SCOPE" "$line" >> told"#;
    let mut process = watch(state.path(), folder.path(), hook, &[]).await;
    for line in [
        &["activate", "--scope", "billing", "--wait"][..],
        &["activate", "--wait"],
        &["deactivate", "--scope", "billing"],
    ] {
        intermission(state.path(), line).await.done();
    }
    let expected = [
        "requested activating [billing]",
        "activated activated [billing]",
        "requested activating []",
        "activated activated []",
        "deactivated deactivated [billing]",
    ];
    let told = folder.path().join("told");
    let is_told = || async { Some(lines(&told)).filter(|told| told.len() >= expected.len()) };
    let told = until("all are told", is_told).await;
    let heads: Vec<&str> = told
        .iter()
        .filter_map(|line| Some(line.split_once(" {")?.0))
        .collect();
    assert_eq!(heads, expected);
    for line in &told {
        let (head, input) = line.split_once(" {").expect("an object");
        let input: Value = serde_json::from_str(&format!("{{{input}")).expect("JSON");
        let scope = head.contains("[billing]").then_some("billing");
        assert_eq!(input["change"]["scope"].as_str(), scope, "{input}");
    }
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
