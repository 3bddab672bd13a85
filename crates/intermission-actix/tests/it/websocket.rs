//! A conversation that is a response which lasts.

use std::net::SocketAddr;

use actix_web::{App, Error, HttpRequest, HttpResponse, web};
use actix_ws::{CloseCode, Message};
use intermission::{Activate, Level};
use intermission_actix::{LongLived, MaintenanceScope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::serve;
use crate::site::Site;

async fn echo(
    request: HttpRequest,
    body: web::Payload,
    connection: LongLived,
) -> Result<HttpResponse, Error> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                () = connection.closing() => {
                    session.close(Some(CloseCode::Restart.into())).await.unwrap();
                    return;
                }
            };
            let Some(Ok(Message::Text(text))) = message else {
                return;
            };
            session.text(text).await.unwrap();
        }
    });
    Ok(response)
}

fn serve_echo(site: &Site) -> SocketAddr {
    let operator = |request: &HttpRequest| request.headers().contains_key("x-operator");
    let maintenance = site
        .maintenance()
        .with_permission(operator)
        .build()
        .unwrap();
    serve!(move || {
        let scope = MaintenanceScope::new("").service(web::resource("/ws").to(echo));
        App::new().service(scope.behind(&maintenance))
    })
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
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    socket.write_all(&frame).await.unwrap();
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

#[actix_web::test]
async fn a_conversation_counts_and_is_closed_with_1012_when_the_gate_closes() {
    let site = Site::open().await;
    let address = serve_echo(&site);
    let mut socket = connect(address, "").await.unwrap();
    assert_eq!(site.requests(), 1);
    site.activate(Activate::by("ana")).await;
    expect_restart(&mut socket).await;
    drop(socket);
    site.nothing_in_flight().await;
    let refused = connect(address, "").await.unwrap_err();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
}

#[actix_web::test]
async fn a_conversation_counts_until_the_client_goes_away() {
    let site = Site::open().await;
    let socket = connect(serve_echo(&site), "").await.unwrap();
    assert_eq!(site.requests(), 1);
    drop(socket);
    site.nothing_in_flight().await;
}

#[actix_web::test]
async fn who_may_pass_may_talk_until_nobody_may() {
    let site = Site::activated().await;
    let address = serve_echo(&site);
    let mut socket = connect(address, "X-Operator: 1\r\n").await.unwrap();
    let exclusive = Activate::by("ana").with_level(Level::Exclusive);
    site.activate(exclusive).await;
    expect_restart(&mut socket).await;
}
