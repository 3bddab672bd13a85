//! actix-web's server on a free port, and a client that sees every byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::dev::Service;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, web};
use intermission::Decision;
use intermission_actix::Maintenance;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Serves what the factory gives, on a port of its own, until the test has ended.
macro_rules! serve {
    ($factory:expr) => {
        serve!($factory, |server| server)
    };
    ($factory:expr, |$server:ident| $set_up:expr) => {{
        let $server = actix_web::HttpServer::new($factory);
        let server = $set_up
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            .bind((std::net::Ipv4Addr::LOCALHOST, 0))
            .unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        address
    }};
}
pub(crate) use serve;

/// How often the application was called.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<AtomicUsize>);

impl Calls {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// An application that says `hello` at every path, and lets everybody cache it. What an outer middleware finds in the
/// extensions of the response is in the header `x-decision`.
pub(crate) fn serve_hello(maintenance: &Maintenance, calls: &Calls) -> SocketAddr {
    let (maintenance, calls) = (maintenance.clone(), calls.clone());
    serve!(move || {
        App::new()
            .app_data(web::Data::new(calls.clone()))
            .default_service(web::to(hello))
            .wrap(maintenance.clone())
            .wrap_fn(|request, service| {
                let response = service.call(request);
                async move {
                    let mut response = response.await?;
                    let decision: Option<Decision> =
                        response.response().extensions().get().copied();
                    if let Some(decision) = decision {
                        let value = HeaderValue::try_from(format!("{decision:?}")).unwrap();
                        let name = HeaderName::from_static("x-decision");
                        response.headers_mut().insert(name, value);
                    }
                    Ok(response)
                }
            })
    })
}

async fn hello(calls: web::Data<Calls>) -> HttpResponse {
    calls.0.fetch_add(1, Ordering::SeqCst);
    HttpResponse::Ok()
        .insert_header(("cache-control", "public, max-age=600"))
        .body("hello")
}

/// The same, where nobody counts.
pub(crate) fn hello_behind(maintenance: &Maintenance) -> SocketAddr {
    serve_hello(maintenance, &Calls::default())
}

/// What came back, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in small letters, without `date` and `connection`, which are the server's.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map_or("", |(_, value)| value);
        assert!(values.next().is_none(), "{name} is set more than once");
        value
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect(text);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut headers: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .filter(|(name, _)| name != "date" && name != "connection")
            .collect();
        headers.sort();
        Self {
            status: status.parse().unwrap(),
            headers,
            body: body.to_owned(),
        }
    }
}

/// Asks with headers such as `accept: text/html`.
pub(crate) async fn ask(address: SocketAddr, method: &str, uri: &str, headers: &[&str]) -> Answer {
    let mut request = format!("{method} {uri} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    Answer::parse(&exchange(address, &request).await)
}

pub(crate) async fn get(address: SocketAddr, uri: &str) -> Answer {
    ask(address, "GET", uri, &[]).await
}

/// Sends this, and reads until the server closes.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Asks by lines such as `GET /health 200`.
pub(crate) async fn expect(address: SocketAddr, lines: &[&str]) {
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        let [method, uri, status] = words[..] else {
            panic!("`{line}` is not METHOD URI STATUS");
        };
        let answer = ask(address, method, uri, &[]).await;
        assert_eq!(answer.status.to_string(), status, "{line}: {answer:?}");
    }
}
