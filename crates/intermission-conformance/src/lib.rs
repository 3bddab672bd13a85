#![cfg_attr(feature = "libtest-mimic", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "libtest-mimic"),
    doc = "The published suite that every Intermission backend must pass."
)]

#[cfg(feature = "adapter")]
pub mod adapter;
mod capability;
mod case;
mod cases;
mod clock;
mod failure;
mod fixture;
mod site;
#[cfg(feature = "libtest-mimic")]
mod trials;

pub use capability::{Capabilities, Capability};
pub use case::{Case, CaseFailure, Group, Verdict, cases};
pub use clock::ManualClock;
pub use fixture::{Fixture, FixtureError};
#[cfg(feature = "libtest-mimic")]
pub use trials::trials;
