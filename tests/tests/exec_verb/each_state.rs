//! The same on every state that processes can share, and what is said of one that they cannot.

use intermission_tests::command::intermission;

use crate::states::{self, Site};
use crate::work::{begin, finish, start, well};
use crate::{is_listed, nodes, phase};

/// A drain waits for what runs; what comes later is skipped, or waits; and all have said goodbye at the end.
async fn drain_waits(site: Site) {
    let state = site.url.as_str();
    let running = start(state, &[]).await;
    intermission(state, &["activate"]).await.done();
    let timed_out = intermission(state, &["activate", "--wait", "--timeout", "1s"]).await;
    assert_eq!(timed_out.code, 5, "{timed_out:?}");
    assert_eq!(phase(state).await, "activating");
    let skipped = intermission(state, &["exec", "--", "/bin/sh", "-c", "echo ran"]).await;
    assert_eq!(
        (skipped.code, skipped.stdout.as_str()),
        (8, ""),
        "{skipped:?}"
    );
    let mut waiting = begin(state, &["--if-closed", "wait"]);
    assert_eq!(
        waiting.said().await,
        "waiting to run: maintenance is activating, requested by ana"
    );
    assert_eq!(finish(running).await, well());
    intermission(state, &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
    assert_eq!(phase(state).await, "activated");
    intermission(state, &["deactivate"]).await.done();
    waiting.has_started().await;
    assert_eq!(waiting.said().await, "the site is open: running");
    is_listed(state).await;
    assert_eq!(finish(waiting).await, well());
    assert_eq!(nodes(state).await, 0, "all have said goodbye");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_files() {
    drain_waits(states::files().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_magento() {
    drain_waits(states::magento()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    drain_waits(states::redis().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_sentinel() {
    drain_waits(states::sentinel().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster() {
    drain_waits(states::cluster().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_more_rights_than_the_readme_gives() {
    drain_waits(states::restricted().await).await;
}

/// What is within one process cannot be shared with a command, and that is said at once, whatever the policy.
#[tokio::test(flavor = "multi_thread")]
async fn in_memory_there_is_nothing_to_share() {
    for option in [
        "--if-closed=skip",
        "--if-closed=wait",
        "--if-closed=run",
        "--only-in-maintenance",
    ] {
        let line = ["exec", option, "--", "/bin/sh", "-c", "echo ran"];
        let outcome = intermission("memory:", &line).await;
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (1, ""),
            "{outcome:?}"
        );
        assert_eq!(
            outcome.stderr,
            "error: the state memory: is within one process, so no command can share it: name a state that the service \
             shares, as in file:/var/lib/app/maintenance\nhint: the command was not run\n"
        );
    }
}
