//! What handlers get.

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, Request, State};
use axum::routing::{get, post};
use http::StatusCode;
use intermission::{AdmitReason, Execution, Gate, Level};
use intermission_axum::{
    LongLived, MaintenanceGate, MaintenanceRouter, MethodRouterExt, StartedExecution,
};
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::site::{Site, header, text};

#[tokio::test]
async fn a_handler_takes_its_execution_over() {
    let site = Site::open().await;
    let (give, mut taken) = mpsc::unbounded_channel::<Execution>();
    let start = move |StartedExecution(execution): StartedExecution| {
        give.send(execution).unwrap();
        std::future::ready(StatusCode::ACCEPTED)
    };
    let routes = MaintenanceRouter::new().route("/jobs", post(start).starts_execution());
    for app in site.both(&routes) {
        app.expect(&["POST /jobs 202"]).await;
        assert_eq!((site.requests(), site.running()), (0, 1), "{}", app.0);
        let execution = taken.recv().await.unwrap();
        assert!(!execution.is_cancelled());
        drop(execution);
        assert_eq!(site.running(), 0);
    }
}

#[tokio::test]
async fn a_route_without_the_flag_has_no_execution_to_give() {
    let site = Site::open().await;
    let needed = async |_: StartedExecution| {};
    let optional = async |execution: Option<StartedExecution>| {
        if execution.is_some() { "some" } else { "none" }
    };
    let routes = MaintenanceRouter::new()
        .route("/needed", post(needed))
        .route("/optional", get(optional))
        .route("/optional", post(optional).starts_execution())
        // The second to ask finds it taken.
        .route(
            "/twice",
            post(async |_: StartedExecution, _: StartedExecution| {}).starts_execution(),
        );
    for app in site.both(&routes) {
        for path in ["/needed", "/twice"] {
            let response = app.ask(http::Method::POST, path).await;
            assert_eq!(
                response.status(),
                StatusCode::INTERNAL_SERVER_ERROR,
                "{path}"
            );
            assert!(
                text(response).await.contains("starts_execution()"),
                "{path}"
            );
        }
        assert_eq!(text(app.get("/optional").await).await, "none");
        let started = app.ask(http::Method::POST, "/optional").await;
        assert_eq!(text(started).await, "some");
        assert_eq!((site.requests(), site.running()), (0, 0));
    }
}

#[derive(Clone)]
struct App {
    gate: Gate,
}

impl FromRef<App> for Gate {
    fn from_ref(input: &App) -> Self {
        input.gate.clone()
    }
}

#[tokio::test]
async fn the_gate_comes_from_the_state() {
    let site = Site::activated().await;
    let phase = async |MaintenanceGate(gate): MaintenanceGate, State(_): State<App>| {
        gate.record().phase().to_string()
    };
    let state = App {
        gate: site.gate.clone(),
    };
    let routes = MaintenanceRouter::new().route("/phase", get(phase).always());
    for app in site.both(&routes.with_state(state)) {
        assert_eq!(text(app.get("/phase").await).await, "activated");
    }
}

/// A route whose handler keeps its connection.
fn keeping(gate: Gate) -> (MaintenanceRouter, mpsc::UnboundedReceiver<LongLived>) {
    let (give, given) = mpsc::unbounded_channel();
    let keep = move |connection: LongLived| {
        give.send(connection).unwrap();
        std::future::ready(())
    };
    (
        MaintenanceRouter::new()
            .route("/", get(keep))
            .with_state(gate),
        given,
    )
}

#[tokio::test]
async fn a_long_lived_connection_counts_until_it_is_dropped_and_learns_of_the_closing() {
    let site = Site::open().await;
    let (routes, mut given) = keeping(site.gate.clone());
    for app in site.both(&routes) {
        drop(app.get("/").await);
        let connection = given.recv().await.unwrap();
        assert_eq!(site.requests(), 1);
        assert_eq!(connection.reason(), AdmitReason::Deactivated);
        let draining = site.drain().await;
        let mut closing = Box::pin(connection.closing());
        tokio::select! {
            biased;
            () = &mut closing => panic!("pages are served while the drain goes on"),
            () = std::future::ready(()) => {}
        }
        drop(draining);
        closing.as_mut().await;
        drop(closing);
        drop(connection);
        assert_eq!(site.requests(), 0);
        site.deactivate().await;
    }
}

#[tokio::test]
async fn a_bypassed_connection_lasts_until_nobody_may_pass() {
    let site = Site::activated().await;
    let (routes, mut given) = keeping(site.gate.clone());
    let maintenance = site.maintenance().with_permission(|_| true);
    let [service, _] = site.both_with(&routes, &maintenance);
    drop(service.get("/").await);
    let connection = given.recv().await.unwrap();
    assert_eq!(connection.reason(), AdmitReason::Permission);
    assert_eq!(site.requests(), 1);
    {
        let closing = connection.closing();
        tokio::select! {
            biased;
            () = closing => panic!("the visitor may pass"),
            () = std::future::ready(()) => {}
        }
    }
    let exclusive = intermission::Activate::by("ana").with_level(Level::Exclusive);
    site.activate(exclusive).await;
    connection.closing().await;
}

#[tokio::test]
async fn a_gate_that_closes_before_the_handler_answers_as_the_layer_would() {
    let site = Site::activated().await;
    // Without a layer, the handler is reached although the gate is closed.
    let app = Router::new()
        .route("/", get(async |_: LongLived| {}))
        .with_state(site.gate.clone());
    let request = Request::get("/").header("accept", "text/html");
    let response = app
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&response, "maintenance-mode"), "activated");
    assert_eq!(
        header(&response, "content-type"),
        "text/html; charset=utf-8"
    );
}
