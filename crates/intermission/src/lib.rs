//! Maintenance mode for Rust services.

mod admission;
mod builder;
mod execution;
mod gate;
mod in_flight;
mod keeper;
mod log;
mod memory;
mod operator;
mod subscription;

#[doc(no_inline)]
pub use intermission_core::*;

pub use admission::{Admission, Admitted, Refusal, RequestInFlight};
pub use builder::{GateBuilder, StartError};
pub use execution::{Execution, ExecutionInfo, ExecutionRefused, RunError};
pub use gate::{Gate, GateStatus};
pub use memory::MemoryState;
pub use operator::{Accepted, Goal, Operator, OperatorError, Waited};
pub use subscription::{Subscription, Transition};
