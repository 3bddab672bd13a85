//! Two operators at once.

use intermission::Phase;
use serde_json::json;

use crate::site::{Site, by_ana, soon};

#[tokio::test]
async fn a_change_of_what_nobody_has_looked_at_is_refused_with_the_current_record() {
    let site = Site::new().await;
    let seen = site.ana("GET", "/api/status", "").await;
    let etag = seen.header("etag").unwrap().to_owned();
    let request = || by_ana("POST", "/api/activate").with_header("If-Match", etag.as_str());
    let first = site.send(request(), r#"{"message":"first"}"#).await;
    assert_eq!(first.status, 200, "{first:?}");
    let second = site.send(request(), r#"{"message":"second"}"#).await;
    assert_eq!(second.status, 409, "{second:?}");
    assert_eq!(second.json()["current"]["message"], json!("first"));
    assert_eq!(site.get("/api/status").await["message"], json!("first"));
    let malformed = by_ana("POST", "/api/deactivate").with_header("If-Match", "W/\"7\"");
    assert_eq!(site.send(malformed, "{}").await.status, 400);
    assert_ne!(site.get("/api/status").await["phase"], json!("deactivated"));
}

#[tokio::test]
async fn changes_at_the_same_moment_are_all_made_once() {
    let site = Site::new().await;
    site.ana("POST", "/api/activate", "{}").await;
    site.reached(Phase::Activated).await;
    soon(async {
        let changes = (1..=20).map(|n| {
            let body = format!(r#"{{"allow":["192.0.2.{n}"]}}"#);
            let site = &site;
            async move { site.ana("PUT", "/api/allow-ips?mode=add", &body).await }
        });
        for answer in futures_util::future::join_all(changes).await {
            assert_eq!(
                (answer.status, &answer.json()["changed"]),
                (200, &json!(true))
            );
        }
    })
    .await;
    assert_eq!(
        site.get("/api/status").await["allow"]
            .as_array()
            .unwrap()
            .len(),
        20
    );
    let history = site.get("/api/history?n=1000").await;
    let updates = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["event"] == json!("updated"));
    assert_eq!(updates.count(), 20);
}
