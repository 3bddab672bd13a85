//! Processes of the example application on a Redis of their own, and the command.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test, helpers included; what it prints is read when it fails"
)]

mod new_site;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use intermission_tests::app::App;
use intermission_tests::command::{command, intermission, typed};
use intermission_tests::http::send;
use intermission_tests::redis::{RedisServer, ServerOptions};
use intermission_tests::wait::until;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use new_site::new_site;

/// Prints what happens, and when.
#[derive(Clone, Copy)]
struct Diary(Instant);

impl Diary {
    fn begin() -> Self {
        Self(Instant::now())
    }

    fn say(self, what: &str) {
        println!("{:>7.3} s  {what}", self.0.elapsed().as_secs_f64());
    }
}

/// Applications of these names, once the state has heard of all of them.
async fn fleet<const N: usize>(state: &str, names: [&str; N], flags: &[&str]) -> [App; N] {
    let mut apps = Vec::new();
    for name in names {
        apps.push(App::start(state, name, flags).await);
    }
    until("all are on the list", || async {
        let live = status(state).await["nodes"]["live"].as_u64();
        (live == u64::try_from(N).ok()).then_some(())
    })
    .await;
    apps.try_into().expect("as many as there are names")
}

async fn status(state: &str) -> Value {
    intermission(state, &["status", "--json"])
        .await
        .done()
        .json()
}

async fn phase(state: &str) -> String {
    let phase = &status(state).await["phase"];
    phase.as_str().expect("a phase").to_owned()
}

/// The node of this name, as `nodes` lists it.
async fn node(state: &str, label: &str) -> Value {
    let nodes = nodes(state).await;
    let named = |node: &&Value| node["label"] == label;
    nodes.iter().find(named).expect("it is listed").clone()
}

async fn nodes(state: &str) -> Vec<Value> {
    let json = intermission(state, &["nodes", "--json"])
        .await
        .done()
        .json();
    json["nodes"].as_array().expect("nodes").clone()
}

/// Waits until every application answers a visitor so. Says how long it took each.
async fn all_answer(apps: &[App], status: StatusCode, diary: Diary, what: &str) {
    for (number, app) in (1..).zip(apps) {
        until(what, || async {
            (app.get("/").await.status == status).then_some(())
        })
        .await;
        diary.say(&format!("process {number} {what}"));
    }
}

/// What stands between backticks in the hint of this command's output: what somebody is to type next.
fn advice(outcome: &str) -> &str {
    let hint = outcome.lines().find_map(|line| line.strip_prefix("hint: "));
    let hint = hint.unwrap_or_else(|| panic!("no hint: {outcome}"));
    hint.split('`').nth(1).expect("a command in backticks")
}

/// Somebody who asks the same again and again, until told to stop.
struct Asking {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    answers: JoinHandle<BTreeMap<StatusCode, u64>>,
}

impl Asking {
    fn begin(app: &App, method: Method, path: &'static str) -> Self {
        let (address, stop, asked) = (app.address, Arc::default(), Arc::default());
        let (is_over, count): (Arc<AtomicBool>, Arc<AtomicU64>) =
            (Arc::clone(&stop), Arc::clone(&asked));
        let answers = tokio::spawn(async move {
            let mut answers = BTreeMap::new();
            while !is_over.load(Ordering::Relaxed) {
                let answer = send(address, method.clone(), path, &[]).await;
                let status = answer.expect("it answers").status;
                *answers.entry(status).or_default() += 1;
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            answers
        });
        Self {
            stop,
            asked,
            answers,
        }
    }

    /// Ends it, and asserts that all answers had this status. Returns how many there were.
    async fn always(self, status: StatusCode) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let answers = self.answers.await.expect("it asks to the end");
        let statuses: Vec<&StatusCode> = answers.keys().collect();
        assert_eq!(statuses, [&status], "{answers:?}");
        answers[&status]
    }
}

/// Waits until each of them has so many answers more.
async fn answered(asking: &[&Asking], more: u64) {
    let count = |one: &Asking| one.asked.load(Ordering::Relaxed);
    let enough: Vec<u64> = asking.iter().map(|one| count(one) + more).collect();
    until("all have asked often enough", || async {
        let mut both = asking.iter().zip(&enough);
        both.all(|(one, enough)| count(one) >= *enough)
            .then_some(())
    })
    .await;
}

/// One command closes five processes and opens them again, and nobody flips back in between.
#[tokio::test(flavor = "multi_thread")]
async fn five_processes_close_and_open_together() {
    let server = RedisServer::start().await;
    let url = server.url();
    let state = url.as_str();
    new_site(state).await;
    let names = ["web-1", "web-2", "web-3", "web-4", "web-5"];
    let apps = fleet(state, names, &[]).await;
    let listed = intermission(state, &["nodes"]).await.done().stdout;
    for name in names {
        let row = listed
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {listed}"));
        assert!(
            row.contains("  axum  ") && row.contains("  wait 2m  "),
            "{listed}"
        );
    }

    let diary = Diary::begin();
    let closed = intermission(state, &["activate", "--wait", "--message", "Upgrading"]).await;
    assert_eq!((closed.code, closed.stderr.as_str()), (0, "activated\n"));
    diary.say("activate --wait has returned");
    all_answer(&apps, StatusCode::SERVICE_UNAVAILABLE, diary, "is closed").await;
    for app in &apps {
        for _ in 0..20 {
            assert_eq!(app.get("/").await.status, 503, "closed is closed");
            assert_eq!(app.start_job(1).await, None);
        }
        assert_eq!(app.get("/health").await.status, 200);
    }
    let quiet = intermission(state, &["activate", "--wait=quiescent"])
        .await
        .done();
    assert!(
        quiet.stderr.contains("activated, quiescent since 2"),
        "{quiet:?}"
    );
    let json = status(state).await;
    assert_eq!(
        json["nodes"]["unconfirmed"],
        Value::Array(Vec::new()),
        "{json}"
    );
    assert_eq!(
        (&json["state_lost_at"], &json["state"]["lost_at"]),
        (&Value::Null, &Value::Null),
        "a site that was initialised has lost nothing: {json}"
    );

    let diary = Diary::begin();
    intermission(state, &["deactivate"]).await.done();
    diary.say("deactivate has returned");
    all_answer(&apps, StatusCode::OK, diary, "is open").await;
    let shown = until("all have said that they are open", || async {
        let shown = intermission(state, &["status"]).await.done().stdout;
        shown.contains("5 (all at revision ").then_some(shown)
    })
    .await;
    assert!(shown.starts_with("Maintenance: deactivated\n"), "{shown}");
}

/// Jobs run on two of five processes. `activate --wait` returns when the last of them has ended, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_with_the_last_job_of_the_fleet() {
    let server = RedisServer::start().await;
    let url = server.url();
    let state = url.as_str();
    new_site(state).await;
    let apps = fleet(state, ["web-1", "web-2", "web-3", "web-4", "web-5"], &[]).await;
    let diary = Diary::begin();
    let jobs = [
        (1, Duration::from_millis(1_200)),
        (4, Duration::from_millis(2_500)),
    ];
    for (app, takes) in jobs {
        let millis = u64::try_from(takes.as_millis()).expect("a short time");
        apps[app].start_job(millis).await.expect("it is open");
    }
    diary.say("jobs run on web-2 (1.2 s) and web-5 (2.5 s)");
    let waiting = command(state, &["activate", "--wait", "--timeout", "30s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    for app in &apps {
        until("it starts no job any more", || async {
            app.start_job(1).await.is_none().then_some(())
        })
        .await;
        assert_eq!(app.get("/").await.status, 200, "pages are served meanwhile");
    }
    diary.say("no process starts a job any more, and all serve pages");
    let running = until("the state knows of both jobs", || async {
        let executions = intermission(state, &["executions", "--json"])
            .await
            .done()
            .json();
        let is_past = phase(state).await == "activated";
        (executions["running"] == 2 || is_past).then_some(executions)
    })
    .await;
    diary.say(&format!("the state knows of {} jobs", running["running"]));
    let output = waiting.wait_with_output().await.expect("it ends");
    diary.say("activate --wait has returned");
    assert!(output.status.success(), "{output:?}");
    assert!(
        diary.0.elapsed() >= Duration::from_millis(2_500),
        "the last job cannot have ended before"
    );
    let left = intermission(state, &["executions", "--json"])
        .await
        .done()
        .json();
    assert_eq!(
        (&left["running"], phase(state).await.as_str()),
        (&0.into(), "activated")
    );
    all_answer(&apps, StatusCode::SERVICE_UNAVAILABLE, diary, "is closed").await;
}

/// Three nodes are killed in the middle of a drain, each with another policy. One is given up and named, one has
/// provably dropped its work, one is waited for until somebody says that it is dead; and whoever waits is told what to
/// type.
#[tokio::test(flavor = "multi_thread")]
async fn dead_nodes_are_named_with_the_way_out() {
    let server = RedisServer::start().await;
    let url = server.url();
    let state = url.as_str();
    new_site(state).await;
    let living = App::start(state, "living", &[]).await;
    let mut dying = Vec::new();
    for (name, policy) in [
        ("waited", "wait:1s"),
        ("fenced", "fence:1s"),
        ("held", "hold"),
    ] {
        let app = App::start(state, name, &["--lost", policy]).await;
        app.start_job(600_000).await.expect("it is open");
        dying.push(app);
    }
    let diary = Diary::begin();
    until("the state knows of all jobs", || async {
        let executions = intermission(state, &["executions", "--json"])
            .await
            .done()
            .json();
        (executions["running"] == 3).then_some(())
    })
    .await;
    intermission(state, &["activate"]).await.done();
    diary.say(
        "activating; jobs of 10 minutes run on waited (wait:1s), fenced (fence:1s) and held (hold)",
    );
    for app in &mut dying {
        app.kill().await;
    }
    diary.say("all three are killed");

    let mut waiting = command(state, &["activate", "--wait"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut said = BufReader::new(waiting.stderr.take().expect("it is piped")).lines();
    let mut told = BTreeMap::new();
    // A lease has to end first: 15 seconds.
    while told.len() < 3 {
        let line = said.next_line().await.expect("text").expect("it goes on");
        if let Some((name, why)) = line
            .strip_prefix("warning: waiting for ")
            .and_then(|rest| rest.split_once(' '))
        {
            let hint = said.next_line().await.expect("text").expect("it goes on");
            diary.say(&format!("--wait says: waiting for {name} {why}"));
            assert!(why.contains("out of contact, last heard 1"), "{line}");
            told.insert(name.to_owned(), advice(&hint).to_owned());
        } else {
            assert_eq!(line, "already activating");
        }
    }
    let given_up = until("the other two are given up", || async {
        let listed = nodes(state).await;
        let count = status(state).await["nodes"]["out_of_contact"].as_u64();
        let events = intermission(state, &["history", "--json"])
            .await
            .done()
            .stdout;
        (count == Some(3) && events.contains("node-unconfirmed")).then_some(listed)
    })
    .await;
    diary.say("waited and fenced are given up; held is waited for");
    assert_eq!(phase(state).await, "activating", "{given_up:?}");
    let shown = intermission(state, &["status"]).await.done().stdout;
    let line = |label: &str| {
        shown
            .lines()
            .find(|line| line.contains(label))
            .unwrap_or_else(|| panic!("{label}: {shown}"))
    };
    assert!(
        line("Waiting for:").contains("held (out of contact, last heard ")
            && line("Waiting for:").ends_with("waited for until it is back)"),
        "{shown}"
    );
    assert!(shown.contains(&format!("`{}`", told["held"])), "{shown}");
    let listed = intermission(state, &["nodes"]).await.done().stdout;
    assert_eq!(
        listed.matches("out of contact, last heard 1").count(),
        3,
        "{listed}"
    );

    diary.say(&format!("typed: {}", told["held"]));
    let forgotten = typed(&told["held"]).await.done();
    assert!(
        forgotten.stderr.starts_with("forgot held ("),
        "{forgotten:?}"
    );
    let mut rest = String::new();
    said.into_inner()
        .read_to_string(&mut rest)
        .await
        .expect("text");
    let code = waiting.wait().await.expect("it ends").code();
    diary.say(&format!("activate --wait has ended with {code:?}"));
    assert_eq!(code, Some(9), "{rest}");
    assert!(
        rest.contains(
            "activated, but nobody knows what still runs on waited (out of contact since 2"
        ),
        "{rest}"
    );
    assert!(!rest.contains("fenced"), "it has dropped its work: {rest}");
    let unconfirmed = &status(state).await["nodes"]["unconfirmed"];
    assert_eq!(
        unconfirmed.as_array().map(Vec::len),
        Some(1),
        "{unconfirmed}"
    );
    assert_eq!(node(state, "waited").await["unconfirmed"], true);
    assert_eq!(node(state, "fenced").await["unconfirmed"], false);

    diary.say(&format!("typed: {}", advice(&rest)));
    typed(advice(&rest)).await.done();
    intermission(state, &["activate", "--wait"]).await.done();
    diary.say("no execution is in doubt any more");
    let quiescent = ["activate", "--wait=quiescent", "--timeout", "1s"];
    let visitors = intermission(state, &quiescent).await;
    assert_eq!(
        visitors.code, 5,
        "fenced may still serve a visitor: {visitors:?}"
    );
    diary.say(&format!("typed: {}", advice(&visitors.stderr)));
    let forgotten = typed(advice(&visitors.stderr)).await.done();
    assert!(
        forgotten.stderr.starts_with("forgot fenced ("),
        "{forgotten:?}"
    );
    intermission(state, &quiescent).await.done();
    diary.say("and no visitor's request is");
    drop(living);
}

/// Redis loses everything during maintenance, and one node is alive. The node brings the mode back with its second
/// report, and admits nobody in between.
#[tokio::test(flavor = "multi_thread")]
async fn what_redis_loses_during_maintenance_comes_back() {
    let diary = Diary::begin();
    tokio::join!(
        flushed("wait:2m", diary),
        flushed("hold", diary),
        flushed("fence:30s", diary),
    );
}

async fn flushed(policy: &str, diary: Diary) {
    let server = RedisServer::start().await;
    let url = server.url();
    let state = url.as_str();
    new_site(state).await;
    let [app] = fleet(state, ["only"], &["--lost", policy]).await;
    intermission(state, &["activate", "--wait", "--message", "Still here"])
        .await
        .done();
    until("it is closed", || async {
        (app.get("/").await.status == 503).then_some(())
    })
    .await;
    let visitors = Asking::begin(&app, Method::GET, "/");
    let jobs = Asking::begin(&app, Method::POST, "/jobs?ms=1");

    server.command(&["FLUSHALL"]).await;
    let (flushed, reports) = (Instant::now(), reports(&server).await);
    assert_eq!(server.ask::<usize>(&["DBSIZE"]).await, 0, "nothing is left");
    diary.say(&format!("{policy}: FLUSHALL"));
    let record = "{intermission:default}:record";
    until("the record is back", || async {
        (server.ask::<usize>(&["EXISTS", record]).await == 1).then_some(())
    })
    .await;
    let took = flushed.elapsed();
    let reports = self::reports(&server).await - reports;
    diary.say(&format!(
        "{policy}: back after {took:.1?}, with report {reports}"
    ));
    assert!(
        reports <= 2,
        "one report finds out, the next one brings back"
    );
    let shown = intermission(state, &["status"]).await.done().stdout;
    assert!(
        shown.starts_with("Maintenance: activated (full)\n  Message:       Still here\n")
            && shown.contains("  Reconciling:   ")
            && shown.contains("  State lost:    2"),
        "{shown}"
    );

    // The grace that follows opens nothing, either.
    answered(&[&visitors, &jobs], 200).await;
    let refused = StatusCode::SERVICE_UNAVAILABLE;
    let (visits, starts) = (visitors.always(refused).await, jobs.always(refused).await);
    diary.say(&format!(
        "{policy}: {visits} visitors and {starts} jobs came meanwhile, and all were refused"
    ));
    let opened = intermission(state, &["deactivate"]).await.done();
    assert!(opened.stderr.contains("deactivated\n"), "{opened:?}");
    until("it is open", || async {
        (app.get("/").await.status == 200).then_some(())
    })
    .await;
    diary.say(&format!("{policy}: open again"));
}

/// How many scripts the server was asked for by their names: reports, as long as nobody uses the command.
async fn reports(server: &RedisServer) -> u64 {
    let stats = server
        .info("cmdstat_evalsha")
        .await
        .expect("a node reports");
    let calls = stats.split([',', '=']).nth(1);
    calls
        .and_then(|calls| calls.parse().ok())
        .expect("a number of calls")
}

/// Redis is gone for a while. What the processes knew last goes on, whoever asks is told, and afterwards all is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_gone_changes_nothing_for_visitors() {
    let server = ServerOptions::new().with_append_only().start().await;
    let url = server.url();
    let state = url.as_str();
    new_site(state).await;
    let site = |name: &str| format!("{state}?site={name}");
    let (open, closed) = (site("open"), site("closed"));
    let (open, closed) = (open.as_str(), closed.as_str());
    new_site(open).await;
    new_site(closed).await;
    let names = ["web-1", "web-2", "web-3"];
    let open_apps = fleet(open, names, &[]).await;
    let closed_apps = fleet(closed, names, &[]).await;
    intermission(closed, &["activate", "--wait"]).await.done();
    let diary = Diary::begin();
    all_answer(
        &closed_apps,
        StatusCode::SERVICE_UNAVAILABLE,
        diary,
        "is closed",
    )
    .await;
    let asking = |apps: &[App]| -> Vec<Asking> {
        let asking = apps.iter().map(|app| Asking::begin(app, Method::GET, "/"));
        asking.collect()
    };
    let (visitors, refused) = (asking(&open_apps), asking(&closed_apps));

    server.kill();
    diary.say("Redis is killed");
    for verb in [
        &["status"][..],
        &["nodes"],
        &["history"],
        &["activate", "--wait"],
        &["deactivate"],
        &["init"],
    ] {
        let outcome = intermission(open, verb).await;
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (6, ""),
            "{outcome:?}"
        );
        let place = format!("error: redis://{}/0 fails at ", server.address());
        assert!(
            outcome.stderr.starts_with(&place)
                && outcome.stderr.contains("look whether it runs there"),
            "{outcome:?}"
        );
    }
    diary.say("the command says so, whatever it is asked for");
    for app in &open_apps {
        app.start_job(1)
            .await
            .expect("with wait:2m, jobs go on, too");
    }
    let all: Vec<&Asking> = visitors.iter().chain(&refused).collect();
    answered(&all, 500).await;
    server.start_again().await;
    diary.say("Redis is back, with its data");
    for state in [open, closed] {
        let listed = until("all have spoken since", || async {
            let json = status(state).await;
            // A restart is noticed by whoever speaks first.
            let since = json["state"]["lost_at"].as_str()?.to_owned();
            let listed = nodes(state).await;
            let is_whole = listed.iter().all(|node| {
                let has_spoken = node["heard_at"]
                    .as_str()
                    .is_some_and(|at| at >= since.as_str());
                has_spoken
                    && node["out_of_contact"] == false
                    && node["revision"] == json["revision"]
            });
            is_whole.then_some(listed)
        })
        .await;
        let labels: Vec<&str> = listed
            .iter()
            .filter_map(|node| node["label"].as_str())
            .collect();
        assert_eq!(labels, names);
    }
    diary.say("nodes lists all of them, in contact and up to date");
    for (asking, status) in [
        (visitors, StatusCode::OK),
        (refused, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        for one in asking {
            let answers = one.always(status).await;
            diary.say(&format!(
                "{answers} requests, all answered with {}",
                status.as_u16()
            ));
        }
    }
    let waited = intermission(open, &["activate", "--wait"]).await;
    diary.say("activate --wait has returned");
    assert_eq!(waited.code, 0, "{waited:?}");
    let said: Vec<&str> = waited.stderr.lines().collect();
    assert!(
        said[0].starts_with("reconciling, ")
            && said[1].starts_with("warning: the state lost data at 2"),
        "{waited:?}"
    );
}
