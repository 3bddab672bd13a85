//! Intermission as one unboxed tower layer for everything on `http` 1.x: axum, warp, hyper, tonic.
//!
//! ```no_run
//! use hyper::{Request, Response, body::Incoming};
//! use hyper_util::{rt::{TokioExecutor, TokioIo}, server::conn::auto::Builder};
//! use intermission::{Gate, MemoryState};
//! use intermission_tower::{MaintenanceLayer, PeerAddress};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let gate = Gate::builder(MemoryState::new()).start().await?;
//!     let layer = MaintenanceLayer::builder(gate.clone()).with_always("/health").build()?;
//!     let hello = service_fn(async |_| Ok::<_, hyper::Error>(Response::new("hello".to_owned())));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     loop {
//!         let (socket, peer) = tokio::select! { it = listener.accept() => it?, _ = tokio::signal::ctrl_c() => break };
//!         let app = layer.layer(hello);
//!         let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
//!             request.extensions_mut().insert(PeerAddress(peer));
//!             app.clone().oneshot(request)
//!         });
//!         let server = Builder::new(TokioExecutor::new());
//!         tokio::spawn(async move { server.serve_connection(TokioIo::new(socket), service).await });
//!     }
//!     gate.shutdown().await; // Waits for running executions, then takes the node off the list.
//!     Ok(())
//! }
//! ```
//!
//! Take this crate for a server that has no Intermission crate of its own: plain hyper, as above, or tonic, as below.
//! `intermission-axum` builds on it and knows where axum keeps the visitor's address, the whole path and the route's
//! flag.
//!
//! # With tonic
//!
//! The layer goes around all services. tonic keeps the peer's address in `TcpConnectInfo`
//! (`TlsConnectInfo<TcpConnectInfo>` with TLS), and a pattern names a method, or all of a service:
//!
//! ```no_run
//! # mod shop {
//! #     use std::{convert::Infallible, future::{Ready, ready}, task::{Context, Poll}};
//! #     use tonic::{body::Body, server::NamedService};
//! #     #[derive(Clone)] pub struct Orders;
//! #     #[derive(Clone)] pub struct OrdersServer(Orders);
//! #     impl OrdersServer { pub fn new(orders: Orders) -> Self { Self(orders) } }
//! #     impl NamedService for OrdersServer { const NAME: &str = "shop.v1.Orders"; }
//! #     impl tower::Service<http::Request<Body>> for OrdersServer {
//! #         type Response = http::Response<Body>;
//! #         type Error = Infallible;
//! #         type Future = Ready<Result<Self::Response, Infallible>>;
//! #         fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> { Poll::Ready(Ok(())) }
//! #         fn call(&mut self, _: http::Request<Body>) -> Self::Future { ready(Ok(Default::default())) }
//! #     }
//! # }
//! # use shop::{Orders, OrdersServer};
//! use intermission::{Gate, MemoryState, RouteAccess};
//! use intermission_tower::MaintenanceLayer;
//! use tonic::transport::{Server, server::TcpConnectInfo};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let gate = Gate::builder(MemoryState::new()).start().await?;
//!     let layer = MaintenanceLayer::builder(gate.clone())
//!         .with_peer_address(|parts| Some(parts.extensions.get::<TcpConnectInfo>()?.remote_addr()?.ip()))
//!         .with_permission(|parts| parts.headers.get("x-staff").is_some_and(|token| token == "s3cret"))
//!         .with_always("/grpc.health.v1.Health/{method}")
//!         .with_route("/shop.v1.Orders/Import", RouteAccess::StartsExecution)
//!         .build()?;
//!     let interrupted = async { _ = tokio::signal::ctrl_c().await };
//!     Server::builder()
//!         .layer(layer)
//!         .add_service(OrdersServer::new(Orders))
//!         .serve_with_shutdown("127.0.0.1:50051".parse()?, interrupted)
//!         .await?;
//!     gate.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! - A refused call gets `Unavailable` with the message, as a trailers-only response; `grpc-retry-pushback-ms` and
//!   `retry-after` are in its metadata.
//! - A streaming call lasts until its stream has ended or its client has dropped it, and so does the execution of one
//!   that is flagged [`StartsExecution`](intermission::RouteAccess::StartsExecution). A stream that was begun before
//!   the gate closed goes on; one that never ends by itself asks [`Gate::closing`](intermission::Gate::closing).
//! - Every call is a POST. So the level `read-only` refuses calls that only read, too: flag them
//!   [`Always`](intermission::RouteAccess::Always) if they are to stay open.
//! - The health service closes with the rest unless it is flagged, and load balancers then take the node out.
//! - gRPC-Web is answered as any HTTP request, and its clients read the 503 as `Unavailable`.
//!
//! # In a test
//!
//! A service needs no server to be called:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::convert::Infallible;
//!
//! use http::{Request, Response};
//! use intermission::{Activate, Actor, Change, Gate, MemoryState, Operator, Phase};
//! use intermission_tower::MaintenanceLayer;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! async fn application(_: Request<String>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new("hello".to_owned()))
//! }
//!
//! let state = MemoryState::new();
//! let gate = Gate::builder(state.clone()).start().await?;
//! let layer = MaintenanceLayer::builder(gate.clone()).with_always("/health").build()?;
//! let service = layer.layer(service_fn(application));
//!
//! let page = || Request::get("/").body(String::new());
//! assert_eq!(service.clone().oneshot(page()?).await?.status(), 200);
//!
//! let operator = Operator::new(state, Actor::new("ana", "code"));
//! operator.change(Change::Activate(Activate::by("ana"))).await?;
//! gate.reached(|record| record.phase() == Phase::Activated).await;
//! assert_eq!(service.clone().oneshot(page()?).await?.status(), 503);
//!
//! let health = Request::get("/health").body(String::new())?;
//! assert_eq!(service.oneshot(health).await?.status(), 200);
//! # Ok(()) }
//! ```
//!
//! # What it does with a request
//!
//! 1. While the gate is open, it counts the request and calls the service. Nothing of the request is read but the
//!    method, and the path where a table of routes needs it; nothing is allocated. Where requests may belong to scopes,
//!    `Upgrade` and `Accept` of each `GET` are read, too, and what begins a conversation is asked about as in 2.
//! 2. Otherwise, and on a route that starts an execution, which allocates a place on a list and its label, it gathers
//!    what the decision depends on ([`Visitor`](intermission::Visitor)) and asks the gate.
//! 3. Who is refused gets the refusal as a response, never as an error, so that outer layers (CORS, logs) see it. The
//!    service is not called, and the request's body is not read.
//! 4. Who passes the closed gate by permission, address or pass gets the service's response with
//!    `Cache-Control: private, no-store` and `Maintenance-Mode: bypassed`. Who passes by another rule, such as
//!    read-only, gets it as it is.
//! 5. A request counts until its response's body has ended or is dropped. An execution that the route
//!    [starts](intermission::RouteAccess::StartsExecution) lasts as long, unless the service takes it over
//!    ([`ExecutionHandle`]).
//! 6. A visitor who comes by the link of a pass is sent to the same address without the secret (`303`), and has it in
//!    a cookie from then on. A link with another method than GET or HEAD passes by itself.
//!
//! Where the gate had to be asked, its [`Decision`](intermission::Decision) is in the extensions of the request, for
//! the service, and of the response, for outer layers.
//!
//! # Where to put it
//!
//! Outside of whatever could answer in the service's place, caches above all: a page that is served from a cache is
//! served during maintenance, too. Inside of what refused visitors need as well: CORS, compression, logs, and the
//! authentication that a [permission](MaintenanceBuilder::with_permission) asks about.
//!
//! One layer around the whole application costs less than one on each route: axum's `Router::layer` boxes each of them,
//! and adds about 15 % to the instructions of an empty handler even for a layer that does nothing.
//!
//! # Deployment caveat
//!
//! Behind a proxy the socket's peer is the proxy. Name it with
//! [`with_trusted_proxies`](MaintenanceBuilder::with_trusted_proxies), or nobody passes by address; the proxy itself on
//! the allow list would let everybody in. The link of a pass stands in the request line, so a proxy's access log has
//! it; a pass that is revoked or has ended is worth nothing there.
//!
//! # Upgrades
//!
//! A WebSocket's response has ended when its conversation begins, and so has the count. A service that upgrades
//! connections asks the gate again for the conversation, with
//! [`LongLived::begin`](intermission::LongLived::begin) and [`let_in`], and keeps what it gets until the conversation has ended.
//! hyper upgrades under `serve_connection_with_upgrades` only.

mod ask;
mod body;
mod builder;
mod face;
mod future;
mod headers;
mod layer;
mod service;
mod settings;

pub use ask::{Asked, let_in, refusal_response};
pub use body::MaintenanceBody;
pub use builder::MaintenanceBuilder;
pub use face::{Face, PeerAddress};
pub use future::{ResponseFuture, mark_admitted};
#[doc(no_inline)]
pub use intermission::adapter::{BadPassName, ConfigError, ExecutionHandle, Passage};
pub use layer::MaintenanceLayer;
pub use service::Maintenance;
pub use settings::scope_of_host;
