//! actix-web: in a scope with flags, in a scope inside of it, and in an application that is wrapped as a whole.

use std::net::{Ipv4Addr, SocketAddr};

use actix_web::http::header::HeaderValue;
use actix_web::web::{resource, scope};
use actix_web::{App, HttpRequest, HttpServer, Resource, dev};
use futures_util::FutureExt;
use intermission_actix::{MaintenanceScope, admin, maintenance};
use intermission_admin::Authorization;
use tokio::sync::oneshot;

use crate::{Form, STATUS, always, rows};

const MOUNT: &str = "/admin/maintenance";
const NESTED: &str = "/shops/7/maintenance";

/// A server for this application, on a port of its own.
macro_rules! listen {
    ($factory:expr) => {{
        let server = HttpServer::new($factory)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            .h1_allow_half_closed(false)
            .bind_auto_h2c((Ipv4Addr::LOCALHOST, 0))
            .unwrap();
        let address = server.addrs()[0];
        (server.run(), address)
    }};
}

pub(crate) const FORMS: &[Form] = &[
    Form {
        name: "actix",
        mount: MOUNT,
        knows_https: true,
        serve: |gate, admin| {
            serve(move || {
                let maintenance = maintenance(gate.clone()).with_always_elsewhere();
                let maintenance = maintenance.build().unwrap();
                listen!(move || {
                    let routes = MaintenanceScope::new("")
                        .service(hello("/"))
                        .service(admin::public_status(STATUS, gate.clone()))
                        .service(admin::scope(MOUNT, admin.clone(), authorize));
                    App::new().service(routes.behind(&maintenance))
                })
            })
            .boxed()
        },
    },
    Form {
        name: "actix-nested",
        mount: NESTED,
        knows_https: true,
        serve: |gate, admin| {
            serve(move || {
                let maintenance = maintenance(gate.clone()).with_always_elsewhere();
                let maintenance = maintenance.build().unwrap();
                listen!(move || {
                    let shop = MaintenanceScope::new("/shops/{shop}")
                        .service(hello("/"))
                        .service(admin::scope("/maintenance/", admin.clone(), authorize));
                    let routes = MaintenanceScope::new("")
                        .service(hello("/"))
                        .service(admin::public_status(STATUS, gate.clone()))
                        .service(shop);
                    App::new().service(routes.behind(&maintenance))
                })
            })
            .boxed()
        },
    },
    Form {
        name: "actix-table",
        mount: NESTED,
        knows_https: true,
        serve: |gate, admin| {
            serve(move || {
                let settings = rows(NESTED)
                    .into_iter()
                    .fold(maintenance(gate.clone()), |settings, row| {
                        settings.with_always(row)
                    });
                let maintenance = settings.build().unwrap();
                listen!(move || {
                    let mounted = admin::scope("/maintenance", always(admin.clone()), authorize);
                    App::new()
                        .service(hello("/"))
                        .service(admin::public_status(STATUS, gate.clone()))
                        .service(scope("/shops/{shop}").service(mounted))
                        .wrap(maintenance.clone())
                })
            })
            .boxed()
        },
    },
];

fn hello(path: &str) -> Resource {
    resource(path).to(|| async { "hello" })
}

fn authorize(request: &HttpRequest) -> Authorization {
    let value = request.headers().get("authorization");
    crate::authorize(value.map(HeaderValue::as_bytes))
}

/// actix-web's handlers stay on their thread, so the server has threads and a runtime of its own.
async fn serve(start: impl FnOnce() -> (dev::Server, SocketAddr) + Send + 'static) -> SocketAddr {
    let (started, has_started) = oneshot::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let (server, address) = start();
            started.send(address).unwrap();
            let _ = server.await;
        });
    });
    has_started.await.unwrap()
}
