//! A conversation that outlives its response.

use std::net::SocketAddr;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::any;
use intermission::{Activate, Gate, Level};
use intermission_axum::{LongLived, MaintenanceRouter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::listener;
use crate::site::Site;

async fn echo(upgrade: WebSocketUpgrade, connection: LongLived) -> Response {
    upgrade.on_upgrade(move |socket| talk(socket, connection))
}

async fn talk(mut socket: WebSocket, connection: LongLived) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = connection.closing() => {
                let frame = CloseFrame { code: close_code::RESTART, reason: "".into() };
                socket.send(Message::Close(Some(frame))).await.unwrap();
                return;
            }
        };
        let Some(Ok(message)) = message else { return };
        socket.send(message).await.unwrap();
    }
}

async fn serve(site: &Site) -> SocketAddr {
    let routes = MaintenanceRouter::<Gate>::new()
        .route("/ws", any(echo))
        .with_state(site.gate.clone());
    let maintenance = site
        .maintenance()
        .with_permission(|parts| parts.headers.contains_key("x-operator"));
    let app = routes
        .into_service(maintenance)
        .unwrap()
        .into_make_service();
    let (listener, address) = listener().await;
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
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
    socket
        .write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'])
        .await
        .unwrap();
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
    let address = serve(&site).await;
    let mut socket = connect(address, "").await.unwrap();
    assert_eq!(site.requests(), 1, "although the response has ended");
    site.activate(Activate::by("ana")).await;
    expect_restart(&mut socket).await;
    site.nothing_in_flight().await;
    let refused = connect(address, "").await.unwrap_err();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
}

#[tokio::test]
async fn a_conversation_counts_until_the_client_goes_away() {
    let site = Site::open().await;
    let socket = connect(serve(&site).await, "").await.unwrap();
    assert_eq!(site.requests(), 1);
    drop(socket);
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn who_may_pass_may_talk_until_nobody_may() {
    let site = Site::activated().await;
    let mut socket = connect(serve(&site).await, "X-Operator: 1\r\n")
        .await
        .unwrap();
    site.activate(Activate::by("ana").with_level(Level::Exclusive))
        .await;
    expect_restart(&mut socket).await;
}
