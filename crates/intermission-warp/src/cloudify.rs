//! Cloudify's wire format in a warp application: the feature `admin`.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use intermission::reply::ReplyPolicy;
//! use intermission::{Gate, MemoryState};
//! use intermission_warp::cloudify::{self, Authorization, BYPASS_HEADER, Cloudify, Refusals};
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
//! fn permits(request: &Parts) -> bool {
//!     let asks = request.headers.get(BYPASS_HEADER).map(|value| value.as_bytes());
//!     let may = matches!(authorize(request), Authorization::Granted(_));
//!     may && (!cloudify::is_api_path(request.uri.path()) || cloudify::asks_to_bypass(asks))
//! }
//!
//! let policy = ReplyPolicy::default().with_vendor_format(Refusals::default());
//! let gate = Gate::builder(MemoryState::new()).with_reply_policy(policy).start().await?;
//! let maintenance = maintenance(gate.clone()).with_permission(permits).build()?;
//! let cloudify = cloudify::routes(Cloudify::new(gate), authorize);
//! let blueprints = warp::path!("api" / "v3.1" / "blueprints").map(|| "[]");
//! // Before the guard, so that it is open whatever is closed.
//! let site = cloudify.or(guard(&maintenance, blueprints));
//! # drop(site); Ok(()) }
//! ```

use std::sync::Arc;

use http::request::Parts;
#[doc(no_inline)]
pub use intermission_admin::Authorization;
#[doc(no_inline)]
pub use intermission_admin::cloudify::{
    BYPASS_HEADER, Cloudify, MOUNTS, Refusals, TOKEN_HEADER, asks_to_bypass, is_api_path,
};
use warp::{Filter, Rejection, path, reply};

use crate::admin::{Asked, Authorize, asked, response};

/// What Cloudify's clients ask about maintenance mode, at each of [`MOUNTS`].
///
/// It goes before the [`guard`](crate::guard) around all others, so that it is always open, and asks `authorize` about each
/// request, as [`admin::routes`](crate::admin::routes) does. Who is known, but may not administer, may read the state. If
/// the closure panics, nobody is known.
///
/// # Security
///
/// As of [`admin::routes`](crate::admin::routes).
pub fn routes(
    cloudify: Cloudify,
    authorize: impl Fn(&Parts) -> Authorization + Send + Sync + 'static,
) -> impl Filter<Extract = (reply::Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let authorize: Authorize = Arc::new(authorize);
    mounts()
        .and(asked())
        .then(move |asked: Asked| answer(cloudify.clone(), Arc::clone(&authorize), asked))
}

/// Whole segments of the path, for all of [`MOUNTS`].
fn mounts() -> impl Filter<Extract = (), Error = Rejection> + Copy {
    let three = path("v3.1").or(path("v3")).unify();
    let version = three.or(path("v2.1")).unify();
    path("api").and(version).and(path("maintenance"))
}

async fn answer(cloudify: Cloudify, authorize: Authorize, asked: Asked) -> reply::Response {
    let authorization = Authorization::identify(|| authorize(&asked.parts));
    response(cloudify.answer(asked.request(authorization)).await)
}
