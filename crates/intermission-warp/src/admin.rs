//! The admin API and page in a warp application: the feature `admin`.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use intermission::{Gate, MemoryState, RouteAccess};
//! use intermission_warp::admin::{self, Admin, Authorization};
//! use intermission_warp::{guard, maintenance};
//! use warp::Filter;
//! use warp::http::request::Parts;
//!
//! fn authorize(request: &Parts) -> Authorization {
//!     // A stand-in for the application's own authentication.
//!     match request.headers.get("authorization").map(|value| value.as_bytes()) {
//!         None => Authorization::Unauthenticated,
//!         Some(b"Bearer ana's secret") => Authorization::granted("ana"),
//!         Some(_) => Authorization::Forbidden,
//!     }
//! }
//!
//! let gate = Gate::builder(MemoryState::new()).start().await?;
//! let maintenance = maintenance(gate.clone()).with_always("/health").build()?;
//! // Before the guard, so that they are open whatever is closed.
//! let admin = Admin::new(gate.clone()).with_site("shop").with_route_access(RouteAccess::Always);
//! let administer = warp::path!("admin" / "maintenance" / ..);
//! let administer = administer.and(admin::routes(admin.clone(), authorize));
//! let status = warp::path!("maintenance-status").and(admin::public_status(gate));
//! let hello = warp::path::end().map(|| "hello");
//! let health = warp::path!("health").map(|| "ok");
//! let site = administer.or(status).or(guard(&maintenance, hello.or(health)));
//!
//! // Browsers keep a stream of events open. A server that waits for its connections ends with:
//! let shutdown = async move {
//!     // … wait for the signal …
//!     admin.end_events();
//! };
//! # drop((site, shutdown)); Ok(()) }
//! ```
//!
//! There is no mount without somebody who says who may administer:
//!
//! ```compile_fail
//! # use intermission_warp::admin::{self, Admin};
//! # use warp::{Filter, Rejection, reply};
//! fn open(admin: Admin) -> impl Filter<Extract = (reply::Response,), Error = Rejection> {
//!     admin::routes(admin)
//! }
//! ```

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Response, StatusCode};
use intermission::Gate;
#[doc(no_inline)]
pub use intermission_admin::{Admin, Authorization};
use intermission_admin::{AdminBody, AdminReply, AdminRequest, EventStream, read_body};
use intermission_tower::PeerAddress;
use warp::path::Tail;
use warp::{Filter, Rejection, Reply, reply};

use crate::head::{Head, head};

/// Who may administer.
pub(crate) type Authorize = Arc<dyn Fn(&Parts) -> Authorization + Send + Sync>;

/// The admin API and page, below what filters before this have matched of the path: `warp::path!("admin" / "maintenance" /
/// ..)`. It answers whatever is below that.
///
/// It goes before the [`guard`](crate::guard) around all others, so that it is always open, which no filter can know: say so
/// with [`Admin::with_route_access`], or a change that closes the site is refused as a lock-out. `authorize` is asked about each
/// request: it sees the method, the target, the headers and, in the extensions, the [`PeerAddress`], as the permission of a
/// guard does. It must not block. One that panics grants nothing.
///
/// Inside of a guard or of a layer, the table of that decides, and needs a row
/// [`Always`](intermission::RouteAccess::Always) for `/admin/maintenance`, one for `/admin/maintenance/` and one for
/// `/admin/maintenance/{*path}`.
///
/// # Security
///
/// The history names the address that a change came from. Behind a proxy, give [`Admin::with_trusted_proxies`] what the
/// gate was given.
pub fn routes(
    admin: Admin,
    authorize: impl Fn(&Parts) -> Authorization + Send + Sync + 'static,
) -> impl Filter<Extract = (reply::Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let authorize: Authorize = Arc::new(authorize);
    asked()
        .and(warp::body::stream())
        .then(move |asked: Asked, body| answer(admin.clone(), Arc::clone(&authorize), asked, body))
}

/// How the site is, for the public ([`intermission_admin::public_status`]). Open to everybody, if it goes before the
/// [`guard`](crate::guard); comes after what selects its path.
#[must_use]
pub fn public_status(
    gate: Gate,
) -> impl Filter<Extract = (reply::Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::method().map(move |method: Method| {
        response(intermission_admin::public_status(&gate, method.as_str()))
    })
}

/// The head of a request, after the filters that have matched the mount.
pub(crate) fn asked()
-> impl Filter<Extract = (Asked,), Error = Rejection> + Clone + Send + Sync + 'static {
    // warp's filters of paths panic at a target without one.
    let head = head().and_then(|head: Head| {
        let has_path = head.has_path();
        ready(has_path.then_some(head).ok_or_else(warp::reject::not_found))
    });
    head.and(authority())
        .and(warp::path::tail())
        .map(|head: Head, authority, tail| Asked {
            parts: head.into_parts(),
            authority,
            tail,
        })
}

/// The host in a request's target, which HTTP/2 has there.
fn authority() -> impl Filter<Extract = (Option<Authority>,), Error = Infallible> + Copy {
    let authority = warp::host::optional();
    // It rejects a header that is no host, or another than in the target.
    authority.or(warp::any().map(|| None)).unify()
}

/// The head of a request, as filters can see it.
pub(crate) struct Asked {
    pub(crate) parts: Parts,
    authority: Option<Authority>,
    tail: Tail,
}

async fn answer<B>(
    admin: Admin,
    authorize: Authorize,
    asked: Asked,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> reply::Response
where
    B: Buf,
{
    let authorization = Authorization::ask(|| authorize(&asked.parts));
    let reply = admin.answer(asked.request(authorization), |limit| read_body(body, limit));
    response(reply.await)
}

impl Asked {
    /// The request as the framework-neutral part wants it.
    pub(crate) fn request(&self, authorization: Authorization) -> AdminRequest {
        let Parts {
            method,
            uri,
            headers,
            extensions,
            ..
        } = &self.parts;
        let (mount, path) = below(uri.path(), self.tail.as_str());
        let peer = extensions.get().map(|PeerAddress(peer)| peer.ip());
        let mut request = AdminRequest::new(method.as_str(), path, authorization)
            .with_mount(mount)
            .with_query(uri.query())
            .with_peer(peer);
        for (name, value) in headers {
            request = request.with_header(name.as_str(), value.as_bytes());
        }
        match &self.authority {
            Some(authority) if !headers.contains_key(HOST) => {
                request.with_header(HOST.as_str(), authority.as_str())
            }
            _ => request,
        }
    }
}

/// Takes the path of a request apart: the mount, and what is below it. warp's tail has no slash in front, and is empty for
/// the mount with and without a slash.
fn below<'a>(path: &'a str, tail: &str) -> (&'a str, &'a str) {
    let mount = path.strip_suffix(tail).unwrap_or(path);
    let mount = mount.strip_suffix('/').unwrap_or(mount);
    path.split_at(mount.len())
}

pub(crate) fn response(reply: AdminReply) -> reply::Response {
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = http::HeaderMap::new();
    for (name, value) in reply.headers() {
        // What its makers put into a value has no control characters.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let mut response = match reply.into_body() {
        AdminBody::Full(bytes) => Response::new(bytes).into_response(),
        AdminBody::Events(events) => reply::stream(Events(events)).into_response(),
    };
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Events, each sent as soon as it is there.
struct Events(Box<EventStream>);

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0)
            .poll_next(cx)
            .map(|event| event.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_what_is_in_front_of_the_tail() {
        for (path, tail, expected) in [
            ("/a/m/api/status", "api/status", ("/a/m", "/api/status")),
            ("/a/m/", "", ("/a/m", "/")),
            ("/a/m", "", ("/a/m", "")),
            ("/a/m//", "/", ("/a/m", "//")),
            ("/api", "api", ("", "/api")),
            ("/", "", ("", "/")),
        ] {
            assert_eq!(below(path, tail), expected, "{path}");
        }
    }
}
