//! One request through a connection of hyper, in this process: parsed from bytes, answered in bytes, no socket.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use anyhow::Result;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper_util::service::TowerToHyperService;
use intermission::RouteAccess;
use tower::{Layer, Service, service_fn};

use super::tower::settings;
use super::{Case, off, on, otherwise, status_of, unknown};

pub(super) const NAMES: &[&str] = &["bare", "off", "off-table", "refused"];

const REQUEST: &[u8] =
    b"GET /hello HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench\r\naccept: */*\r\n\r\n";

pub(super) async fn prepare(name: &str) -> Result<Case> {
    Ok(match name {
        "bare" => requests(service_fn(hello), name),
        "off" => requests(
            settings(off().await?).build()?.layer(service_fn(hello)),
            name,
        ),
        "off-table" => {
            let settings = settings(off().await?)
                .with_always("/health")
                .with_route("/jobs/{kind}", RouteAccess::StartsExecution);
            requests(settings.build()?.layer(service_fn(hello)), name)
        }
        "refused" => requests(
            settings(on().await?).build()?.layer(service_fn(hello)),
            name,
        ),
        _ => return unknown(name),
    })
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

fn requests<S, B>(app: S, name: &str) -> Case
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let expected = if status_of(name) == StatusCode::OK {
        b"HTTP/1.1 200"
    } else {
        b"HTTP/1.1 503"
    };
    Box::new(move |times| {
        let is_as_named = Cell::new(true);
        let client = Client {
            left: times,
            expected,
            is_as_named: &is_as_named,
        };
        let service = TowerToHyperService::new(app.clone());
        // The client has sent all its requests when the last is answered.
        let connection = http1::Builder::new()
            .half_close(true)
            .serve_connection(client, service);
        let mut connection = pin!(connection);
        let mut context = Context::from_waker(Waker::noop());
        // hyper gives way to others after a few requests, and there are none.
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(&mut context) {
                ended?;
                return if is_as_named.get() {
                    Ok(())
                } else {
                    otherwise()
                };
            }
        }
    })
}

/// Sends that many requests, one after the other, and reads no more of an answer than its status.
struct Client<'a> {
    left: u64,
    expected: &'static [u8; 12],
    is_as_named: &'a Cell<bool>,
}

impl Read for Client<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left > 0 {
            self.left -= 1;
            buf.put_slice(REQUEST);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Client<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.first_chunk() != Some(self.expected) {
            self.is_as_named.set(false);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A closed application under this name.
#[cfg(test)]
pub(super) async fn closed_for(name: &str) -> Result<Case> {
    let app = settings(on().await?).build()?.layer(service_fn(hello));
    Ok(requests(app, name))
}
