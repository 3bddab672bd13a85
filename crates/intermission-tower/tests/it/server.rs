//! A server on a socket, with a peer address of its own and without a framework.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use intermission::{Activate, AllowChange, AllowList};
use intermission_tower::{MaintenanceLayer, PeerAddress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::{Layer, Service};

use crate::site::{Site, hello};

/// Serves connections one after the other.
async fn serve<S, B>(layer: MaintenanceLayer, application: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, peer)) = listener.accept().await {
            let tell = move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddress(peer));
                request
            };
            let service = tower::util::MapRequest::new(layer.layer(application.clone()), tell);
            let service = TowerToHyperService::new(service);
            // A client that goes away is no error of the server's.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        }
    });
    address
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn the_peer_of_the_socket_is_the_visitor() {
    let site = Site::activated().await;
    let application = tower::service_fn(async |_: Request<Incoming>| Ok(hello()));
    let address = serve(site.layer().build().unwrap(), application).await;
    assert!(exchange(address, GET).await.starts_with("HTTP/1.1 503 "));
    let allow = AllowChange::Replace(AllowList::parse(["127.0.0.1"]).unwrap());
    site.activate(Activate::by("ana").with_allow(allow)).await;
    let answer = exchange(address, GET).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("maintenance-mode: bypassed"),
        "{answer}"
    );
}

#[tokio::test]
async fn head_is_answered_with_the_length_of_get() {
    let site = Site::activated().await;
    let application = tower::service_fn(async |_: Request<Incoming>| Ok(hello()));
    let address = serve(site.layer().build().unwrap(), application).await;
    let got = exchange(address, GET).await;
    let head = exchange(address, &GET.replace("GET", "HEAD")).await;
    let length = |answer: &str| {
        answer
            .lines()
            .find(|line| line.starts_with("content-length: "))
            .map(str::to_owned)
    };
    assert!(length(&got).is_some());
    assert_eq!(length(&head), length(&got));
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn a_refused_upload_is_never_asked_for() {
    let site = Site::activated().await;
    let application = tower::service_fn(async |_: Request<Incoming>| Ok(hello()));
    let address = serve(site.layer().build().unwrap(), application).await;
    // The server says `100 Continue` as soon as anybody reads the body.
    let head = "POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n";
    let answer = exchange(address, head).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

/// A body that gives what comes through a channel.
struct Stream(mpsc::Receiver<Bytes>);

impl Body for Stream {
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

/// Asks for a stream, and waits until its first piece has come.
async fn begin_stream(site: &Site) -> (mpsc::Sender<Bytes>, TcpStream) {
    let (pieces, stream) = mpsc::channel(1);
    let stream = Arc::new(Mutex::new(Some(stream)));
    let application = tower::service_fn(move |_: Request<Incoming>| {
        let stream = stream.lock().unwrap().take().unwrap();
        std::future::ready(Ok(Response::new(Stream(stream))))
    });
    let address = serve(site.layer().build().unwrap(), application).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(GET.as_bytes()).await.unwrap();
    pieces.send(Bytes::from_static(b"first")).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"first\r\n") {
        assert!(socket.read_buf(&mut seen).await.unwrap() > 0);
    }
    (pieces, socket)
}

async fn nothing_in_flight(site: &Site) {
    while site.requests() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_counts_until_it_ends() {
    let site = Site::open().await;
    let (pieces, mut socket) = begin_stream(&site).await;
    assert_eq!(site.requests(), 1);
    drop(pieces);
    socket.read_to_end(&mut Vec::new()).await.unwrap();
    nothing_in_flight(&site).await;
}

#[tokio::test]
async fn a_stream_counts_until_its_client_goes_away() {
    let site = Site::open().await;
    let (pieces, socket) = begin_stream(&site).await;
    assert_eq!(site.requests(), 1);
    drop(socket);
    // The server drops the body when it sees that nobody reads, and with it the other end.
    pieces.closed().await;
    nothing_in_flight(&site).await;
}
