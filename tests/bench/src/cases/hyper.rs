//! One request through a connection of hyper, in this process: parsed from bytes, answered in bytes, no socket.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use anyhow::{Context as _, Result};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper_util::service::TowerToHyperService;
use intermission::RouteAccess;
use tower::{Layer, Service, service_fn};

use super::tower::settings;
use super::{Case, is_as_named, off, on, unknown};

pub(super) const NAMES: &[&str] = &["bare", "off", "off-table", "refused"];

const REQUEST: &[u8] =
    b"GET /hello HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench\r\naccept: */*\r\n\r\n";

pub(super) async fn prepare(name: &str) -> Result<Case> {
    Ok(match name {
        "bare" => requests(service_fn(hello), name)?,
        "off" => requests(
            settings(off().await?).build()?.layer(service_fn(hello)),
            name,
        )?,
        "off-table" => {
            let settings = settings(off().await?)
                .with_always("/health")
                .with_route("/jobs/{kind}", RouteAccess::StartsExecution);
            requests(settings.build()?.layer(service_fn(hello)), name)?
        }
        "refused" => requests(
            settings(on().await?).build()?.layer(service_fn(hello)),
            name,
        )?,
        _ => return unknown(name),
    })
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

fn requests<S, B>(app: S, name: &str) -> Result<Case>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let mut witness = Witness {
        client: Client { left: 1 },
        heard: Vec::new(),
    };
    serve(app.clone(), &mut witness)?;
    is_as_named(name, witness.status()?)?;
    Ok(Box::new(move |times| {
        serve(app.clone(), Client { left: times })
    }))
}

fn serve<S, B>(app: S, client: impl Read + Write + Unpin) -> Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let service = TowerToHyperService::new(app);
    // The client has sent all its requests when the last is answered.
    let connection = http1::Builder::new()
        .half_close(true)
        .serve_connection(client, service);
    let mut connection = pin!(connection);
    let mut context = Context::from_waker(Waker::noop());
    // hyper gives way to others after a few requests, and there are none.
    loop {
        if let Poll::Ready(ended) = connection.as_mut().poll(&mut context) {
            return Ok(ended?);
        }
    }
}

/// Sends that many requests, one after the other, and reads no answer.
struct Client {
    left: u64,
}

impl Read for Client {
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

impl Write for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A client that keeps what it hears.
struct Witness {
    client: Client,
    heard: Vec<u8>,
}

impl Witness {
    /// Of the first answer.
    fn status(&self) -> Result<u16> {
        let heard = String::from_utf8_lossy(&self.heard);
        let status = heard
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        status.with_context(|| format!("hyper answers with no status: {heard:.80}"))
    }
}

impl Read for Witness {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_read(cx, buf)
    }
}

impl Write for Witness {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.heard.extend(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_shutdown(cx)
    }
}
