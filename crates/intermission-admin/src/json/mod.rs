//! What the command prints with `--json` and the admin API answers: the same objects in both. `"v"` is their version.
//!
//! A field is never renamed or taken away within a version, and always present: what is not known is `null`. The order
//! of the fields is fixed, too.

mod changed;
mod executions;
mod explained;
mod history;
mod nodes;
mod passes;
mod status;

pub use changed::{Allowed, Changed};
pub use executions::Executions;
pub use explained::Explained;
pub use history::{Event, History};
pub use nodes::Nodes;
pub use passes::{PassCreated, Passes};
pub use status::Status;

/// The version of everything in here.
pub const VERSION: u32 = 1;
