//! gRPC and pages from one port, by one router.

use std::net::{Ipv4Addr, SocketAddr};

use axum::routing::get;
use http::{Method, StatusCode};
use intermission::Activate;
use intermission_axum::{MaintenanceRouter, MethodRouterExt, RouterExt, maintenance};
use intermission_tests::http::send;
use tokio::net::TcpListener;
use tonic::Code;
use tonic::service::Routes;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::orders::order;
use crate::site::{MESSAGE, Served, Site};

async fn serve(site: &Site) -> Served {
    let (_, health) = tonic_health::server::health_reporter();
    let health = Routes::from(axum::Router::new()).add_service(health);
    let orders = Routes::from(axum::Router::new()).add_service(site.orders.clone());
    let app = MaintenanceRouter::new()
        .route("/", get(|| async { "hello" }))
        .route("/health", get(|| async { "ok" }).always())
        .merge(orders.into_axum_router())
        .merge(health.into_axum_router().always())
        .into_service(maintenance(site.gate.clone()))
        .unwrap()
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Served { address, task }
}

#[tokio::test]
async fn one_router_serves_calls_and_pages_and_refuses_each_in_its_own_way() {
    let site = Site::open().await;
    let served = serve(&site).await;
    let mut client = served.client().await;
    let page = async |path| send(served.address, Method::GET, path, &[]).await.unwrap();
    assert_eq!(client.get().await.unwrap().into_inner(), order("one"));
    assert_eq!(page("/").await.body, "hello");

    site.activate(Activate::by("ana")).await;
    let refused = client.get().await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unavailable, MESSAGE)
    );
    let answer = page("/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains(MESSAGE));

    assert_eq!(page("/health").await.body, "ok");
    let mut health = HealthClient::new(served.channel().await);
    let everything = HealthCheckRequest::default();
    assert!(health.check(everything).await.is_ok());
}
