//! One request through a bare function, in this process: what the layer costs by itself, since there is nothing else.

use std::convert::Infallible;
use std::hint::black_box;

use anyhow::Result;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper::body::Bytes;
use intermission::{Gate, RouteAccess};
use intermission_tower::{MaintenanceBuilder, MaintenanceLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{Case, off, on, ready, unknown};

pub(super) const NAMES: &[&str] = &["bare", "off", "off-table", "refused"];

pub(super) async fn prepare(name: &str) -> Result<Case> {
    Ok(match name {
        "bare" => requests(service_fn(hello)),
        "off" => requests(settings(off().await?).build()?.layer(service_fn(hello))),
        "off-table" => {
            let settings = settings(off().await?)
                .with_always("/health")
                .with_route("/jobs/{kind}", RouteAccess::StartsExecution);
            requests(settings.build()?.layer(service_fn(hello)))
        }
        "refused" => requests(settings(on().await?).build()?.layer(service_fn(hello))),
        _ => return unknown(name),
    })
}

pub(super) fn settings(gate: Gate) -> MaintenanceBuilder {
    MaintenanceLayer::builder(gate).with_lockout_accepted()
}

async fn hello(_: Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

fn requests<S, B>(app: S) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + 'static,
{
    Box::new(move |times| {
        for _ in 0..times {
            let request = Request::builder().uri("/hello").body(Empty::new())?;
            let Ok(response) = ready(app.clone().oneshot(black_box(request)))?;
            drop(black_box(response));
        }
        Ok(())
    })
}
