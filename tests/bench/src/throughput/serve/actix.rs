//! actix-web, with the middleware around the application.

use std::net::Ipv4Addr;

use actix_web::{App, HttpRequest, HttpServer, web};
use anyhow::{Context, Result};
use intermission::RouteAccess;
use intermission_actix::maintenance;

use super::{BODY, Mode, announce, gate_in};

pub(super) async fn serve(mode: Mode) -> Result<()> {
    let here = (Ipv4Addr::LOCALHOST, 0);
    let server = if mode == Mode::Bare {
        let server = HttpServer::new(|| App::new().configure(routes))
            .workers(1)
            .bind(here)?;
        announce(
            *server
                .addrs()
                .first()
                .context("actix-web listens nowhere")?,
        );
        server.run()
    } else {
        let is_staff = |request: &HttpRequest| {
            let header = request.headers().get("x-staff");
            header.is_some_and(|token| token == super::STAFF)
        };
        let maintenance = maintenance(gate_in(mode).await?)
            .with_permission(is_staff)
            .with_always("/health")
            .with_route("/imports", RouteAccess::StartsExecution)
            .build()?;
        let app = move || App::new().configure(routes).wrap(maintenance.clone());
        let server = HttpServer::new(app).workers(1).bind(here)?;
        announce(
            *server
                .addrs()
                .first()
                .context("actix-web listens nowhere")?,
        );
        server.run()
    };
    server.await.context("actix-web stopped")
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/hello", web::get().to(hello))
        .route("/health", web::get().to(hello))
        .route("/imports", web::post().to(hello));
}

async fn hello() -> &'static str {
    BODY
}
