//! What a request gets whose path no route matches.

use std::net::SocketAddr;

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, web};
use intermission::RouteAccess;
use intermission_actix::{Maintenance, MaintenanceExt, MaintenanceScope, UnknownRoutes};

use crate::server::{get, serve};
use crate::site::Site;

async fn ok() -> &'static str {
    "ok"
}

async fn teapot() -> HttpResponse {
    HttpResponse::new(StatusCode::IM_A_TEAPOT)
}

fn routes() -> MaintenanceScope {
    let shop = MaintenanceScope::new("/shop").service(web::resource("/orders").to(ok));
    let plain = web::scope("/plain").service(web::resource("/a").to(ok));
    MaintenanceScope::new("")
        .service(web::resource("/").to(ok))
        .service(web::resource("/health").to(ok).always())
        .service(shop)
        .service(plain)
}

const UNKNOWN: [&str; 7] = [
    "/nothing",
    "/shop",
    "/shop/",
    "/shop/nothing",
    "/plain/nothing",
    "/health/x",
    "/shopx",
];

async fn expect(address: SocketAddr, status: u16, paths: &[&str]) {
    for path in paths {
        let answer = get(address, path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
}

/// The same application in both forms: flags beside resources, and wrapped as a whole.
fn serve_both(maintenance: &Maintenance) -> [SocketAddr; 2] {
    let (scope, whole) = (maintenance.clone(), maintenance.clone());
    let scope = serve!(move || {
        App::new()
            .service(routes().behind(&scope))
            .default_service(web::to(teapot))
    });
    let whole = serve!(move || {
        App::new()
            .service(web::resource("/").to(ok))
            .service(web::resource("/health").to(ok))
            .service(web::scope("/shop").service(web::resource("/orders").to(ok)))
            .service(web::scope("/plain").service(web::resource("/a").to(ok)))
            .default_service(web::to(teapot))
            .wrap(whole.clone())
    });
    [scope, whole]
}

#[actix_web::test]
async fn unknown_routes_are_refused_with_the_rest() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().with_always("/health").build().unwrap();
    let both = serve_both(&maintenance);
    for address in both {
        expect(address, 503, &UNKNOWN).await;
        expect(address, 503, &["/", "/shop/orders", "/plain/a"]).await;
        expect(address, 200, &["/health"]).await;
    }
    site.deactivate().await;
    for address in both {
        expect(address, 418, &UNKNOWN).await;
        expect(address, 200, &["/", "/shop/orders", "/plain/a"]).await;
    }
    site.nothing_in_flight().await;
}

#[actix_web::test]
async fn unknown_routes_may_be_told_from_closed_ones() {
    let site = Site::activated().await;
    let maintenance = site
        .maintenance()
        .with_always("/health")
        .with_unknown_routes(UnknownRoutes::NotFound)
        .build()
        .unwrap();
    for address in serve_both(&maintenance) {
        expect(address, 404, &UNKNOWN).await;
        expect(address, 503, &["/", "/shop/orders", "/plain/a"]).await;
        expect(address, 200, &["/health"]).await;
        let unknown = get(address, "/nothing").await;
        assert_eq!(
            (unknown.header("content-length"), &*unknown.body),
            ("0", "")
        );
    }
}

#[actix_web::test]
async fn a_default_service_goes_by_its_own_flag() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().build().unwrap();
    for (access, status) in [(RouteAccess::Always, 418), (RouteAccess::Ordinary, 503)] {
        let maintenance = maintenance.clone();
        let address = serve!(move || {
            let spa = MaintenanceScope::new("/spa").default_service(web::to(teapot), access);
            App::new().service(routes().service(spa).behind(&maintenance))
        });
        expect(address, status, &["/spa", "/spa/x", "/spa/x/y"]).await;
        expect(address, 503, &["/spax", "/nothing", "/"]).await;
        expect(address, 200, &["/health"]).await;
    }
}
