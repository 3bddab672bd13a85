//! Server-sent events.

use intermission::{ExecutionInfo, Phase};
use intermission_admin::EventStream;
use serde_json::{Value, json};

use crate::site::{Site, by_ana, soon};

/// One event, read as a browser does.
#[derive(Debug, Default)]
struct Event {
    id: Option<String>,
    name: String,
    data: Value,
}

/// The next event of that name that is as it should be.
async fn heard(events: &mut EventStream, name: &str, is_right: impl Fn(&Value) -> bool) -> Event {
    soon(async {
        loop {
            let text = events.next().await.expect("it goes on");
            let text = String::from_utf8(text.to_vec()).unwrap();
            assert!(text.ends_with("\n\n"), "{text:?}");
            let mut event = Event::default();
            for line in text.lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => event.id = Some(id.to_owned()),
                    Some(("event", name)) => event.name = name.to_owned(),
                    Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                    _ => {}
                }
            }
            if event.name == name && is_right(&event.data) {
                return event;
            }
        }
    })
    .await
}

async fn change(events: &mut EventStream, event: &str) -> Event {
    heard(events, "change", |data| data["event"] == json!(event)).await
}

#[tokio::test]
async fn each_change_is_one_event_and_a_drain_is_shown_as_it_happens() {
    let site = Site::new().await;
    let mut events = site.listen(by_ana("GET", "/api/events")).await;
    heard(&mut events, "view", |view| {
        view["status"]["phase"] == json!("deactivated")
    })
    .await;

    let job = site.gate.execution(ExecutionInfo::new("import")).unwrap();
    site.ana("POST", "/api/activate", r#"{"message":"Back\nsoon"}"#)
        .await;
    let requested = change(&mut events, "requested").await;
    assert_eq!(
        (&requested.data["by"], &requested.data["v"]),
        (&json!("ana"), &json!(1))
    );
    assert!(requested.id.is_some());
    let draining = heard(&mut events, "view", |view| {
        view["executions"]["running"] == json!(1)
    })
    .await;
    assert_eq!(
        draining.data["executions"]["executions"][0]["kind"],
        json!("import")
    );
    assert_eq!(draining.data["status"]["message"], json!("Back\nsoon"));
    drop(job);
    change(&mut events, "activated").await;
    heard(&mut events, "view", |view| {
        view["status"]["phase"] == json!("activated") && !view["status"]["quiescent_at"].is_null()
    })
    .await;
}

#[tokio::test]
async fn who_comes_back_is_told_what_he_missed_and_nothing_twice() {
    let site = Site::new().await;
    let mut events = site.listen(by_ana("GET", "/api/events")).await;
    heard(&mut events, "view", |_| true).await;
    site.ana("POST", "/api/activate", "{}").await;
    let requested = change(&mut events, "requested").await;
    drop(events);
    site.reached(Phase::Activated).await;
    site.ana("POST", "/api/deactivate", "{}").await;

    let request = by_ana("GET", "/api/events").with_header("Last-Event-ID", requested.id.unwrap());
    let mut events = site.listen(request).await;
    for expected in ["activated", "deactivated"] {
        let missed = heard(&mut events, "change", |_| true).await;
        assert_eq!(missed.data["event"], json!(expected));
    }
    site.ana("POST", "/api/activate", "{}").await;
    let next = heard(&mut events, "change", |_| true).await;
    assert_eq!(next.data["event"], json!("requested"));
    // An id of some other server is no reason to be silent.
    let request = by_ana("GET", "/api/events").with_header("Last-Event-ID", "what?");
    let mut events = site.listen(request).await;
    heard(&mut events, "view", |_| true).await;
}

#[tokio::test]
async fn who_is_cut_off_before_the_first_change_misses_none() {
    let site = Site::new().await;
    let mut events = site.listen(by_ana("GET", "/api/events")).await;
    let first = heard(&mut events, "view", |_| true).await;
    drop(events);
    for path in ["activate", "deactivate"] {
        site.ana("POST", &format!("/api/{path}"), "{}").await;
    }
    let request = by_ana("GET", "/api/events").with_header("Last-Event-ID", first.id.unwrap());
    let mut events = site.listen(request).await;
    let missed = heard(&mut events, "change", |_| true).await;
    assert_eq!(missed.data["event"], json!("requested"));
    change(&mut events, "deactivated").await;
}

#[tokio::test]
async fn changes_that_follow_at_once_are_told_once_each() {
    let site = Site::new().await;
    let mut events = site.listen(by_ana("GET", "/api/events")).await;
    heard(&mut events, "view", |_| true).await;
    let mut told = Vec::new();
    for round in 0..20 {
        for path in ["activate", "deactivate"] {
            let answer = site.ana("POST", &format!("/api/{path}"), "{}").await;
            assert_eq!(answer.status, 200, "{round}");
        }
    }
    loop {
        let event = heard(&mut events, "change", |_| true).await;
        assert!(event.id.is_some(), "{event:?}");
        assert!(!told.contains(&event.id), "{event:?} was told before");
        told.push(event.id);
        let deactivated = event.data["event"] == json!("deactivated");
        if deactivated && event.data["revision"] == site.get("/api/status").await["revision"] {
            return;
        }
    }
}

#[tokio::test]
async fn streams_are_limited_and_end_with_the_application() {
    let site = Site::new().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(site.listen(by_ana("GET", "/api/events")).await);
    }
    assert_eq!(site.ana("GET", "/api/events", "").await.status, 503);
    drop(streams.pop());
    soon(async {
        while site.ana("GET", "/api/events", "").await.status == 503 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    site.admin.end_events();
    for mut events in streams {
        soon(async { while events.next().await.is_some() {} }).await;
    }
}
