//! Who gets an answer, and what the others get.

use std::time::Duration;

use intermission::{Activate, AllowChange, AllowList, Level, Phase, RouteAccess};
use tonic::{Code, Request, Status};

use crate::orders::{GET, IMPORT, LIST, order};
use crate::site::{MESSAGE, Site};

fn metadata<'a>(status: &'a Status, name: &str) -> &'a str {
    let value = status.metadata().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

fn assert_refused(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(status.message(), MESSAGE);
}

#[tokio::test]
async fn an_open_gate_changes_nothing() {
    let site = Site::open().await;
    let served = site.serve(site.layer()).await;
    let mut client = served.client().await;

    let response = client.get().await.unwrap();
    // tonic's client shows the trailers of a unary call among its metadata.
    assert_eq!(response.metadata().get("grpc-status").unwrap(), "0");
    assert!(response.metadata().get("maintenance-mode").is_none());
    assert_eq!(response.into_inner(), order("one"));

    let mut stream = client.stream(LIST).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(order("one")));
    assert_eq!(stream.message().await.unwrap(), Some(order("two")));
    let end = stream.message().await.unwrap_err();
    assert_eq!(
        (end.code(), end.message()),
        (Code::DataLoss, "nine are lost")
    );
    assert_eq!(
        metadata(&end, "x-lost"),
        "9",
        "the application's own trailer"
    );

    let unknown = client
        .unary("/shop.v1.Orders/Sell", Request::new(order("one")))
        .await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_closed_gate_is_unavailable_and_says_when_to_come_back() {
    let site = Site::open().await;
    let served = site.serve(site.layer()).await;
    let mut client = served.client().await;
    let retry_after = Duration::from_secs(90);
    site.activate(Activate::by("ana").with_retry_after(retry_after))
        .await;
    for refused in [
        client.get().await.map(drop),
        client.stream(LIST).await.map(drop),
        // A refusal does not tell what exists.
        client
            .unary("/shop.v1.Orders/Sell", Request::new(order("one")))
            .await
            .map(drop),
    ] {
        let status = refused.unwrap_err();
        assert_refused(&status);
        assert_eq!(metadata(&status, "grpc-retry-pushback-ms"), "90000");
        assert_eq!(metadata(&status, "retry-after"), "90");
        assert_eq!(metadata(&status, "cache-control"), "no-store");
        assert_eq!(metadata(&status, "maintenance-mode"), "activated");
    }
    assert_eq!(site.requests(), 0, "who is refused is not in flight");
}

#[tokio::test]
async fn a_drain_refuses_only_what_starts_an_execution() {
    let site = Site::open().await;
    let layer = site
        .layer()
        .with_route(IMPORT, RouteAccess::StartsExecution);
    let served = site.serve(layer).await;
    let mut client = served.client().await;
    let running = site.drain().await;
    assert_eq!(client.get().await.unwrap().into_inner(), order("one"));
    let refused = client.stream(IMPORT).await.unwrap_err();
    assert_refused(&refused);
    assert_eq!(metadata(&refused, "maintenance-mode"), "activating");
    drop(running);
    site.phase(Phase::Activated).await;
    assert_refused(&client.get().await.unwrap_err());
}

#[tokio::test]
async fn a_permission_by_metadata_passes_and_is_marked() {
    let site = Site::activated().await;
    let is_staff = |parts: &http::request::Parts| {
        let token = parts.headers.get("authorization");
        token.is_some_and(|token| token == "Bearer s3cret")
    };
    let served = site.serve(site.layer().with_permission(is_staff)).await;
    let mut client = served.client().await;
    let mut request = Request::new(order("one"));
    let token = "Bearer s3cret".parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    let response = client.unary(GET, request).await.unwrap();
    let metadata = response.metadata();
    assert_eq!(metadata.get("maintenance-mode").unwrap(), "bypassed");
    assert_eq!(metadata.get("grpc-status").unwrap(), "0");
    assert_eq!(response.into_inner(), order("one"));
    assert_refused(&client.get().await.unwrap_err());
}

#[tokio::test]
async fn an_allowed_address_passes_once_the_layer_knows_where_tonic_keeps_it() {
    let site = Site::open().await;
    let knows = site.serve(site.layer()).await;
    let deaf = intermission_tower::MaintenanceLayer::builder(site.gate.clone());
    let knows_not = site.serve(deaf.with_lockout_accepted()).await;
    let allow = AllowChange::Replace(AllowList::parse(["127.0.0.1"]).unwrap());
    site.activate(Activate::by("ana").with_allow(allow)).await;
    let response = knows.client().await.get().await.unwrap();
    let mode = response.metadata().get("maintenance-mode").unwrap();
    assert_eq!(mode, "bypassed");
    assert_refused(&knows_not.client().await.get().await.unwrap_err());
    let nobody = AllowChange::Replace(AllowList::parse(["192.0.2.1"]).unwrap());
    site.activate(Activate::by("ana").with_allow(nobody)).await;
    assert_refused(&knows.client().await.get().await.unwrap_err());
}

#[tokio::test]
async fn routes_are_flagged_by_service_and_by_method() {
    let site = Site::activated().await;
    let by_method = site.serve(site.layer().with_always(GET)).await;
    let mut client = by_method.client().await;
    assert_eq!(client.get().await.unwrap().into_inner(), order("one"));
    assert_refused(&client.stream(LIST).await.unwrap_err());

    let by_service = site.layer().with_always("/shop.v1.Orders/{method}");
    let by_service = site.serve(by_service).await;
    let mut client = by_service.client().await;
    assert!(client.get().await.is_ok() && client.stream(LIST).await.is_ok());
}

/// Every call is a POST, so a level that lets safe methods through lets none: nobody can tell a call that reads.
#[tokio::test]
async fn read_only_refuses_every_call_without_a_flag() {
    let site = Site::open().await;
    let served = site.serve(site.layer().with_always(LIST)).await;
    let mut client = served.client().await;
    site.activate(Activate::by("ana").with_level(Level::ReadOnly))
        .await;
    let refused = client.get().await.unwrap_err();
    assert_refused(&refused);
    assert_eq!(metadata(&refused, "maintenance-mode"), "read-only");
    assert!(client.stream(LIST).await.is_ok());
}
