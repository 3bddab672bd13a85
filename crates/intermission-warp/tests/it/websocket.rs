//! A conversation that outlives its response.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use intermission::{Activate, AdmitReason, Level};
use intermission_warp::{LongLived, Refused, guard, long_lived};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use warp::ws::{Message, WebSocket, Ws};
use warp::{Filter, Reply};

use crate::site::{Site, ask, serve};

async fn echo(upgrade: Ws, connection: Result<LongLived, Refused>) -> Result<impl Reply, Refused> {
    let connection = connection?;
    Ok(upgrade.on_upgrade(move |socket| talk(socket, connection)))
}

async fn talk(mut socket: WebSocket, connection: LongLived) {
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = connection.closing() => {
                socket.send(Message::close_with(1012_u16, "")).await.unwrap();
                return;
            }
        };
        let Some(Ok(message)) = message else { return };
        socket.send(message).await.unwrap();
    }
}

async fn application(site: &Site) -> SocketAddr {
    let maintenance = site.maintenance();
    let chat = warp::path!("ws").and(warp::ws());
    let chat = chat.and(long_lived(&maintenance)).then(echo);
    serve(guard(&maintenance, chat)).await
}

/// Begins a conversation, and returns it after one word has been echoed; or what was answered instead.
async fn connect(address: SocketAddr, header: &str) -> Result<TcpStream, String> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: x\r\n{header}Connection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(head);
    }
    // A final text frame of two bytes, masked with zeros; the answer is not masked.
    let hi = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    socket.write_all(&hi).await.unwrap();
    let mut echoed = [0; 4];
    socket.read_exact(&mut echoed).await.unwrap();
    assert_eq!(echoed, [0x81, 2, b'h', b'i']);
    Ok(socket)
}

/// The close frame with the code 1012, service restart.
async fn expect_restart(socket: &mut TcpStream) {
    let mut frame = [0; 4];
    socket.read_exact(&mut frame).await.unwrap();
    let [opcode, _, high, low] = frame;
    assert_eq!((opcode, u16::from_be_bytes([high, low])), (0x88, 1012));
}

#[tokio::test]
async fn a_conversation_counts_and_is_closed_with_1012_when_the_gate_closes() {
    let site = Site::open().await;
    let address = application(&site).await;
    let mut socket = connect(address, "").await.unwrap();
    assert_eq!(site.requests(), 1, "although the response has ended");
    let draining = site.drain().await;
    // A drain closes no page, so whoever talks may go on, and others may begin.
    let other = connect(address, "").await.unwrap();
    drop(other);
    drop(draining);
    expect_restart(&mut socket).await;
    site.nothing_in_flight().await;
    let refused = connect(address, "").await.unwrap_err();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
}

#[tokio::test]
async fn a_conversation_counts_until_the_client_goes_away() {
    let site = Site::open().await;
    let socket = connect(application(&site).await, "").await.unwrap();
    assert_eq!(site.requests(), 1);
    drop(socket);
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn who_may_pass_may_talk_until_nobody_may() {
    let site = Site::activated().await;
    let mut socket = connect(application(&site).await, "X-Operator: 1\r\n")
        .await
        .unwrap();
    site.activate(Activate::by("ana").with_level(Level::Exclusive))
        .await;
    expect_restart(&mut socket).await;
}

#[tokio::test]
async fn a_gate_that_is_closed_for_the_handler_alone_answers_as_the_guard_would() {
    let site = Site::activated().await;
    let maintenance = site.maintenance();
    let told = |connection: Result<LongLived, Refused>| {
        connection.map(|connection| {
            assert_eq!(connection.reason(), AdmitReason::Permission);
            "hello"
        })
    };
    // Without a guard, the handler is reached although the gate is closed.
    let unguarded = warp::path::end().and(long_lived(&maintenance)).map(told);
    let guarded = guard(&maintenance, unguarded.clone());
    let (unguarded, guarded) = (serve(unguarded).await, serve(guarded).await);
    let html = ["Accept: text/html"];
    let answer = ask(unguarded, "GET /", &html).await;
    let expected = ask(guarded, "GET /", &html).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.header("maintenance-mode"), Some("activated"));
    assert_eq!(answer.body, expected.body);
    assert_eq!(
        ask(guarded, "GET /", &["X-Operator: 1"]).await.body,
        "hello"
    );
    site.nothing_in_flight().await;
}
