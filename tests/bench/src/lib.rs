//! What Intermission costs, measured: the sections of the report that `cargo xtask bench` makes.
//!
//! Each section is measured by a module of its own and becomes a [`Section`](report::Section), which is printed, kept
//! as JSON, and drawn. [`cases`] are what is counted in instructions. What each may cost is in `budgets.toml`.
#![expect(clippy::print_stdout, reason = "what a bench prints is what it is for")]
#![expect(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "nobody depends on it but its own programs"
)]

pub mod budgets;
pub mod cases;
mod clock;
pub mod cold_start;
pub mod contention;
mod figures;
pub mod fleet;
pub mod instructions;
pub mod lists;
pub mod machine;
pub mod report;
pub mod statistics;
pub mod throughput;
