//! What a request gets whose path no route matches.

use axum::Router;
use axum::routing::{any, get};
use http::StatusCode;
use intermission_axum::{MaintenanceRouter, MethodRouterExt, RouterExt, UnknownRoutes};

use crate::site::Site;

fn routes() -> MaintenanceRouter {
    let shop = MaintenanceRouter::new().route("/orders", get(|| async {}));
    MaintenanceRouter::new()
        .route("/", get(|| async {}))
        .route("/health", get(|| async {}).always())
        .nest("/shop", shop)
        .nest(
            "/admin",
            Router::new().route("/", get(|| async {})).always(),
        )
}

const UNKNOWN: [&str; 5] = [
    "/nothing",
    "/shop/nothing",
    "/shop/",
    "/admin/nothing",
    "/health/x",
];

async fn expect(app: &crate::site::App, status: StatusCode, paths: &[&str]) {
    for path in paths {
        assert_eq!(app.get(path).await.status(), status, "{}: {path}", app.0);
    }
}

#[tokio::test]
async fn unknown_routes_are_refused_with_the_rest() {
    let site = Site::activated().await;
    for app in site.both(&routes()) {
        expect(&app, StatusCode::SERVICE_UNAVAILABLE, &UNKNOWN).await;
        app.expect(&["CONNECT x:1 503"]).await;
    }
    site.deactivate().await;
    for app in site.both(&routes()) {
        expect(&app, StatusCode::NOT_FOUND, &UNKNOWN).await;
    }
}

#[tokio::test]
async fn unknown_routes_may_be_told_from_closed_ones() {
    let site = Site::activated().await;
    let routes = routes().with_unknown_routes(UnknownRoutes::NotFound);
    for app in site.both(&routes) {
        expect(&app, StatusCode::NOT_FOUND, &UNKNOWN).await;
        app.expect(&[
            "GET / 503",
            "GET /shop/orders 503",
            "GET /health 200",
            "POST / 503",
        ])
        .await;
    }
}

#[tokio::test]
async fn a_fallback_goes_by_its_own_flag() {
    let site = Site::activated().await;
    for unknown in [UnknownRoutes::NotFound, UnknownRoutes::Refused] {
        let routes = routes().with_unknown_routes(unknown);
        let teapot = || any(|| async { StatusCode::IM_A_TEAPOT });
        for app in site.both(&routes.clone().fallback(teapot())) {
            expect(&app, StatusCode::SERVICE_UNAVAILABLE, &UNKNOWN).await;
            app.expect(&["CONNECT x:1 503"]).await;
        }
        for app in site.both(&routes.clone().fallback(teapot().always())) {
            expect(&app, StatusCode::IM_A_TEAPOT, &UNKNOWN).await;
            app.expect(&["GET / 503", "GET /shop/orders 503", "GET /health 200"])
                .await;
        }
    }
}

#[tokio::test]
async fn a_nested_fallback_keeps_its_place() {
    let site = Site::activated().await;
    let teapot = || any(|| async { StatusCode::IM_A_TEAPOT });
    let spa = MaintenanceRouter::new().fallback(teapot().always());
    let closed = MaintenanceRouter::new().fallback(teapot());
    let routes = routes().nest("/spa", spa).nest("/closed", closed);
    for app in site.both(&routes) {
        expect(
            &app,
            StatusCode::IM_A_TEAPOT,
            &["/spa", "/spa/x", "/spa/x/y"],
        )
        .await;
        let closed = ["/closed", "/closed/x", "/spax", "/nothing"];
        expect(&app, StatusCode::SERVICE_UNAVAILABLE, &closed).await;
    }
    site.deactivate().await;
    for app in site.both(&routes) {
        expect(&app, StatusCode::IM_A_TEAPOT, &["/spa/x", "/closed/x"]).await;
        expect(&app, StatusCode::NOT_FOUND, &["/spax", "/nothing"]).await;
    }
}

#[tokio::test]
async fn the_fallback_of_a_plain_router_is_closed_too() {
    let site = Site::activated().await;
    let plain = Router::new().fallback(|| async { StatusCode::IM_A_TEAPOT });
    let routes = MaintenanceRouter::from(plain).with_unknown_routes(UnknownRoutes::NotFound);
    for app in site.both(&routes) {
        expect(&app, StatusCode::SERVICE_UNAVAILABLE, &["/", "/x"]).await;
    }
}
