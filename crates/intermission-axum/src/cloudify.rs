//! Cloudify's wire format in an axum application: the feature `admin`.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::http::request::Parts;
//! use axum::routing::get;
//! use intermission::reply::ReplyPolicy;
//! use intermission::{Gate, MemoryState};
//! use intermission_axum::cloudify::{self, Authorization, BYPASS_HEADER, Cloudify, Refusals};
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
//! fn permits(request: &Parts) -> bool {
//!     let asks = request.headers.get(BYPASS_HEADER).map(|value| value.as_bytes());
//!     let may = matches!(authorize(request), Authorization::Granted(_));
//!     may && (!cloudify::is_api_path(request.uri.path()) || cloudify::asks_to_bypass(asks))
//! }
//!
//! let policy = ReplyPolicy::default().with_vendor_format(Refusals::default());
//! let gate = Gate::builder(MemoryState::new()).with_reply_policy(policy).start().await?;
//! let app = MaintenanceRouter::new()
//!     .route("/api/v3.1/blueprints", get(|| async { "[]" }))
//!     .merge(cloudify::routes(Cloudify::new(gate.clone()), authorize))
//!     .into_service(maintenance(gate).with_permission(permits))?;
//! # drop(app); Ok(()) }
//! ```

use std::sync::Arc;

use axum::extract::Request;
use axum::routing::any;
use axum_core::response::Response;
use http::request::Parts;
#[doc(no_inline)]
pub use intermission_admin::Authorization;
#[doc(no_inline)]
pub use intermission_admin::cloudify::{
    BYPASS_HEADER, Cloudify, MOUNTS, Refusals, TOKEN_HEADER, asks_to_bypass, is_api_path,
};
use intermission_admin::split_mount;

use crate::admin::{Authorize, admin_request, patterns, response};
use crate::flags::MethodRouterExt;
use crate::router::MaintenanceRouter;

/// What Cloudify's clients ask about maintenance mode, at each of [`MOUNTS`]: for [`MaintenanceRouter::merge`].
///
/// They are always open, and ask `authorize` about each request, as [`admin::routes`](crate::admin::routes) does. Who is
/// known, but may not administer, may read the state. If the closure panics, nobody is known.
///
/// # Security
///
/// As of [`admin::routes`](crate::admin::routes).
pub fn routes<S>(
    cloudify: Cloudify,
    authorize: impl Fn(&Parts) -> Authorization + Send + Sync + 'static,
) -> MaintenanceRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let authorize: Authorize = Arc::new(authorize);
    let handler = move |mount: &str| {
        let (cloudify, authorize) = (cloudify.clone(), Arc::clone(&authorize));
        let segments = mount.matches('/').count();
        any(move |request: Request| answer(cloudify, authorize, segments, request))
    };
    MOUNTS
        .iter()
        .fold(MaintenanceRouter::new(), |router, mount| {
            let handler = handler(mount);
            patterns(mount).iter().fold(router, |router, pattern| {
                router.route(pattern, handler.clone().always())
            })
        })
}

async fn answer(
    cloudify: Cloudify,
    authorize: Authorize,
    segments: usize,
    request: Request,
) -> Response {
    let (parts, _body) = request.into_parts();
    let authorization = Authorization::identify(|| authorize(&parts));
    let (_, path) = split_mount(parts.uri.path(), segments);
    let request = admin_request(&parts, path, authorization);
    response(cloudify.answer(request).await)
}
