//! Every interleaving of `crates/intermission/src/in_flight/{table,word}.rs`, with loom's atomics and locks in place
//! of the real ones. The files themselves are compiled, not copies.

#![cfg(test)]

#[expect(
    dead_code,
    reason = "the models use what they need; the file belongs to another crate"
)]
#[path = "../../../crates/intermission/src/in_flight/table.rs"]
mod table;
#[path = "../../../crates/intermission/src/in_flight/word.rs"]
mod word;

/// What the files count with.
mod sync {
    use loom::sync::MutexGuard;
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};

    /// A lock with the face of `parking_lot`'s.
    #[derive(Debug)]
    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}

mod executions;
mod requests;
