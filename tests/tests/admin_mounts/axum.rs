//! axum: in a router with flags, below another one, and in a plain router outside and inside of the layer.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::routing::get;
use futures_util::FutureExt;
use http::request::Parts;
use intermission_admin::Authorization;
use intermission_axum::{MaintenanceRouter, admin, maintenance};
use tokio::net::TcpListener;

use crate::{Form, STATUS, always, rows};

const MOUNT: &str = "/admin/maintenance";

pub(crate) const FORMS: &[Form] = &[
    Form {
        name: "axum",
        mount: MOUNT,
        knows_https: true,
        serve: |gate, admin| {
            let routes = MaintenanceRouter::new()
                .route("/", get(hello))
                .merge(admin::public_status(STATUS, gate.clone()))
                .merge(admin::routes(MOUNT, admin, authorize));
            let service = routes.into_service(maintenance(gate)).unwrap();
            let service = service.into_make_service_with_connect_info::<SocketAddr>();
            async {
                let (listener, address) = listen().await;
                tokio::spawn(async { axum::serve(listener, service).await });
                address
            }
            .boxed()
        },
    },
    Form {
        name: "axum-nested",
        mount: "/shops/7/maintenance",
        knows_https: true,
        serve: |gate, admin| {
            let shop = MaintenanceRouter::new()
                .route("/", get(hello))
                .merge(admin::routes("/maintenance/", admin, authorize));
            let routes = MaintenanceRouter::new()
                .route("/", get(hello))
                .merge(admin::public_status(STATUS, gate.clone()))
                .nest("/shops/{shop}", shop);
            serve(routes.into_router(maintenance(gate)).unwrap()).boxed()
        },
    },
    Form {
        name: "axum-outside",
        mount: MOUNT,
        knows_https: true,
        serve: |gate, admin| {
            let layer = maintenance(gate.clone()).with_lockout_accepted();
            let router = Router::new()
                .route("/", get(hello))
                .layer(layer.build().unwrap())
                .merge(admin::public_status(STATUS, gate))
                .merge(admin::routes(MOUNT, always(admin), authorize));
            serve(router).boxed()
        },
    },
    Form {
        name: "axum-table",
        mount: MOUNT,
        knows_https: true,
        serve: |gate, admin| {
            let settings = rows(MOUNT)
                .into_iter()
                .fold(maintenance(gate.clone()), |settings, row| {
                    settings.with_always(row)
                });
            let router = Router::new()
                .route("/", get(hello))
                .merge(admin::public_status(STATUS, gate))
                .merge(admin::routes(MOUNT, always(admin), authorize))
                .layer(settings.build().unwrap());
            serve(router).boxed()
        },
    },
];

async fn hello() -> &'static str {
    "hello"
}

fn authorize(request: &Parts) -> Authorization {
    let value = request.headers.get("authorization");
    crate::authorize(value.map(|value| value.as_bytes()))
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn serve(router: Router) -> SocketAddr {
    let (listener, address) = listen().await;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await });
    address
}
