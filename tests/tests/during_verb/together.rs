//! Several deployments at a time, and people beside them.

use std::time::Duration;

use intermission_tests::command::intermission;
use tokio::time::sleep;

use crate::states::{self, Site};
use crate::{holders, phase, start, status, told};

async fn labels(site: &Site) -> Vec<String> {
    let holders = holders(&site.url).await;
    holders.into_iter().map(|(label, ..)| label).collect()
}

/// None ends the maintenance of another.
async fn two_deployments(site: Site) {
    let state = site.url.as_str();
    let first = start(state, &["--label", "migrate", "--message", "Migrating"]).await;
    let second = start(state, &["--label", "backup", "--level", "exclusive"]).await;
    assert_eq!(labels(&site).await, ["migrate", "backup"]);
    let both = status(state).await;
    assert_eq!(
        (both["level"].as_str(), both["message"].as_str()),
        (Some("exclusive"), Some("Migrating"))
    );

    let ended = first.told("0").await;
    assert_eq!(ended.code, Some(0));
    assert!(
        ended
            .stderr
            .contains("the site stays closed, held by backup"),
        "{ended:?}"
    );
    assert_eq!(phase(state).await, "activated");
    assert_eq!(labels(&site).await, ["backup"]);
    let ended = second.told("0").await;
    assert!(ended.stderr.contains("deactivated\n"), "{ended:?}");
    assert_eq!(phase(state).await, "deactivated");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_files() {
    two_deployments(states::files().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    two_deployments(states::redis().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_inside_of_another() {
    let site = states::files().await;
    let inner = intermission_tests::programs::intermission();
    let inner = inner.to_str().expect("text");
    let state = site.url.as_str();
    let line = [
        "during", "--", inner, "--state", state, "during", "--", "/bin/sh", "-c", "exit 3",
    ];
    let outcome = intermission(state, &line).await;
    assert_eq!(outcome.code, 3, "{outcome:?}");
    // Both have failed, and say so.
    let failures = holders(state).await;
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(
        failures
            .iter()
            .all(|(_, _, reason)| reason.as_deref() == Some("exit status 3"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_closed_by_hand_stays_closed() {
    let site = states::files().await;
    let state = site.url.as_str();
    intermission(state, &["activate", "--message", "Moving", "--wait"])
        .await
        .done();
    let before = status(state).await;
    let running = start(state, &["--message", "Deploying"]).await;
    assert_eq!(status(state).await["message"], "Deploying");
    assert!(
        told(state)
            .await
            .ends_with("it stays on when they are done")
    );
    let ended = running.told("0").await;
    assert!(
        ended
            .stderr
            .contains("the site stays closed, as it was asked for besides"),
        "{ended:?}"
    );
    let after = status(state).await;
    for field in [
        "message",
        "requested_by",
        "activation_requested_at",
        "activated_at",
        "level",
        "holding",
    ] {
        assert_eq!(after[field], before[field], "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_activates_meanwhile_is_obeyed() {
    let site = states::files().await;
    let state = site.url.as_str();
    let running = start(state, &["--label", "migrate"]).await;
    let updated = intermission(state, &["activate", "--message", "It takes longer"])
        .await
        .done();
    assert_eq!(
        updated.stderr,
        "updated; still activated, and stays on when migrate is done\n"
    );
    running.told("0").await;
    let after = status(state).await;
    assert_eq!(
        (after["phase"].as_str(), after["message"].as_str()),
        (Some("activated"), Some("It takes longer"))
    );
    let history = intermission(state, &["history", "--json"]).await.done();
    let notes = history.stdout;
    for note in [
        "held by migrate",
        "stays on after its holders",
        "released by migrate",
    ] {
        assert!(notes.contains(note), "{notes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_automatic_end_does_not_open_the_site_under_a_deployment() {
    let site = states::files().await;
    let state = site.url.as_str();
    intermission(
        state,
        &["activate", "--ends", "+1s", "--auto-end", "--wait"],
    )
    .await
    .done();
    let running = start(state, &[]).await;
    // Until the end has passed for certain.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(
        phase(state).await,
        "activated",
        "the announced end has passed"
    );
    running.told("0").await;
    crate::reach(state, "deactivated").await;
}
