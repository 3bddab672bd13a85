//! What the end-to-end tests share: building and starting the real programs, and talking to them.
//!
//! Every process that is started here ends with the value that holds it, whatever the test does.
#![expect(
    clippy::exhaustive_structs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::must_use_candidate,
    clippy::panic,
    reason = "parts of tests, which the keys of clippy.toml do not reach: a failed expectation is a failed test"
)]

pub mod app;
pub mod browser;
pub mod command;
pub mod events;
pub mod foreign;
pub mod http;
mod port;
mod process;
pub mod programs;
pub mod python;
pub mod redis;
pub mod running;
pub mod wait;

/// The README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
