//! The admin API and page in an axum application: the feature `admin`.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::http::request::Parts;
//! use axum::routing::get;
//! use intermission::{Gate, MemoryState};
//! use intermission_axum::admin::{self, Admin, Authorization};
//! use intermission_axum::{MaintenanceRouter, maintenance};
//!
//! /// What the application's authentication, a layer around all of it, puts into the extensions.
//! #[derive(Clone)]
//! struct User { name: String, is_admin: bool }
//!
//! fn authorize(request: &Parts) -> Authorization {
//!     match request.extensions.get::<User>() {
//!         None => Authorization::Unauthenticated,
//!         Some(user) if user.is_admin => Authorization::granted(&user.name),
//!         Some(_) => Authorization::Forbidden,
//!     }
//! }
//!
//! let gate = Gate::builder(MemoryState::new()).start().await?;
//! let admin = Admin::new(gate.clone()).with_site("shop");
//! let app = MaintenanceRouter::new()
//!     .route("/", get(|| async { "hello" }))
//!     .merge(admin::public_status("/maintenance-status", gate.clone()))
//!     .merge(admin::routes("/admin/maintenance", admin.clone(), authorize))
//!     .into_service(maintenance(gate))?;
//!
//! // Browsers keep a stream of events open. A server that waits for its connections ends with:
//! let shutdown = async move {
//!     // … wait for the signal …
//!     admin.end_events();
//! };
//! # drop((app, shutdown)); Ok(()) }
//! ```
//!
//! There is no mount without somebody who says who may administer:
//!
//! ```compile_fail
//! # use intermission_axum::{MaintenanceRouter, admin::{self, Admin}};
//! fn open(admin: Admin) -> MaintenanceRouter {
//!     MaintenanceRouter::new().merge(admin::routes("/admin/maintenance", admin))
//! }
//! ```

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{OriginalUri, Request};
use axum::routing::{MethodRouter, any};
use axum_core::body::Body;
use axum_core::response::Response;
use bytes::Bytes;
use futures_core::Stream;
use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, StatusCode, Uri};
use http_body::Frame;
use intermission::{Gate, RouteAccess};
#[doc(no_inline)]
pub use intermission_admin::{Admin, Authorization};
use intermission_admin::{
    AdminBody, AdminReply, AdminRequest, EventStream, read_body, split_mount,
};

use crate::face::peer_address;
use crate::flags::MethodRouterExt;
use crate::router::MaintenanceRouter;

/// Who may administer.
pub(crate) type Authorize = Arc<dyn Fn(&Parts) -> Authorization + Send + Sync>;

/// The admin API and page under this path, such as `/admin/maintenance`: for [`MaintenanceRouter::merge`].
///
/// It is always open, and asks `authorize` about each request. The closure sees what outer layers have put into the
/// extensions, so an authentication that runs around the application can be asked about its user. It must not block. One
/// that panics grants nothing.
///
/// A router that is nested may have it, too: the page finds out where it is. For a plain [`Router`], see [`AdminRoutes`].
///
/// # Security
///
/// The history names the address that a change came from. axum knows it only if the server is started with
/// `into_make_service_with_connect_info::<SocketAddr>()`. Behind a proxy, give [`Admin::with_trusted_proxies`] what the
/// gate was given.
pub fn routes(
    path: &str,
    admin: Admin,
    authorize: impl Fn(&Parts) -> Authorization + Send + Sync + 'static,
) -> AdminRoutes {
    AdminRoutes {
        path: path.trim_end_matches('/').to_owned(),
        admin,
        authorize: Arc::new(authorize),
    }
}

/// The routes of the admin API and page. Made by [`routes`].
///
/// As part of a [`MaintenanceRouter`] they are flagged [`RouteAccess::Always`].
///
/// As part of a plain [`Router`] they are open if they are merged after the gate's layer was added, which then does not
/// see them. Merged before, they go by the layer's table, which needs a row for `/admin/maintenance`, one for
/// `/admin/maintenance/` and one for `/admin/maintenance/{*path}`. In both cases say so with [`Admin::with_route_access`], or the
/// page warns that closing the site would lock its users out.
#[must_use = "routes do nothing until they are merged into a router"]
pub struct AdminRoutes {
    path: String,
    admin: Admin,
    authorize: Authorize,
}

impl fmt::Debug for AdminRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminRoutes")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl<S> From<AdminRoutes> for MaintenanceRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// Always open.
    fn from(mut routes: AdminRoutes) -> Self {
        routes.admin = routes.admin.with_route_access(RouteAccess::Always);
        let patterns = patterns(&routes.path);
        let handler = routes.handler();
        patterns.iter().fold(Self::new(), |router, pattern| {
            router.route(pattern, handler.clone().always())
        })
    }
}

impl<S> From<AdminRoutes> for Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// Without a flag.
    fn from(routes: AdminRoutes) -> Self {
        let patterns = patterns(&routes.path);
        let handler = routes.handler();
        patterns.iter().fold(Self::new(), |router, pattern| {
            router.route(pattern, handler.clone())
        })
    }
}

impl AdminRoutes {
    fn handler<S>(self) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let Self {
            path,
            admin,
            authorize,
        } = self;
        let segments = path.matches('/').count();
        any(move |request: Request| answer(admin, authorize, segments, request))
    }
}

/// How the site is, for the public ([`intermission_admin::public_status`]), at this path: for
/// [`MaintenanceRouter::merge`]. Always open, to everybody.
pub fn public_status(path: &str, gate: Gate) -> PublicStatus {
    PublicStatus {
        path: path.to_owned(),
        gate,
    }
}

/// The route that tells the public how the site is. Made by [`public_status`].
///
/// As part of a [`MaintenanceRouter`] it is flagged [`RouteAccess::Always`]. As part of a plain [`Router`] it is open if
/// it is merged after the gate's layer was added; before, it needs a row in the layer's table.
#[derive(Debug)]
#[must_use = "a route does nothing until it is merged into a router"]
pub struct PublicStatus {
    path: String,
    gate: Gate,
}

impl<S> From<PublicStatus> for MaintenanceRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// Always open.
    fn from(PublicStatus { path, gate }: PublicStatus) -> Self {
        Self::new().route(&path, status_of(gate).always())
    }
}

impl<S> From<PublicStatus> for Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// Without a flag.
    fn from(PublicStatus { path, gate }: PublicStatus) -> Self {
        Self::new().route(&path, status_of(gate))
    }
}

fn status_of<S>(gate: Gate) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    any(move |method: Method| {
        let reply = intermission_admin::public_status(&gate, method.as_str());
        std::future::ready(response(reply))
    })
}

/// The mount, the page, and all that is below.
pub(crate) fn patterns(path: &str) -> Vec<String> {
    let below = [format!("{path}/"), format!("{path}/{{*path}}")];
    let mount = Some(path.to_owned()).filter(|path| !path.is_empty());
    mount.into_iter().chain(below).collect()
}

async fn answer(admin: Admin, authorize: Authorize, segments: usize, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let authorization = Authorization::ask(|| authorize(&parts));
    let (_, path) = split_mount(parts.uri.path(), segments);
    let request = admin_request(&parts, path, authorization);
    let reply = admin.answer(request, |limit| read_body(body.into_data_stream(), limit));
    response(reply.await)
}

/// The request as the framework-neutral part wants it. `path` is what is below the mount.
pub(crate) fn admin_request(
    parts: &Parts,
    path: &str,
    authorization: Authorization,
) -> AdminRequest {
    let original = parts
        .extensions
        .get()
        .map(|OriginalUri(uri): &OriginalUri| uri);
    let sent: &Uri = original.unwrap_or(&parts.uri);
    let mount = sent.path().strip_suffix(path).unwrap_or_default();
    let mut request = AdminRequest::new(parts.method.as_str(), path, authorization)
        .with_mount(mount)
        .with_query(sent.query())
        .with_peer(peer_address(parts))
        .with_https(sent.scheme() == Some(&Scheme::HTTPS));
    for (name, value) in &parts.headers {
        request = request.with_header(name.as_str(), value.as_bytes());
    }
    // HTTP/2 has the host in the target.
    match sent.authority() {
        Some(authority) if !parts.headers.contains_key(HOST) => {
            request.with_header(HOST.as_str(), authority.as_str())
        }
        _ => request,
    }
}

pub(crate) fn response(reply: AdminReply) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers() {
        // What its makers put into a value has no control characters.
        if let Ok(value) = HeaderValue::try_from(value) {
            response
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
    }
    *response.body_mut() = match reply.into_body() {
        AdminBody::Full(bytes) => Body::from(bytes),
        AdminBody::Events(events) => Body::new(Events(events)),
    };
    response
}

/// Events, each sent as soon as it is there.
struct Events(Box<EventStream>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = Pin::new(&mut *self.0).poll_next(cx);
        event.map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
