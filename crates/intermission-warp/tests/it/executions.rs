//! Routes that start an execution, and handlers that keep it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::StatusCode;
use intermission::Execution;
use intermission_warp::{StartedExecution, guard, starts_execution};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use warp::Filter;

use crate::site::{Site, ask, expect, read, serve};

/// `/jobs` for any method, which gives its executions away, and how often its handler was called.
async fn jobs(
    site: &Site,
) -> (
    SocketAddr,
    mpsc::UnboundedReceiver<Execution>,
    Arc<AtomicUsize>,
) {
    let maintenance = site.maintenance();
    let (give, given) = mpsc::unbounded_channel();
    let called = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&called);
    let start = move |StartedExecution(execution), _: Bytes| {
        calls.fetch_add(1, Ordering::SeqCst);
        give.send(execution).unwrap();
        std::future::ready(StatusCode::ACCEPTED)
    };
    let jobs = warp::path!("jobs").and(starts_execution(&maintenance, warp::body::bytes(), start));
    let hello = guard(&maintenance, warp::path::end().map(|| "hello"));
    (serve(jobs.or(hello)).await, given, called)
}

#[tokio::test]
async fn a_handler_keeps_its_execution() {
    let site = Site::open().await;
    let (address, mut given, _) = jobs(&site).await;
    expect(address, &["POST /jobs 202"]).await;
    let execution = given.recv().await.unwrap();
    assert_eq!((site.requests(), site.running()), (0, 1));
    assert!(!execution.is_cancelled());
    drop(execution);
    assert_eq!(site.running(), 0);
}

#[tokio::test]
async fn a_handler_is_not_called_while_it_is_refused() {
    let site = Site::open().await;
    let (address, mut given, called) = jobs(&site).await;
    let running = site.drain().await;
    expect(address, &["POST /jobs 503", "GET / 200"]).await;
    drop(running);
    site.gate.closing().await;
    expect(address, &["POST /jobs 503", "GET / 503"]).await;
    assert_eq!(called.load(Ordering::SeqCst), 0);
    let answer = ask(address, "POST /jobs", &["X-Operator: 1"]).await;
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.header("maintenance-mode"), Some("bypassed"));
    drop(given.recv().await.unwrap());
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn a_refused_body_is_not_read() {
    let site = Site::activated().await;
    let (address, _given, _) = jobs(&site).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The server says `100 Continue` as soon as anybody reads the body.
    let head = b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n";
    socket.write_all(head).await.unwrap();
    assert_eq!(read(socket, "POST /jobs").await.status(), 503);
}

#[tokio::test]
async fn a_filter_that_rejects_ends_the_execution() {
    let site = Site::open().await;
    let counts = warp::query::<HashMap<String, u64>>();
    let start = async |StartedExecution(execution): StartedExecution, _: HashMap<String, u64>| {
        drop(execution);
        StatusCode::ACCEPTED
    };
    // Until the second filter rejects, the execution runs.
    let (seen, mut running) = mpsc::unbounded_channel();
    let gate = site.gate.clone();
    let see = move || seen.send(gate.status().running).unwrap();
    let counts = warp::any().map(see).untuple_one().and(counts);
    let jobs = warp::path!("jobs").and(starts_execution(&site.maintenance(), counts, start));
    let address = serve(jobs).await;
    expect(address, &["POST /jobs?n=many 400"]).await;
    assert_eq!(running.recv().await, Some(1));
    assert_eq!((site.requests(), site.running()), (0, 0));
    expect(address, &["POST /jobs?n=1 202"]).await;
    assert_eq!(running.recv().await, Some(1));
    assert_eq!((site.requests(), site.running()), (0, 0));
}

#[tokio::test]
async fn a_preflight_is_let_in_and_starts_nothing() {
    let site = Site::open().await;
    let (address, _given, called) = jobs(&site).await;
    let origin = "Origin: http://a.example";
    let preflight = async |others: &[&str]| {
        let asks = [&[origin], others].concat();
        let answer = ask(address, "OPTIONS /jobs", &asks).await;
        assert_eq!(called.load(Ordering::SeqCst), 0);
        answer.status()
    };
    let asks = ["Access-Control-Request-Method: POST"];
    let running = site.drain().await;
    // There is nobody to answer it, and the handler has nothing to do without an execution.
    assert_eq!(preflight(&asks).await, 404);
    assert_eq!(preflight(&[]).await, 503, "it is no preflight");
    assert_eq!(site.running(), 1);
    drop(running);
    site.gate.closing().await;
    assert_eq!(preflight(&asks).await, 404);
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn an_execution_ends_with_its_handler_if_the_client_goes_away() {
    let site = Site::open().await;
    let (started, mut begun) = mpsc::unbounded_channel();
    let wait = move |execution: StartedExecution, (): ()| {
        let started = started.clone();
        async move {
            started.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(execution);
            "done"
        }
    };
    let nothing = warp::any().and_then(async || Ok::<_, warp::Rejection>(()));
    let jobs = warp::path!("jobs").and(starts_execution(&site.maintenance(), nothing, wait));
    let mut socket = TcpStream::connect(serve(jobs).await).await.unwrap();
    socket
        .write_all(b"POST /jobs HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    begun.recv().await.unwrap();
    assert_eq!((site.requests(), site.running()), (1, 1));
    drop(socket);
    site.nothing_in_flight().await;
}
