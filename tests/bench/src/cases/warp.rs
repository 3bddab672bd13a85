//! One request through filters of warp, in this process: no socket, no runtime.

use std::convert::Infallible;
use std::hint::black_box;

use anyhow::Result;
use http::{Request, Response, Uri};
use http_body_util::Empty;
use hyper::body::Bytes;
use intermission::{Gate, RouteAccess};
use intermission_warp::{MaintenanceBuilder, guard, maintenance};
use tower::{Layer, Service, ServiceExt};
use warp::{Filter, Rejection, Reply};

use super::{Case, off, on, ready, unknown};

pub(super) const NAMES: &[&str] = &[
    "bare",
    "off",
    "off-table",
    "off-around",
    "off-around-table",
    "refused",
    "refused-around",
];

pub(super) async fn prepare(name: &str) -> Result<Case> {
    Ok(match name {
        "bare" => requests(warp::service(hello())),
        // The guard around all filters.
        "off" => guarded(settings(off().await?))?,
        "off-table" => guarded(with_table(settings(off().await?)))?,
        "refused" => guarded(settings(on().await?))?,
        // The layer around them, for a server that takes any service.
        "off-around" => around(settings(off().await?))?,
        "refused-around" => around(settings(on().await?))?,
        "off-around-table" => around(with_table(settings(off().await?)))?,
        _ => return unknown(name),
    })
}

fn guarded(maintenance: MaintenanceBuilder) -> Result<Case> {
    Ok(requests(warp::service(guard(
        &maintenance.build()?,
        hello(),
    ))))
}

fn around(maintenance: MaintenanceBuilder) -> Result<Case> {
    Ok(requests(maintenance.build()?.layer(warp::service(hello()))))
}

fn hello()
-> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + Send + Sync + use<> {
    warp::path!("hello").and(warp::get()).map(|| "hello")
}

fn settings(gate: Gate) -> MaintenanceBuilder {
    maintenance(gate).with_lockout_accepted()
}

fn with_table(maintenance: MaintenanceBuilder) -> MaintenanceBuilder {
    maintenance
        .with_always("/health")
        .with_route("/jobs/{kind}", RouteAccess::StartsExecution)
}

fn requests<S, B>(app: S) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + 'static,
{
    Box::new(move |times| {
        for _ in 0..times {
            let mut request = Request::new(Empty::new());
            // As from a server, whose targets can be cloned without an allocation.
            *request.uri_mut() = Uri::from_static("/hello");
            let Ok(response) = ready(app.clone().oneshot(black_box(request)))?;
            drop(black_box(response));
        }
        Ok(())
    })
}
