//! The layer on axum's own router, with the flags in a table or by groups.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use http::StatusCode;
use intermission::{Change, Pass, RouteAccess};
use tower::ServiceExt;

use crate::site::{Site, header};

async fn status(app: &Router, method: &str, uri: &str) -> StatusCode {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .body(Body::empty());
    app.clone()
        .oneshot(request.unwrap())
        .await
        .unwrap()
        .status()
}

#[tokio::test]
async fn a_table_flags_by_the_path_that_the_client_sent() {
    let site = Site::activated().await;
    let layer = site
        .maintenance()
        .with_always("/shop/health")
        .with_route("/shop/jobs", RouteAccess::StartsExecution)
        .build()
        .unwrap();
    let routes = || {
        Router::new()
            .route("/health", get(|| async {}))
            .route("/", get(|| async {}))
    };
    // Inside of the nested router the path is `/health`; the table is about what stands in the request.
    let inside = Router::new().nest("/shop", routes().layer(layer.clone()));
    let outside = Router::new().nest("/shop", routes()).layer(layer);
    for app in [inside, outside] {
        assert_eq!(status(&app, "GET", "/shop/health").await, StatusCode::OK);
        assert_eq!(
            status(&app, "GET", "/shop").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
    let site = Site::activated().await;
    let layer = site.maintenance().with_always("/health").build().unwrap();
    let inside = Router::new().nest("/shop", routes().layer(layer));
    let answer = status(&inside, "GET", "/shop/health").await;
    assert_eq!(
        answer,
        StatusCode::SERVICE_UNAVAILABLE,
        "it is another path"
    );
}

#[tokio::test]
async fn groups_have_a_layer_each() {
    let site = Site::open().await;
    let layer = site.maintenance().build().unwrap();
    let pages = Router::new().route("/", get(|| async {}));
    let health = Router::new().route("/health", get(|| async {}));
    let jobs = Router::new().route("/jobs", post(|| async {}));
    let app = health
        .layer(layer.for_routes(RouteAccess::Always))
        .merge(jobs.layer(layer.for_routes(RouteAccess::StartsExecution)))
        .merge(pages.layer(layer));
    let running = site.drain().await;
    assert_eq!(status(&app, "GET", "/").await, StatusCode::OK);
    assert_eq!(
        status(&app, "POST", "/jobs").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    drop(running);
    site.gate.closing().await;
    assert_eq!(
        status(&app, "GET", "/").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(status(&app, "GET", "/health").await, StatusCode::OK);
    assert_eq!(
        status(&app, "GET", "/nothing").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_pass_leads_back_to_the_whole_address() {
    let site = Site::activated().await;
    let (pass, secret) = Pass::issue("ben", None).unwrap();
    site.change(Change::IssuePass(pass)).await;
    let inner = Router::new().route("/orders", get(|| async {}));
    let layer = site.maintenance().build().unwrap();
    let app = Router::new().nest("/shop", inner.layer(layer));
    let uri = format!("/shop/orders?intermission-pass={secret}&page=2");
    let request = Request::get(uri).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&response, "location"), "/shop/orders?page=2");
}
