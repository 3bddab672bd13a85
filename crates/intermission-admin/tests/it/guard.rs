//! Who is let in, and what never changes anything.

use std::sync::atomic::{AtomicBool, Ordering};

use intermission::Phase;
use intermission_admin::{AdminRequest, Authorization, BodyError};

use crate::site::{Site, by_ana};

/// Every endpoint.
const ENDPOINTS: [(&str, &str, &str); 15] = [
    ("GET", "/", ""),
    ("GET", "/openapi.json", ""),
    ("GET", "/api/status", ""),
    ("GET", "/api/nodes", ""),
    ("GET", "/api/executions", ""),
    ("GET", "/api/history", ""),
    ("GET", "/api/explain", ""),
    ("GET", "/api/events", ""),
    ("GET", "/api/passes", ""),
    ("POST", "/api/activate", "{}"),
    ("POST", "/api/deactivate", "{}"),
    ("PUT", "/api/allow-ips", r#"{"allow":["192.0.2.1"]}"#),
    ("POST", "/api/passes", r#"{"subject":"bob"}"#),
    ("DELETE", "/api/passes", ""),
    ("DELETE", "/api/passes/0123456789abcdef", ""),
];

#[tokio::test]
async fn nobody_who_may_not_gets_anything_not_even_his_body_read() {
    let site = Site::new().await;
    for (method, path, _) in ENDPOINTS
        .into_iter()
        .chain([("GET", "/nothing", ""), ("PATCH", "/api/status", "")])
    {
        for (authorization, status) in [
            (Authorization::Unauthenticated, 401),
            (Authorization::Forbidden, 403),
        ] {
            let request = AdminRequest::new(method, path, authorization);
            let is_read = AtomicBool::new(false);
            let reply = site.admin.answer(request, |_limit| {
                is_read.store(true, Ordering::Relaxed);
                async { Err(BodyError::Broken) }
            });
            let reply = reply.await;
            assert_eq!(reply.status(), status, "{method} {path}");
            assert!(!is_read.load(Ordering::Relaxed), "{method} {path}");
            let challenge = reply.headers().any(|(name, _)| name == "www-authenticate");
            assert_eq!(challenge, status == 401);
        }
    }
    assert_eq!(site.gate.record().revision().number(), 0);
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let site = Site::new().await;
    for (method, path, body) in ENDPOINTS
        .into_iter()
        .filter(|(method, ..)| *method != "GET")
    {
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
        ] {
            let answer = site
                .send(by_ana(method, path).with_header(name, value), body)
                .await;
            assert_eq!(answer.status, 403, "{method} {path} {name}: {value}");
        }
    }
    assert_eq!(site.gate.record().revision().number(), 0);
}

#[tokio::test]
async fn what_is_no_json_changes_nothing() {
    let site = Site::new().await;
    for (method, path, body) in ENDPOINTS
        .into_iter()
        .filter(|(method, ..)| *method != "GET")
    {
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonp",
            "",
        ] {
            let request = AdminRequest::new(method, path, Authorization::granted("ana"))
                .with_header("Content-Type", content_type);
            assert_eq!(
                site.send(request, body).await.status,
                415,
                "{method} {path} {content_type}"
            );
        }
        let request = AdminRequest::new(method, path, Authorization::granted("ana"));
        let status = site.send(request, body).await.status;
        let expected = match (method, path) {
            // A browser asks before it sends `DELETE` to another site, and there is no body that could be of another type.
            ("DELETE", "/api/passes") => 200,
            ("DELETE", _) => 404,
            _ => 415,
        };
        assert_eq!(status, expected, "{method} {path}");
    }
    assert_eq!(site.gate.record().revision().number(), 0);
    let request = by_ana("POST", "/api/activate").with_header("X", "y");
    assert_eq!(site.send(request, "{}").await.status, 200);
    site.reached(Phase::Activated).await;
}

#[tokio::test]
async fn a_body_that_is_too_long_or_breaks_off_changes_nothing() {
    let site = Site::new().await;
    for (error, status) in [(BodyError::TooLarge, 413), (BodyError::Broken, 400)] {
        let request = by_ana("POST", "/api/activate");
        let reply = site.admin.answer(request, |limit| async move {
            assert_eq!(limit, 64 * 1024);
            Err(error)
        });
        assert_eq!(reply.await.status(), status);
    }
    assert_eq!(site.gate.record().revision().number(), 0);
}

#[tokio::test]
async fn other_methods_and_paths_are_told_apart() {
    let site = Site::new().await;
    for (method, path, allow) in [
        ("POST", "/", "GET, HEAD"),
        ("GET", "/api/activate", "POST"),
        ("HEAD", "/api/deactivate", "POST"),
        ("POST", "/api/allow-ips", "PUT"),
        ("PUT", "/api/passes", "GET, HEAD, POST, DELETE"),
        ("GET", "/api/passes/0123456789abcdef", "DELETE"),
        ("HEAD", "/api/events", "GET"),
        ("DELETE", "/api/status", "GET, HEAD"),
    ] {
        let answer = site.ana(method, path, "{}").await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some(allow)),
            "{method} {path}"
        );
    }
    for path in [
        "/api",
        "/api/",
        "/api/statusx",
        "/API/status",
        "//api/status",
        "/api/passes/",
        "/api/passes/a/b",
        "/index.html",
    ] {
        assert_eq!(site.ana("GET", path, "").await.status, 404, "{path}");
    }
    let answer = site.ana("GET", "", "").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (308, Some("/admin/maintenance/"))
    );
}

#[tokio::test]
async fn no_reply_is_kept_sniffed_or_framed() {
    let site = Site::new().await;
    for (method, path, body) in ENDPOINTS {
        let answer = site.ana(method, path, body).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            answer.header("referrer-policy"),
            Some("no-referrer"),
            "{path}"
        );
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        if path != "/api/events" {
            assert_eq!(
                answer.header("content-length"),
                Some(answer.body.len().to_string().as_str()),
                "{path}"
            );
        }
        if method == "GET" && path != "/api/events" {
            let head = site.ana("HEAD", path, "").await;
            assert_eq!((head.status, head.body.len()), (answer.status, 0), "{path}");
            assert_eq!(
                head.header("content-type"),
                answer.header("content-type"),
                "{path}"
            );
        }
    }
}
