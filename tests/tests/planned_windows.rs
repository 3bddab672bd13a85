//! Planned maintenance on real processes: announced, changed, cancelled, begun and ended by itself, by every way in which it
//! can be asked for, on every state, and also when the state is away at the time.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod new_site;

use std::path::Path;
use std::time::Duration;

use http::Method;
use intermission::{Activate, Actor, Change, Clock, Deactivate, Operator, SystemClock, Timestamp};
use intermission_file::FileOptions;
use intermission_redis::RedisOptions;
use intermission_tests::app::{App, Framework};
use intermission_tests::command::intermission;
use intermission_tests::events::Events;
use intermission_tests::http::send_body;
use intermission_tests::redis::{RedisServer, ServerOptions};
use intermission_tests::wait::until;
use serde_json::{Value, json};

use new_site::new_site;

const ADMIN: (&str, &str) = ("authorization", "Bearer admin-demo");
const JSON: (&str, &str) = ("content-type", "application/json");
const FAR: &str = "2998-12-31T23:00:00.000Z";
const FARTHER: &str = "2999-01-01T01:00:00.000Z";

/// What is said; what is not stays.
#[derive(Clone, Copy, Default)]
struct Ask<'a> {
    starts: Option<&'a str>,
    /// `none` takes it back.
    ends: Option<&'a str>,
    auto_end: Option<bool>,
    message: Option<&'a str>,
}

/// How it is asked for.
enum Way {
    Command(String),
    Api(std::net::SocketAddr),
    Library(Operator),
}

impl Way {
    async fn activate(&self, ask: Ask<'_>) {
        match self {
            Self::Command(state) => {
                let mut line = vec!["activate"];
                for (option, value) in [
                    ("--starts", ask.starts),
                    ("--ends", ask.ends),
                    ("--message", ask.message),
                ] {
                    line.extend(value.into_iter().flat_map(|value| [option, value]));
                }
                line.extend(match ask.auto_end {
                    Some(true) => Some("--auto-end"),
                    Some(false) => Some("--no-auto-end"),
                    None => None,
                });
                intermission(state.as_str(), &line).await.done();
            }
            Self::Api(address) => {
                let mut body = json!({});
                for (field, value) in [
                    ("starts_at", ask.starts.map(Value::from)),
                    (
                        "ends_at",
                        ask.ends.map(|end| match end {
                            "none" => Value::Null,
                            end => Value::from(end),
                        }),
                    ),
                    ("message", ask.message.map(Value::from)),
                    ("auto_end", ask.auto_end.map(Value::from)),
                ] {
                    if let Some(value) = value {
                        body[field] = value;
                    }
                }
                post(*address, "activate", &body).await;
            }
            Self::Library(operator) => {
                let mut activate = Activate::by("ana");
                if let Some(start) = ask.starts {
                    activate = activate.with_starts_at(start.parse().expect("a time"));
                }
                activate = match ask.ends {
                    Some("none") => activate.without_ends_at(),
                    Some(end) => activate.with_ends_at(end.parse().expect("a time")),
                    None => activate,
                };
                if let Some(auto_end) = ask.auto_end {
                    activate = activate.with_auto_end(auto_end);
                }
                if let Some(message) = ask.message {
                    activate = activate.with_message(message);
                }
                let accepted = operator.change(Change::Activate(activate)).await;
                accepted.expect("it is accepted");
            }
        }
    }

    async fn deactivate(&self) {
        match self {
            Self::Command(state) => {
                intermission(state.as_str(), &["deactivate"]).await.done();
            }
            Self::Api(address) => post(*address, "deactivate", &json!({})).await,
            Self::Library(operator) => {
                let change = Change::Deactivate(Deactivate::new());
                operator.change(change).await.expect("it is accepted");
            }
        }
    }
}

async fn post(address: std::net::SocketAddr, what: &str, body: &Value) {
    let path = format!("/admin/maintenance/api/{what}");
    let headers = [ADMIN, JSON];
    let answer = send_body(address, Method::POST, &path, &headers, &body.to_string()).await;
    let answer = answer.expect("it answers");
    assert_eq!(answer.status, 200, "{body}: {answer:?}");
}

fn soon() -> String {
    let soon = SystemClock
        .now()
        .saturating_add(Duration::from_millis(1_500));
    soon.to_string()
}

fn seconds(time: &str) -> u64 {
    let time: Timestamp = time.parse().expect("a time");
    time.as_millis() / 1_000
}

/// Waits until responses announce this, and no other.
async fn announces(app: &App, value: &str) {
    until(&format!("`{value}` is announced"), || async {
        let answer = app.get("/").await;
        let is_so = answer.status == 200 && answer.header("maintenance-scheduled") == value;
        is_so.then_some(())
    })
    .await;
    // What is always open says the same.
    let health = app.get("/health").await;
    assert_eq!(health.header("maintenance-scheduled"), value);
}

async fn comes_to(app: &App, status: u16) -> String {
    let what = format!("visitors get {status}");
    let answer = until(&what, || async {
        let answer = app.get("/").await;
        (answer.status == status).then_some(answer)
    });
    let answer = answer.await;
    assert_eq!(answer.header("maintenance-scheduled"), "", "{answer:?}");
    answer.body
}

async fn got(app: &App, path: &str) -> Value {
    let answer = app.send(Method::GET, path, &[ADMIN]).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).expect("JSON")
}

/// A plan from its beginning to its end.
async fn story(apps: &[App], way: &Way) {
    let first = &apps[0];
    let mut events = Events::listen(first.address, "/admin/maintenance/api/events", &[ADMIN])
        .await
        .expect("events");
    events.until("view").await;

    way.activate(Ask {
        // Instants: an offset is only a way of writing them.
        starts: Some("2999-01-01T00:00:00+01:00"),
        ends: Some("2999-01-01T01:00:00Z"),
        auto_end: Some(true),
        message: Some("New disks"),
    })
    .await;
    let value = format!("@{};until=@{}", seconds(FAR), seconds(FARTHER));
    for app in apps {
        announces(app, &value).await;
    }
    let upcoming =
        json!({"starts_at": FAR, "ends_at": FARTHER, "level": "full", "message": "New disks"});
    assert_eq!(
        got(first, "/maintenance-status").await["upcoming"],
        upcoming
    );
    let window = json!({"starts_at": FAR, "ends_at": FARTHER, "auto_end": true});
    let status = got(first, "/admin/maintenance/api/status").await;
    assert_eq!(
        (&status["phase"], &status["window"]),
        (&json!("deactivated"), &window)
    );
    loop {
        let picture = events.until("view").await.json();
        if picture["status"]["window"] == window {
            break;
        }
    }

    // What is not said stays.
    way.activate(Ask {
        starts: Some("2999-01-01T00:00:00Z"),
        ..Ask::default()
    })
    .await;
    let start = seconds("2999-01-01T00:00:00Z");
    let value = format!("@{start};until=@{}", seconds(FARTHER));
    announces(first, &value).await;
    way.activate(Ask {
        starts: Some("2999-01-01T00:00:00Z"),
        ends: Some("none"),
        message: Some("Other disks"),
        ..Ask::default()
    })
    .await;
    announces(first, &format!("@{start}")).await;
    let upcoming = got(first, "/maintenance-status").await["upcoming"].clone();
    assert_eq!(upcoming["message"], "Other disks");

    way.deactivate().await;
    for app in apps {
        announces(app, "").await;
    }
    assert_eq!(
        got(first, "/maintenance-status").await["upcoming"],
        Value::Null
    );

    // It starts by itself…
    let start = soon();
    way.activate(Ask {
        starts: Some(&start),
        ends: Some(FAR),
        auto_end: Some(true),
        message: Some("New disks"),
    })
    .await;
    for app in apps {
        let body = comes_to(app, 503).await;
        assert!(body.contains("New disks"), "{body}");
    }
    assert!(SystemClock.now() >= start.parse().expect("a time"));
    // … and ends by itself, when the end that was announced is brought forward.
    let end = soon();
    way.activate(Ask {
        ends: Some(&end),
        ..Ask::default()
    })
    .await;
    for app in apps {
        comes_to(app, 200).await;
    }
    assert!(SystemClock.now() >= end.parse().expect("a time"));

    let history = got(first, "/admin/maintenance/api/history").await;
    let entries = history["history"].as_array().expect("a list");
    let told: Vec<&str> = entries
        .iter()
        .rev()
        .filter_map(|entry| entry["event"].as_str())
        .filter(|event| !event.starts_with("node") && *event != "initialised")
        .collect();
    assert_eq!(
        told,
        [
            "planned",
            "planned",
            "planned",
            "plan-cancelled",
            "planned",
            "plan-started",
            "activated",
            "updated",
            "ended"
        ],
        "{history}"
    );
}

async fn two_on(state: &str, framework: Framework) -> [App; 2] {
    [
        App::start_on(framework, state, "web-1", &[]).await,
        App::start_on(framework, state, "web-2", &[]).await,
    ]
}

fn on_files(folder: &Path) -> String {
    format!("file:{}", folder.display())
}

async fn on_redis() -> (RedisServer, String) {
    let server = ServerOptions::new().with_append_only().start().await;
    let url = server.url();
    new_site(&url).await;
    (server, url)
}

fn actor() -> Actor {
    Actor::new("ana", "a test")
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_command_on_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = on_files(folder.path());
    let apps = two_on(&state, Framework::Axum).await;
    story(&apps, &Way::Command(state)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_api_on_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let apps = two_on(&on_files(folder.path()), Framework::Actix).await;
    story(&apps, &Way::Api(apps[1].address)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_library_on_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let apps = two_on(&on_files(folder.path()), Framework::Warp).await;
    let url = on_files(folder.path()).parse().expect("a state's URL");
    let state = FileOptions::from_url(&url).expect("a folder").open();
    let operator = Operator::new(state.expect("it opens"), actor());
    story(&apps, &Way::Library(operator)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_command_on_redis() {
    let (_server, state) = on_redis().await;
    let apps = two_on(&state, Framework::Warp).await;
    story(&apps, &Way::Command(state)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_api_on_redis() {
    let (_server, state) = on_redis().await;
    let apps = two_on(&state, Framework::Axum).await;
    story(&apps, &Way::Api(apps[1].address)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_library_on_redis() {
    let (_server, state) = on_redis().await;
    let apps = two_on(&state, Framework::Actix).await;
    let url = state.parse().expect("a state's URL");
    let options = RedisOptions::from_url(&url).expect("a Redis");
    let operator = Operator::new(options.build(), actor());
    story(&apps, &Way::Library(operator)).await;
}

/// Nobody else reaches the memory of a process.
#[tokio::test(flavor = "multi_thread")]
async fn by_the_api_in_memory() {
    for framework in Framework::ALL {
        let app = App::start_on(framework, "memory:", "web-1", &[]).await;
        let way = Way::Api(app.address);
        story(&[app], &way).await;
    }
}

/// Its start comes while nobody is there who could tell the state: the first who comes does.
async fn nobody_there_at_the_start(state: &str) {
    let start = soon();
    let line = ["activate", "--starts", &start, "--message", "New disks"];
    intermission(state, &line).await.done();
    let start: Timestamp = start.parse().expect("a time");
    until("the start has passed", || async {
        (SystemClock.now() > start).then_some(())
    })
    .await;
    let app = App::start(state, "late", &[]).await;
    let body = comes_to(&app, 503).await;
    assert!(body.contains("New disks"), "{body}");
    let status = intermission(state, &["status", "--json"]).await.done();
    assert_eq!(status.json()["phase"], "activated");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_there_at_the_start_on_files() {
    let folder = tempfile::tempdir().expect("a folder");
    nobody_there_at_the_start(&on_files(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_there_at_the_start_on_redis() {
    let (_server, state) = on_redis().await;
    nobody_there_at_the_start(&state).await;
}

/// Plans one that begins in some seconds, and waits until both processes know of it.
async fn plan(state: &str, apps: &[App]) {
    let start = SystemClock.now().saturating_add(Duration::from_secs(4));
    let start = start.to_string();
    let line = ["activate", "--starts", &start, "--message", "New disks"];
    intermission(state, &line).await.done();
    for app in apps {
        announces(app, &format!("@{}", seconds(&start))).await;
    }
}

async fn closed_and_told_why(apps: &[App]) {
    for app in apps {
        let body = comes_to(app, 503).await;
        assert!(body.contains("New disks"), "{body}");
        assert_eq!(app.start_job(1).await, None, "nothing begins");
        assert_eq!(app.get("/health").await.status, 200);
    }
}

/// When the state is back, it hears that the plan has begun, and says so to all.
async fn on_and_off_again(state: &str, apps: &[App]) {
    until("the maintenance is on", || async {
        let status = intermission(state, &["status", "--json"]).await;
        (status.code == 0 && status.json()["phase"] == "activated").then_some(())
    })
    .await;
    for app in apps {
        assert_eq!(app.get("/").await.status, 503);
    }
    intermission(state, &["deactivate"]).await.done();
    for app in apps {
        comes_to(app, 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_at_the_start_opens_nothing() {
    let (server, state) = on_redis().await;
    let apps = two_on(&state, Framework::Axum).await;
    plan(&state, &apps).await;
    server.stop().await;
    closed_and_told_why(&apps).await;
    let command = intermission(state.as_str(), &["status"]).await;
    assert_eq!(command.code, 6, "the state is away: {command:?}");
    server.start_again().await;
    on_and_off_again(&state, &apps).await;
}

/// The nodes bring the plan back, and nobody is let in while the state hears them first, nor while it drains.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_empty_after_the_start_opens_nothing() {
    let (server, state) = on_redis().await;
    let apps = two_on(&state, Framework::Axum).await;
    plan(&state, &apps).await;
    server.stop().await;
    closed_and_told_why(&apps).await;
    server.start_again_empty().await;
    until("the maintenance is on", || async {
        for app in &apps {
            assert_eq!(app.get("/").await.status, 503);
        }
        let status = intermission(state.as_str(), &["status", "--json"]).await;
        (status.code == 0 && status.json()["phase"] == "activated").then_some(())
    })
    .await;
    on_and_off_again(&state, &apps).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_read_at_the_start_open_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = on_files(folder.path());
    let apps = two_on(&state, Framework::Actix).await;
    plan(&state, &apps).await;
    let record = folder.path().join("record.json");
    let good = std::fs::read(&record).expect("a record");
    std::fs::write(&record, &good[..good.len() / 2]).expect("it is spoilt");
    closed_and_told_why(&apps).await;
    std::fs::write(&record, &good).expect("it is mended");
    on_and_off_again(&state, &apps).await;
}

/// Clocks are set back in that night: from half past two to half past two is an hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_over_a_change_of_the_clocks_lasts_its_real_length() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = on_files(folder.path());
    let app = App::start(state.as_str(), "web-1", &[]).await;
    let (start, end) = ("2098-10-26T02:30:00+02:00", "2098-10-26T02:30:00+01:00");
    let line = ["activate", "--starts", start, "--ends", end, "--auto-end"];
    intermission(state.as_str(), &line).await.done();
    let (from, to) = (
        seconds("2098-10-26T00:30:00Z"),
        seconds("2098-10-26T01:30:00Z"),
    );
    assert_eq!(to - from, 3_600);
    announces(&app, &format!("@{from};until=@{to}")).await;
    // The other way round it would end before it begins, whatever the clocks on the wall say.
    let line = ["activate", "--starts", end, "--ends", start];
    let refused = intermission(state.as_str(), &line).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    let local = "2098-10-26T02:30:00";
    let refused = intermission(state.as_str(), &["activate", "--starts", local]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("has no offset"), "{refused:?}");
    announces(&app, &format!("@{from};until=@{to}")).await;
}

async fn retry_after(app: &App) -> u64 {
    let answer = app.get("/").await;
    assert_eq!(answer.status, 503);
    answer.header("retry-after").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_to_come_back_counts_down_to_the_end_and_never_below_a_second() {
    for framework in Framework::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let state = on_files(folder.path());
        let app = App::start_on(framework, state.as_str(), "web-1", &[]).await;
        let line = ["activate", "--ends", "+1h", "--retry-after", "77s"];
        intermission(state.as_str(), &line).await.done();
        comes_to(&app, 503).await;
        let before = retry_after(&app).await;
        assert!((3_000..=3_600).contains(&before), "{before}");
        let after = until("a second has passed", || async {
            let after = retry_after(&app).await;
            (after != before).then_some(after)
        })
        .await;
        assert!(after < before, "{after}");

        // An end that passes while the site stays closed.
        let end = soon();
        intermission(state.as_str(), &["activate", "--ends", &end])
            .await
            .done();
        until("the end is near", || async {
            (retry_after(&app).await == 1).then_some(())
        })
        .await;
        let end: Timestamp = end.parse().expect("a time");
        until("the end has passed", || async {
            assert!((1..=2).contains(&retry_after(&app).await));
            (SystemClock.now() > end).then_some(())
        })
        .await;
        assert_eq!(retry_after(&app).await, 1);

        // Who knows that it takes longer takes the end back.
        intermission(state.as_str(), &["activate", "--ends", "none"])
            .await
            .done();
        until("the activation's own time counts", || async {
            (retry_after(&app).await == 77).then_some(())
        })
        .await;
        intermission(state.as_str(), &["activate", "--retry-after", "none"])
            .await
            .done();
        until("the application's time counts", || async {
            (retry_after(&app).await == 300).then_some(())
        })
        .await;
    }
}
