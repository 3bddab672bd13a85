//! Closing, opening, and who passes by address.

use intermission::{DrainPolicy, Level, Phase};
use serde_json::json;
use std::time::Duration;

use crate::site::Site;

#[tokio::test]
async fn everything_that_can_be_asked_for_is_done() {
    let site = Site::new().await;
    let body = r#"{"message":"Moving","level":"read-only","allow":["192.0.2.7","2001:db8::/32"],"retry_after_s":90,
        "starts_at":null,"ends_at":"2999-01-01T00:00:00Z","auto_end":true,"drain":{"mode":"force","after_s":60}}"#;
    let answer = site.ana("POST", "/api/activate", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["changed"], json!(true));
    site.reached(Phase::Activated).await;
    let record = site.gate.record();
    let settings = &record.activation().unwrap().settings;
    assert_eq!(
        (settings.level, settings.message.as_deref()),
        (Level::ReadOnly, Some("Moving"))
    );
    assert_eq!(
        (settings.retry_after, settings.auto_end),
        (Some(Duration::from_secs(90)), true)
    );
    assert_eq!(settings.drain, DrainPolicy::Force(Duration::from_secs(60)));
    assert_eq!(
        settings.ends_at.unwrap().to_string(),
        "2999-01-01T00:00:00.000Z"
    );
    assert_eq!(record.allow().len(), 2);

    let answer = site.ana("POST", "/api/deactivate", "{}").await;
    assert_eq!(
        (answer.status, &answer.json()["phase"]),
        (200, &json!("deactivated"))
    );
    assert_eq!(
        site.gate
            .reached(|record| !record.phase().is_on())
            .await
            .allow()
            .len(),
        2
    );
}

#[tokio::test]
async fn repeating_a_request_is_a_success_that_changes_nothing() {
    let site = Site::new().await;
    for (method, path, body) in [
        ("PUT", "/api/allow-ips", r#"{"allow":["192.0.2.7"]}"#),
        ("POST", "/api/activate", r#"{"message":"Moving"}"#),
        ("POST", "/api/deactivate", "{}"),
    ] {
        assert_eq!(
            site.ana(method, path, body).await.json()["changed"],
            json!(true),
            "{path}"
        );
        if path.ends_with("/activate") {
            site.reached(Phase::Activated).await;
        }
        let revision = site.get("/api/status").await["revision"].clone();
        let again = site.ana(method, path, body).await;
        assert_eq!(
            (again.status, &again.json()["changed"]),
            (200, &json!(false)),
            "{path}"
        );
        assert_eq!(again.json()["revision"], revision, "{path}");
    }
}

#[tokio::test]
async fn a_maintenance_is_planned_and_cancelled() {
    let site = Site::new().await;
    let body = r#"{"starts_at":"2999-01-01T00:00:00+01:00","ends_at":"2999-01-01T02:00:00Z"}"#;
    let answer = site.ana("POST", "/api/activate", body).await;
    assert_eq!(
        (answer.status, &answer.json()["phase"]),
        (200, &json!("deactivated"))
    );
    let window = site.get("/api/status").await["window"].clone();
    assert_eq!(window["starts_at"], json!("2998-12-31T23:00:00.000Z"));
    site.ana("POST", "/api/deactivate", "{}").await;
    assert_eq!(site.get("/api/status").await["window"], json!(null));
}

#[tokio::test]
async fn a_plan_is_changed_and_what_is_left_out_stays() {
    let site = Site::new().await;
    let plan = |body: &'static str| site.ana("POST", "/api/activate", body);
    plan(
        r#"{"starts_at":"2999-01-01T00:00:00Z","ends_at":"2999-01-01T02:00:00Z","auto_end":true,"message":"New disks",
            "retry_after_s":90}"#,
    )
    .await;
    let answer = plan(r#"{"starts_at":"2999-01-01T01:00:00Z"}"#).await;
    assert_eq!(
        (answer.status, &answer.json()["changed"]),
        (200, &json!(true))
    );
    let window = json!({
        "starts_at": "2999-01-01T01:00:00.000Z", "ends_at": "2999-01-01T02:00:00.000Z", "auto_end": true,
    });
    assert_eq!(site.get("/api/status").await["window"], window);
    let record = site.gate.reached(|record| record.plan().is_some()).await;
    let settings = &record.plan().unwrap().settings;
    assert_eq!(settings.message.as_deref(), Some("New disks"));
    assert_eq!(settings.retry_after, Some(Duration::from_secs(90)));

    let endless = r#"{"starts_at":"2999-01-01T01:00:00Z","ends_at":null,"retry_after_s":null}"#;
    assert_eq!(plan(endless).await.json()["changed"], json!(true));
    let window = json!({
        "starts_at": "2999-01-01T01:00:00.000Z", "ends_at": null, "auto_end": false,
    });
    assert_eq!(site.get("/api/status").await["window"], window);
    assert_eq!(plan(endless).await.json()["changed"], json!(false));

    plan(r#"{"starts_at":"2999-01-01T01:00:00Z","ends_at":"2999-01-01T02:00:00Z"}"#).await;
    let too_late = plan(r#"{"starts_at":"2999-01-01T03:00:00Z"}"#).await;
    assert_eq!(too_late.status, 422, "{too_late:?}");
}

#[tokio::test]
async fn null_takes_back_what_was_announced_and_a_field_that_is_left_out_does_not() {
    let site = Site::new().await;
    let ask = |body: &'static str| site.ana("POST", "/api/activate", body);
    ask(r#"{"ends_at":"2999-01-01T00:00:00Z","auto_end":true,"retry_after_s":90,"message":"Moving"}"#).await;
    site.reached(Phase::Activated).await;
    ask(r#"{"message":"Still moving","starts_at":null,"auto_end":null}"#).await;
    let status = site.get("/api/status").await;
    assert_eq!(status["retry_after_s"], json!(90));
    assert_eq!(
        status["window"]["ends_at"],
        json!("2999-01-01T00:00:00.000Z")
    );
    assert_eq!(status["window"]["auto_end"], json!(true));

    ask(r#"{"auto_end":false}"#).await;
    assert_eq!(
        site.get("/api/status").await["window"]["auto_end"],
        json!(false)
    );
    ask(r#"{"auto_end":true}"#).await;

    let contradiction = ask(r#"{"ends_at":null,"auto_end":true}"#).await;
    assert_eq!(contradiction.status, 422, "{contradiction:?}");
    ask(r#"{"ends_at":null}"#).await;
    let status = site.get("/api/status").await;
    assert_eq!(
        (&status["window"], &status["retry_after_s"]),
        (&json!(null), &json!(90))
    );
    // Without an end, nothing opens by itself.
    let record = site.gate.reached(|record| record.ends_at().is_none()).await;
    assert!(!record.activation().unwrap().settings.auto_end);

    ask(r#"{"retry_after_s":null}"#).await;
    let status = site.get("/api/status").await;
    assert_eq!(
        (&status["retry_after_s"], &status["message"]),
        (&json!(null), &json!("Still moving"))
    );
}

#[tokio::test]
async fn addresses_are_replaced_added_and_removed() {
    let site = Site::new().await;
    for (query, list, expected) in [
        (
            "",
            r#"["192.0.2.7","10.1.2.3/8"]"#,
            json!(["10.0.0.0/8", "192.0.2.7/32"]),
        ),
        (
            "?mode=add",
            r#"["2001:db8::1"]"#,
            json!(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::1/128"]),
        ),
        (
            "?mode=remove",
            r#"["10.0.0.0/8","198.51.100.1"]"#,
            json!(["192.0.2.7/32", "2001:db8::1/128"]),
        ),
        ("?mode=replace", "[]", json!([])),
    ] {
        let body = format!(r#"{{"allow":{list}}}"#);
        let answer = site
            .ana("PUT", &format!("/api/allow-ips{query}"), &body)
            .await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(site.get("/api/status").await["allow"], expected, "{query}");
    }
}
