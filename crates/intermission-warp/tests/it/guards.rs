//! Guards around filters, around each other, and inside of what goes around them.

use std::net::SocketAddr;

use intermission::{Activate, Decision, Gate, RouteAccess};
use intermission_warp::{StartedExecution, admitted_by, guard, long_lived, starts_execution};
use warp::{Filter, Rejection, Reply, reply};

use crate::site::{Site, ask, expect, serve};

/// What is in flight while a handler runs.
fn in_flight(gate: Gate) -> impl Fn() -> String + Clone {
    move || {
        let status = gate.status();
        format!("{} {}", status.requests, status.running)
    }
}

/// Shows the decision that outer layers find on a response.
fn seen(response: reply::Response) -> impl Reply {
    let decision: Option<Decision> = response.extensions().get().copied();
    reply::with_header(response, "x-decision", format!("{decision:?}"))
}

#[tokio::test]
async fn a_guard_inside_another_decides_last_and_both_count() {
    let site = Site::open().await;
    let maintenance = site.maintenance();
    let handler = in_flight(site.gate.clone());
    let jobs = warp::path!("jobs").and(guard(
        &maintenance.for_routes(RouteAccess::StartsExecution),
        warp::post().map(handler.clone()),
    ));
    let hello = warp::path::end().map(handler);
    // As a whole, it is always open.
    let outer = maintenance.for_routes(RouteAccess::Always);
    let address = serve(guard(&maintenance, jobs.clone().or(hello))).await;
    let always = serve(guard(&outer, jobs).map(seen)).await;

    assert_eq!(ask(address, "POST /jobs", &[]).await.body, "2 1");
    assert_eq!(ask(address, "GET /", &[]).await.body, "1 0");
    let answer = ask(always, "POST /jobs", &[]).await;
    assert_eq!(answer.body, "1 1", "what is always open is not counted");
    assert_eq!((site.requests(), site.running()), (0, 0));

    let running = site.drain().await;
    expect(address, &["POST /jobs 503", "GET / 200"]).await;
    drop(running);
    site.gate.closing().await;
    let refused = ask(always, "POST /jobs", &[]).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(
        refused.header("x-decision"),
        Some("Some(Refuse(Maintenance))")
    );
    let bypassed = ask(always, "POST /jobs", &["X-Operator: 1"]).await;
    assert_eq!(bypassed.status(), 200);
    assert_eq!(
        bypassed.header("x-decision"),
        Some("Some(Admit(Permission))")
    );
    assert_eq!(bypassed.header("maintenance-mode"), Some("bypassed"));
    site.nothing_in_flight().await;
}

async fn with_cors(site: &Site) -> SocketAddr {
    let cors = warp::cors().allow_any_origin().allow_method("POST");
    let items = warp::path!("items").and(warp::post()).map(|| "ok");
    serve(guard(&site.maintenance(), items).with(cors)).await
}

#[tokio::test]
async fn cors_around_a_guard_is_on_its_refusals() {
    let site = Site::activated().await;
    let address = with_cors(&site).await;
    let origin = "Origin: http://a.example";
    let refused = ask(address, "POST /items", &[origin]).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.header("maintenance-mode"), Some("activated"));
    let allowed = Some("http://a.example");
    assert_eq!(refused.header("access-control-allow-origin"), allowed);
    let preflight = [origin, "Access-Control-Request-Method: POST"];
    let preflight = ask(address, "OPTIONS /items", &preflight).await;
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.header("access-control-allow-origin"), allowed);
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("POST")
    );
}

#[tokio::test]
async fn the_table_is_about_the_whole_path_wherever_the_guard_stands() {
    let site = Site::activated().await;
    let maintenance = site.settings().with_always("/shop/health").build().unwrap();
    let inside = warp::path("shop").and(guard(
        &maintenance,
        warp::path!("health")
            .or(warp::path!("orders"))
            .unify()
            .map(|| "ok"),
    ));
    // Here nothing of the path is left.
    let ok = warp::any().and_then(async || Ok::<_, Rejection>("ok"));
    let behind = warp::path!("shop" / "health").and(guard(&maintenance, ok));
    for address in [serve(inside).await, serve(behind).await] {
        expect(
            address,
            &["GET /shop/health 200", "GET /shop/health?x=1 200"],
        )
        .await;
        site.deactivate().await;
        expect(address, &["GET /shop/health 200", "GET /health 404"]).await;
        site.activate(Activate::by("ana")).await;
    }
    let address = serve(guard(&maintenance, warp::path!("health").map(|| "ok"))).await;
    expect(address, &["GET /health 503"]).await;
}

fn shared<F: Filter + Clone + Send + Sync + 'static>(filter: F) -> F {
    filter
}

#[tokio::test]
async fn filters_are_shared_among_threads_and_borrow_nothing() {
    let site = Site::open().await;
    let filters = {
        let maintenance = site.maintenance();
        let hello = warp::path::end().and(shared(admitted_by(&maintenance)));
        let hello = hello
            .and(shared(long_lived(&maintenance)))
            .map(|_, _| "hello");
        let start = async |_: StartedExecution, (): ()| "started";
        let nothing = warp::any().and_then(async || Ok::<_, Rejection>(()));
        let jobs = shared(starts_execution(&maintenance, nothing, start));
        // Of a temporary, and the settings are gone when the filters are used.
        let jobs = shared(guard(
            &maintenance.for_routes(RouteAccess::StartsExecution),
            warp::path!("jobs").and(jobs),
        ));
        jobs.or(shared(guard(&maintenance, hello)))
    };
    expect(serve(filters).await, &["GET / 200", "POST /jobs 200"]).await;
    site.nothing_in_flight().await;
}
