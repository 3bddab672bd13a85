//! The bodies of responses: sent as without a guard, and counted until they have ended.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, poll_fn};
use http::StatusCode;
use intermission_warp::guard;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use warp::{Filter, Rejection, Reply, reply};

use crate::site::{Answer, Site, ask, read, serve};

fn bodies() -> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + use<> {
    let pieces = || {
        let pieces = ["first", "second"].map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
        reply::stream(stream::iter(pieces))
    };
    let own_length = || reply::with_header("hello", "content-length", "5");
    let own_chunks = || reply::with_header("hello", "transfer-encoding", "chunked");
    let with_status = |status| move || reply::with_status("hello", status);
    let whole = warp::path!("whole").map(|| "hello");
    let empty = warp::path!("empty").map(|| StatusCode::OK);
    let none = warp::path!("none").map(with_status(StatusCode::NO_CONTENT));
    let unmodified = warp::path!("unmodified").map(with_status(StatusCode::NOT_MODIFIED));
    let own_length = warp::path!("own-length").map(own_length);
    let own_chunks = warp::path!("own-chunks").map(own_chunks);
    let pieces = warp::path!("pieces").map(pieces);
    whole
        .or(empty)
        .or(none)
        .or(unmodified)
        .or(own_length)
        .or(own_chunks)
        .or(pieces)
}

/// As it was written, but for the time.
fn timeless(answer: &Answer) -> (Vec<&str>, &str) {
    let lines = answer.head.lines();
    let mut lines: Vec<_> = lines.filter(|line| !line.starts_with("date: ")).collect();
    lines.sort_unstable();
    (lines, &answer.body)
}

#[tokio::test]
async fn responses_are_written_as_without_a_guard() {
    let site = Site::open().await;
    let bare = serve(bodies()).await;
    let guarded = serve(guard(&site.maintenance(), bodies())).await;
    let same = async || {
        for path in [
            "whole",
            "empty",
            "none",
            "unmodified",
            "own-length",
            "own-chunks",
            "pieces",
        ] {
            for method in ["GET", "HEAD"] {
                let line = format!("{method} /{path}");
                if line == "HEAD /own-chunks" {
                    // Only a server that sees the body has a length here.
                    continue;
                }
                let expected = ask(bare, &line, &[]).await;
                let answer = ask(guarded, &line, &[]).await;
                assert_eq!(timeless(&answer), timeless(&expected), "{line}");
            }
        }
    };
    same().await;
    // The gate is asked about each, and lets it in.
    let running = site.drain().await;
    same().await;
    drop(running);
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn whole_bodies_have_a_length_and_streams_have_none() {
    let site = Site::open().await;
    let address = serve(guard(&site.maintenance(), bodies())).await;
    for line in ["GET /whole", "HEAD /whole"] {
        let answer = ask(address, line, &[]).await;
        assert_eq!(answer.header("content-length"), Some("5"), "{line}");
        assert_eq!(answer.body.is_empty(), line.starts_with("HEAD"), "{line}");
    }
    let answer = ask(address, "GET /pieces", &[]).await;
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.body, "5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n");
}

type Piece = Result<&'static str, std::io::Error>;

/// A stream that gives what comes through a channel, and its other end.
async fn streaming(site: &Site) -> (SocketAddr, mpsc::Sender<Piece>) {
    let (pieces, stream) = mpsc::channel::<Piece>(1);
    let stream = Arc::new(Mutex::new(Some(stream)));
    let handler = move || {
        let mut stream = stream.lock().unwrap().take().unwrap();
        reply::stream(poll_fn(move |cx| stream.poll_recv(cx)))
    };
    let filter = guard(&site.maintenance(), warp::path::end().map(handler));
    (serve(filter).await, pieces)
}

/// Asks for the stream, and waits until its first piece has come.
async fn begin(address: SocketAddr, pieces: &mpsc::Sender<Piece>) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    pieces.send(Ok("first")).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"first\r\n") {
        assert!(socket.read_buf(&mut seen).await.unwrap() > 0);
    }
    socket
}

#[tokio::test]
async fn a_stream_counts_until_it_ends() {
    let site = Site::open().await;
    let (address, pieces) = streaming(&site).await;
    let mut socket = begin(address, &pieces).await;
    assert_eq!(site.requests(), 1);
    drop(pieces);
    let mut rest = String::new();
    socket.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "0\r\n\r\n");
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn a_stream_counts_until_its_client_goes_away() {
    let site = Site::open().await;
    let (address, pieces) = streaming(&site).await;
    let socket = begin(address, &pieces).await;
    assert_eq!(site.requests(), 1);
    drop(socket);
    // The server drops the body when it sees that nobody reads, and with it the other end.
    pieces.closed().await;
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn a_body_that_fails_is_cut_off_and_counts_no_longer() {
    let site = Site::open().await;
    let (address, pieces) = streaming(&site).await;
    let mut socket = begin(address, &pieces).await;
    let error = std::io::Error::other("the disk is gone");
    pieces.send(Err(error)).await.unwrap();
    let mut rest = String::new();
    let _ = socket.read_to_string(&mut rest).await;
    assert!(!rest.contains("0\r\n\r\n"), "{rest}");
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn a_request_whose_client_goes_away_counts_no_longer() {
    let site = Site::open().await;
    let (started, mut begun) = mpsc::unbounded_channel();
    let wait = move || {
        started.send(()).unwrap();
        std::future::pending::<&str>()
    };
    let address = serve(guard(&site.maintenance(), warp::path::end().then(wait))).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    begun.recv().await.unwrap();
    assert_eq!(site.requests(), 1);
    drop(socket);
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn a_refused_upload_is_never_asked_for() {
    let site = Site::activated().await;
    let upload = warp::path!("items").and(warp::body::bytes());
    let upload = upload.map(|body: Bytes| body.len().to_string());
    let address = serve(guard(&site.maintenance(), upload)).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The server says `100 Continue` as soon as anybody reads the body.
    let head = b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n";
    socket.write_all(head).await.unwrap();
    assert_eq!(read(socket, "POST /items").await.status(), 503);
}
