//! Filters as a service on a server of hyper's, with a guard inside or the layer around.

use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use intermission::RouteAccess;
use intermission_warp::{PeerAddress, guard};
use tower_layer::Layer;
use warp::{Filter, Rejection, Reply};

use crate::site::{Site, ask, expect, listener};

/// What an authentication puts into a request's extensions.
#[derive(Clone)]
struct Operator;

/// Serves a service until the test ends. The server says who is there, if `tells`.
async fn serve<S, B, E>(service: TowerToHyperService<S>, tells: bool) -> SocketAddr
where
    TowerToHyperService<S>:
        Service<Request<Incoming>, Response = Response<B>, Error = E, Future: Send>,
    S: Clone + Send + Sync + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let service = service.clone();
            let call = service_fn(move |mut request: Request<Incoming>| {
                if tells {
                    request.extensions_mut().insert(PeerAddress(peer));
                }
                if request.headers().contains_key("authorization") {
                    request.extensions_mut().insert(Operator);
                }
                service.call(request)
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), call));
        }
    });
    address
}

fn hello()
-> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + Send + Sync + use<> {
    let hello = warp::path::end().map(|| "hello");
    let health = warp::path!("health").map(|| "ok");
    let jobs = warp::path!("jobs").and(warp::post()).map(|| "started");
    hello.or(health).or(jobs)
}

#[tokio::test]
async fn an_allowed_address_passes_a_guard_if_the_server_tells_it() {
    let site = Site::open().await;
    let filters = guard(&site.maintenance(), hello());
    let service = TowerToHyperService::new(warp::service(filters));
    let told = serve(service.clone(), true).await;
    let untold = serve(service, false).await;
    for address in [told, untold] {
        expect(address, &["GET / 200", "GET /nothing 404"]).await;
    }
    site.activate_for("127.0.0.0/8").await;
    let answer = ask(told, "GET /", &[]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("maintenance-mode"), Some("bypassed"));
    let spoofed = ["X-Forwarded-For: 127.0.0.1"];
    assert_eq!(ask(untold, "GET /", &spoofed).await.status(), 503);
    site.activate_for("192.0.2.0/24").await;
    expect(told, &["GET / 503"]).await;
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn the_layer_has_the_table_and_its_permission_sees_extensions() {
    let site = Site::open().await;
    let layer = site
        .settings()
        .with_permission(|parts| parts.extensions.get::<Operator>().is_some())
        .with_always("/health")
        .with_route("/jobs", RouteAccess::StartsExecution)
        .build()
        .unwrap();
    let service = TowerToHyperService::new(layer.layer(warp::service(hello())));
    let address = serve(service, true).await;
    expect(
        address,
        &["GET / 200", "GET /nothing 404", "POST /jobs 200"],
    )
    .await;
    let whole = ask(address, "HEAD /", &[]).await;
    assert_eq!(whole.header("content-length"), Some("5"));

    let running = site.drain().await;
    expect(address, &["GET / 200", "POST /jobs 503", "GET /health 200"]).await;
    drop(running);
    site.gate.closing().await;
    expect(
        address,
        &[
            "GET / 503",
            "POST /jobs 503",
            "GET /health 200",
            "GET /nothing 503",
        ],
    )
    .await;
    let operator = ["Authorization: 1"];
    let answer = ask(address, "POST /jobs", &operator).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("maintenance-mode"), Some("bypassed"));
    site.nothing_in_flight().await;
}
