//! Intermission for axum: flags beside the routes, extractors, and the layer.
//!
//! ```no_run
//! use std::net::SocketAddr;
//!
//! use axum::routing::{get, post};
//! use intermission::{Gate, MemoryState};
//! use intermission_axum::{MaintenanceRouter, MethodRouterExt, maintenance};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let gate = Gate::builder(MemoryState::new()).start().await?;
//!     let app = MaintenanceRouter::new()
//!         .route("/", get(|| async { "hello" }))
//!         .route("/health", get(|| async { "ok" }).always())
//!         .route("/jobs", post(|| async { "started" }).starts_execution())
//!         .into_service(maintenance(gate.clone()))?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     let app = app.into_make_service_with_connect_info::<SocketAddr>();
//!     let interrupted = async { _ = tokio::signal::ctrl_c().await };
//!     axum::serve(listener, app).with_graceful_shutdown(interrupted).await?;
//!     gate.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! - [`MaintenanceRouter`] is a router whose routes may have a flag: [`always`](MethodRouterExt::always) open, or
//!   [`starts_execution`](MethodRouterExt::starts_execution). It ends as a service for `axum::serve`, or as an
//!   [`axum::Router`].
//! - [`maintenance`] are the settings: who may pass, which proxies are believed. Its layer also goes on a plain
//!   [`axum::Router`], with the flags in a table.
//! - Handlers may ask for the gate ([`MaintenanceGate`]), for the rule that let their visitor in ([`AdmittedBy`]), for
//!   the execution that their route has begun ([`StartedExecution`]), and for a count that lasts as long as a WebSocket
//!   ([`LongLived`]).
//!
//! # The admin API and page
//!
//! With the feature `admin`, the module `admin` mounts what operators use in a browser, and the API behind it:
//! `.merge(admin::routes("/admin/maintenance", admin, authorize))`. It is always open, and `authorize` says who may
//! administer; there is no way to mount it without that. `admin::public_status` tells everybody else how the site is. The
//! module has a whole application, and what to do at its end. The module `cloudify`, with the
//! same feature, answers clients of Cloudify Manager.
//!
//! # More
//!
//! What happens to a request, where the layer belongs and what proxies can break: see
//! [`intermission_tower`], whose items are all here, too.
//!
//! # Why a router of its own
//!
//! A layer on a router runs before or after axum has found the route. Before, it cannot know the flag; after, the flag
//! would have to travel from the route outwards. A table of paths beside the router knows it, but names paths that the
//! router may not have, or no longer; Cloudify's list of such endpoints kept missing some. In the manner of utoipa's
//! `OpenApiRouter`, [`MaintenanceRouter`] keeps routes by their flag until it is finished, and then puts the right layer
//! around each. The gate is named once, at the end, where nobody can forget it; modules that give routes need not know
//! it.

#[cfg(feature = "admin")]
pub mod admin;
#[cfg(feature = "admin")]
pub mod cloudify;
mod extract;
mod face;
mod flags;
mod pattern;
mod router;
mod service;

#[doc(no_inline)]
pub use intermission_tower::*;

pub use extract::{
    AdmittedBy, Closed, LongLived, LongLivedResponse, MaintenanceGate, NotStarted, StartedExecution,
};
pub use face::{FACE, maintenance};
pub use flags::{FlaggedRoute, MethodRouterExt, RouterExt};
#[doc(no_inline)]
pub use intermission::adapter::UnknownRoutes;
pub use router::MaintenanceRouter;
pub use service::{MaintenanceFuture, MaintenanceService};
