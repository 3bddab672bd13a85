//! The frames themselves, since a client library shows one status whether it came in headers or in trailers.

use std::net::SocketAddr;

use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::orders::{GET, order};
use crate::site::Site;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// A frame of the call's stream: its type, and whether it ends the stream.
type Frame = (u8, bool);

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let [_, length @ ..] = length;
    [&length[..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A header as HPACK has it without a table and without compression.
fn literal((name, value): (&str, &str)) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
        [&[length.unwrap()], text.as_bytes()].concat()
    };
    [vec![0], text(name), text(value)].concat()
}

/// A message as gRPC frames it.
fn framed() -> Vec<u8> {
    let message = order("one").encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], &message].concat()
}

/// Calls `Get` over a connection of its own, with this message or with none yet, and gives the frames of the answer.
async fn call(address: SocketAddr, message: Option<&[u8]>) -> Vec<Frame> {
    let authority = address.to_string();
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", &authority),
        (":path", GET),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    sent.extend(frame(
        HEADERS,
        END_HEADERS,
        1,
        &headers.map(literal).concat(),
    ));
    if let Some(message) = message {
        sent.extend(frame(DATA, END_STREAM, 1, message));
    }
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(&sent).await.unwrap();
    let mut frames = Vec::new();
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let [a, b, c, kind, flags, _, _, _, stream] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        socket.read_exact(&mut payload).await.unwrap();
        if stream != 1 || !matches!(kind, DATA | HEADERS | RESET) {
            continue;
        }
        let ends = kind == RESET || flags & END_STREAM != 0;
        frames.push((kind, ends));
        if ends {
            return frames;
        }
    }
}

#[tokio::test]
async fn a_refusal_is_trailers_only_and_needs_no_message() {
    let site = Site::activated().await;
    let served = site.serve(site.layer()).await;
    for message in [None, Some(framed())] {
        let frames = call(served.address, message.as_deref()).await;
        assert_eq!(frames, [(HEADERS, true)], "{message:?}");
    }
}

#[tokio::test]
async fn an_answer_through_the_open_gate_has_its_trailers_after_its_data() {
    let site = Site::open().await;
    let served = site.serve(site.layer()).await;
    let frames = call(served.address, Some(&framed())).await;
    let ends: Vec<Frame> = frames
        .iter()
        .copied()
        .filter(|(kind, _)| *kind != DATA)
        .collect();
    assert_eq!(ends, [(HEADERS, false), (HEADERS, true)], "{frames:?}");
    assert!(frames.contains(&(DATA, false)), "{frames:?}");
}

/// The answer of a plain HTTP/2 client's request, with its body, and whether the body had ended with the headers.
async fn request(address: SocketAddr, content_type: &str) -> (StatusCode, HeaderMap, bool, String) {
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), socket)
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://{address}{GET}"))
        .version(Version::HTTP_2)
        .header("content-type", content_type)
        .header("te", "trailers")
        .body(Full::new(Bytes::from(framed())))
        .unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let ended = body.is_end_stream();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (head.status, head.headers, ended, text)
}

#[tokio::test]
async fn the_headers_of_a_refusal_are_what_grpc_wants() {
    let site = Site::activated().await;
    let served = site.serve(site.layer()).await;
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let (status, headers, ended, body) = request(served.address, content_type).await;
        assert_eq!((status, ended, &*body), (StatusCode::OK, true, ""));
        for (name, value) in [
            ("content-type", "application/grpc"),
            ("grpc-status", "14"),
            ("grpc-message", "Zur%C3%BCck um 12"),
            ("grpc-retry-pushback-ms", "300000"),
            ("retry-after", "300"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(headers.get(name).unwrap(), value, "{name}");
        }
        assert!(headers.get("content-length").is_none());
    }
}

/// gRPC-Web expects its status in a body or as the status of HTTP, and its clients read 503 as `UNAVAILABLE`.
#[tokio::test]
async fn grpc_web_is_answered_as_http() {
    let site = Site::activated().await;
    let served = site.serve(site.layer()).await;
    for content_type in ["application/grpc-web", "application/grpc-web+proto"] {
        let (status, headers, _, body) = request(served.address, content_type).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            headers.get("content-type").unwrap(),
            "text/plain; charset=utf-8"
        );
        assert_eq!(headers.get("retry-after").unwrap(), "300");
        assert!(headers.get("grpc-status").is_none());
        assert!(body.contains(crate::site::MESSAGE), "{body}");
    }
}
