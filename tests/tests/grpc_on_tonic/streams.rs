//! How long a call counts, and how long its execution lasts.

use intermission::{Activate, Phase, RouteAccess};
use intermission_tests::wait::until;
use tonic::Code;

use crate::orders::{IMPORT, order};
use crate::site::{Served, Site};

async fn served() -> (Site, Served) {
    let site = Site::open().await;
    let layer = site
        .layer()
        .with_route(IMPORT, RouteAccess::StartsExecution);
    let served = site.serve(layer).await;
    (site, served)
}

async fn nothing_runs(site: &Site) {
    until("nothing runs", async || {
        (site.running() == 0 && site.requests() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_streaming_call_holds_its_execution_until_the_stream_ends() {
    let (site, served) = served().await;
    let feed = site.orders.feed();
    let mut stream = served.client().await.stream(IMPORT).await.unwrap();
    feed.send(order("one")).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(order("one")));
    assert_eq!((site.running(), site.requests()), (1, 1));

    let drain = site.drain().await;
    drop(drain);
    // The stream goes on through the drain, and the drain waits for it.
    feed.send(order("two")).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(order("two")));
    assert_eq!(site.gate.record().phase(), Phase::Activating);
    assert_eq!(site.running(), 1);

    drop(feed);
    assert_eq!(stream.message().await.unwrap(), None);
    let trailers = stream.trailers().await.unwrap();
    assert!(trailers.is_some(), "the end came with its trailers");
    site.phase(Phase::Activated).await;
    nothing_runs(&site).await;
}

#[tokio::test]
async fn a_streaming_call_holds_its_execution_until_its_client_drops_it() {
    let (site, served) = served().await;
    let feed = site.orders.feed();
    let mut client = served.client().await;
    let mut stream = client.stream(IMPORT).await.unwrap();
    feed.send(order("one")).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(order("one")));
    assert_eq!((site.running(), site.requests()), (1, 1));
    // The connection stays: the stream alone is reset.
    drop(stream);
    feed.closed().await;
    nothing_runs(&site).await;
    assert!(client.get().await.is_ok());
}

#[tokio::test]
async fn an_ordinary_stream_counts_as_a_request_until_its_connection_is_gone() {
    let site = Site::open().await;
    let served = site.serve(site.layer()).await;
    let feed = site.orders.feed();
    let mut client = served.client().await;
    let mut stream = client.stream(IMPORT).await.unwrap();
    feed.send(order("one")).await.unwrap();
    assert!(stream.message().await.unwrap().is_some());
    assert_eq!((site.running(), site.requests()), (0, 1));
    // Nobody waits for it as an execution, and it goes on after the gate has closed.
    site.activate(Activate::by("ana")).await;
    feed.send(order("two")).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(order("two")));
    assert_eq!(client.get().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(site.requests(), 1);
    drop((stream, client));
    feed.closed().await;
    nothing_runs(&site).await;
}
