//! What is told for as long as somebody listens.

use intermission::{Actor, Change, Goal, Operator, Waited};
use intermission_tests::wait::until;

use crate::Site;

/// So many may listen at a time.
const STREAMS: usize = 64;

fn operator(site: &Site) -> Operator {
    site.gate.operator(Actor::new("cleo", "test"))
}

pub(crate) async fn events_come_as_they_happen(site: Site) {
    let mut events = site.listen(&[]).await.unwrap();
    assert!(
        events.head.contains("content-type: text/event-stream\n"),
        "{}",
        events.head
    );
    assert!(!events.head.contains("content-length:"), "{}", events.head);
    let first = events.next().await.unwrap().unwrap();
    assert_eq!(first.event, "view");
    assert_eq!(first.json()["status"]["phase"], "deactivated");
    site.close(r#"{"message":"Back soon"}"#).await;
    let change = events.until("change").await;
    assert_eq!(change.json()["event"], "requested");
    assert_eq!(change.json()["by"], "ana");
    assert!(change.id.is_some());
    loop {
        let view = events.until("view").await.json();
        if view["status"]["phase"] == "activated" {
            assert_eq!(view["status"]["message"], "Back soon");
            break;
        }
    }
}

pub(crate) async fn who_comes_back_is_told_what_was_missed(site: Site) {
    let mut events = site.listen(&[]).await.unwrap();
    // What happened before the first view is no change to it.
    events.until("view").await;
    site.close("{}").await;
    let seen = events.until("change").await;
    drop(events);
    site.open().await;
    let id = seen.id.unwrap();
    let mut events = site.listen(&[("last-event-id", &id)]).await.unwrap();
    let mut missed = Vec::new();
    while missed.last().is_none_or(|last| last != "deactivated") {
        let change = events.until("change").await;
        assert_ne!(change.id.as_ref(), Some(&id), "it was seen");
        missed.push(change.json()["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(missed, ["activated", "deactivated"]);
}

pub(crate) async fn no_drain_waits_for_a_listener(site: Site) {
    let mut events = site.listen(&[]).await.unwrap();
    events.until("view").await;
    assert_eq!(site.gate.status().requests, 0);
    site.close(r#"{"level":"exclusive"}"#).await;
    let activation = site.gate.record().activation().unwrap().id;
    let operator = operator(&site);
    let waited = operator.wait(activation, Goal::Quiescent, |_| {});
    let waited = tokio::time::timeout(intermission_tests::wait::PATIENCE, waited).await;
    let waited = waited.expect("the site gets quiet").unwrap();
    assert!(matches!(waited, Waited::Reached(_)), "{waited:?}");
    // And it still listens.
    let deactivate = Change::Deactivate(intermission::Deactivate::new());
    operator.change(deactivate).await.unwrap();
    loop {
        let change = events.until("change").await.json();
        if change["event"] == "deactivated" {
            assert_eq!(change["by"], "cleo");
            break;
        }
    }
}

pub(crate) async fn a_listener_that_leaves_makes_room(site: Site) {
    let mut listeners = Vec::new();
    for _ in 0..STREAMS {
        let mut events = site.listen(&[]).await.unwrap();
        events.until("view").await;
        listeners.push(events);
    }
    let refused = site.listen(&[]).await.unwrap_err().to_string();
    assert!(refused.starts_with("http/1.1 503 "), "{refused}");
    drop(listeners);
    until("there is room again", async || site.listen(&[]).await.ok()).await;
}

pub(crate) async fn streams_end_when_the_application_says_so(site: Site) {
    let mut events = site.listen(&[]).await.unwrap();
    events.until("view").await;
    site.admin.end_events();
    while events.next().await.unwrap().is_some() {}
    let mut late = site.listen(&[]).await.unwrap();
    while late.next().await.unwrap().is_some() {}
}
