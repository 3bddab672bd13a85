//! What filters behind a guard reject.

use std::convert::Infallible;

use http::StatusCode;
use intermission_warp::guard;
use warp::reject::Reject;
use warp::{Filter, Rejection, Reply, reply};

use crate::site::{Site, ask, serve};

#[derive(Debug)]
struct Teapot;

impl Reject for Teapot {}

fn routes() -> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + use<> {
    let teapot = async || Err::<&str, _>(warp::reject::custom(Teapot));
    let hello = warp::path::end().and(warp::get()).map(|| "hello");
    let item = warp::path!("items" / u64).map(|id| format!("item {id}"));
    let unnamed = warp::path!("named").and(warp::header::<u64>("x-number"));
    let unnamed = unnamed.map(|number| format!("number {number}"));
    let coffee = warp::path!("coffee").and_then(teapot);
    hello.or(item).or(unnamed).or(coffee)
}

async fn poured(rejection: Rejection) -> Result<impl Reply, Rejection> {
    match rejection.find::<Teapot>() {
        Some(Teapot) => Ok(reply::with_status(
            "short and stout",
            StatusCode::IM_A_TEAPOT,
        )),
        None => Err(rejection),
    }
}

async fn all_handled(rejection: Rejection) -> Result<impl Reply, Infallible> {
    let status = match rejection.find::<Teapot>() {
        Some(Teapot) => StatusCode::IM_A_TEAPOT,
        None if rejection.is_not_found() => StatusCode::NOT_FOUND,
        None => StatusCode::BAD_REQUEST,
    };
    Ok(reply::with_status("handled", status))
}

const LINES: [&str; 6] = [
    "GET /",
    "POST /",
    "GET /nothing",
    "GET /items/x",
    "GET /named",
    "GET /coffee",
];

#[tokio::test]
async fn a_rejection_goes_on_as_without_a_guard() {
    let site = Site::open().await;
    let maintenance = site.maintenance();
    let bare = serve(routes()).await;
    let guarded = serve(guard(&maintenance, routes())).await;
    let bare_recovered = serve(routes().recover(poured)).await;
    let recovered = serve(guard(&maintenance, routes()).recover(poured)).await;
    let same = async || {
        for line in LINES {
            for (bare, guarded) in [(bare, guarded), (bare_recovered, recovered)] {
                let expected = ask(bare, line, &[]).await;
                let answer = ask(guarded, line, &[]).await;
                assert_eq!(answer.status(), expected.status(), "{line}");
                assert_eq!(answer.body, expected.body, "{line}");
            }
        }
        assert_eq!(site.requests(), 0);
    };
    same().await;
    let running = site.drain().await;
    same().await;
    drop(running);
    site.gate.closing().await;
    for line in LINES {
        for address in [guarded, recovered] {
            assert_eq!(ask(address, line, &[]).await.status(), 503, "{line}");
        }
    }
}

#[tokio::test]
async fn a_rejection_leads_to_the_next_filter() {
    let site = Site::activated().await;
    let maintenance = site.maintenance();
    let other = warp::path!("other").map(|| "other");
    let address = serve(guard(&maintenance, routes()).or(other)).await;
    // The guard knows no paths, so it refuses for all that comes after it.
    assert_eq!(ask(address, "GET /other", &[]).await.status(), 503);
    assert_eq!(
        ask(address, "GET /other", &["X-Operator: 1"]).await.body,
        "other"
    );
    site.deactivate().await;
    assert_eq!(ask(address, "GET /other", &[]).await.body, "other");
    site.nothing_in_flight().await;
}

#[tokio::test]
async fn a_refusal_is_no_rejection() {
    let site = Site::activated().await;
    let maintenance = site.maintenance();
    // Whoever answers all rejections does not get this one to see.
    let recovered = guard(&maintenance, routes()).recover(all_handled);
    let (listener, address) = crate::site::listener().await;
    tokio::spawn(warp::serve(recovered).incoming(listener).run());
    let answer = ask(address, "GET /", &[]).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.header("maintenance-mode"), Some("activated"));
}
