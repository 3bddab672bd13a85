//! The layer around small services, without a framework.

mod address;
mod bodies;
mod decisions;
mod passes;
mod readiness;
mod server;
mod setup;
mod site;
