//! Flags beside the routes, in both forms of the application.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use http::StatusCode;
use intermission::{Activate, AdmitReason, Change, Decision, RouteAccess};
use intermission_axum::{ConfigError, MaintenanceRouter, MethodRouterExt, RouterExt, maintenance};

use crate::site::{Site, header, text};

fn routes() -> MaintenanceRouter {
    MaintenanceRouter::new()
        .route("/", get(|| async { "hello" }))
        .route("/health", get(|| async { "ok" }).always())
        .route("/jobs", get(|| async { "a list" }))
        .route("/jobs", post(|| async { "started" }).starts_execution())
        .route(
            "/jobs/{kind}",
            post(|| async { "started" }).starts_execution(),
        )
        .nest("/shop", shop())
        .nest(
            "/login",
            Router::new().route("/", get(|| async { "login" })).always(),
        )
        .merge(Router::new().route("/about", get(|| async { "about" })))
}

fn shop() -> MaintenanceRouter {
    MaintenanceRouter::new()
        .route("/", get(|| async { "shop" }))
        .route("/health", get(|| async { "ok" }).always())
        .route("/export", post(|| async { "started" }).starts_execution())
        .nest(
            "/{tenant}",
            MaintenanceRouter::new()
                .route("/", get(|| async { "tenant" }).always())
                .route("/orders", get(|| async { "orders" })),
        )
}

#[tokio::test]
async fn an_open_gate_serves_everything() {
    let site = Site::open().await;
    for app in site.both(&routes()) {
        app.expect(&[
            "GET / 200",
            "GET /health 200",
            "GET /jobs 200",
            "POST /jobs 200",
            "POST /jobs/import 200",
            "GET /shop 200",
            "GET /shop/health 200",
            "POST /shop/export 200",
            "GET /shop/acme 200",
            "GET /shop/acme/orders 200",
            "GET /login 200",
            "GET /about 200",
            "POST / 405",
            "DELETE /jobs 405",
            "GET /nothing 404",
        ])
        .await;
        assert_eq!(site.requests(), 0);
    }
}

#[tokio::test]
async fn a_closed_gate_serves_what_is_always_open() {
    let site = Site::activated().await;
    for app in site.both(&routes()) {
        app.expect(&[
            "GET / 503",
            "GET /health 200",
            "HEAD /health 200",
            "GET /jobs 503",
            "POST /jobs 503",
            "POST /jobs/import 503",
            "GET /shop 503",
            "GET /shop/health 200",
            "POST /shop/export 503",
            "GET /shop/acme 200",
            "GET /shop/acme/orders 503",
            "GET /login 200",
            "GET /about 503",
        ])
        .await;
    }
}

/// Flags of inner routers alone, so that nothing else sends the requests to their routes.
#[tokio::test]
async fn flags_come_along_when_routers_are_nested_and_merged() {
    let inner = || {
        MaintenanceRouter::new()
            .route("/", get(|| async {}).always())
            .route("/health", get(|| async {}).always())
            .route("/jobs", post(|| async {}).starts_execution())
    };
    let nested = MaintenanceRouter::new().nest("/a", MaintenanceRouter::new().nest("/b", inner()));
    let below_slash = MaintenanceRouter::new().nest("/a/b/", inner());
    let merged = MaintenanceRouter::new().merge(inner());
    for (routes, prefix) in [(nested, "/a/b"), (below_slash, "/a/b/"), (merged, "")] {
        let site = Site::open().await;
        let [root, health, jobs] = match prefix {
            "" => ["/", "/health", "/jobs"].map(str::to_owned),
            _ => ["", "/health", "/jobs"].map(|path| format!("{prefix}{path}").replace("//", "/")),
        };
        let running = site.drain().await;
        for app in site.both(&routes) {
            app.expect(&[&format!("POST {jobs} 503")]).await;
        }
        drop(running);
        site.gate.closing().await;
        for app in site.both(&routes) {
            app.expect(&[
                &format!("GET {root} 200"),
                &format!("GET {health} 200"),
                "GET /x 503",
            ])
            .await;
        }
    }
}

#[tokio::test]
async fn what_only_looks_like_an_open_route_is_closed() {
    let site = Site::activated().await;
    for app in site.both(&routes()) {
        app.expect(&[
            "GET /healthz-admin 503",
            "GET /health/ 503",
            "GET //health 503",
            "GET /HEALTH 503",
            "GET /%68ealth 503",
            "GET /shop/../health 503",
            "GET /shop/health/x 503",
            "GET /login/x 503",
        ])
        .await;
    }
}

#[tokio::test]
async fn a_drain_closes_what_starts_an_execution() {
    let site = Site::open().await;
    let running = site.drain().await;
    for app in site.both(&routes()) {
        app.expect(&[
            "GET / 200",
            "GET /jobs 200",
            "POST /jobs 503",
            "POST /jobs/import 503",
            "POST /shop/export 503",
            "GET /shop/acme/orders 200",
        ])
        .await;
    }
    drop(running);
}

#[tokio::test]
async fn a_method_without_a_handler_belongs_to_the_handlers_without_a_flag() {
    let site = Site::activated().await;
    let routes = MaintenanceRouter::new()
        .route("/mixed", get(|| async {}).always())
        .route("/mixed", post(|| async {}))
        .route("/open", get(|| async {}).always());
    for app in site.both(&routes) {
        app.expect(&["GET /mixed 200", "DELETE /mixed 503", "DELETE /open 405"])
            .await;
    }
    site.deactivate().await;
    for app in site.both(&routes) {
        app.expect(&["DELETE /mixed 405"]).await;
        let response = app.ask(http::Method::DELETE, "/mixed").await;
        assert_eq!(header(&response, "allow"), "GET,HEAD,POST");
    }
}

/// What is in flight while a handler runs.
async fn in_flight(State(site): State<Arc<Site>>) -> String {
    format!("{} {}", site.requests(), site.running())
}

#[tokio::test]
async fn each_request_counts_once() {
    let site = Arc::new(Site::open().await);
    let routes = MaintenanceRouter::new()
        .route("/", get(in_flight))
        .route("/always", get(in_flight).always())
        .route("/jobs", get(in_flight))
        .route("/jobs", post(in_flight).starts_execution())
        .route("/kinds/{kind}", post(in_flight).starts_execution())
        .route("/kinds/{kind}/list", get(in_flight))
        .with_state(Arc::clone(&site));
    for app in site.both(&routes) {
        for (method, uri, expected) in [
            ("GET", "/", "1 0"),
            ("GET", "/always", "0 0"),
            ("GET", "/jobs", "1 0"),
            ("POST", "/jobs", "1 1"),
            ("POST", "/kinds/a", "1 1"),
            ("GET", "/kinds/a/list", "1 0"),
        ] {
            let response = app.ask(method.parse().unwrap(), uri).await;
            let held = (site.requests(), site.running());
            assert_eq!(
                format!("{} {}", held.0, held.1),
                expected,
                "{}: {uri}",
                app.0
            );
            assert_eq!(text(response).await, expected, "{}: {method} {uri}", app.0);
            assert_eq!(
                (site.requests(), site.running()),
                (0, 0),
                "{}: {uri}",
                app.0
            );
        }
    }
}

#[tokio::test]
async fn an_execution_is_listed_by_the_whole_path() {
    let site = Arc::new(Site::open().await);
    let label = async |State(site): State<Arc<Site>>| {
        // A drain has the node report what it still runs.
        let activate = Change::Activate(Activate::by("ana"));
        site.operator.change(activate).await.unwrap();
        loop {
            let view = site.operator.inspect(9).await.unwrap();
            let node = view.nodes.first().unwrap();
            if let Some(execution) = node.facts.executions.first() {
                return execution.label.clone().unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let inner = MaintenanceRouter::new().route("/export", post(label).starts_execution());
    let routes = MaintenanceRouter::new().nest("/shop", inner);
    for app in site.both(&routes.with_state(Arc::clone(&site))) {
        let response = app.ask(http::Method::POST, "/shop/export?x=1").await;
        assert_eq!(text(response).await, "POST /shop/export", "{}", app.0);
        site.deactivate().await;
    }
}

#[tokio::test]
async fn a_layer_on_the_routes_is_behind_the_gate_and_one_around_them_before_it() {
    let site = Site::activated().await;
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    // As a cache would, this answers in the place of the handlers.
    let cache = from_fn(move |_: Request, _: Next| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready("cached".into_response())
    });
    let routes = routes().layer(cache);
    for app in site.both(&routes) {
        app.expect(&["GET / 503", "GET /jobs 503"]).await;
        assert_eq!(served.swap(0, Ordering::SeqCst), 0, "{}", app.0);
        assert_eq!(text(app.get("/health").await).await, "cached", "{}", app.0);
        assert_eq!(served.swap(0, Ordering::SeqCst), 1, "{}", app.0);
    }
    let cors = from_fn(async |request: Request, next: Next| {
        let mut response = next.run(request).await;
        let value = "*".parse().unwrap();
        response
            .headers_mut()
            .insert("access-control-allow-origin", value);
        response
    });
    let router = routes.into_router(site.maintenance()).unwrap().layer(cors);
    let response = tower::ServiceExt::<Request>::oneshot(router, Request::default())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert_eq!(header(&response, "maintenance-mode"), "activated");
}

#[tokio::test]
async fn the_builders_table_counts_for_routes_without_a_flag() {
    let site = Site::activated().await;
    let routes = MaintenanceRouter::new()
        .route("/health", get(|| async {}))
        .route("/jobs", get(|| async {}).starts_execution());
    let maintenance = site
        .maintenance()
        .with_always("/health")
        .with_always("/jobs");
    for app in site.both_with(&routes, &maintenance) {
        app.expect(&["GET /health 200", "GET /jobs 503"]).await;
    }
}

#[tokio::test]
async fn bypassed_visitors_are_marked_once_and_may_start_executions() {
    let site = Site::activated().await;
    let maintenance = site
        .maintenance()
        .with_permission(|parts| parts.headers.contains_key("x-operator"));
    for app in site.both_with(&routes(), &maintenance) {
        for (method, uri) in [("GET", "/"), ("GET", "/jobs"), ("POST", "/jobs")] {
            let request = Request::builder()
                .method(method)
                .uri(uri)
                .header("x-operator", "1");
            let response = app
                .send(request.body(axum::body::Body::empty()).unwrap())
                .await;
            assert_eq!(
                response.status(),
                StatusCode::OK,
                "{}: {method} {uri}",
                app.0
            );
            assert_eq!(header(&response, "cache-control"), "private, no-store");
            assert_eq!(header(&response, "maintenance-mode"), "bypassed");
            let decision: Option<&Decision> = response.extensions().get();
            assert_eq!(decision, Some(&Decision::Admit(AdmitReason::Permission)));
        }
    }
}

#[tokio::test]
async fn an_open_route_is_a_way_out_of_a_lockout() {
    let site = Site::open().await;
    let gate = || maintenance(site.gate.clone());
    let closed = MaintenanceRouter::<()>::new().route("/", get(|| async {}));
    assert_eq!(
        closed.clone().into_router(gate()).unwrap_err(),
        ConfigError::Lockout
    );
    assert_eq!(
        closed.clone().into_service(gate()).unwrap_err(),
        ConfigError::Lockout
    );
    let starting = closed
        .clone()
        .route("/jobs", post(|| async {}).starts_execution());
    assert_eq!(
        starting.into_service(gate()).unwrap_err(),
        ConfigError::Lockout
    );
    let open = closed.route("/login", get(|| async {}).always());
    assert!(open.clone().into_router(gate()).is_ok());
    assert!(open.into_service(gate()).is_ok());
}

#[tokio::test]
async fn a_flag_by_its_value_is_the_same_flag() {
    let site = Site::activated().await;
    let routes = MaintenanceRouter::new()
        .route("/a", any(|| async {}).with_access(RouteAccess::Always))
        .route("/b", any(|| async {}).with_access(RouteAccess::Ordinary))
        .nest(
            "/c",
            Router::new()
                .route("/d", any(|| async {}))
                .with_access(RouteAccess::Ordinary),
        );
    for app in site.both(&routes) {
        app.expect(&["GET /a 200", "GET /b 503", "GET /c/d 503"])
            .await;
    }
}
