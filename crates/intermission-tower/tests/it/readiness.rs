//! tower's contract: `poll_ready` is forwarded, and who is called is who was ready.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use intermission::RouteAccess;
use intermission_tower::{Maintenance, MaintenanceBody, MaintenanceLayer, ResponseFuture};
use tower::{Layer, Service, ServiceExt};

use crate::site::{Site, assert_usable, get, hello};

/// A service that panics if it is called unready. As with tower's limits, a clone is not ready.
#[derive(Debug, Default)]
struct Probe {
    polls: usize,
    is_ready: bool,
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<()>> for Probe {
    type Response = Response<Full<Bytes>>;
    type Error = &'static str;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.polls += 1;
        match self.polls {
            1 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            10 => Poll::Ready(Err("worn out")),
            _ => {
                self.is_ready = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called unready");
        ready(Ok(hello()))
    }
}

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    let site = Site::open().await;
    let layer = site.layer().with_permission(|_| true).build().unwrap();
    for access in RouteAccess::ALL {
        let service = layer.for_routes(access).layer(Probe::default());
        // A clone of a ready service is none; `oneshot` asks it.
        let mut ready = service.clone();
        ready.ready().await.unwrap();
        service.clone().oneshot(get("/")).await.unwrap();
        ready.call(get("/")).await.unwrap();
    }
    site.activate(intermission::Activate::by("ana")).await;
    for access in RouteAccess::ALL {
        let service = layer.for_routes(access).layer(Probe::default());
        assert_eq!(
            service.oneshot(get("/")).await.unwrap().status(),
            200,
            "bypassed"
        );
    }
}

#[tokio::test]
async fn readiness_is_forwarded_as_it_is() {
    let site = Site::activated().await;
    let mut service = site.layer().build().unwrap().layer(Probe::default());
    let service = &mut service;
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut poll =
        |service: &mut Maintenance<Probe>| Service::<Request<()>>::poll_ready(service, &mut cx);
    assert!(poll(service).is_pending(), "even though the gate is closed");
    for _ in 2..10 {
        assert_eq!(poll(service), Poll::Ready(Ok(())));
    }
    assert_eq!(poll(service), Poll::Ready(Err("worn out")));
}

#[tokio::test]
async fn a_ready_service_that_is_not_called_stays_usable() {
    let site = Site::activated().await;
    let mut service = site.layer().build().unwrap().layer(Probe::default());
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(get("/")).await.unwrap();
        assert_eq!(response.status(), 503);
    }
    site.deactivate().await;
    let response = service.ready().await.unwrap().call(get("/")).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn errors_of_the_application_are_passed_on() {
    let site = Site::open().await;
    let application =
        tower::service_fn(async |_: Request<()>| Err::<Response<Full<Bytes>>, _>("broken"));
    let error = site
        .layer()
        .build()
        .unwrap()
        .layer(application)
        .oneshot(get("/"))
        .await
        .unwrap_err();
    assert_eq!(error, "broken");
}

#[tokio::test]
async fn everything_can_be_sent_and_shared_as_frameworks_ask() {
    fn assert_shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn assert_sendable<T: Send + Sync + Unpin + 'static>() {}
    assert_shareable::<MaintenanceLayer>();
    assert_shareable::<Maintenance<Probe>>();
    assert_sendable::<ResponseFuture<Ready<Result<Response<Full<Bytes>>, &'static str>>>>();
    assert_sendable::<MaintenanceBody<Full<Bytes>>>();
    let site = Site::open().await;
    assert_usable(&site.layer().build().unwrap().layer(Probe::default()));
}
