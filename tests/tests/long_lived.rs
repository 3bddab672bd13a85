//! Conversations with the example applications, as processes, on each framework: WebSockets and streams of events end by
//! themselves when the site closes or the process ends, and count until they have.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test, helpers included"
)]

use std::net::SocketAddr;
use std::path::Path;

use http::Method;
use intermission_tests::app::{App, Framework};
use intermission_tests::command::intermission;
use intermission_tests::events::{Event, Events};
use intermission_tests::wait::{PATIENCE, until};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const OPERATOR: (&str, &str) = ("authorization", "Bearer operator-demo");
const CLOSING: &str = "event: closing\ndata: closed for maintenance\n\n";
/// What a WebSocket is told when the process ends, and when the service restarts.
const AWAY: u16 = 1001;
const RESTART: u16 = 1012;

async fn start(framework: Framework) -> (TempDir, App) {
    let folder = tempfile::tempdir().expect("a folder");
    let app = App::start_on(framework, folder.path(), "one", &[]).await;
    (folder, app)
}

async fn first_tick(app: &App, headers: &[(&str, &str)]) -> Events {
    let mut events = Events::listen(app.address, "/events", headers)
        .await
        .expect("a stream");
    assert_eq!(next(&mut events).await, Some(tick(1)));
    events
}

async fn next(events: &mut Events) -> Option<Event> {
    events.next().await.expect("the stream goes on or ends")
}

fn tick(number: u64) -> Event {
    Event {
        event: "tick".to_owned(),
        data: number.to_string(),
        ..Event::default()
    }
}

/// How many requests that one node says it answers, as soon as it says so many.
async fn comes_to(directory: &Path, requests: u64) {
    until("the node says how many requests it answers", || async {
        let nodes = intermission(directory, &["nodes", "--json"]).await.done();
        (nodes.json()["nodes"][0]["requests"] == requests).then_some(())
    })
    .await;
}

async fn is_quiescent(directory: &Path) -> bool {
    let status = intermission(directory, &["status", "--json"]).await.done();
    !status.json()["quiescent_at"].is_null()
}

async fn wait_for_quiescence(directory: &Path, level: &str) {
    let wait = [
        "activate",
        "--level",
        level,
        "--wait=quiescent",
        "--timeout",
        "30s",
    ];
    intermission(directory, &wait).await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_the_same_on_each_framework_and_ends_when_the_site_closes() {
    let mut heads = Vec::new();
    for framework in Framework::ALL {
        let (folder, app) = start(framework).await;
        let events = first_tick(&app, &[]).await;
        let head = events
            .head
            .lines()
            .filter(|line| !line.starts_with("date: "));
        let mut head: Vec<String> = head.map(str::to_owned).collect();
        head.sort();
        heads.push(head);
        drop(events);

        // The whole of it, as it was written.
        let address = app.address;
        let listening = tokio::spawn(async move {
            intermission_tests::http::send(address, Method::GET, "/events", &[]).await
        });
        comes_to(folder.path(), 1).await;
        intermission(folder.path(), &["activate"]).await.done();
        let told = timeout(PATIENCE, listening).await.expect("it ends in time");
        let told = told.expect("it ran").expect("an answer");
        assert_eq!(told.status, 200, "{framework}");
        let ticks = told.body.matches("event: tick\n").count();
        let ticks = (1..=ticks).map(|number| format!("event: tick\ndata: {number}\n\n"));
        let expected = ticks.collect::<String>() + CLOSING;
        assert_eq!(told.body, expected, "{framework}");

        // Whoever comes back is told when to try again.
        let refused = app.get("/events").await;
        assert_eq!(refused.status, 503, "{framework}");
        assert_ne!(refused.header("retry-after"), "", "{framework}");
        intermission(folder.path(), &["deactivate"]).await.done();
        until("the site is open", || async {
            let stream = Events::listen(app.address, "/events", &[]).await;
            stream.ok().map(drop)
        })
        .await;
    }
    assert!(heads[0].contains(&"content-type: text/event-stream".to_owned()));
    assert_eq!(heads[0], heads[1]);
    assert_eq!(heads[1], heads[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_at_a_level_that_lets_reads_pass() {
    for framework in Framework::ALL {
        let (folder, app) = start(framework).await;
        let mut events = first_tick(&app, &[]).await;
        wait_for_quiescence(folder.path(), "read-only").await;
        // Reading is allowed, and counts for nothing that is closed.
        assert_eq!(next(&mut events).await, Some(tick(2)), "{framework}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_counts_until_it_has_ended() {
    for framework in Framework::ALL {
        let (folder, app) = start(framework).await;
        let directory = folder.path();
        // Whoever may pass goes on listening while the site is closed, so there is time to look.
        let mut events = first_tick(&app, &[OPERATOR]).await;
        comes_to(directory, 1).await;
        let leaving = first_tick(&app, &[]).await;
        comes_to(directory, 2).await;
        drop(leaving);
        comes_to(directory, 1).await;
        // It began while the site was open, so nobody asked for its right to pass: it ends with the others.
        intermission(directory, &["activate", "--wait"])
            .await
            .done();
        assert_eq!(events.until("closing").await.data, "closed for maintenance");
        assert_eq!(next(&mut events).await, None, "{framework}");
        wait_for_quiescence(directory, "full").await;

        let mut events = first_tick(&app, &[OPERATOR]).await;
        assert_eq!(next(&mut events).await, Some(tick(2)), "{framework}");
        assert!(is_quiescent(directory).await, "{framework}");
        wait_for_quiescence(directory, "exclusive").await;
        assert_eq!(events.until("closing").await.data, "closed for maintenance");
        assert_eq!(next(&mut events).await, None, "{framework}");
        comes_to(directory, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_process() {
    for framework in Framework::ALL {
        let (_folder, mut app) = start(framework).await;
        let mut events = first_tick(&app, &[]).await;
        app.ask_to_end();
        while let Some(event) = next(&mut events).await {
            // Nothing closes: the next process goes on.
            assert_eq!(event.event, "tick", "{framework}");
        }
        app.ended().await;
    }
}

/// A WebSocket to an example application, after one word has been echoed; or what was answered instead.
async fn talk(address: SocketAddr) -> Result<TcpStream, String> {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let request = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket
        .write_all(request.as_bytes())
        .await
        .expect("it is written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).expect("text");
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(head);
    }
    // A final text frame of two bytes, masked with zeros; the answer is not masked.
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    socket.write_all(&frame).await.expect("it is written");
    let mut echoed = [0; 4];
    socket.read_exact(&mut echoed).await.expect("an echo");
    assert_eq!(echoed, [0x81, 2, b'h', b'i']);
    Ok(socket)
}

/// The code of the close frame that comes next; `None` if the connection ends without one.
async fn closed_with(socket: &mut TcpStream) -> Option<u16> {
    let mut frame = [0; 4];
    let read = timeout(PATIENCE, socket.read_exact(&mut frame)).await;
    if read.expect("it ends in time").is_err() {
        return None;
    }
    let [opcode, _, high, low] = frame;
    assert_eq!(opcode, 0x88, "a close frame");
    Some(u16::from_be_bytes([high, low]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_counts_and_is_told_to_come_back_when_the_site_closes() {
    for framework in Framework::ALL {
        let (folder, app) = start(framework).await;
        let mut socket = talk(app.address).await.expect("it is open");
        comes_to(folder.path(), 1).await;
        intermission(folder.path(), &["activate"]).await.done();
        assert_eq!(closed_with(&mut socket).await, Some(RESTART), "{framework}");
        drop(socket);
        wait_for_quiescence(folder.path(), "full").await;
        let refused = talk(app.address).await.expect_err("it is closed");
        assert!(
            refused.starts_with("HTTP/1.1 503 "),
            "{framework}: {refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_waits_for_a_websocket_that_is_open() {
    for framework in Framework::ALL {
        let (_folder, mut app) = start(framework).await;
        let mut socket = talk(app.address).await.expect("it is open");
        app.ask_to_end();
        match (framework, closed_with(&mut socket).await) {
            (_, Some(code)) => assert_eq!(code, AWAY, "{framework}"),
            // These do not wait for what was upgraded, so the process may be gone before it has said goodbye.
            (Framework::Axum | Framework::Warp, None) => {}
            (Framework::Actix, None) => panic!("the response lasts, and is waited for"),
        }
        drop(socket);
        app.ended().await;
    }
}
