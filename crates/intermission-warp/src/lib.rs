//! Intermission for warp: a guard around filters, flags for routes, and executions.
//!
//! ```no_run
//! use intermission::{Gate, MemoryState};
//! use intermission_warp::{StartedExecution, guard, maintenance, starts_execution};
//! use warp::{Filter, http::StatusCode, hyper::body::Bytes};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let gate = Gate::builder(MemoryState::new()).start().await?;
//!     let maintenance = maintenance(gate.clone()).with_always("/health").build()?;
//!     let hello = warp::path::end().map(|| "hello");
//!     let health = warp::path!("health").map(|| "ok");
//!     let jobs = warp::path!("jobs").and(warp::post());
//!     let jobs = jobs.and(starts_execution(&maintenance, warp::body::bytes(), start));
//!     let site = jobs.or(guard(&maintenance, hello.or(health)));
//!     let interrupted = async { _ = tokio::signal::ctrl_c().await };
//!     warp::serve(site).bind(([127, 0, 0, 1], 8080)).await.graceful(interrupted).run().await;
//!     gate.shutdown().await;
//!     Ok(())
//! }
//!
//! async fn start(StartedExecution(execution): StartedExecution, job: Bytes) -> StatusCode {
//!     tokio::spawn(async move { /* … the work on `job` … */ drop((execution, job)) });
//!     StatusCode::ACCEPTED
//! }
//! ```
//!
//! - [`maintenance`] are the settings: who may pass, which proxies are believed, which routes have a flag.
//! - [`guard`] puts the gate in front of filters, under `warp::serve` and under [`warp::service`].
//! - [`starts_execution`] gives a handler the execution that its route has begun. Handlers may also ask for the rule that
//!   let their visitor in ([`admitted_by`]), and for a count that lasts as long as a WebSocket ([`long_lived`]).
//!
//! What happens to a request, where the gate belongs and what proxies can break: see [`intermission_tower`], whose items
//! are all here, too.
//!
//! # The admin API and page
//!
//! With the feature `admin`, the module `admin` mounts what operators use in a browser, and the API behind it:
//! `warp::path!("admin" / "maintenance" / ..).and(admin::routes(admin, authorize))`, before the guard. `authorize` says who
//! may administer; there is no way to mount it without that. `admin::public_status` tells everybody else how the site is.
//! The module has a whole application, and what to do at its end. The module `cloudify`, with the
//! same feature, answers clients of Cloudify Manager.
//!
//! # Guard or layer
//!
//! `warp::service` makes a tower service of filters, and the layer goes around that as around any other. Take it where a
//! server of hyper's or other layers are there already: it boxes nothing, and the permission sees what outer layers have
//! put into the request's extensions. The guard is for `warp::serve`, which takes filters only.
//!
//! The layer is cheaper, too. Instructions of one request, in memory (`cargo xtask bench instructions`, November 2026):
//!
//! | | mode off | refused |
//! |---|---|---|
//! | hello, without a gate | 2,270 | |
//! | hello behind a guard | 3,880 | 7,930 |
//! | hello behind the layer | 2,690 | 4,830 |
//!
//! While the mode is off, half of what a guard costs is the box of the body and its length, and the other half the filters
//! that it is made of: each keeps its own state, and moves it with each step. A refusal costs more, since warp gives no
//! filter the request itself: its head is copied, and its target put together and parsed again, before the gate can be
//! asked. The layer has the request, and refuses before warp sees it. A guard also reads the clock once for each request,
//! which is not in these counts and takes some tens of nanoseconds.
//!
//! # Where it differs from the other faces
//!
//! - **Flags beside routes.** A filter selects and handles in one, and nothing can tell from outside which one would. So a
//!   flag is a guard of its own, after what selects the route and before what handles it, or a row of the table.
//! - **The peer's address** is known under `warp::serve`. Under `warp::service` the server has to put a [`PeerAddress`]
//!   into the request's extensions; without it, nobody passes by address.
//! - **The permission of a guard** sees the method, the target, the headers and the peer. Filters cannot put anything into
//!   a request's extensions, and a guard cannot see what a layer has put there.
//! - **The decision** is in the response's extensions only, since no filter can be told. [`admitted_by`] asks anew, and so
//!   does [`long_lived`]; the permission is asked once more then.
//! - **Rejections** of filters inside, such as for a wrong method, go on as they are, and warp makes a response of them
//!   further outside: the marks of a bypass are not on it, and it is counted no longer.
//! - **Unknown routes** are refused while the site is closed. They cannot get a 404, since only trying all filters shows
//!   that a path is unknown.
//! - **`Secure`** on the cookie of a pass needs [`with_https_only`](MaintenanceBuilder::with_https_only), or a trusted
//!   proxy that sends `X-Forwarded-Proto`: filters do not see a request's scheme.
//! - **One more box.** warp's body can be made of bytes or of a stream only, so the body of an admitted response is boxed
//!   again, and its `Content-Length` is written by the guard: two allocations. The future is not boxed. Trailers are lost,
//!   of which warp itself has none.
//! - **A target without a path** (`CONNECT host:443`), at which `warp::path::full` panics, is asked about as `*`, for which
//!   no table has a flag, and then left to the filters inside.

#[cfg(feature = "admin")]
pub mod admin;
mod admitted_by;
#[cfg(feature = "admin")]
pub mod cloudify;
mod filter_error;
mod guard;
mod head;
mod long_lived;
mod refused;
mod response;
mod settings;
mod started;

#[doc(no_inline)]
pub use intermission_tower::*;

pub use admitted_by::admitted_by;
pub use filter_error::FilterError;
pub use guard::guard;
pub use long_lived::{LongLived, long_lived, long_lived_response};
pub use refused::Refused;
pub use settings::maintenance;
pub use started::{StartedExecution, starts_execution};
