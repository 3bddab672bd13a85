//! Refusals over HTTP/2, where a response says by itself that it has ended.

use std::net::SocketAddr;

use actix_web::{App, HttpServer, web};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::site::Site;

fn serve(site: &Site) -> SocketAddr {
    let maintenance = site.maintenance().with_always("/health").build().unwrap();
    let factory = move || {
        App::new()
            .default_service(web::to(async || "hello"))
            .wrap(maintenance.clone())
    };
    let server = HttpServer::new(factory)
        .workers(1)
        .disable_signals()
        .bind_auto_h2c((std::net::Ipv4Addr::LOCALHOST, 0))
        .unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    address
}

async fn send(address: SocketAddr, request: http::request::Builder) -> Response<Incoming> {
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), socket)
        .await
        .unwrap();
    actix_web::rt::spawn(connection);
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    response
}

fn header<'a>(response: &'a Response<Incoming>, name: &str) -> Option<&'a str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}

#[actix_web::test]
async fn a_refused_grpc_call_is_trailers_only() {
    let site = Site::activated().await;
    let call = Request::post("http://x/greeter");
    let call = call.header("content-type", "application/grpc");
    let response = send(serve(&site), call).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "grpc-status"), Some("14"));
    assert_eq!(header(&response, "content-length"), None);
    assert!(response.body().is_end_stream());
}

#[actix_web::test]
async fn head_gets_the_headers_of_get_and_no_body() {
    let site = Site::activated().await;
    let address = serve(&site);
    let got = send(address, Request::get("http://x/")).await;
    let head = send(address, Request::head("http://x/")).await;
    assert_eq!((got.status().as_u16(), head.status().as_u16()), (503, 503));
    for name in [
        "content-length",
        "content-type",
        "retry-after",
        "cache-control",
        "vary",
        "maintenance-mode",
    ] {
        assert!(header(&got, name).is_some(), "{name}");
        assert_eq!(header(&got, name), header(&head, name), "{name}");
    }
    let length = header(&got, "content-length").map(str::to_owned);
    let body = got.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(length, Some(body.len().to_string()));
    let none = head.into_body().collect().await.unwrap().to_bytes();
    assert!(none.is_empty());
}

#[actix_web::test]
async fn who_passes_gets_the_answer() {
    let site = Site::activated().await;
    let response = send(serve(&site), Request::get("http://x/health")).await;
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "hello");
}
