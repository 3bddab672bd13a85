//! `--wait`, with a service in this process and operators in others.

use std::time::Duration;

use intermission::{Change, Deactivate, Execution, ExecutionInfo, Gate, Phase};
use intermission_file::FileState;

use crate::{Ran, Site};

async fn gate(site: &Site) -> Gate {
    let state = FileState::open(site.directory()).unwrap();
    Gate::builder(state)
        .with_node_name("web-1")
        .start()
        .await
        .unwrap()
}

fn import(gate: &Gate) -> Execution {
    gate.execution(ExecutionInfo::new("import").with_label("prices.csv"))
        .unwrap()
}

/// Runs the command beside the service.
async fn ran(site: &Site, line: &[&str]) -> Ran {
    let mut command = site.command(line);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap();
    Ran::from(output.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_is_over_before_the_work_is() {
    let site = Site::new();
    let gate = gate(&site).await;
    let execution = import(&gate);
    let waited = ran(&site, &["activate", "--wait", "--timeout", "2s"]).await;
    assert_eq!(
        (waited.code, waited.data.as_str()),
        (5, ""),
        "{}",
        waited.notes
    );
    let (error, hint) = waited.notes.split_once('\n').unwrap();
    assert!(
        error.starts_with("error: timed out after 2s: draining: 1 execution on 1 of 1 node · "),
        "{error}"
    );
    assert!(error.contains("import prices.csv on web-1 for "), "{error}");
    assert!(hint.starts_with("hint: the request stays"), "{hint}");
    assert_eq!(ran(&site, &["status", "--exit-code"]).await.code, 4);
    drop(execution);
    let waited = ran(&site, &["activate", "--wait=quiescent", "--timeout", "1m"]).await;
    assert_eq!(waited.code, 0, "{}", waited.notes);
    let said = waited.notes.lines().last().unwrap();
    assert!(said.starts_with("activated, quiescent since 2"), "{said}");
    assert_eq!(ran(&site, &["status", "--exit-code"]).await.code, 3);
    gate.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_has_passed_already_ends_the_drain_at_once() {
    let site = Site::new();
    let gate = gate(&site).await;
    let _execution = import(&gate);
    for line in [
        &["activate", "--drain", "abort:1ms"][..],
        &["activate", "--drain", "abort:1ms", "--wait"],
    ] {
        let drain = async || {
            assert_eq!(ran(&site, &["activate"]).await.code, 0);
            gate.reached(|record| record.phase() == Phase::Activating)
                .await;
        };
        drain().await;
        let aborted = ran(&site, line).await;
        assert_eq!(aborted.code, 1, "{line:?}: {}", aborted.notes);
        assert_eq!(ran(&site, &["status", "--exit-code"]).await.code, 0);
        gate.reached(|record| !record.phase().is_on()).await;
        drain().await;
        let forced = ran(&site, &["activate", "--drain", "force:1ms"]).await;
        assert_eq!(forced.notes, "updated; now activated\n");
        assert_eq!(ran(&site, &["deactivate"]).await.code, 0);
        gate.reached(|record| !record.phase().is_on()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_operator_opens_meanwhile() {
    let site = Site::new();
    let gate = gate(&site).await;
    let _execution = import(&gate);
    let operator = site.operator();
    let interrupt = async {
        gate.reached(|record| record.phase() == Phase::Activating)
            .await;
        operator
            .change(Change::Deactivate(Deactivate::new()))
            .await
            .unwrap();
    };
    let (waited, ()) = tokio::join!(ran(&site, &["activate", "--wait"]), interrupt);
    assert_eq!(
        (waited.code, waited.data.as_str()),
        (7, ""),
        "{}",
        waited.notes
    );
    assert!(
        waited
            .notes
            .starts_with("error: bob (code) deactivated meanwhile, at 2"),
        "{}",
        waited.notes
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn activated_with_a_node_in_doubt() {
    let site = Site::new();
    let gate = gate(&site).await;
    let _execution = import(&gate);
    for goal in ["--wait", "--wait=quiescent"] {
        let waited = ran(&site, &["activate", "--drain", "force:1s", goal]).await;
        assert_eq!(waited.code, 9, "{goal}: {}", waited.notes);
        let said = waited.notes.lines().rev().nth(1).unwrap();
        assert!(
            said.starts_with("warning: activated, with work that still runs on web-1 ("),
            "{said}"
        );
        let status = ran(&site, &["status"]).await.data;
        assert!(status.contains("\n  Unconfirmed:   web-1 ("), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_lost_while_somebody_waits() {
    let site = Site::new();
    let gate = gate(&site).await;
    let _execution = import(&gate);
    // The service may be about to put a whole record in its place.
    let lose = async {
        gate.reached(|record| record.phase() == Phase::Activating)
            .await;
        loop {
            std::fs::write(site.directory().join("record.json"), "{").unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::select! {
        waited = ran(&site, &["activate", "--wait"]) => waited,
        () = lose => unreachable!("it never ends"),
    };
    assert_eq!(waited.code, 1, "{}", waited.notes);
    assert!(
        waited.notes.contains("record.json") && waited.notes.contains("hint: the request stays"),
        "{}",
        waited.notes
    );
}
