//! Whatever ends it, and when: what becomes of the site, and what `status` says.

use std::time::Duration;

use intermission_tests::app::App;
use intermission_tests::command::{command, intermission};
use intermission_tests::redis::RedisServer;
use intermission_tests::running::{Ended, Running};
use intermission_tests::wait::until;
use rustix::process::Signal;
use tokio::time::sleep;

use crate::new_site::new_site;
use crate::states::{self, Site};
use crate::{begin, holders, phase, reach, start, told};

/// A site with an application that runs a job until it is killed.
async fn busy() -> (Site, App) {
    let site = states::files().await;
    let app = App::start(site.url.as_str(), "web-1", &[]).await;
    assert!(app.start_job(600_000).await.is_some());
    (site, app)
}

/// The site is as it was, and the command never ran.
async fn nothing_was_done(state: &str, ended: &Ended) {
    assert_eq!(phase(state).await, "deactivated", "{ended:?}");
    assert_eq!(ended.stdout, "", "the command did not run");
    assert!(
        ended.stderr.contains("the command was not run"),
        "{ended:?}"
    );
}

/// A person sees who has closed the site and that this one is gone, and gets out by what is shown.
async fn is_stuck_and_says_why(state: &str) {
    let gone = ("sh".to_owned(), Some(false), None);
    until("the holder is gone", || async {
        (holders(state).await == [gone.clone()]).then_some(())
    })
    .await;
    let told = told(state).await;
    assert!(told.contains("sh (during sh pid "), "{told}");
    assert!(told.contains("requested by ana"), "{told}");
    assert!(
        told.contains("its process is gone or out of contact"),
        "{told}"
    );
    assert!(
        told.contains("nobody will open it: `intermission"),
        "{told}"
    );
    assert!(told.contains("deactivate` does"), "{told}");
    let opened = intermission(state, &["deactivate"]).await.done();
    assert!(opened.stderr.contains("which may still work"), "{opened:?}");
    assert_eq!(phase(state).await, "deactivated");
    assert_eq!(holders(state).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_it_drains_leaves_the_site_closed() {
    let (site, mut app) = busy().await;
    let mut running = begin(&site.url, &[]);
    reach(&site.url, "activating").await;
    running.kill().await;
    // The drain goes on by itself.
    app.kill().await;
    reach(&site.url, "activated").await;
    is_stuck_and_says_why(&site.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_the_command_runs_leaves_the_site_closed() {
    let site = states::files().await;
    let app = App::start(site.url.as_str(), "web-1", &[]).await;
    let mut running = start(&site.url, &[]).await;
    running.kill().await;
    until("visitors are turned away", || async {
        (app.get("/").await.status == 503).then_some(())
    })
    .await;
    is_stuck_and_says_why(&site.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_on_redis_leaves_the_site_closed() {
    let site = states::redis().await;
    let mut running = start(&site.url, &[]).await;
    running.kill().await;
    // The lease of a holder that is gone ends a few seconds later.
    is_stuck_and_says_why(&site.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_on_redis_is_forgotten_with_the_lease_although_somebody_opens_at_once() {
    let site = states::redis().await;
    let mut running = start(&site.url, &[]).await;
    running.kill().await;
    // What the killed one has said of its activation is forgotten with that.
    intermission(site.url.as_str(), &["deactivate"])
        .await
        .done();
    // This waits for its lease, and for nothing else.
    let closed = intermission(site.url.as_str(), &["activate", "--wait"]).await;
    assert_eq!(closed.code, 0, "{closed:?}");
    let listed = intermission(site.url.as_str(), &["nodes", "--json"])
        .await
        .done();
    assert_eq!(listed.json()["nodes"], serde_json::json!([]));
    intermission(site.url.as_str(), &["deactivate"])
        .await
        .done();
    let ended = start(&site.url, &[]).await.told("0").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(phase(&site.url).await, "deactivated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_leaves_a_site_that_is_open_or_says_who_holds_it() {
    let site = states::files().await;
    let state = site.url.as_str();
    let (mut open, mut held) = (0, 0);
    for moment in 0..40 {
        let mut running = begin(state, &[]);
        sleep(Duration::from_millis(moment)).await;
        running.kill().await;
        match phase(state).await.as_str() {
            "deactivated" => {
                assert_eq!(holders(state).await, []);
                open += 1;
            }
            _ => {
                is_stuck_and_says_why(state).await;
                held += 1;
            }
        }
    }
    println!("killed before it held the site: {open}, while it did: {held}");
    assert!(held > 0, "no kill came late enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_before_the_command_runs_restores_what_was() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let (site, _app) = busy().await;
        let running = begin(&site.url, &[]);
        reach(&site.url, "activating").await;
        running.signal(signal);
        let ended = running.ended().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        nothing_was_done(&site.url, &ended).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_the_command_runs_is_the_commands() {
    let site = states::files().await;
    let running = start(&site.url, &[]).await;
    running.signal(Signal::TERM);
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(143), "{ended:?}");
    let failed = ("sh".to_owned(), Some(false), Some("signal 15".to_owned()));
    assert_eq!(holders(&site.url).await, [failed]);
    let told = told(&site.url).await;
    assert!(told.contains("failed 0 s ago: signal 15"), "{told}");

    let lifted = start(&site.url, &["--on-failure", "lift"]).await;
    lifted.signal(Signal::TERM);
    let ended = lifted.ended().await;
    assert_eq!(ended.code, Some(143));
    assert!(
        ended.stderr.contains("because sh has failed before"),
        "{ended:?}"
    );
    assert_eq!(holders(&site.url).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_takes_too_long_restores_what_was() {
    let (site, _app) = busy().await;
    for (options, code) in [(["--timeout", "1s"], 5), (["--drain", "abort:1s"], 1)] {
        let ended = begin(&site.url, &options).ended().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        nothing_was_done(&site.url, &ended).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_forced_runs_the_command_and_names_what_runs_on() {
    let (site, _app) = busy().await;
    let ended = start(&site.url, &["--drain", "force:1s"])
        .await
        .told("0")
        .await;
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("work still runs on web-1"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_while_nobody_knows_what_a_node_does() {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    let mut app = App::start(&*server.url(), "web-1", &["--lost", "wait:0s"]).await;
    assert!(app.start_job(600_000).await.is_some());
    until("the job is known", || async {
        let listed = intermission(&*server.url(), &["executions", "--json"])
            .await
            .done();
        (listed.json()["executions"] != serde_json::json!([])).then_some(())
    })
    .await;
    app.kill().await;
    let ended = begin(&server.url(), &[]).ended().await;
    assert_eq!(ended.code, Some(9), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("nobody knows what still runs on web-1"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("nodes forget "), "{ended:?}");
    nothing_was_done(&server.url(), &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_started_restores_what_was() {
    let site = states::files().await;
    for (program, code) in [("/nowhere/migrate", 127), ("/etc/passwd", 126)] {
        let outcome = intermission(site.url.as_str(), &["during", "--", program]).await;
        assert_eq!(outcome.code, code, "{outcome:?}");
        assert!(outcome.stderr.contains(program), "{outcome:?}");
        assert_eq!(phase(&site.url).await, "deactivated");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_for_changes_nothing() {
    let site = states::files().await;
    for (options, message) in [
        (&["--ip", "nonsense"][..], "nonsense"),
        (
            &["--ends", "2020-01-01T00:00:00Z"],
            "is not after the start",
        ),
    ] {
        let ended = begin(&site.url, options).ended().await;
        assert!(ended.stderr.contains(message), "{ended:?}");
        nothing_was_done(&site.url, &ended).await;
    }
    for options in [
        &["--starts", "+1h"][..],
        &["--auto-end"],
        &["--on-failure", "maybe"],
    ] {
        assert_eq!(begin(&site.url, options).ended().await.code, Some(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_away_at_the_end_is_waited_for() {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    let mut running = start(&server.url(), &[]).await;
    server.stop().await;
    running.say("0").await;
    let said = running
        .said_until("trying again, for the site is still held")
        .await;
    assert!(said.contains("the site is still held"), "{said}");
    server.start_again().await;
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    reach(&server.url(), "deactivated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_meanwhile_is_obeyed_and_the_deployment_told() {
    let site = states::files().await;
    let mut running = start(&site.url, &[]).await;
    intermission(site.url.as_str(), &["deactivate"])
        .await
        .done();
    let said = running.said_until("somebody has opened the site").await;
    assert!(said.contains("while the command runs on"), "{said}");
    let ended = running.told("0").await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(
        ended.stderr.contains("visitors may have been let in"),
        "{ended:?}"
    );
    assert_eq!(phase(&site.url).await, "deactivated");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_reads_change_nothing() {
    let site = states::files().await;
    let running = start(&site.url, &[]).await;
    let code = running.told_and_left("0").await;
    assert_eq!(code, Some(0));
    assert_eq!(phase(&site.url).await, "deactivated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_redis_has_lost_is_not_opened_by_a_deployment() {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    let app = App::start(&*server.url(), "web-1", &[]).await;
    intermission(&*server.url(), &["activate", "--wait"])
        .await
        .done();
    server.command(&["FLUSHALL"]).await;
    // It waits until the application has brought back what it knows.
    let ended = start(&server.url(), &[]).await.told("0").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("the site stays closed, as it was asked for besides"),
        "{ended:?}"
    );
    assert_eq!(phase(&server.url()).await, "activated");
    assert_eq!(app.get("/").await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_joins_a_drain_that_was_forced_does_not_run_among_what_still_runs() {
    let site = states::files().await;
    let state = site.url.as_str();
    let stubborn = "trap '' TERM; echo started; read word";
    let line = ["exec", "--", "/bin/sh", "-c", stubborn];
    let mut working = Running::of(command(state, &line));
    working.has_started().await;
    intermission(state, &["activate", "--drain", "force:1s"])
        .await
        .done();
    reach(state, "activated").await;
    let ended = begin(state, &[]).ended().await;
    assert_eq!(ended.code, Some(9), "{ended:?}");
    assert!(
        ended.stderr.contains("somebody has forced the drain"),
        "{ended:?}"
    );
    assert_eq!(ended.stdout, "", "the command did not run");
    assert_eq!(holders(state).await, []);
    let accepting = start(state, &["--drain", "force:1s"]).await;
    assert_eq!(accepting.told("0").await.code, Some(0));
    assert_eq!(working.told("go").await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_out_of_a_failure_leaves_what_is_planned() {
    let site = states::files().await;
    let state = site.url.as_str();
    intermission(state, &["activate", "--starts", "+2h"])
        .await
        .done();
    let failed = start(state, &[]).await.told("1").await;
    assert_eq!(failed.code, Some(1));
    let opened = intermission(state, &["deactivate"]).await.done();
    assert!(opened.stderr.contains("stays: `intermission"), "{opened:?}");
    let planned = intermission(state, &["deactivate"]).await.done();
    assert_eq!(planned.stderr, "cancelled the planned maintenance\n");
}
