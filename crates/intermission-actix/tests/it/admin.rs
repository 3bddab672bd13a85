//! What the mount of the admin API does with actix-web's own. What all mounts do alike is in `tests/tests/admin_mounts`.

use actix_web::dev::Service;
use actix_web::{App, HttpMessage, HttpRequest, web};
use intermission_actix::MaintenanceScope;
use intermission_actix::admin::{self, Admin, Authorization};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{ask, expect, serve};
use crate::site::Site;

/// What an authentication finds out.
struct User(String);

fn authorize(request: &HttpRequest) -> Authorization {
    match request.extensions().get() {
        Some(User(name)) => Authorization::granted(name),
        None => Authorization::Unauthenticated,
    }
}

/// An application whose outer middleware takes everybody for who he says he is.
fn application(site: &Site) -> std::net::SocketAddr {
    let admin = Admin::new(site.gate.clone());
    let maintenance = site.maintenance().build().unwrap();
    serve!(move || {
        let routes = MaintenanceScope::new("")
            .service(web::resource("/").to(|| async { "hello" }))
            .service(admin::scope("/admin/maintenance", admin.clone(), authorize));
        App::new()
            .service(routes.behind(&maintenance))
            .wrap_fn(|request, service| {
                let name = request.headers().get("x-name").cloned();
                if let Some(name) = name {
                    let user = User(name.to_str().unwrap().to_owned());
                    request.extensions_mut().insert(user);
                }
                service.call(request)
            })
    })
}

#[actix_web::test]
async fn what_an_outer_middleware_finds_out_is_seen() {
    let site = Site::activated().await;
    let address = application(&site);
    let status = "/admin/maintenance/api/status";
    expect(
        address,
        &[
            "GET / 503",
            "GET /admin/maintenance/api/status 401",
            "GET /admin/maintenances 503",
            "GET /admin/ 503",
        ],
    )
    .await;
    let answer = ask(address, "GET", status, &["x-name: ana"]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[actix_web::test]
async fn no_compressor_keeps_events_back() {
    let site = Site::open().await;
    let address = application(&site);
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = "GET /admin/maintenance/api/events HTTP/1.1\r\nHost: x\r\nX-Name: ana\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: view\n") {
        assert!(socket.read_buf(&mut seen).await.unwrap() > 0);
    }
    let seen = String::from_utf8(seen).unwrap().to_ascii_lowercase();
    // What actix-web's `Compress` leaves alone.
    assert!(seen.contains("content-encoding: identity\r\n"), "{seen}");
}
