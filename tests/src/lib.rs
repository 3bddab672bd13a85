//! What the end-to-end tests share: building and starting the real programs, and talking to them.
//!
//! Every process that is started here ends with the value that holds it, whatever the test does.

pub mod app;
pub mod command;
pub mod http;
pub mod programs;
pub mod wait;
