//! One request through axum, in this process: no socket, no runtime.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyhow::{Result, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use intermission::Gate;
use intermission_axum::{MaintenanceRouter, MaintenanceService, maintenance};
use tower::{Service, ServiceExt};

/// The application that the others are compared with.
pub(super) fn bare() -> Router {
    Router::new().route("/hello", get(hello))
}

/// The gate in front of the application as a whole.
pub(super) fn service(gate: Gate) -> Result<MaintenanceService> {
    let routes = MaintenanceRouter::new().route("/hello", get(hello));
    Ok(routes.into_service(maintenance(gate).with_lockout_accepted())?)
}

/// The gate as a layer of an axum router.
pub(super) fn layered(gate: Gate) -> Result<Router> {
    Ok(bare().layer(maintenance(gate).with_lockout_accepted().build()?))
}

async fn hello() -> &'static str {
    "hello"
}

/// That many requests. Each is ready at once, so nothing but the application is counted.
pub(super) fn requests<S, B>(app: &S, times: u64) -> Result<()>
where
    S: Service<Request, Response = Response<B>, Error = Infallible> + Clone,
{
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..times {
        let request = Request::builder().uri("/hello").body(Body::empty())?;
        let response = pin!(app.clone().oneshot(black_box(request)));
        let Poll::Ready(Ok(response)) = response.poll(&mut context) else {
            bail!("hello is not ready at once");
        };
        drop(black_box(response));
    }
    Ok(())
}
