//! The contract of framework adapters, as a table.
//!
//! The same request gets the same answer, byte for byte in its status, in the headers that Intermission owns and in its
//! body, whatever framework serves it. Each [`Row`] of the table is one request or one short scene, and what must come
//! of it. A row asks through a real socket: it starts a server that listens on the loopback, writes raw bytes to it, and
//! reads what comes back.
//!
//! # What an adapter's author writes
//!
//! One type that implements [`Server`]: it serves the contract's application with the adapter in front of it. The
//! application's answers are made by [`Site::answer`], so what is left is what only that framework's author can know:
//!
//! 1. **The settings**, handed to the adapter's builder: [`Site::gate`], [`Site::trusted_proxies`],
//!    [`Site::pass_name`], [`Site::unknown_routes_are_told`], and a permission that calls [`Site::permits`] with the
//!    value of the request header `x-operator`. Scopes of requests come from a closure that calls [`Site::scopes`] with the
//!    value of the request header `x-tenant`, and with the scope of the request's host.
//! 2. **The routes**, in the framework's own idiom, flagged as [`Route::access`] says, and as a part
//!    of the scope that [`Route::scope`] says: those of [`Route::ALL`] at
//!    [`Route::path`], and below the prefix [`Route::NEST`], in whatever the framework nests routes with, those of
//!    [`Route::NESTED`]. Every route takes every method.
//! 3. **The handler**, one for all routes. It makes a [`Call`] out of the request (the [`Decision`] in its extensions,
//!    if the framework has some; for a route that [takes its execution over](Route::takes_execution), the execution;
//!    for one that [reads](Route::reads_body), the length of the whole body), and turns the [`Answer`] into a response.
//!    An [`AnswerBody`] is a `Body` of the crate `http-body`.
//! 4. **The WebSocket** at [`Route::WEBSOCKET`]: it sends back each text message, and closes with the code 1012 when the
//!    adapter says that the connection is to end.
//! 5. **An outer middleware** around the adapter. It sets the header `x-outer: seen` on every response, and writes the
//!    [`Decision`] that it finds in the response's extensions into `x-decision`, as `Display` prints it.
//! 6. **The socket**: a free port of 127.0.0.1 that speaks HTTP/1.1, and HTTP/2 to clients that begin with its preface.
//!    The application has to learn the peer's address.
//!
//! `tests/tests/adapters` in Intermission's repository has this for each framework that it serves, and adapters with a flaw
//! each, which the table finds.
//!
//! # Rows that a framework cannot meet
//!
//! [`Server::UNMET`] names them, each with the reason. They are not left out: each still runs, and must fail. One that
//! succeeds fails the run until it is taken off the list, so the list is never longer than the truth.
//!
//! [`Decision`]: intermission::Decision

mod expected;
mod given;
mod http1;
mod http2;
mod row;
mod rows;
mod server;
mod site;
mod stage;
mod state;
#[cfg(feature = "libtest-mimic")]
mod trials;
mod websocket;

pub use row::{Row, RowFailure, RowGroup};
pub use rows::rows;
pub use server::{Server, Unmet};
pub use site::{Answer, AnswerBody, Call, Route, Site};
#[cfg(feature = "libtest-mimic")]
pub use trials::trials;
