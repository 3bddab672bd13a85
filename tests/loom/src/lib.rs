//! Every interleaving of `crates/intermission/src/in_flight/word.rs`, with loom's atomics in place of the standard
//! library's. The file itself is compiled, not a copy.

#![cfg(test)]

#[path = "../../../crates/intermission/src/in_flight/word.rs"]
mod word;

/// What the file counts with.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}

mod models;
