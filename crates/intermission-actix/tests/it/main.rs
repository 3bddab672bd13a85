//! The middleware, the scope and the extractors on actix-web's own server, through real sockets.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod address;
#[cfg(feature = "admin")]
mod admin;
mod bodies;
mod decisions;
mod extractors;
mod http2;
mod passes;
mod routes;
mod server;
mod setup;
mod site;
mod stream;
mod unknown_routes;
mod websocket;
