//! Filters behind the gate, through a real server on a socket.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[cfg(feature = "admin")]
mod admin;
mod admitted_by;
mod bodies;
mod executions;
mod guards;
mod rejections;
mod service;
mod site;
mod targets;
mod websocket;
