//! axum, as its README shows it and as ours does.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::http::request::Parts;
use axum::routing::{get, post};
use intermission_axum::{MaintenanceRouter, MethodRouterExt, StartedExecution, maintenance};

use super::{BODY, Mode, gate_in, listen};

pub(super) async fn serve(mode: Mode) -> Result<()> {
    let listener = listen().await?;
    match mode {
        Mode::Bare => axum::serve(listener, bare()).await?,
        Mode::BarePeer => {
            let app = bare().into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).await?;
        }
        Mode::ByHand | Mode::Off | Mode::On => {
            let is_staff = |request: &Parts| super::is_staff(request.headers.get("x-staff"));
            let app = MaintenanceRouter::new()
                .route("/hello", get(hello))
                .route("/health", get(hello).always())
                .route("/imports", post(import).starts_execution())
                .into_service(maintenance(gate_in(mode).await?).with_permission(is_staff))?
                .into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).await?;
        }
    }
    Ok(())
}

fn bare() -> Router {
    Router::new()
        .route("/hello", get(hello))
        .route("/health", get(hello))
        .route("/imports", post(hello))
}

async fn hello() -> &'static str {
    BODY
}

async fn import(StartedExecution(execution): StartedExecution) {
    drop(execution);
}
