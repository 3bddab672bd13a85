//! The layer around a plain tower service, on hyper's own server.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Either, Empty, Full};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use intermission::{Gate, LongLived};
use intermission_conformance::FixtureError;
use intermission_conformance::adapter::{AnswerBody, Call, Route, Server, Site, Unmet};
use intermission_tower::{ExecutionHandle, MaintenanceLayer, PeerAddress, let_in, scope_of_host};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::flaws::{Flaw, Sound};
use crate::{response, seen};

/// hyper's own server, with the layer around a tower service.
pub(crate) struct Hyper<F = Sound> {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    flaw: PhantomData<F>,
}

impl<F: Flaw> Server for Hyper<F> {
    const NAME: &'static str = F::NAME;

    const UNMET: &'static [Unmet] = &[Unmet::new(
        "unknown_routes_are_told_where_that_is_set",
        "a layer knows no routes",
    )];

    async fn serve(site: Site) -> Result<Self, FixtureError> {
        let (operator, tenants) = (site.clone(), site.clone());
        let mut layer = MaintenanceLayer::builder(site.gate())
            .with_trusted_proxies(site.trusted_proxies())
            .with_pass_name(site.pass_name())
            .with_permission(move |parts| {
                let value = parts.headers.get("x-operator");
                operator.permits(value.map(|value| value.as_bytes()))
            })
            .with_scopes(move |parts| {
                let value = parts.headers.get("x-tenant");
                let tenant = value.map(|value| value.as_bytes());
                tenants.scopes(tenant, scope_of_host(parts))
            });
        for route in routes() {
            layer = layer.with_route(route.pattern(), route.access());
            if let Some(scope) = route.scope() {
                layer = layer.with_scope(route.pattern(), scope.as_str());
            }
        }
        let layer = layer.build()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, peer)) = listener.accept().await {
                let site = site.clone();
                let service = ServiceBuilder::new()
                    .map_request(move |mut request: Request<Incoming>| {
                        request.extensions_mut().insert(PeerAddress(peer));
                        F::before(&mut request);
                        request
                    })
                    .map_response(seen)
                    .map_response(|response: Response<_>| {
                        let (mut parts, body) = response.into_parts();
                        F::after(&mut parts);
                        Response::from_parts(parts, body)
                    })
                    .layer(layer.clone())
                    .service(service_fn(move |request| {
                        application(site.clone(), request)
                    }));
                let service = service_fn(move |request| flawed::<F, _>(service.clone(), request));
                connections.spawn(async move {
                    // A client that goes away, or speaks no HTTP, is no error of the server's.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection_with_upgrades(
                            TokioIo::new(socket),
                            TowerToHyperService::new(service),
                        )
                        .await;
                });
            }
        });
        Ok(Self {
            address,
            accepting,
            flaw: PhantomData,
        })
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn stop(self) {
        self.accepting.abort();
        let _ = self.accepting.await;
    }
}

fn routes() -> impl Iterator<Item = Route> {
    Route::ALL.iter().chain(Route::NESTED).copied()
}

/// What a flaw does with bodies.
async fn flawed<F: Flaw, B>(
    service: impl Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    mut request: Request<Incoming>,
) -> Result<Response<Either<B, Full<Bytes>>>, Infallible>
where
    B: http_body::Body<Data = Bytes>,
{
    if F::READS {
        // What breaks off shows afterwards.
        let _ = request.body_mut().collect().await;
    }
    let response = service.oneshot(request).await?;
    if !F::COLLECTS {
        return Ok(response.map(Either::Left));
    }
    let (parts, body) = response.into_parts();
    let whole = body.collect().await.map(Collected::to_bytes);
    let whole = whole.unwrap_or_default();
    Ok(Response::from_parts(parts, Either::Right(Full::new(whole))))
}

type Body = Either<AnswerBody, Empty<Bytes>>;

async fn application(
    site: Site,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path();
    if path == Route::WEBSOCKET {
        return Ok(upgrade(&site.gate(), &mut request));
    }
    let Some(route) = routes().find(|route| route.pattern() == path) else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let is_head = request.method() == Method::HEAD;
    let extensions = request.extensions();
    let mut call = Call::new(route).with_decision(extensions.get().copied());
    if route.takes_execution() {
        let handle = extensions.get::<ExecutionHandle>();
        call = call.with_execution(handle.and_then(ExecutionHandle::take));
    }
    if route.reads_body() {
        match request.into_body().collect().await {
            Ok(body) => call = call.with_body_length(body.to_bytes().len()),
            Err(_) => return Ok(empty(StatusCode::BAD_REQUEST)),
        }
    }
    let mut response = response(site.answer(call).await).map(Either::Left);
    if is_head {
        // hyper leaves the body out of an answer over HTTP/1 by itself, and over HTTP/2 it does not.
        *response.body_mut() = Either::Right(Empty::new());
    }
    Ok(response)
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = status;
    response
}

/// hyper has no WebSockets of its own, so this knows of RFC 6455 what the table says.
fn upgrade(gate: &Gate, request: &mut Request<Incoming>) -> Response<Body> {
    // Counted anew, since the request is over when the conversation begins.
    let let_in = let_in(request.extensions());
    let begun = LongLived::begin(gate.clone(), "GET", Route::WEBSOCKET, let_in);
    let Ok(connection) = begun else {
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let _ = talk(upgraded, connection.closing()).await;
        drop(connection);
    });
    let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(CONNECTION, "upgrade");
    set(UPGRADE, "websocket");
    // The answer to the key of the RFC's example, which is the one that the table sends.
    set(SEC_WEBSOCKET_ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    response
}

/// Sends short messages back until the connection is to end.
async fn talk(upgraded: OnUpgrade, closing: impl Future<Output = ()>) -> Result<(), FixtureError> {
    let mut socket = TokioIo::new(upgraded.await?);
    tokio::select! {
        echoed = echo(&mut socket) => echoed,
        () = closing => {
            socket.write_all(&[0x88, 2, 0x03, 0xf4]).await?;
            Ok(socket.shutdown().await?)
        }
    }
}

async fn echo(socket: &mut TokioIo<Upgraded>) -> Result<(), FixtureError> {
    loop {
        let [opcode, length, mask @ ..] = read::<6>(socket).await?;
        let mut message = vec![0; usize::from(length & 0x7f)];
        socket.read_exact(&mut message).await?;
        let unmasked = message.iter().zip(mask.iter().cycle());
        let mut frame = vec![opcode, length & 0x7f];
        frame.extend(unmasked.map(|(byte, mask)| byte ^ mask));
        socket.write_all(&frame).await?;
    }
}

async fn read<const N: usize>(socket: &mut TokioIo<Upgraded>) -> Result<[u8; N], FixtureError> {
    let mut bytes = [0; N];
    socket.read_exact(&mut bytes).await?;
    Ok(bytes)
}
