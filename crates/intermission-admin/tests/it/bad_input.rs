//! Bad input: every bad field is named, and nothing changes.

use crate::site::Site;

#[tokio::test]
async fn every_bad_field_is_named_and_nothing_changes() {
    let site = Site::new().await;
    let wrong_everywhere = r#"{"message":1,"level":"half","allow":["10.0.0.0/33","192.0.2.1",5],"retry_after_s":0,
        "starts_at":"tomorrow","ends_at":"2999-01-01","auto_end":"yes","drain":{"mode":"hurry","after_s":-1,"more":1},
        "lockout_accepted":1,"mesage":"typo"}"#;
    let all = [
        "message",
        "level",
        "allow[0]",
        "allow[2]",
        "retry_after_s",
        "starts_at",
        "ends_at",
        "auto_end",
        "drain.mode",
        "drain.after_s",
        "drain.more",
        "lockout_accepted",
        "mesage",
    ];
    for (method, path, body, status, fields) in [
        ("POST", "/api/activate", wrong_everywhere, 422, &all[..]),
        ("POST", "/api/activate", "", 400, &[]),
        ("POST", "/api/activate", "{", 400, &[]),
        ("POST", "/api/activate", "[]", 422, &[]),
        ("POST", "/api/activate", "null", 422, &[]),
        ("POST", "/api/activate?force=true", "{}", 422, &["force"]),
        (
            "POST",
            "/api/activate",
            r#"{"allow":"10.0.0.0/8"}"#,
            422,
            &["allow"],
        ),
        (
            "POST",
            "/api/activate",
            r#"{"allow":["10.0.0.0/8, 192.0.2.1"]}"#,
            422,
            &["allow[0]"],
        ),
        (
            "POST",
            "/api/activate",
            r#"{"retry_after_s":1.5}"#,
            422,
            &["retry_after_s"],
        ),
        (
            "POST",
            "/api/activate",
            r#"{"retry_after_s":1e30}"#,
            422,
            &["retry_after_s"],
        ),
        (
            "POST",
            "/api/activate",
            r#"{"auto_end":true}"#,
            422,
            &["auto_end"],
        ),
        (
            "POST",
            "/api/activate",
            r#"{"ends_at":"2001-01-01T00:00:00Z"}"#,
            422,
            &["ends_at"],
        ),
        (
            "POST",
            "/api/activate",
            r#"{"drain":{"mode":"force"}}"#,
            422,
            &["drain.after_s"],
        ),
        (
            "POST",
            "/api/activate",
            r#"{"drain":{"mode":"wait","after_s":1}}"#,
            422,
            &["drain.after_s"],
        ),
        (
            "POST",
            "/api/activate",
            r#"{"drain":{}}"#,
            422,
            &["drain.mode"],
        ),
        (
            "POST",
            "/api/activate",
            r#"{"drain":"force"}"#,
            422,
            &["drain"],
        ),
        (
            "POST",
            "/api/deactivate",
            r#"{"message":"x"}"#,
            422,
            &["message"],
        ),
        ("PUT", "/api/allow-ips", "{}", 422, &["allow"]),
        (
            "PUT",
            "/api/allow-ips?mode=append",
            r#"{"allow":[]}"#,
            422,
            &["mode"],
        ),
        (
            "PUT",
            "/api/allow-ips?mod=add",
            r#"{"allow":["192.0.2.1"]}"#,
            422,
            &["mod"],
        ),
        (
            "PUT",
            "/api/allow-ips?mode=add&mode=remove",
            r#"{"allow":["192.0.2.1"]}"#,
            422,
            &["mode"],
        ),
        ("POST", "/api/passes", "{}", 422, &["subject"]),
        (
            "POST",
            "/api/passes",
            r#"{"subject":"","expires_s":0}"#,
            422,
            &["subject", "expires_s"],
        ),
        (
            "POST",
            "/api/passes",
            r#"{"subject":["bob"]}"#,
            422,
            &["subject"],
        ),
        ("GET", "/api/history?n=0", "", 422, &["n"]),
        ("GET", "/api/history?n=1001&m=1", "", 422, &["n", "m"]),
        (
            "GET",
            "/api/explain?path=x&method=%20&ip=10.0.0.0/8&permission=1&route=maybe&pass=x",
            "",
            422,
            &["path", "method", "ip", "permission", "route", "pass"],
        ),
        ("GET", "/api/status?x", "", 422, &["x"]),
    ] {
        let answer = site.ana(method, path, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{path} {body}"
        );
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{path} {body}");
        assert!(
            !problem["detail"].as_str().unwrap().is_empty(),
            "{path} {body}"
        );
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let mut named: Vec<&str> = errors
            .iter()
            .map(|error| error["field"].as_str().unwrap())
            .collect();
        named.sort_unstable();
        let mut expected = fields.to_vec();
        expected.sort_unstable();
        assert_eq!(named, expected, "{path} {body}");
    }
    let long = format!(r#"{{"message":"{}"}}"#, "é".repeat(2_001));
    assert_eq!(site.ana("POST", "/api/activate", &long).await.status, 422);
    assert_eq!(site.gate.record().revision().number(), 0);
}
