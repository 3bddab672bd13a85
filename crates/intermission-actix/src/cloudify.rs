//! Cloudify's wire format in an actix-web application: the feature `admin`.
//!
//! # Examples
//!
//! ```
//! # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use actix_web::{App, HttpMessage, HttpRequest, web};
//! use intermission::reply::ReplyPolicy;
//! use intermission::{Gate, MemoryState};
//! use intermission_actix::cloudify::{self, Authorization, BYPASS_HEADER, Cloudify, Refusals};
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
//! fn permits(request: &HttpRequest) -> bool {
//!     let asks = request.headers().get(BYPASS_HEADER).map(|value| value.as_bytes());
//!     let may = matches!(authorize(request), Authorization::Granted(_));
//!     may && (!cloudify::is_api_path(request.uri().path()) || cloudify::asks_to_bypass(asks))
//! }
//!
//! let policy = ReplyPolicy::default().with_vendor_format(Refusals::default());
//! let gate = Gate::builder(MemoryState::new()).with_reply_policy(policy).start().await?;
//! let maintenance = maintenance(gate.clone()).with_permission(permits).build()?;
//! let routes = || {
//!     MaintenanceScope::new("")
//!         .service(web::resource("/api/v3.1/blueprints").to(|| async { "[]" }))
//!         .service(cloudify::scope(Cloudify::new(gate.clone()), authorize))
//! };
//! let app = App::new().service(routes().behind(&maintenance));
//! # drop(app); Ok(()) }
//! ```

use std::rc::Rc;

use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
#[doc(no_inline)]
pub use intermission_admin::Authorization;
#[doc(no_inline)]
pub use intermission_admin::cloudify::{
    BYPASS_HEADER, Cloudify, MOUNTS, Refusals, TOKEN_HEADER, asks_to_bypass, is_api_path,
};

use crate::admin::{Authorize, admin_request, response};
use crate::flags::{FlaggedService, MaintenanceExt};

/// All of [`MOUNTS`].
const PREFIX: &str = r"/api/{version:v2\.1|v3|v3\.1}/maintenance";

/// What Cloudify's clients ask about maintenance mode, at each of [`MOUNTS`]: for
/// [`MaintenanceScope::service`](crate::MaintenanceScope::service).
///
/// It is always open, and asks `authorize` about each request, as [`admin::scope`](crate::admin::scope) does. Who is known,
/// but may not administer, may read the state. If the closure panics, nobody is known.
///
/// # Security
///
/// As of [`admin::scope`](crate::admin::scope).
pub fn scope(
    cloudify: Cloudify,
    authorize: impl Fn(&HttpRequest) -> Authorization + 'static,
) -> FlaggedService {
    let authorize: Authorize = Rc::new(authorize);
    let handler =
        move |request: HttpRequest| answer(cloudify.clone(), Rc::clone(&authorize), request);
    web::scope(PREFIX)
        .default_service(web::to(handler))
        .always()
}

async fn answer(cloudify: Cloudify, authorize: Authorize, request: HttpRequest) -> HttpResponse {
    let authorization = Authorization::identify(|| authorize(&request));
    let request = admin_request(&request, authorization);
    response(cloudify.answer(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_all_mounts() {
        let pattern = actix_web::dev::ResourceDef::prefix(PREFIX);
        for mount in MOUNTS {
            assert_eq!(pattern.find_match(mount), Some(mount.len()), "{mount}");
        }
        for path in [
            "/api/v2/maintenance",
            "/api/v3x1/maintenance",
            "/api/v3.1/maintenances",
            "/api/maintenance",
        ] {
            assert!(!pattern.is_match(path), "{path}");
        }
    }
}
