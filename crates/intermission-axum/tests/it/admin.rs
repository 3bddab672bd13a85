//! What the mount of the admin API does with axum's own. What all mounts do alike is in `tests/tests/admin_mounts`.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, Request};
use axum::response::Response;
use axum::routing::get;
use http::request::Parts;
use http_body_util::BodyExt;
use intermission::Gate;
use intermission_axum::admin::{self, Admin, Authorization};
use intermission_axum::{MaintenanceRouter, MaintenanceService};
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceExt};

use crate::site::Site;

/// What an authentication finds out.
#[derive(Clone)]
struct User(&'static str);

fn authorize(request: &Parts) -> Authorization {
    match request.extensions.get() {
        Some(User(name)) => Authorization::granted(*name),
        None => Authorization::Unauthenticated,
    }
}

async fn ask<S>(app: S, method: &str, uri: &str) -> (u16, String)
where
    S: tower::Service<Request, Response = Response, Error = Infallible>,
{
    let request = Request::builder().method(method).uri(uri);
    let request = request.header("content-type", "application/json");
    let response = app.oneshot(request.body(Body::from("{}")).unwrap()).await;
    let (parts, body) = response.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (parts.status.as_u16(), body)
}

/// An application with a state of its own, as most have.
#[derive(Clone)]
struct App(Gate);

impl FromRef<App> for Gate {
    fn from_ref(input: &App) -> Self {
        input.0.clone()
    }
}

fn application(site: &Site) -> MaintenanceService {
    let admin = Admin::new(site.gate.clone());
    MaintenanceRouter::new()
        .route("/", get(|| async { "hello" }))
        .merge(admin::routes("/admin/maintenance", admin, authorize))
        .with_state(App(site.gate.clone()))
        .into_service(site.maintenance())
        .unwrap()
}

#[tokio::test]
async fn what_an_outer_layer_finds_out_is_seen() {
    let site = Site::activated().await;
    let app = application(&site);
    let status = "/admin/maintenance/api/status";
    assert_eq!(ask(app.clone(), "GET", status).await.0, 401);
    let authenticated = MapRequestLayer::new(|mut request: Request| {
        request.extensions_mut().insert(User("ana"));
        request
    });
    let app = authenticated.layer(app);
    assert_eq!(ask(app.clone(), "GET", "/").await.0, 503);
    let (status, body) = ask(app.clone(), "GET", status).await;
    assert_eq!(status, 200, "{body}");
    let deactivate = "/admin/maintenance/api/deactivate";
    assert_eq!(ask(app, "POST", deactivate).await.0, 200);
    let history = site.operator.history(1).await.unwrap();
    assert_eq!(history[0].by.as_deref(), Some("ana"));
    // Nobody has told the address.
    assert_eq!(history[0].origin.as_deref(), Some("admin"));
}

#[tokio::test]
async fn other_routes_stay_what_they_are() {
    let site = Site::activated().await;
    let app = application(&site);
    for path in [
        "/admin",
        "/admin/",
        "/admin/maintenances",
        "/admin/maintenances/x",
        "/",
    ] {
        assert_eq!(ask(app.clone(), "GET", path).await.0, 503, "{path}");
    }
}

#[tokio::test]
async fn a_plain_router_may_have_it_too() {
    let site = Site::activated().await;
    let layer = site.maintenance().build().unwrap();
    let admin = Admin::new(site.gate.clone());
    let inside = Router::new()
        .route("/", get(|| async { "hello" }))
        .merge(admin::routes("/inside", admin.clone(), authorize));
    let app: Router = inside
        .layer(layer)
        .merge(admin::routes("/outside", admin, authorize))
        .merge(admin::public_status("/status", site.gate.clone()));
    // By the layer's table, which has no row for it.
    assert_eq!(ask(app.clone(), "GET", "/inside/").await.0, 503);
    assert_eq!(ask(app.clone(), "GET", "/outside/").await.0, 401);
    assert_eq!(ask(app, "GET", "/status").await.0, 200);
}
