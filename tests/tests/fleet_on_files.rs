//! Four processes on one file state.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test, helpers included"
)]

use intermission_tests::app::App;
use intermission_tests::command::intermission;
use intermission_tests::wait::until;
use serde_json::Value;
use tokio::time::Instant;

async fn phase(directory: &std::path::Path) -> String {
    let status = intermission(directory, &["status", "--json"])
        .await
        .done()
        .json();
    status["phase"].as_str().expect("a phase").to_owned()
}

/// Activating while executions run in three of four processes, one of which is killed: activated comes when the two
/// others' work has ended, and the dead one holds nothing up.
#[tokio::test(flavor = "multi_thread")]
async fn activated_waits_for_the_living_and_not_for_the_dead() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    let start = Instant::now();
    let said = |what: &str| println!("{:>7.3} s  {what}", start.elapsed().as_secs_f64());

    let idle = App::start(directory, "idle", &[]).await;
    let first = App::start(directory, "first", &[]).await;
    let second = App::start(directory, "second", &[]).await;
    let mut dying = App::start(directory, "dying", &[]).await;
    first.start_job(1_500).await.expect("it is open");
    second.start_job(3_000).await.expect("it is open");
    dying.start_job(600_000).await.expect("it is open");
    said("a job runs on first (1.5 s), second (3 s) and dying (10 min)");

    intermission(directory, &["activate", "--message", "Upgrading"])
        .await
        .done();
    said("activate has returned");
    for app in [&idle, &first, &second, &dying] {
        until("the process has seen the change", || async {
            app.start_job(1).await.is_none().then_some(())
        })
        .await;
        assert_eq!(
            app.get("/").await.status,
            200,
            "pages are served while the drain goes on"
        );
    }
    for app in [&idle, &first, &second, &dying] {
        for _ in 0..20 {
            assert_eq!(
                app.start_job(1).await,
                None,
                "a process that has seen the change starts nothing again"
            );
        }
    }
    said("no process starts a job any more, and all serve pages");
    assert_eq!(phase(directory).await, "activating");

    dying.kill().await;
    said("dying was killed");
    let running_on = |status: &Value| -> Vec<String> {
        let nodes = status["nodes"].as_array().expect("nodes");
        let busy = nodes
            .iter()
            .filter(|node| node["running"].as_u64() > Some(0));
        busy.map(|node| node["label"].as_str().expect("a label").to_owned())
            .collect()
    };
    let waited_for = until("the dead process is off the list", || async {
        let nodes = intermission(directory, &["nodes", "--json"])
            .await
            .done()
            .json();
        let busy = running_on(&nodes);
        (!busy.contains(&"dying".to_owned())).then_some(busy)
    })
    .await;
    said(&format!("the drain waits for {waited_for:?}"));
    assert!(waited_for.contains(&"second".to_owned()), "{waited_for:?}");
    assert_eq!(phase(directory).await, "activating", "second still works");

    let outcome = intermission(directory, &["activate", "--wait", "--timeout", "30s"]).await;
    said("activated");
    assert_eq!(outcome.code, 0, "{outcome:?}");
    for app in [&idle, &first, &second] {
        until("the process has seen it", || async {
            (app.get("/").await.status == 503).then_some(())
        })
        .await;
        assert_eq!(app.get("/health").await.status, 200);
    }
    let history = intermission(directory, &["history", "--json"])
        .await
        .done()
        .stdout;
    let at = |event: &str| {
        history
            .find(&format!("\"{event}\""))
            .unwrap_or_else(|| panic!("{event}: {history}"))
    };
    // Newest first.
    assert!(
        at("activated") < at("node-died") && at("node-died") < at("requested"),
        "{history}"
    );
    let status = intermission(directory, &["status", "--json"])
        .await
        .done()
        .json();
    assert_eq!(
        status["nodes"]["unconfirmed"].as_array().map(Vec::len),
        Some(0),
        "{status}"
    );
}

/// A process that comes while maintenance is on, and one that ends in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_comes_late_is_closed_from_its_first_answer() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    let mut early = App::start(directory, "early", &[]).await;
    intermission(directory, &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
    let late = App::start(directory, "late", &[]).await;
    assert_eq!(late.get("/").await.status, 503);
    early.terminate().await;
    let nodes = intermission(directory, &["nodes", "--json"])
        .await
        .done()
        .json();
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(1), "{nodes}");
    intermission(directory, &["deactivate"]).await.done();
    until("late is open", || async {
        (late.get("/").await.status == 200).then_some(())
    })
    .await;
}

/// A restart of everything during maintenance does not open anything.
#[tokio::test(flavor = "multi_thread")]
async fn maintenance_outlives_every_process() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    let mut app = App::start(directory, "one", &[]).await;
    intermission(directory, &["activate", "--message", "Still here"])
        .await
        .done();
    app.kill().await;
    let app = App::start(directory, "two", &[]).await;
    let answer = app.get("/").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("Still here"), "{answer:?}");
}

/// A record that cannot be read is never taken for "open": the command says so, a process that runs stays as it is,
/// and one that starts refuses to.
#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_record_closes_nothing_and_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    let app = App::start(directory, "one", &[]).await;
    intermission(directory, &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
    until("it is closed", || async {
        (app.get("/").await.status == 503).then_some(())
    })
    .await;
    let record = directory.join("record.json");
    let good = std::fs::read(&record).unwrap();
    std::fs::write(&record, &good[..good.len() / 2]).unwrap();
    for verb in [
        &["status"][..],
        &["deactivate"],
        &["activate"],
        &["history"],
    ] {
        let outcome = intermission(directory, verb).await;
        assert_eq!(outcome.code, 1, "{verb:?} {outcome:?}");
        assert!(outcome.stderr.contains("record.json"), "{outcome:?}");
    }
    assert_eq!(
        std::fs::read(&record).unwrap(),
        good[..good.len() / 2],
        "nothing was overwritten"
    );
    for _ in 0..50 {
        assert_eq!(app.get("/").await.status, 503);
    }
    std::fs::write(&record, &good).unwrap();
    intermission(directory, &["deactivate"]).await.done();
    until("it is open", || async {
        (app.get("/").await.status == 200).then_some(())
    })
    .await;
}

/// What a load balancer and an orchestrator ask, of two services that see maintenance differently.
#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_by_the_policy_of_each_service() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    let stays = App::start(directory, "stays", &[]).await;
    let follows = ["--readiness", "unready-when-activated"];
    let follows = App::start(directory, "follows", &follows).await;
    let probe = async |app: &App, path: &str| {
        let answer = app.get(path).await;
        (answer.status.as_u16(), answer.body)
    };
    let is = |status: u16, word: &str| (status, word.to_owned());
    for (verb, unready) in [("activate", true), ("deactivate", false)] {
        intermission(directory, &[verb]).await.done();
        until("the service has followed", || async {
            let readiness = probe(&follows, "/ready").await;
            let expected = if unready {
                is(503, "unready")
            } else {
                is(200, "ready")
            };
            (readiness == expected).then_some(())
        })
        .await;
        assert_eq!(probe(&stays, "/ready").await, is(200, "ready"), "{verb}");
        for app in [&stays, &follows] {
            assert_eq!(probe(app, "/health").await, is(200, "ok"), "{verb}");
        }
    }
}
