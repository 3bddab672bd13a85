//! gRPC behind the layer: a tonic server and a tonic client, and what passes between them on the wire.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod calls;
mod health;
mod orders;
mod site;
mod streams;
mod wire;
mod with_axum;
