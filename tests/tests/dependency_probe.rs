//! A database that goes away and comes back, behind a real application: visitors get the maintenance page instead of
//! errors, and nobody has to do anything.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::routing::get;
use http::{Method, StatusCode};
use intermission::{Gate, Hold, MemoryState, Probe};
use intermission_axum::{MaintenanceRouter, MethodRouterExt as _, maintenance};
use intermission_tests::http::{Answer, send};
use intermission_tests::redis::ServerOptions;
use intermission_tests::wait::until;
use tokio::net::TcpListener;

/// What the page needs for each request.
async fn ask(client: &redis::Client) -> redis::RedisResult<u64> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("DBSIZE").query_async(&mut connection).await
}

async fn page(client: redis::Client) -> Result<String, StatusCode> {
    let size = ask(&client).await;
    size.map(|size| format!("{size} prices"))
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn get_page(address: SocketAddr) -> Answer {
    send(address, Method::GET, "/", &[]).await.unwrap()
}

/// Waits for this status, through errors if need be.
async fn comes_to(address: SocketAddr, status: StatusCode) -> Answer {
    let asked = async || {
        let answer = get_page(address).await;
        (answer.status == status).then_some(answer)
    };
    until(&format!("the page answers {status}"), asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_closes_the_site_and_opens_it_when_it_is_back() {
    let database = ServerOptions::new().with_append_only().start().await;
    let client = redis::Client::open(database.url()).unwrap();
    let checked = client.clone();
    let probe = Probe::new("database", move || {
        let client = checked.clone();
        async move { ask(&client).await.map(drop) }
    })
    .with_every(Duration::from_millis(20));
    let starting = Gate::builder(MemoryState::new()).with_probe(probe);
    let gate = starting.start().await.unwrap();
    let app = MaintenanceRouter::new()
        .route("/", get(move || page(client.clone())))
        .route("/health", get(|| async { "ok" }).always())
        .into_service(maintenance(gate.clone()))
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, app).await
    });
    assert_eq!(get_page(address).await.body, "0 prices");

    for _ in 0..2 {
        database.kill();
        gate.closing().await;
        let held = Some(Hold::Dependency("database".to_owned()));
        assert_eq!(gate.status().hold, held);
        let refused = get_page(address).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_ne!(refused.header("retry-after"), "");
        assert_eq!(refused.header("maintenance-mode"), "activated");
        assert!(!refused.body.contains("database"), "{}", refused.body);
        let health = send(address, Method::GET, "/health", &[]).await.unwrap();
        assert_eq!(health.body, "ok");

        database.start_again().await;
        let back = comes_to(address, StatusCode::OK).await;
        assert_eq!(back.body, "0 prices");
        assert_eq!(gate.status().hold, None);
    }
    serving.abort();
}
