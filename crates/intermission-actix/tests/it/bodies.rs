//! What is read of a request, and how long a response counts.

use std::net::SocketAddr;
use std::sync::Mutex;

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, web};
use intermission::RouteAccess;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::server::{Calls, exchange, hello_behind, serve, serve_hello};
use crate::site::Site;
use crate::stream::Pieces;

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[actix_web::test]
async fn a_refused_upload_is_answered_without_being_read() {
    let site = Site::activated().await;
    let calls = Calls::default();
    let address = serve_hello(&site.maintenance().build().unwrap(), &calls);
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The body never comes; whoever read it would wait for it.
    let head = "POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(socket.read_u8().await.unwrap());
    }
    assert!(seen.starts_with(b"HTTP/1.1 503 "));
    assert_eq!(calls.count(), 0);
}

#[actix_web::test]
async fn an_upload_that_asks_first_is_told_to_go_on_by_actix_web() {
    let site = Site::activated().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let head = "POST /items HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\
                Expect: 100-continue\r\n\r\nbody";
    let answer = exchange(address, head).await;
    let (asked, refused) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(asked, "HTTP/1.1 100 Continue");
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
}

#[actix_web::test]
async fn a_client_that_sends_all_of_a_refused_upload_gets_the_answer() {
    let site = Site::activated().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let head = "POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n";
    let upload = format!("{head}{}", "x".repeat(1_048_576));
    // actix-web throws the body away, and closes the connection instead of resetting it.
    let answer = exchange(address, &upload).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

/// An application with one stream to give, and its other end.
fn streaming(site: &Site) -> (SocketAddr, mpsc::Sender<Bytes>) {
    let (pieces, stream) = mpsc::channel(1);
    let stream = Data::new(Mutex::new(Some(stream)));
    let maintenance = site
        .maintenance()
        .with_default_access(RouteAccess::StartsExecution)
        .build()
        .unwrap();
    let handler = async |stream: Data<Mutex<Option<mpsc::Receiver<Bytes>>>>| {
        let stream = stream.lock().unwrap().take().unwrap();
        HttpResponse::Ok().body(Pieces(stream))
    };
    let address = serve!(move || {
        App::new()
            .app_data(Data::clone(&stream))
            .default_service(web::to(handler))
            .wrap(maintenance.clone())
    });
    (address, pieces)
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

#[actix_web::test]
async fn a_stream_and_its_execution_count_until_it_ends() {
    let site = Site::open().await;
    let (address, pieces) = streaming(&site);
    let mut socket = begin(address, &pieces).await;
    assert_eq!((site.requests(), site.running()), (1, 1));
    drop(pieces);
    socket.read_to_end(&mut Vec::new()).await.unwrap();
    site.nothing_in_flight().await;
}

#[actix_web::test]
async fn a_stream_and_its_execution_count_until_the_client_goes_away() {
    let site = Site::open().await;
    let (address, pieces) = streaming(&site);
    let socket = begin(address, &pieces).await;
    assert_eq!((site.requests(), site.running()), (1, 1));
    drop(socket);
    // actix-web notices when it reads or writes; then it drops the body, and with it the other end.
    while pieces.send(Bytes::from_static(b"more")).await.is_ok() {}
    site.nothing_in_flight().await;
}

#[actix_web::test]
async fn a_handler_whose_client_goes_away_counts_no_longer() {
    let site = Site::open().await;
    let (started, mut begun) = mpsc::unbounded_channel::<()>();
    let maintenance = site.maintenance().build().unwrap();
    let factory = move || {
        let started = started.clone();
        let wait = move || {
            started.send(()).unwrap();
            std::future::pending::<&'static str>()
        };
        App::new()
            .default_service(web::to(wait))
            .wrap(maintenance.clone())
    };
    // With half-closed connections, which are actix-web's default, a closed one looks like one that waits.
    let address = serve!(factory, |server| server.h1_allow_half_closed(false));
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(GET.as_bytes()).await.unwrap();
    begun.recv().await.unwrap();
    assert_eq!(site.requests(), 1);
    drop(socket);
    site.nothing_in_flight().await;
}
