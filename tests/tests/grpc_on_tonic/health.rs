//! The standard health service, which stays open.

use intermission::{Activate, Phase};
use tonic::Code;
use tonic::server::NamedService;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::orders::Orders;
use crate::site::Site;

fn orders() -> HealthCheckRequest {
    HealthCheckRequest {
        service: Orders::NAME.to_owned(),
    }
}

#[tokio::test]
async fn the_health_service_is_always_open() {
    let site = Site::activated().await;
    let health = "/grpc.health.v1.Health/{method}";
    let served = site.serve(site.layer().with_always(health)).await;
    let mut client = HealthClient::new(served.channel().await);
    let serving = i32::from(ServingStatus::Serving);
    let checked = client.check(orders()).await.unwrap();
    assert!(checked.metadata().get("maintenance-mode").is_none());
    assert_eq!(checked.into_inner().status, serving);
    let mut watched = client.watch(orders()).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert_eq!(first.status, serving);
    assert_eq!(site.requests(), 0, "nobody waits for a route that is open");
}

/// What happens without the flag: a load balancer takes the node out.
#[tokio::test]
async fn a_health_service_without_a_flag_closes_with_the_rest() {
    let site = Site::open().await;
    let served = site.serve(site.layer()).await;
    let mut client = HealthClient::new(served.channel().await);
    let mut watched = client.watch(orders()).await.unwrap().into_inner();
    assert!(watched.message().await.unwrap().is_some());
    site.activate(Activate::by("ana")).await;
    site.phase(Phase::Activated).await;
    let refused = client.check(orders()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(site.requests(), 1, "the stream that was begun goes on");
}
