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

use super::{Case, off, on, otherwise, ready, status_of, unknown};

pub(super) const NAMES: &[&str] = &["bare", "off", "off-table", "refused"];

pub(super) async fn prepare(name: &str) -> Result<Case> {
    Ok(match name {
        "bare" => requests(service_fn(hello), name),
        "off" => requests(
            settings(off().await?).build()?.layer(service_fn(hello)),
            name,
        ),
        "off-table" => {
            let settings = settings(off().await?)
                .with_always("/health")
                .with_route("/jobs/{kind}", RouteAccess::StartsExecution);
            requests(settings.build()?.layer(service_fn(hello)), name)
        }
        "refused" => requests(
            settings(on().await?).build()?.layer(service_fn(hello)),
            name,
        ),
        _ => return unknown(name),
    })
}

pub(super) fn settings(gate: Gate) -> MaintenanceBuilder {
    MaintenanceLayer::builder(gate).with_lockout_accepted()
}

async fn hello(_: Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

fn requests<S, B>(app: S, name: &str) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + 'static,
{
    let status = status_of(name);
    Box::new(move |times| {
        let mut is_as_named = true;
        for _ in 0..times {
            let request = Request::builder().uri("/hello").body(Empty::new())?;
            let Ok(response) = ready(app.clone().oneshot(black_box(request)))?;
            is_as_named &= response.status() == status;
            drop(black_box(response));
        }
        if is_as_named { Ok(()) } else { otherwise() }
    })
}

/// A closed application under this name.
#[cfg(test)]
pub(super) async fn closed_for(name: &str) -> Result<Case> {
    let app = settings(on().await?).build()?.layer(service_fn(hello));
    Ok(requests(app, name))
}
