//! An application behind a gate, as a service.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::response::Response;
use axum::routing::IntoMakeService;
use axum::routing::future::RouteFuture;
use axum::{BoxError, Router, ServiceExt};
use bytes::Bytes;
use intermission::Gate;
use intermission::adapter::UnknownRoutes;
use intermission_tower::{Maintenance, ResponseFuture};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::pattern::Flagged;

/// An application behind a gate. Made by [`MaintenanceRouter::into_service`](crate::MaintenanceRouter::into_service).
///
/// There is one layer around the whole application for all routes without a flag, which costs a request less than a
/// layer on each route. Paths that may lead to a route with a flag go to a second router, where each route has its own
/// layer; so what counts in the end is always the flag beside the route that axum has matched.
///
/// ```text
/// request ─► may a flagged pattern match the path?
///              │ no                                     │ yes, or unknown routes get a 404
///              ▼                                        ▼
///            one layer ─► all routes                  axum matches ─► the layer of that route's flag ─► handler
/// ```
#[derive(Clone)]
pub struct MaintenanceService {
    whole: Maintenance<Router>,
    by_route: Arc<ByRoute>,
}

/// What serves the requests about which only the matched route can tell.
pub(crate) struct ByRoute {
    pub(crate) router: Router,
    pub(crate) flagged: Vec<Flagged>,
    pub(crate) unknown: UnknownRoutes,
}

impl MaintenanceService {
    pub(crate) fn new(whole: Maintenance<Router>, by_route: ByRoute) -> Self {
        let by_route = Arc::new(by_route);
        Self { whole, by_route }
    }

    /// The gate that is asked.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        self.whole.gate()
    }

    /// What `axum::serve` takes. The application does not learn its visitors' addresses:
    /// [`into_make_service_with_connect_info`](Self::into_make_service_with_connect_info) tells it.
    #[must_use]
    pub fn into_make_service(self) -> IntoMakeService<Self> {
        ServiceExt::<Request>::into_make_service(self)
    }

    /// What `axum::serve` takes, with the address of each connection's peer; `C` is `SocketAddr`.
    #[must_use]
    pub fn into_make_service_with_connect_info<C>(self) -> IntoMakeServiceWithConnectInfo<Self, C> {
        ServiceExt::<Request>::into_make_service_with_connect_info(self)
    }

    /// Whether only the matched route can tell what is to be done with the request.
    #[inline]
    fn is_for_the_route(&self, path: &str) -> bool {
        let ByRoute {
            flagged, unknown, ..
        } = &*self.by_route;
        flagged.iter().any(|flagged| flagged.may_match(path))
            || (*unknown == UnknownRoutes::NotFound && !self.gate().is_open())
    }
}

impl<B> Service<http::Request<B>> for MaintenanceService
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = MaintenanceFuture;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<http::Request<B>>::poll_ready(&mut self.whole, cx)
    }

    #[inline]
    fn call(&mut self, req: http::Request<B>) -> Self::Future {
        let future = if self.is_for_the_route(req.uri().path()) {
            // A clone is as ready as the original: axum's routers always are.
            let mut router = self.by_route.router.clone();
            ResponseFuture::uncounted(router.call(req))
        } else {
            self.whole.call(req)
        };
        MaintenanceFuture { future }
    }
}

impl fmt::Debug for MaintenanceService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaintenanceService")
            .field("gate", self.gate())
            .field("flagged", &self.by_route.flagged)
            .field("unknown", &self.by_route.unknown)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`MaintenanceService`].
    #[derive(Debug)]
    pub struct MaintenanceFuture {
        #[pin]
        future: ResponseFuture<RouteFuture<Infallible>>,
    }
}

impl Future for MaintenanceFuture {
    type Output = Result<Response, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll_in_place(cx, Body::new)
    }
}
