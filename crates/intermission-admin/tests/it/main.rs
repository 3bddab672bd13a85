//! The API without any framework: what each request is answered, and what it changes.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod bad_input;
mod changes;
mod conflicts;
mod events;
mod guard;
mod lockout;
mod openapi;
mod passes;
mod reads;
mod scopes;
mod site;
