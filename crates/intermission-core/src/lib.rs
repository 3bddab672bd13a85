//! Maintenance mode as pure data and decisions. No I/O, no runtime, no framework.

pub mod clock;
pub mod phase;
mod timestamp;

pub use clock::{Clock, SystemClock};
pub use phase::{Level, Phase, UnknownWord};
pub use timestamp::{BadTimestamp, Timestamp};
