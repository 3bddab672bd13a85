//! States that are out of reach: at the start, and while the command waits.

use intermission_tests::command::{State, intermission};
use intermission_tests::redis::RedisServer;

use crate::new_site::new_site;
use crate::work::{begin, finish, well};
use crate::{is_listed, nodes};

/// That is what a line says which runs nothing.
async fn runs_nothing(state: &str, option: &str) {
    let line = ["exec", option, "--", "/bin/sh", "-c", "echo ran"];
    let outcome = intermission(state, &line).await;
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (6, ""),
        "{outcome:?}"
    );
    assert!(outcome.stderr.starts_with("error: "), "{outcome:?}");
    assert!(
        outcome.stderr.ends_with("the command was not run\n"),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_runs_nothing() {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    server.kill();
    for option in [
        "--if-closed=skip",
        "--if-closed=run",
        "--only-in-maintenance",
    ] {
        runs_nothing(&server.url(), option).await;
    }
}

/// That is no outage: nobody has made it, or its name is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_not_there_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("nowhere").url();
    for option in [
        "--if-closed=skip",
        "--if-closed=wait",
        "--if-closed=run",
        "--only-in-maintenance",
    ] {
        runs_nothing(&nowhere, option).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_waits_for_the_state_too() {
    let server = RedisServer::start().await;
    let state = server.url();
    new_site(&state).await;
    server.stop().await;
    let mut waiting = begin(&state, &["--if-closed", "wait"]);
    let said = waiting.said().await;
    assert!(
        said.starts_with(
            "waiting to run: the state is out of reach, and is tried again until it is back: redis://"
        ),
        "{said}"
    );
    server.start_again_empty().await;
    new_site(&state).await;
    waiting.has_started().await;
    loop {
        // It may have met the server before the site was initialised.
        match waiting.said().await.as_str() {
            "the site is open: running" => break,
            said => assert!(said.contains("the state may have lost data"), "{said}"),
        }
    }
    is_listed(&state).await;
    assert_eq!(finish(waiting).await, well());
    assert_eq!(nodes(&state).await, 0, "no attempt is left on the list");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_goes_away_meanwhile_is_waited_for() {
    let server = RedisServer::start().await;
    let state = server.url();
    new_site(&state).await;
    intermission(state.as_str(), &["activate", "--wait"])
        .await
        .done();
    let mut waiting = begin(&state, &["--if-closed", "wait"]);
    assert_eq!(
        waiting.said().await,
        "waiting to run: maintenance is activated, requested by ana"
    );
    server.pause();
    let said = waiting.said().await;
    assert!(
        said.starts_with("still waiting to run: the state is out of reach, and is tried again"),
        "{said}"
    );
    server.resume();
    assert_eq!(
        waiting.said().await,
        "the state is in reach again: waiting until the site is open"
    );
    intermission(state.as_str(), &["deactivate"]).await.done();
    waiting.has_started().await;
    assert_eq!(waiting.said().await, "the site is open: running");
    is_listed(&state).await;
    assert_eq!(finish(waiting).await, well());
}

/// A user who may look and not join is told so at once: no outage, and nothing that time heals.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_join_does_not_wait() {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    let rule = "~* &* -@all +@read +evalsha +script|load +ssubscribe +time +info +hello";
    let mut words = vec!["ACL", "SETUSER", "look", "on", ">pw", "resetkeys"];
    words.extend(rule.split(' '));
    server.command(&words).await;
    let line = [
        "exec",
        "--if-closed=wait",
        "--",
        "/bin/sh",
        "-c",
        "echo ran",
    ];
    let outcome = intermission(server.url_as("look", "pw").as_str(), &line).await;
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (1, ""),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("`look`"), "{outcome:?}");
    assert!(
        outcome.stderr.ends_with("the command was not run\n"),
        "{outcome:?}"
    );
}
