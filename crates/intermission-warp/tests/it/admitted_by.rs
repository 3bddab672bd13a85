//! The rule by which a request was let in, as its handler sees it.

use std::net::SocketAddr;

use intermission::{Activate, AdmitReason, Level, RouteAccess};
use intermission_warp::{admitted_by, guard};
use warp::Filter;

use crate::site::{Site, ask, serve};

const OPERATOR: &[&str] = &["X-Operator: 1"];

async fn application(site: &Site) -> SocketAddr {
    let maintenance = site.maintenance();
    let told = |maintenance| {
        admitted_by(maintenance).map(|reason: Option<AdmitReason>| format!("{reason:?}"))
    };
    let always = maintenance.for_routes(RouteAccess::Always);
    let health = warp::path!("health").and(told(&always));
    let site = warp::path::end().and(told(&maintenance));
    serve(guard(&always, health).or(guard(&maintenance, site))).await
}

#[tokio::test]
async fn each_phase_has_its_reason() {
    let site = Site::open().await;
    let address = application(&site).await;
    let reasons = async || {
        let visitor = ask(address, "GET /", &[]).await.body;
        let operator = ask(address, "GET /", OPERATOR).await.body;
        let health = ask(address, "GET /health", &[]).await.body;
        (visitor, operator, health)
    };
    let expected = |visitor: &str, operator: &str, health: &str| {
        (visitor.to_owned(), operator.to_owned(), health.to_owned())
    };
    assert_eq!(reasons().await, expected("None", "None", "None"));

    let running = site.drain().await;
    let draining = "Some(Draining)";
    let always = "Some(RouteAlways)";
    assert_eq!(reasons().await, expected(draining, draining, always));
    drop(running);
    site.gate.closing().await;

    let (visitor, operator, health) = reasons().await;
    assert!(!visitor.contains("Some("), "{visitor}");
    assert_eq!(
        (operator.as_str(), health.as_str()),
        ("Some(Permission)", always)
    );

    let read_only = Activate::by("ana").with_level(Level::ReadOnly);
    site.activate(read_only).await;
    let read_only = "Some(ReadOnly)";
    assert_eq!(reasons().await, expected(read_only, read_only, always));

    site.deactivate().await;
    assert_eq!(reasons().await, expected("None", "None", "None"));
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn an_allowed_address_is_told() {
    let site = Site::open().await;
    let address = application(&site).await;
    site.activate_for("127.0.0.0/8").await;
    assert_eq!(
        ask(address, "GET /", &[]).await.body,
        "Some(AllowedAddress)"
    );
}
