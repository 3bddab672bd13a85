//! What is let in, what is refused, and how either can be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::dev::{Service, ServiceRequest};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpMessage, web};
use intermission::reply::{RefusalStatus, ReplyPolicy};
use intermission::{Activate, Actor, Gate, Level, MemoryState, Operator, RouteAccess};

use crate::server::{Calls, ask, expect, get, hello_behind, serve, serve_hello};
use crate::site::Site;

#[actix_web::test]
async fn an_open_gate_changes_nothing() {
    let site = Site::open().await;
    let calls = Calls::default();
    let address = serve_hello(&site.maintenance().build().unwrap(), &calls);
    let answer = get(address, "/").await;
    assert_eq!((answer.status, &*answer.body), (200, "hello"));
    assert_eq!(answer.header("cache-control"), "public, max-age=600");
    assert_eq!(answer.header("maintenance-mode"), "");
    assert_eq!(answer.header("x-decision"), "");
    assert_eq!(calls.count(), 1);
    site.nothing_in_flight().await;
}

#[actix_web::test]
async fn a_closed_gate_refuses_without_a_call() {
    let site = Site::activated().await;
    let calls = Calls::default();
    let address = serve_hello(&site.maintenance().build().unwrap(), &calls);
    let answer = get(address, "/").await;
    assert_eq!(answer.status, 503);
    let length = answer.body.len().to_string();
    let expected = [
        ("cache-control", "no-store"),
        ("content-length", &length),
        ("content-type", "text/plain; charset=utf-8"),
        ("maintenance-mode", "activated"),
        ("retry-after", "300"),
        ("vary", "Accept"),
        ("x-content-type-options", "nosniff"),
        ("x-decision", "Refuse(Maintenance)"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(answer.headers, expected, "these and no others");
    assert_eq!(calls.count(), 0);
    site.deactivate().await;
    assert_eq!(get(address, "/").await.status, 200);
}

#[actix_web::test]
async fn a_refusal_comes_in_the_form_that_was_asked_for() {
    let site = Site::activated().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    for (headers, form) in [
        (
            &["Accept: text/html,*/*;q=0.8"][..],
            "text/html; charset=utf-8",
        ),
        (&["Accept: application/json"], "application/problem+json"),
        (&["Accept: */*"], "text/plain; charset=utf-8"),
        // Several lines mean one list.
        (
            &["Accept: image/png", "Accept: application/json"],
            "application/problem+json",
        ),
    ] {
        let answer = ask(address, "GET", "/", headers).await;
        assert_eq!(answer.header("content-type"), form, "{headers:?}");
    }
    let page = ask(address, "GET", "/", &["Accept: text/html"]).await;
    assert!(page.header("content-security-policy").contains("sha256-"));
    assert_eq!(page.header("refresh"), "300");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert!(page.body.starts_with("<!doctype html>"), "{}", page.body);
    let posted = ask(address, "POST", "/", &["Accept: text/html"]).await;
    assert_eq!(posted.header("refresh"), "");
}

#[actix_web::test]
async fn a_refused_grpc_call_ends_with_its_headers() {
    let site = Site::activated().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let headers = ["Content-Type: application/grpc", "TE: trailers"];
    let answer = ask(address, "POST", "/greeter", &headers).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("grpc-status"), "14");
    assert_eq!(answer.header("content-type"), "application/grpc");
    assert_eq!(answer.header("content-length"), "0");
    assert_eq!(answer.body, "");
}

#[actix_web::test]
async fn head_gets_the_headers_of_get_and_no_body() {
    let site = Site::activated().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    for headers in [&[][..], &["Accept: text/html"]] {
        let got = ask(address, "GET", "/", headers).await;
        let head = ask(address, "HEAD", "/", headers).await;
        assert_eq!(head.status, 503);
        assert_eq!(head.headers, got.headers);
        assert_eq!(head.header("content-length"), got.body.len().to_string());
        assert_eq!(head.body, "");
    }
}

#[actix_web::test]
async fn the_status_of_a_refusal_is_a_setting() {
    for (status, length) in [(200, true), (204, false)] {
        let state = MemoryState::new();
        let policy = ReplyPolicy::default().with_status(RefusalStatus::new(status).unwrap());
        let gate = Gate::builder(state.clone()).with_reply_policy(policy);
        let gate = gate.start().await.unwrap();
        let operator = Operator::new(state, Actor::new("ana", "test"));
        let site = Site { gate, operator };
        site.activate(Activate::by("ana")).await;
        let address = hello_behind(&site.maintenance().build().unwrap());
        let answer = get(address, "/").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("maintenance-mode"), "activated");
        assert_eq!(!answer.header("content-length").is_empty(), length);
    }
}

#[actix_web::test]
async fn who_has_the_permission_passes_and_the_response_says_so() {
    let site = Site::activated().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let maintenance = site.maintenance().with_permission(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        request.headers().contains_key("x-operator")
    });
    let address = hello_behind(&maintenance.build().unwrap());
    assert_eq!(get(address, "/").await.status, 503);
    let answer = ask(address, "GET", "/", &["X-Operator: 1"]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert_eq!(answer.header("maintenance-mode"), "bypassed");
    assert_eq!(answer.header("x-decision"), "Admit(Permission)");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "once for each request");
    site.deactivate().await;
    assert_eq!(get(address, "/").await.status, 200);
    let calls = asked.load(Ordering::SeqCst);
    assert_eq!(calls, 2, "nobody is asked while the gate is open");
}

#[derive(Clone, Copy)]
struct User {
    is_operator: bool,
}

/// An authentication in the manner of actix-web: it puts the user into the extensions.
fn authenticate(request: &ServiceRequest) {
    let is_operator = request.headers().contains_key("x-operator");
    request.extensions_mut().insert(User { is_operator });
}

#[actix_web::test]
async fn the_permission_sees_what_outer_middleware_has_found_out() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().with_permission(|request| {
        let extensions = request.extensions();
        extensions
            .get::<User>()
            .is_some_and(|user| user.is_operator)
    });
    let maintenance = maintenance.build().unwrap();
    let address = serve!(move || {
        App::new()
            .default_service(web::to(async || "hello"))
            .wrap(maintenance.clone())
            .wrap_fn(|request, service| {
                authenticate(&request);
                service.call(request)
            })
    });
    assert_eq!(get(address, "/").await.status, 503);
    let operator = ask(address, "GET", "/", &["X-Operator: 1"]).await;
    assert_eq!(operator.status, 200);
}

#[actix_web::test]
async fn a_permission_that_panics_is_none() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().with_permission(|request| {
        let _held = request.extensions_mut();
        panic!("the database is away")
    });
    let address = hello_behind(&maintenance.build().unwrap());
    assert_eq!(get(address, "/").await.status, 503);
    assert_eq!(get(address, "/").await.status, 503, "the worker lives");
}

#[actix_web::test]
async fn exclusive_lets_nobody_pass() {
    let site = Site::at_level(Level::Exclusive).await;
    let maintenance = site.maintenance().with_permission(|_| true);
    let address = hello_behind(&maintenance.with_always("/health").build().unwrap());
    let answer = get(address, "/").await;
    assert_eq!(answer.header("x-decision"), "Refuse(Exclusive)");
    expect(address, &["GET / 503", "GET /health 200"]).await;
}

#[actix_web::test]
async fn read_only_serves_readers_and_marks_nothing() {
    let site = Site::at_level(Level::ReadOnly).await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let read = get(address, "/").await;
    assert_eq!(read.status, 200);
    assert_eq!(read.header("cache-control"), "public, max-age=600");
    assert_eq!(read.header("x-decision"), "Admit(ReadOnly)");
    let write = ask(address, "POST", "/items", &[]).await;
    assert_eq!(write.status, 503);
    assert_eq!(write.header("maintenance-mode"), "read-only");
}

#[actix_web::test]
async fn a_preflight_passes_and_a_plain_options_does_not() {
    let site = Site::activated().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let header = ["Access-Control-Request-Method: POST"];
    assert_eq!(ask(address, "OPTIONS", "/", &header).await.status, 200);
    assert_eq!(ask(address, "OPTIONS", "/", &[]).await.status, 503);
    assert_eq!(ask(address, "POST", "/", &header).await.status, 503);
}

#[actix_web::test]
async fn the_table_flags_routes_by_pattern() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().with_always("/health");
    let maintenance = maintenance.with_always("/assets/{*file}").build();
    let address = hello_behind(&maintenance.unwrap());
    let lines = [
        "GET /health 200",
        "GET /health?probe=1 200",
        "GET /assets/a/b.css 200",
        "GET /healthz-admin 503",
        "GET /health/ 503",
        "GET //health 503",
        "GET /HEALTH 503",
        "GET /%68ealth 503",
        "GET /assets/../admin 503",
        "GET /assets/%2e%2e/admin 503",
    ];
    expect(address, &lines).await;
    site.nothing_in_flight().await;
}

#[actix_web::test]
async fn a_drain_refuses_what_would_start_an_execution_and_serves_pages() {
    let site = Site::open().await;
    let maintenance = site
        .maintenance()
        .with_route("/jobs", RouteAccess::StartsExecution);
    let address = hello_behind(&maintenance.build().unwrap());
    let running = site.drain().await;
    let page = get(address, "/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("x-decision"), "Admit(Draining)");
    let job = ask(address, "POST", "/jobs", &[]).await;
    assert_eq!(job.status, 503);
    assert_eq!(job.header("maintenance-mode"), "activating");
    assert_eq!(job.header("x-decision"), "Refuse(Activating)");
    drop(running);
}

#[actix_web::test]
async fn a_refusal_keeps_the_headers_of_outer_middleware() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().build().unwrap();
    let address = serve!(move || {
        App::new()
            .default_service(web::to(async || "hello"))
            .wrap(maintenance.clone())
            .wrap(actix_cors::Cors::default().allowed_origin("https://shop.example"))
            .wrap_fn(|request, service| {
                let response = service.call(request);
                async move {
                    let mut response = response.await?;
                    let (name, value) = ("x-frame-options", "DENY");
                    let name = HeaderName::from_static(name);
                    response
                        .headers_mut()
                        .insert(name, HeaderValue::from_static(value));
                    Ok(response)
                }
            })
    });
    let answer = ask(address, "GET", "/", &["Origin: https://shop.example"]).await;
    assert_eq!(answer.status, 503);
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, "https://shop.example");
    assert_eq!(answer.header("x-frame-options"), "DENY");
    assert!(answer.header("vary").contains("Accept"), "{answer:?}");
}
