//! Parts of the site.

use intermission::{Admission, Phase, ScopeName, Visitor};
use serde_json::Value;

use crate::site::Site;

fn billing() -> [ScopeName; 1] {
    [ScopeName::new("billing").unwrap()]
}

async fn reached(site: &Site, phase: Phase) {
    let [billing] = billing();
    site.gate
        .reached(|record| record.scopes().phase(&billing) == phase)
        .await;
}

fn is_let_in(site: &Site) -> bool {
    let scopes = billing();
    let visitor = Visitor::new("GET", "/").with_scopes(&scopes);
    matches!(site.gate.admit(&visitor), Admission::Admitted(_))
}

#[tokio::test]
async fn a_part_is_closed_shown_and_opened_by_itself() {
    let site = Site::new().await;
    let closing = r#"{"message":"The invoices move"}"#;
    let closed = site
        .ana("POST", "/api/activate?scope=billing", closing)
        .await;
    assert_eq!(closed.status, 200, "{closed:?}");
    assert_eq!(closed.json()["changed"], true);
    reached(&site, Phase::Activated).await;
    assert!(!is_let_in(&site));

    let whole = site.get("/api/status").await;
    assert_eq!(
        (&whole["phase"], &whole["scope"]),
        (&"deactivated".into(), &Value::Null)
    );
    assert_eq!(whole["scopes"][0]["scope"], "billing");
    assert_eq!(whole["scopes"][0]["phase"], "activated");
    let part = site.get("/api/status?scope=billing").await;
    assert_eq!(
        (&part["phase"], &part["scope"]),
        (&"activated".into(), &"billing".into())
    );
    assert_eq!(part["message"], "The invoices move");
    let explained = site.get("/api/explain?scope=billing").await;
    assert_eq!(explained["decision"], "refuse");
    assert_eq!(site.get("/api/explain").await["decision"], "admit");

    let again = site
        .ana("POST", "/api/activate?scope=billing", closing)
        .await;
    assert_eq!(again.json()["changed"], false);
    let opened = site
        .ana("POST", "/api/deactivate?scope=billing", "{}")
        .await;
    assert_eq!(opened.json()["phase"], "deactivated");
    reached(&site, Phase::Deactivated).await;
    assert!(is_let_in(&site));
    let history = site.get("/api/history").await;
    assert_eq!(history["history"][0]["note"], "scope billing");
}

#[tokio::test]
async fn a_part_has_passes_of_its_own() {
    let site = Site::new().await;
    site.ana("POST", "/api/activate?scope=billing", "{}").await;
    reached(&site, Phase::Activated).await;
    let body = r#"{"subject":"bob"}"#;
    let early = site.ana("POST", "/api/passes", body).await;
    assert_eq!(early.status, 409, "the site is open: {early:?}");
    let created = site.ana("POST", "/api/passes?scope=billing", body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let listed = site.get("/api/passes?scope=billing").await;
    assert_eq!(listed["passes"].as_array().unwrap().len(), 1);
    assert_eq!(
        site.get("/api/passes").await["passes"],
        Value::Array(Vec::new())
    );
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/passes/{id}?scope=billing");
    assert_eq!(site.ana("DELETE", &path, "").await.status, 200);
}

#[tokio::test]
async fn what_is_the_whole_sites_is_not_asked_of_a_part() {
    let site = Site::new().await;
    for (path, body, field) in [
        ("/api/activate?scope=a%2Fb", "{}", "scope"),
        ("/api/activate?scope=", "{}", "scope"),
        ("/api/activate?scope=a&scope=b", "{}", "scope"),
        (
            "/api/activate?scope=a",
            r#"{"allow":["192.0.2.1"]}"#,
            "allow",
        ),
        ("/api/activate?part=a", "{}", "part"),
    ] {
        let refused = site.ana("POST", path, body).await;
        assert!(matches!(refused.status, 400 | 422), "{path}: {refused:?}");
        assert_eq!(refused.json()["errors"][0]["field"], field, "{path}");
    }
    assert!(site.gate.record().scopes().is_empty());
}
