//! The faces of axum: routes with flags, extractors, and servers on sockets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[cfg(feature = "admin")]
mod admin;
mod extractors;
mod plain_router;
mod routes;
mod server;
mod site;
mod unknown_routes;
mod websocket;
