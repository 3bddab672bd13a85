//! What filters behind a guard reject.

use std::convert::Infallible;

use http::StatusCode;
use intermission::Activate;
use intermission_warp::{guard, starts_execution};
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

/// Such a filter has another kind of error, since it has none.
#[tokio::test]
async fn a_filter_that_answers_everything_can_be_guarded() {
    let site = Site::open().await;
    let maintenance = site.maintenance();
    let handled = serve(guard(&maintenance, routes().recover(all_handled))).await;
    let fallback = warp::path!("items" / u64).map(|id| format!("item {id}"));
    let fallback = fallback.or(warp::any().map(|| "something else"));
    let fallback = serve(guard(&maintenance, fallback)).await;
    let nothing = warp::any().map(|| ());
    let job = async |_, ()| "started";
    let jobs = serve(starts_execution(&maintenance, nothing, job)).await;
    assert_eq!(ask(handled, "GET /nothing", &[]).await.status(), 404);
    assert_eq!(ask(fallback, "GET /x", &[]).await.body, "something else");
    assert_eq!(ask(jobs, "POST /", &[]).await.body, "started");
    site.activate(Activate::by("ana")).await;
    for address in [handled, fallback, jobs] {
        assert_eq!(ask(address, "GET /x", &[]).await.status(), 503);
        let passing = ask(address, "GET /x", &["x-operator: yes"]).await;
        assert_ne!(passing.status(), 503);
    }
}
