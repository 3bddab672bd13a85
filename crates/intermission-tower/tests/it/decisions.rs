//! What is let in, what is refused, and how either can be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, StatusCode};
use intermission::reply::{RefusalStatus, ReplyPolicy};
use intermission::{
    AdmitReason, Decision, Execution, Gate, Level, MemoryState, RefuseReason, RouteAccess,
};
use intermission_tower::{ExecutionHandle, MaintenanceLayer};
use tower::{Layer, ServiceExt};

use crate::site::{Calls, Site, answer, ask, get, header, hello, post, text};

fn decision<B>(response: &http::Response<B>) -> Option<Decision> {
    response.extensions().get().copied()
}

#[tokio::test]
async fn an_open_gate_changes_nothing() {
    let site = Site::open().await;
    let calls = Calls::default();
    let response = ask(&site.layer().build().unwrap(), &calls, get("/")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "cache-control"), "public, max-age=600");
    assert_eq!(header(&response, "maintenance-mode"), "");
    assert_eq!(decision(&response), None);
    assert_eq!(text(response).await, "hello");
    assert_eq!(calls.count(), 1);
}

#[tokio::test]
async fn a_closed_gate_refuses_without_a_call() {
    let site = Site::activated().await;
    let layer = site.layer().build().unwrap();
    let calls = Calls::default();
    let response = ask(&layer, &calls, get("/")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("maintenance-mode", "activated"),
        ("vary", "Accept"),
        ("retry-after", "300"),
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(header(&response, name), value, "{name}");
    }
    assert_eq!(
        decision(&response),
        Some(Decision::Refuse(RefuseReason::Maintenance))
    );
    let length = header(&response, "content-length").parse();
    assert_eq!(length, Ok(text(response).await.len()));
    assert_eq!(calls.count(), 0);
    site.deactivate().await;
    assert_eq!(answer(&layer, get("/")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_refusal_comes_in_the_form_that_was_asked_for() {
    let site = Site::activated().await;
    let layer = site.layer().build().unwrap();
    for (accept, form) in [
        ("text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
    ] {
        let request = Request::get("/").header("accept", accept).body(()).unwrap();
        let response = answer(&layer, request).await;
        assert_eq!(header(&response, "content-type"), form, "{accept}");
    }
    let page = Request::get("/")
        .header("accept", "text/html")
        .body(())
        .unwrap();
    let page = answer(&layer, page).await;
    assert!(header(&page, "content-security-policy").contains("sha256-"));
    assert_eq!(header(&page, "refresh"), "300");
    // Several lines of `Accept` mean one list.
    let lines = Request::get("/")
        .header("accept", "image/png")
        .header("accept", "application/json");
    let response = answer(&layer, lines.body(()).unwrap()).await;
    assert_eq!(
        header(&response, "content-type"),
        "application/problem+json"
    );
}

#[tokio::test]
async fn a_refused_grpc_call_ends_with_its_headers() {
    let site = Site::activated().await;
    let layer = site.layer().build().unwrap();
    let call = Request::post("/greeter")
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let response = layer
        .layer(tower::service_fn(async |_| Ok::<_, ()>(hello())))
        .oneshot(call)
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "grpc-status"), "14");
    assert!(
        http_body::Body::is_end_stream(response.body()),
        "or it would not be trailers only"
    );
}

#[tokio::test]
async fn head_gets_the_headers_of_get_and_no_body() {
    let site = Site::activated().await;
    let layer = site.layer().build().unwrap();
    let got = answer(&layer, get("/")).await;
    let head = answer(&layer, Request::head("/").body(()).unwrap()).await;
    assert_eq!(head.headers(), got.headers());
    assert_eq!(text(head).await, "");
}

#[tokio::test]
async fn the_status_of_a_refusal_is_a_setting() {
    let state = MemoryState::new();
    let policy = ReplyPolicy::default().with_status(RefusalStatus::new(200).unwrap());
    let gate = Gate::builder(state.clone())
        .with_reply_policy(policy)
        .start()
        .await
        .unwrap();
    let operator = intermission::Operator::new(state, intermission::Actor::new("ana", "test"));
    let site = Site { gate, operator };
    site.activate(intermission::Activate::by("ana")).await;
    let response = answer(&site.layer().build().unwrap(), get("/")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "maintenance-mode"), "activated");
}

#[tokio::test]
async fn who_has_the_permission_passes_and_the_response_says_so() {
    let site = Site::activated().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let layer = site.layer().with_permission(move |parts| {
        count.fetch_add(1, Ordering::SeqCst);
        parts.headers.contains_key("x-operator")
    });
    let layer = layer.build().unwrap();
    assert_eq!(
        answer(&layer, get("/")).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let operator = || {
        Request::get("/")
            .header("x-operator", "1")
            .body(())
            .unwrap()
    };
    let response = answer(&layer, operator()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "cache-control"), "private, no-store");
    assert_eq!(header(&response, "maintenance-mode"), "bypassed");
    assert_eq!(
        decision(&response),
        Some(Decision::Admit(AdmitReason::Permission))
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2, "once for each request");
    site.deactivate().await;
    assert_eq!(answer(&layer, operator()).await.status(), StatusCode::OK);
    assert_eq!(
        asked.load(Ordering::SeqCst),
        2,
        "nobody is asked while the gate is open"
    );
}

#[tokio::test]
async fn the_application_can_tell_that_its_visitor_passed() {
    let site = Site::activated().await;
    let layer = site.layer().with_permission(|_| true).build().unwrap();
    let application = tower::service_fn(async |request: Request<()>| {
        let decision: Option<Decision> = request.extensions().get().copied();
        assert_eq!(decision, Some(Decision::Admit(AdmitReason::Permission)));
        Ok::<_, ()>(hello())
    });
    layer.layer(application).oneshot(get("/")).await.unwrap();
}

#[tokio::test]
async fn a_permission_that_panics_is_none() {
    let site = Site::activated().await;
    let layer = site
        .layer()
        .with_permission(|_| panic!("the database is away"))
        .build()
        .unwrap();
    assert_eq!(
        answer(&layer, get("/")).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        answer(&layer, get("/")).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn exclusive_lets_nobody_pass() {
    let site = Site::at_level(Level::Exclusive).await;
    let layer = site
        .layer()
        .with_permission(|_| true)
        .with_always("/health")
        .build()
        .unwrap();
    let response = answer(&layer, get("/")).await;
    assert_eq!(
        decision(&response),
        Some(Decision::Refuse(RefuseReason::Exclusive))
    );
    assert_eq!(
        answer(&layer, get("/health")).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn read_only_serves_readers_and_marks_nothing() {
    let site = Site::at_level(Level::ReadOnly).await;
    let layer = site.layer().build().unwrap();
    let read = answer(&layer, get("/")).await;
    assert_eq!(read.status(), StatusCode::OK);
    assert_eq!(header(&read, "cache-control"), "public, max-age=600");
    assert_eq!(
        decision(&read),
        Some(Decision::Admit(AdmitReason::ReadOnly))
    );
    let write = answer(&layer, post("/items")).await;
    assert_eq!(write.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&write, "maintenance-mode"), "read-only");
}

#[tokio::test]
async fn a_preflight_passes_and_a_plain_options_does_not() {
    let site = Site::activated().await;
    let layer = site.layer().build().unwrap();
    let options = || Request::options("/items");
    let preflight = options()
        .header("access-control-request-method", "POST")
        .body(())
        .unwrap();
    assert_eq!(answer(&layer, preflight).await.status(), StatusCode::OK);
    let plain = answer(&layer, options().body(()).unwrap()).await;
    assert_eq!(plain.status(), StatusCode::SERVICE_UNAVAILABLE);
    let post = Request::post("/items")
        .header("access-control-request-method", "POST")
        .body(())
        .unwrap();
    assert_eq!(
        answer(&layer, post).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn the_table_flags_routes_by_pattern() {
    let site = Site::activated().await;
    let layer = site
        .layer()
        .with_always("/health")
        .with_always("/assets/{*file}")
        .build()
        .unwrap();
    for (path, status) in [
        ("/health", StatusCode::OK),
        ("/health?probe=1", StatusCode::OK),
        ("/assets/a/b.css", StatusCode::OK),
        ("/healthz-admin", StatusCode::SERVICE_UNAVAILABLE),
        ("/health/", StatusCode::SERVICE_UNAVAILABLE),
        ("//health", StatusCode::SERVICE_UNAVAILABLE),
        ("/HEALTH", StatusCode::SERVICE_UNAVAILABLE),
        ("/%68ealth", StatusCode::SERVICE_UNAVAILABLE),
        ("/assets/../admin", StatusCode::SERVICE_UNAVAILABLE),
        ("/assets/%2e%2e/admin", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        assert_eq!(answer(&layer, get(path)).await.status(), status, "{path}");
    }
    assert_eq!(site.requests(), 0);
}

#[tokio::test]
async fn a_fixed_access_goes_before_the_table() {
    let site = Site::activated().await;
    let layer = site.layer().with_always("/health").build().unwrap();
    let ordinary = layer.for_routes(RouteAccess::Ordinary);
    assert_eq!(
        answer(&ordinary, get("/health")).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let always = layer.for_routes(RouteAccess::Always);
    assert_eq!(answer(&always, get("/")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_drain_refuses_what_would_start_an_execution_and_serves_pages() {
    let site = Site::open().await;
    let layer = site
        .layer()
        .with_route("/jobs", RouteAccess::StartsExecution)
        .build()
        .unwrap();
    let running = site.drain().await;
    let page = answer(&layer, get("/")).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(
        decision(&page),
        Some(Decision::Admit(AdmitReason::Draining))
    );
    let job = answer(&layer, post("/jobs")).await;
    assert_eq!(job.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&job, "maintenance-mode"), "activating");
    assert_eq!(
        decision(&job),
        Some(Decision::Refuse(RefuseReason::Activating))
    );
    drop(running);
}

#[tokio::test]
async fn an_execution_that_nobody_takes_ends_with_the_response() {
    let site = Site::open().await;
    let layer = site
        .layer()
        .with_route("/jobs", RouteAccess::StartsExecution)
        .build()
        .unwrap();
    let kept: Arc<std::sync::Mutex<Option<ExecutionHandle>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let application = tower::service_fn(move |request: Request<()>| {
        // A copy that outlives the response, as one in a log would.
        *keep.lock().unwrap() = request.extensions().get().cloned();
        std::future::ready(Ok::<_, ()>(hello()))
    });
    let response = layer
        .layer(application)
        .oneshot(post("/jobs"))
        .await
        .unwrap();
    assert_eq!((site.running(), site.requests()), (1, 1));
    drop(response);
    assert_eq!((site.running(), site.requests()), (0, 0));
    let handle = kept.lock().unwrap().take().unwrap();
    assert!(handle.take().is_none(), "it has ended");
}

#[tokio::test]
async fn a_handler_takes_its_execution_over() {
    let site = Site::open().await;
    let layer = site
        .layer()
        .with_route("/jobs", RouteAccess::StartsExecution)
        .build()
        .unwrap();
    let (give, taken) = std::sync::mpsc::channel::<Execution>();
    let application = tower::service_fn(move |request: Request<()>| {
        let handle: &ExecutionHandle = request.extensions().get().unwrap();
        give.send(handle.take().unwrap()).unwrap();
        assert!(handle.take().is_none(), "it can be taken once");
        std::future::ready(Ok::<_, ()>(hello()))
    });
    drop(
        layer
            .layer(application)
            .oneshot(post("/jobs"))
            .await
            .unwrap(),
    );
    assert_eq!((site.running(), site.requests()), (1, 0));
    drop(taken.recv().unwrap());
    assert_eq!(site.running(), 0);
}

#[tokio::test]
async fn a_bypassed_execution_is_not_waited_for() {
    let site = Site::activated().await;
    let layer = site.layer().with_permission(|_| true).build().unwrap();
    let layer = layer.for_routes(RouteAccess::StartsExecution);
    let application = tower::service_fn(async |request: Request<()>| {
        let handle: &ExecutionHandle = request.extensions().get().unwrap();
        assert!(handle.take().unwrap().is_bypass());
        Ok::<_, ()>(hello())
    });
    layer
        .layer(application)
        .oneshot(post("/jobs"))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_outer_layer_sees_a_refusal_as_a_response() {
    let site = Site::activated().await;
    let layer: MaintenanceLayer = site.layer().build().unwrap();
    // What CORS, compression and logs do.
    let outer = tower::util::MapResponseLayer::new(|mut response: http::Response<_>| {
        let value = "*".parse().unwrap();
        response
            .headers_mut()
            .insert("access-control-allow-origin", value);
        response
    });
    let application = tower::service_fn(async |_: Request<()>| Ok::<_, ()>(hello()));
    let response = outer
        .layer(layer.layer(application))
        .oneshot(get("/"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
}
