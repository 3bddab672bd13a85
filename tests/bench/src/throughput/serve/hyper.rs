//! hyper with nothing around it, and with the tower layer.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Result;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use intermission::RouteAccess;
use intermission::reply::MARKER_HEADER;
use intermission_tower::{MaintenanceLayer, PeerAddress};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{BODY, Mode, gate_in, listen};

pub(super) async fn serve(mode: Mode) -> Result<()> {
    let listener = listen().await?;
    match mode {
        Mode::Bare => connections(listener, |_| service_fn(hello)).await,
        Mode::BarePeer => connections(listener, |peer| known(service_fn(hello), peer)).await,
        Mode::ByHand => connections(listener, |_| service_fn(refuse)).await,
        Mode::Off | Mode::On => {
            let layer = layer(mode).await?;
            let app = layer.layer(service_fn(hello));
            connections(listener, move |peer| known(app.clone(), peer)).await
        }
    }
}

/// What both, this and warp's service, have around them.
pub(super) async fn layer(mode: Mode) -> Result<MaintenanceLayer> {
    let is_staff = |request: &Parts| super::is_staff(request.headers.get("x-staff"));
    Ok(MaintenanceLayer::builder(gate_in(mode).await?)
        .with_permission(is_staff)
        .with_always("/health")
        .with_route("/imports", RouteAccess::StartsExecution)
        .build()?)
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from(BODY));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    Ok(response)
}

/// What the gate sends, without a gate.
async fn refuse(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from(BODY));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    for (name, value) in [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (RETRY_AFTER, "300"),
        (CACHE_CONTROL, "no-store"),
        (VARY, "Accept"),
        (HeaderName::from_static(MARKER_HEADER), "activated"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// A service that is told who asks, for the list of those who may pass.
pub(super) fn known<S, B>(
    app: S,
    peer: SocketAddr,
) -> impl Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: 'static,
{
    app.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        request
    })
}

/// Serves all connections, each with the application that it is given for it.
pub(super) async fn connections<S, B>(
    listener: TcpListener,
    app: impl Fn(SocketAddr) -> S,
) -> Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    loop {
        let (stream, peer) = listener.accept().await?;
        let service = TowerToHyperService::new(app(peer));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // It fails when the client hangs up in the middle, as at the end of each measurement.
            drop(connection.await);
        });
    }
}
