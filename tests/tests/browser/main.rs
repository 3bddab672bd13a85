//! What people see, in a real browser.
#![expect(clippy::expect_used, reason = "a test, helpers included")]

mod notice;
mod tooling;
