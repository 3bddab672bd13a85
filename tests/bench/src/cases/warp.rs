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

use super::{Case, off, on, otherwise, ready, status_of, unknown};

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
        "bare" => requests(warp::service(hello()), name),
        // The guard around all filters.
        "off" => guarded(settings(off().await?), name)?,
        "off-table" => guarded(with_table(settings(off().await?)), name)?,
        "refused" => guarded(settings(on().await?), name)?,
        // The layer around them, for a server that takes any service.
        "off-around" => around(settings(off().await?), name)?,
        "refused-around" => around(settings(on().await?), name)?,
        "off-around-table" => around(with_table(settings(off().await?)), name)?,
        _ => return unknown(name),
    })
}

fn guarded(maintenance: MaintenanceBuilder, name: &str) -> Result<Case> {
    let app = guard(&maintenance.build()?, hello());
    Ok(requests(warp::service(app), name))
}

fn around(maintenance: MaintenanceBuilder, name: &str) -> Result<Case> {
    let app = maintenance.build()?.layer(warp::service(hello()));
    Ok(requests(app, name))
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

fn requests<S, B>(app: S, name: &str) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + 'static,
{
    let status = status_of(name);
    Box::new(move |times| {
        let mut is_as_named = true;
        for _ in 0..times {
            let mut request = Request::new(Empty::new());
            // As from a server, whose targets can be cloned without an allocation.
            *request.uri_mut() = Uri::from_static("/hello");
            let Ok(response) = ready(app.clone().oneshot(black_box(request)))?;
            is_as_named &= response.status() == status;
            drop(black_box(response));
        }
        if is_as_named { Ok(()) } else { otherwise() }
    })
}
