//! One request through axum, in this process: no socket, no runtime.

use std::convert::Infallible;
use std::hint::black_box;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{get, post};
use http_body_util::BodyExt;
use intermission::{Gate, RouteAccess};
use intermission_axum::{MaintenanceBuilder, MaintenanceRouter, MethodRouterExt, maintenance};
use tower::layer::util::Identity;
use tower::{Layer, Service, ServiceExt};

use super::{Case, off, on, otherwise, ready, status_of, unknown};

pub(super) const NAMES: &[&str] = &[
    "bare",
    "off",
    "off-flags",
    "off-around",
    "bare-body",
    "bare-layer",
    "off-layer",
    "off-layer-table",
    "refused",
];

pub(super) async fn prepare(name: &str) -> Result<Case> {
    Ok(match name {
        "bare" => requests(served(bare()), name),
        // The gate in front of the application as a whole.
        "off" => requests(routes().into_service(settings(off().await?))?, name),
        "off-flags" => requests(flagged().into_service(settings(off().await?))?, name),
        "refused" => requests(routes().into_service(settings(on().await?))?, name),
        // The same without flags, for a server that takes any body: `axum::serve` takes axum's own alone.
        "off-around" => requests(settings(off().await?).build()?.layer(served(bare())), name),
        // What axum forces upon whoever looks at a body until its end: a box around it.
        "bare-body" => {
            let box_again =
                |response: Response| response.map(|body| Body::new(body.map_frame(|frame| frame)));
            requests(
                ServiceExt::<Request>::map_response(served(bare()), box_again),
                name,
            )
        }
        // The gate as a layer of an axum router, and a layer that does nothing.
        "bare-layer" => requests(served(bare().layer(Identity::new())), name),
        "off-layer" => requests(served(bare().layer(settings(off().await?).build()?)), name),
        "off-layer-table" => {
            let settings = settings(off().await?)
                .with_always("/health")
                .with_route("/jobs/{kind}", RouteAccess::StartsExecution);
            requests(served(bare().layer(settings.build()?)), name)
        }
        _ => return unknown(name),
    })
}

/// The application that the others are compared with.
fn bare() -> Router {
    Router::new().route("/hello", get(hello))
}

/// A router as `axum::serve` makes it ready for requests.
fn served(router: Router) -> Router {
    router.with_state(())
}

fn routes() -> MaintenanceRouter {
    MaintenanceRouter::new().route("/hello", get(hello))
}

fn flagged() -> MaintenanceRouter {
    routes()
        .route("/health", get(hello).always())
        .route("/jobs/{kind}", post(hello).starts_execution())
}

fn settings(gate: Gate) -> MaintenanceBuilder {
    maintenance(gate).with_lockout_accepted()
}

async fn hello() -> &'static str {
    "hello"
}

fn requests<S, B>(app: S, name: &str) -> Case
where
    S: Service<Request, Response = Response<B>, Error = Infallible> + Clone + 'static,
{
    let status = status_of(name);
    Box::new(move |times| {
        let mut is_as_named = true;
        for _ in 0..times {
            let request = Request::builder().uri("/hello").body(Body::empty())?;
            let Ok(response) = ready(app.clone().oneshot(black_box(request)))?;
            is_as_named &= response.status() == status;
            drop(black_box(response));
        }
        if is_as_named { Ok(()) } else { otherwise() }
    })
}
