//! A change that would leave nobody able to open the site again over HTTP.

use intermission::{Phase, RouteAccess};
use serde_json::json;

use crate::site::Site;

async fn behind_the_gate() -> Site {
    Site::with(|admin| admin.with_route_access(RouteAccess::Ordinary)).await
}

#[tokio::test]
async fn who_could_not_come_back_is_told_and_may_insist() {
    for (body, status) in [
        ("{}", 409),
        (r#"{"level":"read-only"}"#, 409),
        (r#"{"allow":["192.0.2.8"]}"#, 409),
        (r#"{"level":"exclusive","allow":["192.0.2.7"]}"#, 409),
        (r#"{"starts_at":"2999-01-01T00:00:00Z"}"#, 409),
        (r#"{"allow":["192.0.2.7"]}"#, 200),
        (r#"{"allow":["192.0.2.0/24"],"level":"read-only"}"#, 200),
        (r#"{"lockout_accepted":true}"#, 200),
        (r#"{"level":"exclusive","lockout_accepted":true}"#, 200),
    ] {
        let site = behind_the_gate().await;
        let answer = site.ana("POST", "/api/activate", body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        if status == 409 {
            let problem = answer.json();
            assert_eq!(problem["override_with"], json!("lockout_accepted"));
            assert!(
                problem["detail"]
                    .as_str()
                    .unwrap()
                    .contains("`intermission deactivate`")
            );
            assert_eq!(site.gate.record().revision().number(), 0, "{body}");
        }
        let always = Site::new().await;
        assert_eq!(
            always.ana("POST", "/api/activate", body).await.status,
            200,
            "{body}"
        );
    }
}

#[tokio::test]
async fn nobody_removes_his_own_way_back_by_accident() {
    let site = behind_the_gate().await;
    site.ana(
        "POST",
        "/api/activate",
        r#"{"allow":["192.0.2.7","10.0.0.0/8"]}"#,
    )
    .await;
    site.reached(Phase::Activated).await;
    let mine = r#"{"allow":["192.0.2.7"]}"#;
    let refused = site.ana("PUT", "/api/allow-ips?mode=remove", mine).await;
    assert_eq!(
        (refused.status, &refused.json()["override_with"]),
        (409, &json!("lockout_accepted"))
    );
    assert_eq!(
        site.ana(
            "PUT",
            "/api/allow-ips?mode=remove",
            r#"{"allow":["10.0.0.0/8"]}"#
        )
        .await
        .status,
        200
    );
    let knowing = r#"{"allow":["192.0.2.7"],"lockout_accepted":true}"#;
    let insisted = site.ana("PUT", "/api/allow-ips?mode=remove", knowing).await;
    assert_eq!(insisted.status, 200);
    assert_eq!(site.ana("POST", "/api/deactivate", "{}").await.status, 200);
    // While it is open, nobody is locked out of anything.
    assert_eq!(
        site.ana("PUT", "/api/allow-ips", r#"{"allow":[]}"#)
            .await
            .status,
        200
    );
}
