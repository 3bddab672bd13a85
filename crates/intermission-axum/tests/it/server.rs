//! axum's own server on a socket.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::routing::{get, post};
use http_body::Frame;
use intermission::{Activate, AllowChange, AllowList, ForwardedHeader, TrustedProxies};
use intermission_axum::{MaintenanceRouter, MethodRouterExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::site::Site;

/// Serves both forms of the application, each on its own socket.
async fn serve(site: &Site, routes: MaintenanceRouter) -> [SocketAddr; 2] {
    let maintenance = site.maintenance();
    let service = routes.clone().into_service(maintenance.clone()).unwrap();
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    let router = routes.into_router(maintenance).unwrap();
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    let (one, first) = listener().await;
    let (two, second) = listener().await;
    tokio::spawn(async move { axum::serve(one, service).await });
    tokio::spawn(async move { axum::serve(two, router).await });
    [first, second]
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn hello() -> MaintenanceRouter {
    MaintenanceRouter::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/items",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
        .route("/health", get(|| async { "ok" }).always())
}

#[tokio::test]
async fn the_peer_of_the_socket_is_the_visitor_whatever_it_says() {
    let site = Site::open().await;
    let allow = |address| AllowChange::Replace(AllowList::parse([address]).unwrap());
    for address in serve(&site, hello()).await {
        site.activate(Activate::by("ana").with_allow(allow("192.0.2.10")))
            .await;
        let spoofed = GET.replace("Host: x", "Host: x\r\nX-Forwarded-For: 192.0.2.10");
        assert!(
            exchange(address, &spoofed)
                .await
                .starts_with("HTTP/1.1 503 ")
        );
        site.activate(Activate::by("ana").with_allow(allow("127.0.0.1")))
            .await;
        let answer = exchange(address, GET).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("maintenance-mode: bypassed"), "{answer}");
    }
}

#[tokio::test]
async fn a_trusted_peer_is_believed() {
    let site = Site::open().await;
    let allow = AllowChange::Replace(AllowList::parse(["192.0.2.10"]).unwrap());
    site.activate(Activate::by("ana").with_allow(allow)).await;
    let local = AllowList::parse(["127.0.0.0/8"]).unwrap();
    let proxies = TrustedProxies::new(local, ForwardedHeader::XForwardedFor);
    let app = hello()
        .into_service(site.maintenance().with_trusted_proxies(proxies))
        .unwrap();
    let (listener, address) = listener().await;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let listed = GET.replace(
        "Host: x",
        "Host: x\r\nX-Forwarded-For: 198.51.100.1, 192.0.2.10",
    );
    assert!(
        exchange(address, &listed)
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let other = GET.replace(
        "Host: x",
        "Host: x\r\nX-Forwarded-For: 192.0.2.10, 198.51.100.1",
    );
    assert!(exchange(address, &other).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn without_connect_info_nobody_passes_by_address() {
    let site = Site::open().await;
    let allow = AllowChange::Replace(AllowList::parse(["127.0.0.0/8"]).unwrap());
    site.activate(Activate::by("ana").with_allow(allow)).await;
    let app = hello()
        .into_service(site.maintenance())
        .unwrap()
        .into_make_service();
    let (listener, address) = listener().await;
    tokio::spawn(async move { axum::serve(listener, app).await });
    assert!(exchange(address, GET).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn head_is_answered_with_the_length_of_get() {
    let site = Site::activated().await;
    for address in serve(&site, hello()).await {
        let got = exchange(address, GET).await;
        let head = exchange(address, &GET.replace("GET", "HEAD")).await;
        let length = |answer: &str| {
            let mut lines = answer
                .lines()
                .filter(|line| line.starts_with("content-length: "));
            let length = lines.next().map(str::to_owned);
            assert_eq!(lines.next(), None, "{answer}");
            length
        };
        assert!(length(&got).is_some(), "{got}");
        assert_eq!(length(&head), length(&got));
        assert!(
            head.starts_with("HTTP/1.1 503 ") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn a_refused_upload_is_never_asked_for() {
    let site = Site::activated().await;
    // The server says `100 Continue` as soon as anybody reads the body.
    let head = "POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n";
    for address in serve(&site, hello()).await {
        let answer = exchange(address, head).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
}

/// A body that gives what comes through a channel.
struct Stream(mpsc::Receiver<Bytes>);

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Routes with one stream to give, and its other end.
fn streaming() -> (MaintenanceRouter, mpsc::Sender<Bytes>) {
    let (pieces, stream) = mpsc::channel(1);
    let stream = Arc::new(Mutex::new(Some(stream)));
    let handler = move || {
        let stream = stream.lock().unwrap().take().unwrap();
        std::future::ready(Body::new(Stream(stream)))
    };
    (Router::new().route("/", get(handler)).into(), pieces)
}

/// Asks for the stream, and waits until its first piece has come.
async fn begin(address: SocketAddr, pieces: &mpsc::Sender<Bytes>) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(GET.as_bytes()).await.unwrap();
    pieces.send(Bytes::from_static(b"first")).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"first\r\n") {
        assert!(socket.read_buf(&mut seen).await.unwrap() > 0);
    }
    socket
}

#[tokio::test]
async fn a_stream_counts_until_it_ends() {
    for form in 0..2 {
        let site = Site::open().await;
        let (routes, pieces) = streaming();
        let address = serve(&site, routes).await[form];
        let mut socket = begin(address, &pieces).await;
        assert_eq!(site.requests(), 1);
        drop(pieces);
        socket.read_to_end(&mut Vec::new()).await.unwrap();
        site.nothing_in_flight().await;
    }
}

#[tokio::test]
async fn a_stream_counts_until_its_client_goes_away() {
    for form in 0..2 {
        let site = Site::open().await;
        let (routes, pieces) = streaming();
        let address = serve(&site, routes).await[form];
        let socket = begin(address, &pieces).await;
        assert_eq!(site.requests(), 1);
        drop(socket);
        // The server drops the body when it sees that nobody reads, and with it the other end.
        pieces.closed().await;
        site.nothing_in_flight().await;
    }
}

#[tokio::test]
async fn a_handler_whose_client_goes_away_counts_no_longer() {
    let site = Site::open().await;
    let (started, mut begun) = mpsc::unbounded_channel();
    let wait = move || {
        started.send(()).unwrap();
        std::future::pending::<()>()
    };
    for address in serve(&site, Router::new().route("/", get(wait)).into()).await {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(GET.as_bytes()).await.unwrap();
        begun.recv().await.unwrap();
        assert_eq!(site.requests(), 1);
        drop(socket);
        site.nothing_in_flight().await;
    }
}
