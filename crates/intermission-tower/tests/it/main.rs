//! The layer around small services, without a framework.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod address;
mod bodies;
mod decisions;
mod passes;
mod readiness;
mod server;
mod setup;
mod site;
