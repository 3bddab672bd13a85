//! The admin API and page in an actix-web application: the feature `admin`.
//!
//! # Examples
//!
//! ```
//! # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use actix_web::{App, HttpMessage, HttpRequest, web};
//! use intermission::{Gate, MemoryState};
//! use intermission_actix::admin::{self, Admin, Authorization};
//! use intermission_actix::{MaintenanceScope, maintenance};
//!
//! /// What the application's authentication, a middleware around all of it, puts into the extensions.
//! #[derive(Clone)]
//! struct User { name: String, is_admin: bool }
//!
//! fn authorize(request: &HttpRequest) -> Authorization {
//!     match request.extensions().get::<User>() {
//!         None => Authorization::Unauthenticated,
//!         Some(user) if user.is_admin => Authorization::granted(&user.name),
//!         Some(_) => Authorization::Forbidden,
//!     }
//! }
//!
//! let gate = Gate::builder(MemoryState::new()).start().await?;
//! let maintenance = maintenance(gate.clone()).with_always_elsewhere().build()?;
//! // Made once, outside of the factory that runs for each worker.
//! let admin = Admin::new(gate.clone()).with_site("shop");
//! let routes = || {
//!     MaintenanceScope::new("")
//!         .service(web::resource("/").to(|| async { "hello" }))
//!         .service(admin::public_status("/maintenance-status", gate.clone()))
//!         .service(admin::scope("/admin/maintenance", admin.clone(), authorize))
//! };
//! let app = App::new().service(routes().behind(&maintenance));
//!
//! // Browsers keep a stream of events open. A server that waits for its connections ends with:
//! let admin = admin.clone();
//! let shutdown = async move {
//!     // … wait for the signal …
//!     admin.end_events();
//!     // … `ServerHandle::stop(true)` …
//! };
//! # drop((app, shutdown)); Ok(()) }
//! ```
//!
//! There is no mount without somebody who says who may administer:
//!
//! ```compile_fail
//! # use intermission_actix::{MaintenanceScope, admin::{self, Admin}};
//! fn open(admin: Admin) -> MaintenanceScope {
//!     MaintenanceScope::new("").service(admin::scope("/admin/maintenance", admin))
//! }
//! ```

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use actix_web::http::uri::Scheme;
use actix_web::web::{self, Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse, Resource, Scope};
use futures_core::Stream;
use intermission::{Gate, RouteAccess};
#[doc(no_inline)]
pub use intermission_admin::{Admin, Authorization};
use intermission_admin::{
    AdminBody, AdminReply, AdminRequest, EventStream, read_body, split_mount,
};

use crate::flags::{FlaggedService, MaintenanceExt};

/// Who may administer.
pub(crate) type Authorize = Rc<dyn Fn(&HttpRequest) -> Authorization>;

/// The admin API and page under this prefix, such as `/admin/maintenance`: for
/// [`MaintenanceScope::service`](crate::MaintenanceScope::service).
///
/// It is always open, and asks `authorize` about each request. The closure sees what outer middleware has put into the
/// extensions, so an authentication that runs around the application can be asked about its user. It must not block. One
/// that panics grants nothing.
///
/// A scope inside others may have it, too: the page finds out where it is. For an `App` that is wrapped as a whole, see
/// [`AdminScope`]. Make the [`Admin`] once and clone it into each worker's factory.
///
/// # Security
///
/// The history names the address that a change came from. Behind a proxy, give [`Admin::with_trusted_proxies`] what the
/// gate was given.
pub fn scope(
    prefix: &str,
    admin: Admin,
    authorize: impl Fn(&HttpRequest) -> Authorization + 'static,
) -> AdminScope {
    AdminScope {
        prefix: prefix.trim_end_matches('/').to_owned(),
        admin,
        authorize: Rc::new(authorize),
    }
}

/// The scope of the admin API and page. Made by [`scope`].
///
/// As part of a [`MaintenanceScope`](crate::MaintenanceScope) it is flagged [`RouteAccess::Always`].
///
/// It can also be added to an `App` or a [`Scope`] as any service. If the gate's middleware is around that, its table
/// decides, and needs a row for `/admin/maintenance`, one for `/admin/maintenance/` and one for
/// `/admin/maintenance/{*path}`. Say so with [`Admin::with_route_access`] then, or the page warns that closing the site would
/// lock its users out.
#[must_use = "a scope does nothing until it is added as a service"]
pub struct AdminScope {
    prefix: String,
    admin: Admin,
    authorize: Authorize,
}

impl AdminScope {
    fn into_scope(self) -> Scope {
        let Self {
            prefix,
            admin,
            authorize,
        } = self;
        let handler = move |request: HttpRequest, body: Payload| {
            answer(admin.clone(), Rc::clone(&authorize), request, body)
        };
        // What a scope answers where no service of it matches: its prefix, with and without a slash, and all below.
        web::scope(&prefix).default_service(web::to(handler))
    }
}

impl fmt::Debug for AdminScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminScope")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl From<AdminScope> for FlaggedService {
    /// Always open.
    fn from(mut scope: AdminScope) -> Self {
        scope.admin = scope.admin.with_route_access(RouteAccess::Always);
        scope.into_scope().always()
    }
}

impl HttpServiceFactory for AdminScope {
    /// Without a flag.
    fn register(self, config: &mut AppService) {
        self.into_scope().register(config);
    }
}

/// How the site is, for the public ([`intermission_admin::public_status`]), at this path: for
/// [`MaintenanceScope::service`](crate::MaintenanceScope::service). Always open, to everybody.
pub fn public_status(path: &str, gate: Gate) -> PublicStatus {
    PublicStatus {
        path: path.to_owned(),
        gate,
    }
}

/// The resource that tells the public how the site is. Made by [`public_status`].
///
/// As part of a [`MaintenanceScope`](crate::MaintenanceScope) it is flagged [`RouteAccess::Always`]. It can also be added
/// to an `App` or a [`Scope`] as any service, and needs a row in the table of the gate's middleware around that.
#[derive(Debug)]
#[must_use = "a resource does nothing until it is added as a service"]
pub struct PublicStatus {
    path: String,
    gate: Gate,
}

impl PublicStatus {
    fn into_resource(self) -> Resource {
        let gate = self.gate;
        web::resource(self.path).to(move |request: HttpRequest| {
            let reply = intermission_admin::public_status(&gate, request.method().as_str());
            ready(response(reply))
        })
    }
}

impl From<PublicStatus> for FlaggedService {
    /// Always open.
    fn from(status: PublicStatus) -> Self {
        status.into_resource().always()
    }
}

impl HttpServiceFactory for PublicStatus {
    /// Without a flag.
    fn register(self, config: &mut AppService) {
        self.into_resource().register(config);
    }
}

async fn answer(
    admin: Admin,
    authorize: Authorize,
    request: HttpRequest,
    body: Payload,
) -> HttpResponse {
    let authorization = Authorization::ask(|| authorize(&request));
    let request = admin_request(&request, authorization);
    let reply = admin.answer(request, |limit| read_body(body, limit));
    response(reply.await)
}

/// The request as the framework-neutral part wants it. What is below the mount is what no scope has taken.
pub(crate) fn admin_request(request: &HttpRequest, authorization: Authorization) -> AdminRequest {
    // actix-web decodes the path before it routes. Slashes are the same in both.
    let matched = request.match_info();
    let taken = matched.as_str().strip_suffix(matched.unprocessed());
    let segments = taken.unwrap_or_default().matches('/').count();
    let uri = request.uri();
    let (mount, path) = split_mount(uri.path(), segments);
    let is_https = request.app_config().secure() || uri.scheme() == Some(&Scheme::HTTPS);
    let mut translated = AdminRequest::new(request.method().as_str(), path, authorization)
        .with_mount(mount)
        .with_query(uri.query())
        .with_peer(request.peer_addr().map(|peer| peer.ip()))
        .with_https(is_https);
    for (name, value) in request.headers() {
        translated = translated.with_header(name.as_str(), value.as_bytes());
    }
    // HTTP/2 has the host in the target.
    match uri.authority() {
        Some(authority) if !request.headers().contains_key(HOST) => {
            translated.with_header(HOST.as_str(), authority.as_str())
        }
        _ => translated,
    }
}

pub(crate) fn response(reply: AdminReply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::with_body(status, BoxBody::new(()));
    let mut size = BodySize::None;
    for (name, value) in reply.headers() {
        if name == CONTENT_LENGTH.as_str() {
            // actix-web writes it from the body's size, of HEAD as well, which has none.
            size = value.parse().map_or(BodySize::None, BodySize::Sized);
        } else if let Ok(value) = HeaderValue::try_from(value) {
            // What its makers put into a value has no control characters.
            let name = HeaderName::from_static(name);
            response.headers_mut().append(name, value);
        }
    }
    match reply.into_body() {
        AdminBody::Full(data) => {
            let data = Some(data).filter(|data| !data.is_empty());
            response.set_body(BoxBody::new(Full { data, size }))
        }
        AdminBody::Events(events) => {
            // A compressor would keep events back until it has a block of them.
            let encoding = HeaderValue::from_static("identity");
            response.headers_mut().insert(CONTENT_ENCODING, encoding);
            response.set_body(BoxBody::new(Events(events)))
        }
    }
}

/// A body that is there as a whole, and its length, which it has for HEAD as well.
struct Full {
    data: Option<Bytes>,
    size: BodySize,
}

impl MessageBody for Full {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.data.take().map(Ok))
    }
}

/// Events, each sent as soon as it is there.
struct Events(Box<EventStream>);

impl MessageBody for Events {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Pin::new(&mut *self.0)
            .poll_next(cx)
            .map(|event| event.map(Ok))
    }
}
