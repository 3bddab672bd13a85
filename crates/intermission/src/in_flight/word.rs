//! One word that counts who is inside and says whether more may come in.
//!
//! Counting and closing share a word, so that nobody slips in between "may I?" and "I am in": whoever enters counts
//! itself first and looks afterwards, and whoever closes learns in the same instant who is inside. The model in
//! `tests/loom` goes through every interleaving of this file.

use super::sync::{AtomicU64, Ordering};

/// Set while nobody may enter without a further question.
const CLOSED: u64 = 1 << 63;
/// Set while somebody waits for the last one to leave.
const WATCHED: u64 = 1 << 62;
const COUNT: u64 = WATCHED - 1;

/// Counts who is inside. See the [module's documentation](self).
#[derive(Debug)]
pub(crate) struct Word(AtomicU64);

/// What somebody who entered finds. It is counted in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The door was open.
    Open,
    /// The door was closed: leave again, unless there is another reason to stay.
    Closed,
}

impl Word {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts one in, and says what it found.
    #[inline]
    pub(crate) fn enter(&self) -> Entered {
        // INVARIANT: acquires what was published before the door was closed, so that one who finds it closed also
        // finds the snapshot that says why.
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        if before & CLOSED == 0 {
            Entered::Open
        } else {
            Entered::Closed
        }
    }

    /// Counts one out. Says whether somebody waits and this was the last.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        before & WATCHED != 0 && before & COUNT == 1
    }

    /// From now on, whoever enters finds the door closed.
    pub(crate) fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// From now on, whoever enters finds the door open.
    pub(crate) fn open(&self) {
        self.0.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    /// How many are inside; from now on, the last to leave says so.
    ///
    /// A read-modify-write, not a load: either it comes before an entry, which then finds everything that was
    /// published before, or it comes after it and counts it.
    pub(crate) fn watch(&self) -> u64 {
        self.0.fetch_or(WATCHED, Ordering::AcqRel) & COUNT
    }

    /// Nobody waits any more.
    pub(crate) fn unwatch(&self) {
        self.0.fetch_and(!WATCHED, Ordering::AcqRel);
    }

    /// How many are inside, for people: those who are just being turned away count, too.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed) & COUNT
    }
}
