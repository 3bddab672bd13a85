//! Bypasses for single persons.

use intermission::reply::ReplyRequest;
use intermission::{Admission, PassSecret, Phase, Visitor};
use serde_json::json;

use crate::site::{Answer, Site, by_ana};

fn secret(created: &Answer) -> PassSecret {
    let link = created.json()["link"].as_str().unwrap().to_owned();
    link.split_once("intermission-pass=")
        .unwrap()
        .1
        .parse()
        .unwrap()
}

fn passes(site: &Site, secret: &PassSecret) -> bool {
    let visitor = Visitor::new("GET", "/").with_pass(Some(secret.clone()));
    matches!(site.gate.admit(&visitor), Admission::Admitted(_))
}

#[tokio::test]
async fn a_pass_is_shown_once_lets_in_and_is_revoked() {
    let site = Site::new().await;
    let early = site
        .ana("POST", "/api/passes", r#"{"subject":"bob"}"#)
        .await;
    assert_eq!(early.status, 409, "there is nothing to pass: {early:?}");
    site.ana("POST", "/api/activate", "{}").await;
    site.reached(Phase::Activated).await;

    let created = site
        .ana(
            "POST",
            "/api/passes",
            r#"{"subject":"bob","expires_s":3600}"#,
        )
        .await;
    assert_eq!(created.status, 201, "{created:?}");
    let keys: Vec<String> = created
        .json()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
    let link = created.json()["link"].as_str().unwrap().to_owned();
    assert!(
        link.starts_with("http://shop.example/?intermission-pass="),
        "{link}"
    );
    let secret = secret(&created);
    site.gate.reached(|record| record.passes().len() == 1).await;
    assert!(passes(&site, &secret));

    let everything = [
        site.get("/api/passes").await,
        site.get("/api/status").await,
        site.get("/api/history").await,
        site.get("/api/nodes").await,
    ];
    for shown in &everything {
        assert!(!shown.to_string().contains(&secret.to_string()), "{shown}");
    }
    assert_eq!(everything[0]["passes"][0]["subject"], json!("bob"));

    let id = created.json()["id"].as_str().unwrap().to_owned();
    let revoked = site.ana("DELETE", &format!("/api/passes/{id}"), "").await;
    assert_eq!(
        (revoked.status, &revoked.json()["changed"]),
        (200, &json!(true))
    );
    site.gate.reached(|record| record.passes().is_empty()).await;
    assert!(!passes(&site, &secret));
    assert_eq!(
        site.ana("DELETE", &format!("/api/passes/{id}"), "")
            .await
            .status,
        404
    );
    let mistaken = site
        .ana("DELETE", &format!("/api/passes/{secret}"), "")
        .await;
    assert_eq!(mistaken.status, 404);
    assert!(!mistaken.json().to_string().contains(&secret.to_string()));
}

#[tokio::test]
async fn all_are_revoked_at_once_and_by_the_end() {
    let site = Site::new().await;
    site.ana("POST", "/api/activate", "{}").await;
    site.reached(Phase::Activated).await;
    let mut secrets = Vec::new();
    for subject in ["bob", "eve"] {
        let created = site
            .ana(
                "POST",
                "/api/passes",
                &format!(r#"{{"subject":"{subject}"}}"#),
            )
            .await;
        secrets.push(secret(&created));
    }
    assert_eq!(site.ana("DELETE", "/api/passes", "").await.status, 200);
    site.gate.reached(|record| record.passes().is_empty()).await;
    assert!(secrets.iter().all(|secret| !passes(&site, secret)));
    let created = site
        .ana("POST", "/api/passes", r#"{"subject":"zoe"}"#)
        .await;
    site.ana("POST", "/api/deactivate", "{}").await;
    site.ana("POST", "/api/activate", "{}").await;
    site.gate
        .reached(|record| record.phase() == Phase::Activated && record.passes().is_empty())
        .await;
    let visitor = Visitor::new("GET", "/").with_pass(Some(secret(&created)));
    let Admission::Refused(refusal) = site.gate.admit(&visitor) else {
        panic!("it ended with the maintenance")
    };
    assert_eq!(refusal.reply(ReplyRequest::new("GET")).status(), 503);
}

#[tokio::test]
async fn a_link_begins_with_the_front_page() {
    let proxies = intermission::TrustedProxies::new(
        intermission::AllowList::parse(["192.0.2.7"]).unwrap(),
        intermission::ForwardedHeader::XForwardedFor,
    );
    let site = Site::with(|admin| admin.with_trusted_proxies(proxies)).await;
    let fixed = Site::with(|admin| {
        admin
            .with_base_url("https://shop.example/start?x=1")
            .with_pass_name("preview")
    })
    .await;
    for (site, headers, start) in [
        (
            &site,
            &[("X-Forwarded-Proto", "https")][..],
            "https://shop.example/?intermission-pass=",
        ),
        (&site, &[], "http://shop.example/?intermission-pass="),
        (&fixed, &[], "https://shop.example/start?x=1&preview="),
    ] {
        site.ana("POST", "/api/activate", "{}").await;
        let mut request = by_ana("POST", "/api/passes");
        for (name, value) in headers {
            request = request.with_header(*name, *value);
        }
        let created = site.send(request, r#"{"subject":"bob"}"#).await;
        let link = created.json()["link"].as_str().unwrap().to_owned();
        assert!(link.starts_with(start), "{link}");
    }
}
