//! warp: beside the guard, below a parameter, and inside of the guard.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::FutureExt;
use http::request::Parts;
use intermission_admin::Authorization;
use intermission_warp::{admin, guard, maintenance};
use tokio::net::TcpListener;
use warp::{Filter, Rejection, Reply};

use crate::{Form, always, rows};

const MOUNT: &str = "/admin/maintenance";

pub(crate) const FORMS: &[Form] = &[
    Form {
        name: "warp",
        mount: MOUNT,
        knows_https: false,
        serve: |gate, admin| {
            let layer = maintenance(gate.clone()).with_lockout_accepted();
            let layer = layer.build().unwrap();
            let mounted = warp::path!("admin" / "maintenance" / ..);
            let mounted = mounted.and(admin::routes(always(admin), authorize));
            let status = warp::path!("maintenance-status").and(admin::public_status(gate));
            serve(mounted.or(status).or(guard(&layer, hello()))).boxed()
        },
    },
    Form {
        name: "warp-nested",
        mount: "/shops/7/maintenance",
        knows_https: false,
        serve: |gate, admin| {
            let layer = maintenance(gate.clone()).with_lockout_accepted();
            let layer = layer.build().unwrap();
            let mounted = warp::path!("shops" / u64 / "maintenance" / ..);
            let mounted = mounted.and(admin::routes(always(admin), authorize));
            let mounted = mounted.map(|_shop, response| response);
            let status = warp::path!("maintenance-status").and(admin::public_status(gate));
            serve(mounted.or(status).or(guard(&layer, hello()))).boxed()
        },
    },
    Form {
        name: "warp-table",
        mount: MOUNT,
        knows_https: false,
        serve: |gate, admin| {
            let settings = rows(MOUNT)
                .into_iter()
                .fold(maintenance(gate.clone()), |settings, row| {
                    settings.with_always(row)
                });
            let layer = settings.build().unwrap();
            let mounted = warp::path!("admin" / "maintenance" / ..);
            let mounted = mounted.and(admin::routes(always(admin), authorize));
            let status = warp::path!("maintenance-status").and(admin::public_status(gate));
            serve(guard(&layer, mounted.or(status).unify().or(hello()))).boxed()
        },
    },
];

fn hello() -> impl Filter<Extract = (&'static str,), Error = Rejection> + Clone {
    warp::path::end().map(|| "hello")
}

fn authorize(request: &Parts) -> Authorization {
    let value = request.headers.get("authorization");
    crate::authorize(value.map(|value| value.as_bytes()))
}

async fn serve<F, R>(filter: F) -> SocketAddr
where
    F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
    R: Reply,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(warp::serve(filter).incoming(listener).run());
    address
}
