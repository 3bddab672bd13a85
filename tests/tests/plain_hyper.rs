//! The layer on a server of plain hyper, as the documentation of `intermission-tower` shows it: HTTP/1 and HTTP/2 on one
//! port, upgrades, and an orderly end.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use intermission::{
    Activate, Actor, Admission, AllowChange, AllowList, Change, Gate, Level, MemoryState, Operator,
    Phase, RouteAccess, Visitor,
};
use intermission_tests::wait::until;
use intermission_tower::{
    ExecutionHandle, MaintenanceBuilder, MaintenanceLayer, PeerAddress, refusal_response,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tower::ServiceBuilder;

type Answer = Response<Full<Bytes>>;

/// The application: a page, a slow page that waits to be released, work in the background, and a connection that
/// changes its protocol.
#[derive(Clone)]
struct Application {
    gate: Gate,
    slow_begun: Arc<Notify>,
    slow: Arc<Notify>,
    work: Arc<Notify>,
}

impl Application {
    async fn answer(self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        Ok(match request.uri().path() {
            "/slow" => {
                self.slow_begun.notify_one();
                self.slow.notified().await;
                Response::new("slow".into())
            }
            "/jobs" => self.start_job(&request),
            "/echo" => self.upgrade(request),
            _ => Response::new("hello".into()),
        })
    }

    fn start_job(self, request: &Request<Incoming>) -> Answer {
        let handle = request.extensions().get::<ExecutionHandle>();
        let execution = handle.and_then(ExecutionHandle::take).unwrap();
        tokio::spawn(async move {
            self.work.notified().await;
            drop(execution);
        });
        status(StatusCode::ACCEPTED)
    }

    /// The response ends here and the conversation begins, so it is counted by itself.
    fn upgrade(self, mut request: Request<Incoming>) -> Answer {
        let upgrading = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        let visitor = Visitor::new(parts.method.as_str(), parts.uri.path());
        let admitted = match self.gate.admit(&visitor) {
            Admission::Admitted(admitted) => admitted,
            Admission::Refused(refusal) => {
                return refusal_response(&refusal, &parts).map(Full::new);
            }
        };
        tokio::spawn(async move {
            let mut socket = TokioIo::new(upgrading.await.unwrap());
            let mut letter = [0];
            loop {
                let read = tokio::select! {
                    read = socket.read(&mut letter) => read.unwrap_or(0),
                    () = self.gate.closing() => 0,
                };
                if read == 0 || socket.write_all(&letter).await.is_err() {
                    break;
                }
            }
            drop((socket, admitted));
        });
        let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert("connection", "upgrade".parse().unwrap());
        headers.insert("upgrade", "echo".parse().unwrap());
        response
    }
}

fn status(status: StatusCode) -> Answer {
    let mut response = Answer::default();
    *response.status_mut() = status;
    response
}

struct Site {
    address: SocketAddr,
    gate: Gate,
    operator: Operator,
    application: Application,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Site {
    async fn open() -> Self {
        let state = MemoryState::new();
        let gate = Gate::builder(state.clone()).start().await.unwrap();
        let application = Application {
            gate: gate.clone(),
            slow_begun: Arc::default(),
            slow: Arc::default(),
            work: Arc::default(),
        };
        let layer = MaintenanceLayer::builder(gate.clone())
            .with_always("/health")
            .with_route("/jobs", RouteAccess::StartsExecution);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            address: listener.local_addr().unwrap(),
            server: tokio::spawn(serve(listener, layer, application.clone(), stopped)),
            gate,
            operator: Operator::new(state, Actor::new("ana", "test")),
            application,
            stop,
        }
    }

    async fn activate(&self, activate: Activate) {
        let change = Change::Activate(activate);
        let outcome = self.operator.change(change).await.unwrap();
        let revision = outcome.record.revision();
        self.gate
            .reached(|record| record.revision() >= revision && record.phase() == Phase::Activated)
            .await;
    }

    async fn in_flight(&self, requests: u64) {
        until("the requests in flight are as many", async || {
            (self.gate.status().requests == requests).then_some(())
        })
        .await;
    }

    /// One request by HTTP/1.
    async fn http1(&self, path: &str) -> (StatusCode, String) {
        let answer = intermission_tests::http::send(self.address, Method::GET, path, &[]);
        let answer = answer.await.unwrap();
        (answer.status, answer.body)
    }

    /// One request by HTTP/2, with prior knowledge.
    async fn http2(&self, path: &str) -> (StatusCode, String) {
        let socket = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), socket);
        let (mut sender, connection) = handshake.await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get(format!("http://{}{path}", self.address));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        drop(sender);
        connection.await.unwrap().unwrap();
        (head.status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Changes the protocol of a connection.
    async fn echo(&self) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let head = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            assert!(socket.read_buf(&mut answer).await.unwrap() > 0);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{answer:?}");
        socket
    }
}

/// Serves until it is told to stop, and ends when all connections have.
async fn serve(
    listener: TcpListener,
    layer: MaintenanceBuilder,
    application: Application,
    mut stopped: oneshot::Receiver<()>,
) {
    let layer = layer.build().unwrap();
    let server = auto::Builder::new(TokioExecutor::new());
    let connections = GracefulShutdown::new();
    loop {
        let (socket, peer) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            _ = &mut stopped => break,
        };
        let application = application.clone();
        let service = ServiceBuilder::new()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddress(peer));
                request
            })
            .layer(layer.clone())
            .service_fn(move |request| application.clone().answer(request));
        let service = TowerToHyperService::new(service);
        let connection = server.serve_connection_with_upgrades(TokioIo::new(socket), service);
        // A client that goes away is no error of the server's.
        tokio::spawn(connections.watch(connection.into_owned()));
    }
    drop(listener);
    connections.shutdown().await;
}

#[tokio::test]
async fn both_protocols_are_served_and_refused_alike() {
    let site = Site::open().await;
    let hello = (StatusCode::OK, "hello".to_owned());
    assert_eq!(site.http1("/").await, hello);
    assert_eq!(site.http2("/").await, hello);
    site.activate(Activate::by("ana").with_message("back at noon"))
        .await;
    for (status, body) in [site.http1("/").await, site.http2("/").await] {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("back at noon"), "{body}");
    }
    assert_eq!(site.http1("/health").await, hello);
    assert_eq!(site.http2("/health").await, hello);
}

#[tokio::test]
async fn the_address_that_the_server_put_in_passes() {
    let site = Site::open().await;
    let allow = AllowChange::Replace(AllowList::parse(["127.0.0.1"]).unwrap());
    site.activate(Activate::by("ana").with_allow(allow)).await;
    assert_eq!(site.http1("/").await.0, StatusCode::OK);
    assert_eq!(site.http2("/").await.0, StatusCode::OK);
    let nobody = AllowChange::Replace(AllowList::parse(["192.0.2.1"]).unwrap());
    site.activate(Activate::by("ana").with_allow(nobody)).await;
    assert_eq!(site.http1("/").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(site.http2("/").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_upgraded_connection_counts_until_it_ends() {
    let site = Site::open().await;
    let mut socket = site.echo().await;
    socket.write_all(b"a").await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'a');
    // The request has ended with its response; what still counts is the conversation.
    site.in_flight(1).await;
    drop(socket);
    site.in_flight(0).await;
}

#[tokio::test]
async fn an_upgraded_connection_learns_that_the_gate_closes() {
    let site = Site::open().await;
    let mut socket = site.echo().await;
    site.in_flight(1).await;
    // Its request was a safe one, so a read-only site lets it go on.
    site.activate(Activate::by("ana").with_level(Level::ReadOnly))
        .await;
    socket.write_all(b"a").await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'a');
    assert_eq!(site.gate.status().requests, 1);
    site.activate(Activate::by("ana").with_level(Level::Full))
        .await;
    assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
    site.in_flight(0).await;
    let (status, _) = site.http1("/echo").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_server_ends_after_its_requests_and_the_gate_after_its_executions() {
    let Site {
        address,
        gate,
        application,
        stop,
        server,
        ..
    } = Site::open().await;
    let get = |path| {
        tokio::spawn(intermission_tests::http::send(
            address,
            Method::GET,
            path,
            &[],
        ))
    };
    let started = get("/jobs").await.unwrap().unwrap();
    assert_eq!(started.status, StatusCode::ACCEPTED);
    let slow = get("/slow");
    application.slow_begun.notified().await;

    stop.send(()).unwrap();
    until("nobody listens", async || {
        TcpStream::connect(address).await.err()
    })
    .await;
    assert!(!server.is_finished(), "a request still runs");
    application.slow.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().body, "slow");
    server.await.unwrap();

    assert_eq!(gate.status().running, 1, "the work outlives the server");
    let shut_down = tokio::spawn({
        let gate = gate.clone();
        async move { gate.shutdown().await }
    });
    application.work.notify_one();
    shut_down.await.unwrap();
    assert_eq!(gate.status().running, 0);
}
