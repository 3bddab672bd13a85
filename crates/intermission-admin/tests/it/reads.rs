//! What is told of a site.

use intermission::{ExecutionInfo, Phase};
use serde_json::json;

use crate::site::Site;

#[tokio::test]
async fn everything_is_what_the_command_prints() {
    let site = Site::new().await;
    let status = site.get("/api/status").await;
    assert_eq!(
        (&status["v"], &status["phase"], &status["level"]),
        (&json!(1), &json!("deactivated"), &json!(null))
    );
    let nodes = site.get("/api/nodes").await;
    assert_eq!(
        (&nodes["nodes"][0]["label"], &nodes["nodes"][0]["framework"]),
        (&json!("web-1"), &json!("none"))
    );

    let job = site
        .gate
        .execution(ExecutionInfo::new("import").with_label("prices.csv"))
        .unwrap();
    let answer = site
        .ana(
            "POST",
            "/api/activate",
            r#"{"message":"Back soon","level":"exclusive"}"#,
        )
        .await;
    assert_eq!(
        (answer.status, &answer.json()["phase"]),
        (200, &json!("activating"))
    );
    let status = site.get("/api/status").await;
    assert_eq!(
        (
            &status["phase"],
            &status["level"],
            &status["message"],
            &status["requested_by"]
        ),
        (
            &json!("activating"),
            &json!("exclusive"),
            &json!("Back soon"),
            &json!("ana")
        )
    );
    // A node reports what runs with its acknowledgement.
    loop {
        let executions = site.get("/api/executions").await;
        if executions["running"] == json!(1) {
            assert_eq!(executions["executions"][0]["kind"], json!("import"));
            assert_eq!(executions["executions"][0]["label"], json!("prices.csv"));
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(job);
    site.reached(Phase::Activated).await;
    let history = site.get("/api/history").await;
    let first = history["history"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&first["event"], &first["by"], &first["origin"]),
        (
            &json!("requested"),
            &json!("ana"),
            &json!("admin from 192.0.2.7")
        )
    );
    assert_eq!(
        site.get("/api/history?n=1").await["history"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_decision_is_explained() {
    let site = Site::new().await;
    site.ana("POST", "/api/activate", r#"{"allow":["10.0.0.0/8"]}"#)
        .await;
    site.reached(Phase::Activated).await;
    for (query, decision, reason) in [
        ("", "refuse", "maintenance"),
        ("?path=/x&ip=10.1.2.3", "admit", "allowed-address"),
        ("?path=/x&ip=::ffff:10.1.2.3", "admit", "allowed-address"),
        ("?path=/x&ip=11.1.2.3", "refuse", "maintenance"),
        ("?permission=true", "admit", "permission"),
        ("?route=always", "admit", "route-always"),
        (
            "?method=POST&route=starts-execution",
            "refuse",
            "maintenance",
        ),
    ] {
        let explained = site.get(&format!("/api/explain{query}")).await;
        assert_eq!(
            (&explained["decision"], &explained["reason"]),
            (&json!(decision), &json!(reason)),
            "{query}"
        );
        let rules = explained["rules"].as_array().unwrap();
        assert!(
            rules.iter().any(|rule| rule["verdict"] == json!("decides")),
            "{query}"
        );
    }
}
