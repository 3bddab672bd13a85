//! Intermission for actix-web: the middleware, flags beside resources and scopes, and extractors.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use intermission::{Gate, MemoryState};
//! use intermission_actix::{MaintenanceExt, MaintenanceScope, maintenance};
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let gate = Gate::builder(MemoryState::new()).start().await?;
//!     let maintenance = maintenance(gate.clone()).with_always_elsewhere().build()?;
//!     let routes = || {
//!         MaintenanceScope::new("")
//!             .service(web::resource("/").to(|| async { "hello" }))
//!             .service(web::resource("/health").to(|| async { "ok" }).always())
//!             .service(web::resource("/jobs").to(|| async { "started" }).starts_execution())
//!     };
//!     HttpServer::new(move || App::new().service(routes().behind(&maintenance)))
//!         .bind("127.0.0.1:8080")?
//!         .run()
//!         .await?;
//!     gate.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! - [`maintenance`] are the settings: who may pass, which proxies are believed. [`Maintenance`] is the middleware that
//!   comes out of them. Make it once, outside of the factory that runs for each worker.
//! - [`MaintenanceScope`] is a scope whose services may have a flag: [`always`](MaintenanceExt::always) open, or
//!   [`starts_execution`](MaintenanceExt::starts_execution). Or wrap an application as it is in the middleware, with
//!   the flags in a table ([`MaintenanceBuilder::with_route`]).
//! - Handlers may ask for the gate ([`MaintenanceGate`]), for the rule that let their visitor in ([`AdmittedBy`]), for
//!   the execution that their route has begun ([`StartedExecution`]), and for the end of a WebSocket ([`LongLived`]).
//!
//! # What it does with a request
//!
//! 1. While the gate is open, it counts the request and calls the service. Nothing of the request is read but the
//!    method, and the path where a table of routes needs it; nothing is allocated, and the future is not boxed.
//! 2. Otherwise, and on a route that starts an execution, which allocates a place on a list and its label, it gathers what the decision depends on ([`Visitor`](intermission::Visitor)) and asks the gate.
//! 3. Who is refused gets the refusal as a response, never as an error: actix-web's middleware skips its own work on a
//!    response when it sees an error, and a browser would report a failure of CORS instead of the 503. The service is
//!    not called, and the request's body is not read.
//! 4. Who passes the closed gate by permission, address or pass gets the service's response with `Cache-Control: private, no-store` and
//!    `Maintenance-Mode: bypassed`.
//! 5. A request counts until its response's body has ended or is dropped. An execution that the route
//!    [starts](intermission::RouteAccess::StartsExecution) lasts as long, unless the handler takes it over.
//! 6. A visitor who comes by the link of a pass is sent to the same address without the secret (`303`), and has it in
//!    a cookie from then on. A link with another method than GET or HEAD passes by itself.
//!
//! Where the gate had to be asked, its [`Decision`](intermission::Decision) is in the extensions of the request, for
//! the service, and of the response, for outer middleware.
//!
//! # Where to put it
//!
//! Outside of whatever could answer in the service's place, caches above all. Inside of what refused visitors need as
//! well: CORS, compression, logs, and the authentication that a [permission](MaintenanceBuilder::with_permission) asks
//! about. What is wrapped last is outermost:
//!
//! ```text
//! App::new().service(…).wrap(maintenance).wrap(authentication).wrap(cors).wrap(Logger::default())
//! ```
//!
//! Behind a proxy the socket's peer is the proxy: name it with
//! [`with_trusted_proxies`](MaintenanceBuilder::with_trusted_proxies), or nobody passes by address. The address is
//! never that of `ConnectionInfo::realip_remote_addr`, which is the visitor's own to choose.
//!
//! # The admin API and page
//!
//! With the feature `admin`, the module `admin` mounts what operators use in a browser, and the API behind it:
//! `.service(admin::scope("/admin/maintenance", admin, authorize))`. It is always open, and `authorize` says who may
//! administer; there is no way to mount it without that. `admin::public_status` tells everybody else how the site is. The
//! module has a whole application, and what to do at its end. The module `cloudify`, with the
//! same feature, answers clients of Cloudify Manager.
//!
//! # Why a scope of its own
//!
//! A middleware around the application runs before actix-web has found the route. `ServiceRequest::match_pattern` can
//! be asked then, but it only guesses: it goes through the resource map, which knows paths and no guards, and names the
//! first pattern that fits. Where that one has a guard that says no, actix-web goes on to another resource, and a flag
//! of the first would have opened the second. A resource's data and name are no better: the one is there only after
//! routing, the other is the application's.
//!
//! So the flag has to be where the route has been found: around the resource. [`MaintenanceScope`] keeps services with
//! their flag until it is finished, and then wraps each, and whatever answers where none matches. The middleware around
//! a resource costs what it costs around the application, and one allocation for the body, since actix-web boxes the
//! bodies of resources.
//!
//! The table is matched with the path as the client sent it, byte by byte, as in all faces of Intermission, and not
//! with what actix-web makes of it. So `/health` opens neither `/health/`, `//health`, `/HEALTH` nor `/%68ealth`, even
//! where actix-web, which decodes before it routes, takes the last for the same. A `StartsExecution` row, which
//! closes, matches such spellings as well.
//!
//! # Where it differs from the other faces
//!
//! - **`Expect: 100-continue`.** actix-web says `100 Continue` before it calls any middleware, so a refused client
//!   sends its body, which is thrown away unread. The other servers say it when somebody reads the body.
//! - **The original path.** A middleware that rewrites the path, such as `NormalizePath`, leaves nothing of what the
//!   client sent. Wrap it inside of this one, and the table and the pass's redirect see the client's path.
//! - **Handlers with attribute macros** (`#[get("/")]`), and services of other crates such as `actix_files::Files`,
//!   cannot be wrapped or flagged one by one. Put them into a [`Scope`](actix_web::Scope) with a flag and a prefix of
//!   its own, or wrap the application as a whole and flag them in the table.
//! - **`LongLived` counts nothing**, since a WebSocket of actix-web is a response that lasts, and counts as one.
//! - **A client that hangs up while a handler works** is noticed by `HttpServer` at the next write only, since it might
//!   have closed its own half of the connection. The request counts until then, and holds a wait for quiescence up.
//!   With `h1_allow_half_closed(false)` the handler is dropped at once, as by the other servers.
//! - **Work in the background ends with the server** if it was begun with `actix_web::rt::spawn`: it runs in the
//!   worker's runtime, which stops with the worker, and its execution with it. Work that is to be finished before
//!   [`Gate::shutdown`](intermission::Gate::shutdown) returns belongs into the runtime that `main` runs in, by its
//!   `tokio::runtime::Handle`, as `examples/actix-app` shows.
//! - **gRPC over HTTP/1** gets `Content-Length: 0` with its trailers-only refusal, since actix-web would leave the
//!   length out, and the client would wait. Over HTTP/2, where gRPC lives, there is none, as with the others.
//! - **An error of a middleware inside** is passed on as it is, and actix-web makes the response out of it: the marks
//!   of a bypass are not on it.

#[cfg(feature = "admin")]
pub mod admin;
mod ask;
mod body;
mod builder;
#[cfg(feature = "admin")]
pub mod cloudify;
mod extract;
mod flags;
mod future;
mod headers;
mod middleware;
mod reply;
mod scope;
mod settings;

pub use body::MaintenanceBody;
pub use builder::{MaintenanceBuilder, maintenance};
pub use extract::{AdmittedBy, LongLived, MaintenanceGate, NoGate, NotStarted, StartedExecution};
pub use flags::{FlaggedService, MaintenanceExt};
pub use future::MaintenanceFuture;
#[doc(no_inline)]
pub use intermission::adapter::{BadPassName, ConfigError, ExecutionHandle, UnknownRoutes};
pub use middleware::{Maintenance, MaintenanceMiddleware};
pub use reply::{ReplyBody, refusal_response};
pub use scope::MaintenanceScope;
pub use settings::scope_of_host;
