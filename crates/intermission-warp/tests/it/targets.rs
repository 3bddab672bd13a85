//! Requests for what has no path, or an odd one.

use std::net::SocketAddr;

use intermission::Activate;
use intermission_warp::{MaintenanceLayer, admitted_by, guard, long_lived};
use warp::{Filter, Rejection, Reply};

use crate::site::{Site, ask, serve};

fn routes() -> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + use<> {
    let hello = warp::path!("hello").map(|| "hello");
    hello.or(warp::path!("health").map(|| "ok"))
}

/// The first three have no path: of a tunnel, and of who forgot the slash.
const TARGETS: [&str; 8] = [
    "CONNECT site.example:443",
    "CONNECT health",
    "GET health",
    "OPTIONS *",
    "GET http://site.example",
    "GET http://site.example?x=1",
    "GET http://site.example/nothing",
    "GET //",
];

async fn statuses(address: SocketAddr, headers: &[&str]) -> Vec<(&'static str, u16)> {
    let mut statuses = Vec::new();
    for line in TARGETS {
        statuses.push((line, ask(address, line, headers).await.status()));
    }
    statuses
}

#[tokio::test]
async fn odd_targets_are_answered_as_without_a_guard_and_refused_while_closed() {
    let site = Site::open().await;
    let without_table = site.maintenance();
    let settings = site.settings().with_always("/health");
    let with_table = settings
        .with_permission(|parts| parts.headers.contains_key("x-operator"))
        .build()
        .unwrap();
    let bare = serve(routes()).await;
    let expected = statuses(bare, &[]).await;
    for maintenance in [without_table, with_table] {
        let address = serve(guard(&maintenance, routes())).await;
        assert_eq!(statuses(address, &[]).await, expected);
        let running = site.drain().await;
        assert_eq!(statuses(address, &[]).await, expected);
        drop(running);
        site.gate.closing().await;
        assert_eq!(
            statuses(address, &[]).await,
            TARGETS.map(|line| (line, 503))
        );
        assert_eq!(statuses(address, &["X-Operator: 1"]).await, expected);
        site.deactivate().await;
        site.nothing_in_flight().await;
    }
}

#[tokio::test]
async fn the_other_filters_take_a_target_without_a_path_as_well() {
    let site = Site::open().await;
    let filters = |maintenance: &MaintenanceLayer| {
        // warp takes no path for the same as `/`.
        let end = warp::path::end().and(admitted_by(maintenance));
        let end = end.and(long_lived(maintenance));
        end.map(|reason, connection: Result<_, _>| format!("{reason:?} {}", connection.is_ok()))
    };
    let address = serve(filters(&site.maintenance())).await;
    for line in ["CONNECT site.example:443", "GET health", "GET /"] {
        let answer = ask(address, line, &[]).await;
        assert_eq!(answer.status(), 200, "{line}");
    }
    site.activate(Activate::by("ana")).await;
    assert_eq!(ask(address, "GET health", &[]).await.body, "None false");
    let operator = ["X-Operator: 1"];
    assert_eq!(
        ask(address, "GET health", &operator).await.body,
        "Some(Permission) true"
    );
    site.nothing_in_flight().await;
}
