//! What is asked once, and answered.

use std::net::SocketAddr;

use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use intermission_tests::wait::PATIENCE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{ANA, BEN, JSON, STATUS, Site};

/// The longest body that is read.
const LIMIT: usize = 64 * 1024;

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

pub(crate) async fn the_page_is_below_the_mount(site: Site) {
    let page = site.get("/").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("cache-control"), "no-store");
    let mount = site.get("").await;
    assert_eq!(mount.status, 308, "{mount:?}");
    assert_eq!(mount.header("location"), format!("{}/", site.form.mount));
    // Not the framework's, which nobody has authorized.
    for path in ["", "/"] {
        let answer = site.ask(Method::GET, path, &[], "").await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
    }
    let document = parsed(&site.get("/openapi.json").await.body);
    assert_eq!(document["servers"][0]["url"], site.form.mount);
}

pub(crate) async fn head_is_answered_as_get_without_the_body(site: Site) {
    for path in ["/", "/api/passes", "/nothing"] {
        let mut got = site.get(path).await;
        let mut head = site.ask(Method::HEAD, path, &[ANA], "").await;
        assert_eq!(head.status, got.status, "{path}");
        assert_eq!(got.header("content-length"), got.body.len().to_string());
        assert_eq!(head.body, "");
        for answer in [&mut got, &mut head] {
            answer.headers.remove("date");
        }
        assert_eq!(head.headers, got.headers, "{path}");
    }
}

pub(crate) async fn what_is_not_there_is_told_apart(site: Site) {
    for path in ["/nothing", "/api", "/api/status/", "//", "/%61pi/status"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    for (method, path, allow) in [
        (Method::POST, "/api/status", "GET, HEAD"),
        (Method::GET, "/api/activate", "POST"),
        (Method::PATCH, "/api/passes", "GET, HEAD, POST, DELETE"),
        (Method::DELETE, "/", "GET, HEAD"),
    ] {
        let answer = site.ask(method, path, &[ANA], "").await;
        assert_eq!(answer.status, 405, "{path}: {answer:?}");
        assert_eq!(answer.header("allow"), allow);
    }
}

pub(crate) async fn only_who_may_administer_is_let_in(site: Site) {
    let panics = ("authorization", "Bearer panic");
    for (path, method) in [
        ("/", Method::GET),
        ("/api/status", Method::GET),
        ("/api/events", Method::GET),
        ("/api/activate", Method::POST),
        ("/nothing", Method::GET),
    ] {
        let nobody = site.ask(method.clone(), path, &[JSON], "{}").await;
        assert_eq!(nobody.status, 401, "{path}: {nobody:?}");
        let challenge = nobody.header("www-authenticate");
        assert_eq!(challenge, "Bearer realm=\"maintenance\"");
        let ben = site.ask(method.clone(), path, &[BEN, JSON], "{}").await;
        assert_eq!(ben.status, 403, "{path}: {ben:?}");
        let broken = site.ask(method, path, &[panics, JSON], "{}").await;
        assert_eq!(broken.status, 403, "{path}: {broken:?}");
    }
    assert!(!site.gate.record().phase().is_on());
}

/// Sends this, and waits for the status of the answer, while the rest of the body does not come.
async fn status_without_the_rest(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let byte = tokio::time::timeout(PATIENCE, socket.read_u8()).await;
        line.push(byte.expect("an answer comes").unwrap());
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

pub(crate) async fn what_nobody_may_send_is_not_read(site: Site) {
    let mount = site.form.mount;
    for (name, value, expected) in [
        ("x-none", "", "401"),
        (BEN.0, BEN.1, "403"),
        // Ana may, but not from there.
        (ANA.0, "Bearer ana\r\nOrigin: http://evil.example", "403"),
    ] {
        let request = format!(
            "POST {mount}/api/activate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 10\r\n{name}: {value}\r\n\r\n"
        );
        let line = status_without_the_rest(site.address, request.as_bytes()).await;
        assert!(line.starts_with(&format!("HTTP/1.1 {expected} ")), "{line}");
    }
}

pub(crate) async fn changes_are_made_by_who_was_authorized(site: Site) {
    site.close(r#"{"message":"Back soon"}"#).await;
    assert_eq!(site.gate.record().message(), Some("Back soon"));
    let status = parsed(&site.get("/api/status").await.body);
    assert_eq!(status["phase"], "activated");
    assert_eq!(status["requested_by"], "ana");
    let history = parsed(&site.get("/api/history").await.body);
    let requested = history["history"].as_array().unwrap().last().unwrap();
    assert_eq!(requested["origin"], "admin from 127.0.0.1");
    let again = site
        .post("/api/activate", r#"{"message":"Back soon"}"#)
        .await;
    assert_eq!(parsed(&again.body)["changed"], false);
    let stale = [ANA, JSON, ("if-match", "\"1\"")];
    let stale = site
        .ask(Method::POST, "/api/deactivate", &stale, "{}")
        .await;
    assert!([409, 412].contains(&stale.status.as_u16()), "{stale:?}");
}

pub(crate) async fn a_body_is_read_up_to_its_limit(site: Site) {
    let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
    let fits = site.post("/api/activate", &padded(LIMIT)).await;
    assert_eq!(fits.status, 200, "{fits:?}");
    let longer = site.post("/api/activate", &padded(LIMIT + 1)).await;
    assert_eq!(longer.status, 413, "{longer:?}");
    assert_eq!(longer.header("content-type"), "application/problem+json");

    // It is answered before the rest has come, whether the length was announced or not.
    let mount = site.form.mount;
    let head = format!(
        "POST {mount}/api/activate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ana\r\n\
         Content-Type: application/json\r\n"
    );
    let announced = format!("{head}Content-Length: 1048576\r\n\r\n{}", padded(LIMIT + 1));
    let in_chunks = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n",
        LIMIT + 1,
        padded(LIMIT + 1)
    );
    for request in [announced, in_chunks] {
        let line = status_without_the_rest(site.address, request.as_bytes()).await;
        assert!(line.starts_with("HTTP/1.1 413 "), "{line}");
    }
}

pub(crate) async fn a_change_needs_json_and_our_own_page(site: Site) {
    let host = site.address.to_string();
    let own = format!("http://{host}");
    for (headers, expected) in [
        (&[][..], 415),
        (&[("content-type", "text/plain")], 415),
        (
            &[("content-type", "application/x-www-form-urlencoded")],
            415,
        ),
        (&[JSON, ("sec-fetch-site", "cross-site")], 403),
        (&[JSON, ("sec-fetch-site", "same-site")], 403),
        (&[JSON, ("origin", "http://evil.example")], 403),
        (&[JSON, ("origin", "null")], 403),
        (&[JSON, ("origin", &own)], 200),
        (&[JSON, ("sec-fetch-site", "same-origin")], 200),
    ] {
        let headers = [&[ANA], headers].concat();
        let answer = site
            .ask(Method::POST, "/api/activate", &headers, "{}")
            .await;
        assert_eq!(answer.status, expected, "{headers:?}: {answer:?}");
        let is_on = expected == 200;
        site.gate
            .reached(|record| record.phase().is_on() == is_on)
            .await;
        if is_on {
            site.open().await;
        }
    }
}

pub(crate) async fn a_closed_site_can_be_opened_again(site: Site) {
    // No warning of a lock-out: the mount has said that it is always open.
    site.close(r#"{"level":"exclusive"}"#).await;
    let refused = site.send(Method::GET, "/", &[ANA], "").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    for path in ["/", "/api/status", "/api/history"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.header("maintenance-mode"), "", "{path}");
    }
    assert_eq!(site.get("").await.status, 308);
    site.open().await;
    assert_eq!(site.send(Method::GET, "/", &[], "").await.body, "hello");
}

pub(crate) async fn the_query_arrives_as_sent(site: Site) {
    let path = "/api/explain?method=POST&path=%2Fa%2520b%2Fc&ip=192.0.2.1";
    let explained = parsed(&site.get(path).await.body);
    assert_eq!(explained["method"], "POST");
    assert_eq!(explained["path"], "/a%20b/c");
    let twice = site.get("/api/history?n=1&n=2").await;
    assert_eq!(twice.status, 422, "{twice:?}");
}

pub(crate) async fn proxies_are_believed_line_by_line(site: Site) {
    let activate = async |lines: &[(&str, &str)]| {
        let headers = [&[ANA, JSON], lines].concat();
        let answer = site
            .ask(Method::POST, "/api/activate", &headers, "{}")
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let history = parsed(&site.get("/api/history").await.body);
        let requested = history["history"].as_array().unwrap().iter();
        let mut requested = requested.filter(|entry| entry["event"] == "requested");
        let origin = requested.next().unwrap()["origin"].clone();
        site.open().await;
        origin
    };
    let lines = [
        ("x-forwarded-for", "198.51.100.1, 192.0.2.10"),
        ("x-forwarded-for", "127.0.0.9"),
    ];
    assert_eq!(activate(&lines).await, "admin from 192.0.2.10");
    let lines = [
        ("x-forwarded-for", "127.0.0.9"),
        ("x-forwarded-for", "198.51.100.1, 192.0.2.11"),
    ];
    assert_eq!(activate(&lines).await, "admin from 192.0.2.11");
    assert_eq!(activate(&[]).await, "admin from 127.0.0.1");
}

/// The link of a pass, without its secret.
fn link(body: &str) -> String {
    let link = parsed(body)["link"].as_str().unwrap().to_owned();
    link.split('=').next().unwrap().to_owned()
}

pub(crate) async fn links_begin_with_the_host_that_was_asked_for(site: Site) {
    site.close("{}").await;
    let subject = r#"{"subject":"ben"}"#;
    let answer = site.post("/api/passes", subject).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let own = format!("http://{}/?intermission-pass", site.address);
    assert_eq!(link(&answer.body), own);
    // The peer is a trusted proxy.
    let secure = [ANA, JSON, ("x-forwarded-proto", "https")];
    let answer = site
        .ask(Method::POST, "/api/passes", &secure, subject)
        .await;
    let own = format!("https://{}/?intermission-pass", site.address);
    assert_eq!(link(&answer.body), own);
}

pub(crate) async fn the_host_of_http2_is_known(site: Site) {
    site.close("{}").await;
    for scheme in ["http", "https"] {
        let uri = format!("{scheme}://shop.example:8443{}/api/passes", site.form.mount);
        let (status, body) = ask_over_http2(site.address, uri.parse().unwrap()).await;
        assert_eq!(status, 201, "{body}");
        let known = if site.form.knows_https {
            scheme
        } else {
            "http"
        };
        let expected = format!("{known}://shop.example:8443/?intermission-pass");
        assert_eq!(link(&body), expected);
    }
}

/// Makes a pass. The server believes what the target says of the scheme.
async fn ask_over_http2(address: SocketAddr, uri: Uri) -> (u16, String) {
    let origin = format!("http://{}", uri.authority().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(uri)
        .header(ANA.0, ANA.1)
        .header(JSON.0, JSON.1)
        .header("origin", origin)
        .body(Full::new(Bytes::from_static(br#"{"subject":"ben"}"#)));
    let response = sender.send_request(request.unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) async fn the_public_sees_the_status_and_no_more(site: Site) {
    let status = async || {
        let answer = site.send(Method::GET, STATUS, &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "public, max-age=1");
        parsed(&answer.body)
    };
    let open = json!({"phase": "deactivated", "message": null, "ends_at": null, "retry_after_s": null, "upcoming": null});
    assert_eq!(status().await, open);
    site.close(r#"{"level":"exclusive","message":"Back soon","retry_after_s":77}"#)
        .await;
    let closed = json!({"phase": "activated", "message": "Back soon", "ends_at": null, "retry_after_s": 77, "upcoming": null});
    assert_eq!(status().await, closed);
    let refused = site.send(Method::GET, "/", &[], "").await;
    assert_eq!(refused.header("retry-after"), "77");
    let head = site.send(Method::HEAD, STATUS, &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    let length = closed.to_string().len().to_string();
    assert_eq!(head.header("content-length"), length);
    let post = site.send(Method::POST, STATUS, &[], "").await;
    assert_eq!(
        (post.status.as_u16(), post.header("allow")),
        (405, "GET, HEAD")
    );
}
