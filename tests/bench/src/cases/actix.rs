//! One request through actix-web, in this process: no socket, no worker.

use std::hint::black_box;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, web};
use anyhow::{Result, anyhow};
use intermission::{Gate, RouteAccess};
use intermission_actix::{
    Maintenance, MaintenanceBuilder, MaintenanceExt, MaintenanceScope, maintenance,
};

use super::{Case, off, on, otherwise, ready, status_of, unknown};

pub(super) const NAMES: &[&str] = &[
    "bare",
    "off",
    "off-table",
    "bare-scope",
    "off-scope",
    "refused",
];

pub(super) async fn prepare(name: &str) -> Result<Case> {
    Ok(match name {
        "bare" => {
            let app = App::new().route("/hello", web::get().to(hello));
            requests(init_service(app).await, || to_hello().to_request(), name)
        }
        // The gate around the application as a whole.
        "off" => wrapped(settings(off().await?).build()?, name).await,
        "off-table" => {
            let settings = settings(off().await?)
                .with_always("/health")
                .with_route("/jobs/{kind}", RouteAccess::StartsExecution);
            wrapped(settings.build()?, name).await
        }
        "refused" => wrapped(settings(on().await?).build()?, name).await,
        // The gate around each resource of a scope, and the same scope without.
        "bare-scope" => {
            let scope = web::scope("")
                .service(web::resource("/health").to(hello))
                .service(web::resource("/hello").to(hello));
            let app = App::new().service(scope);
            requests(init_service(app).await, || to_hello().to_request(), name)
        }
        "off-scope" => {
            let scope = MaintenanceScope::new("")
                .service(web::resource("/health").to(hello).always())
                .service(web::resource("/hello").to(hello));
            let scope = scope.behind(&settings(off().await?).build()?);
            let app = App::new().service(scope);
            requests(init_service(app).await, || to_hello().to_request(), name)
        }
        _ => return unknown(name),
    })
}

async fn wrapped(maintenance: Maintenance, name: &str) -> Case {
    let app = App::new().route("/hello", web::get().to(hello));
    let app = init_service(app.wrap(maintenance)).await;
    requests(app, || to_hello().to_request(), name)
}

fn settings(gate: Gate) -> MaintenanceBuilder {
    maintenance(gate).with_lockout_accepted()
}

async fn hello() -> &'static str {
    "hello"
}

fn to_hello() -> TestRequest {
    TestRequest::with_uri("/hello")
}

/// `R` is the request of actix-http, which actix-web does not name.
fn requests<R, S, B>(app: S, request: fn() -> R, name: &str) -> Case
where
    R: 'static,
    S: Service<R, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody,
{
    let status = status_of(name).as_u16();
    Box::new(move |times| {
        let mut is_as_named = true;
        for _ in 0..times {
            let response = ready(app.call(black_box(request())))?;
            let response = response.map_err(|error| anyhow!("{error}"))?;
            is_as_named &= response.status().as_u16() == status;
            drop(black_box(response));
        }
        if is_as_named { Ok(()) } else { otherwise() }
    })
}
