//! Random numbers that a seed repeats.

use std::ops::RangeInclusive;
use std::time::Duration;

/// SplitMix64: small, good enough to choose faults by, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of that name: each has a seed's own, however far others are read.
    pub(crate) fn branch(seed: u64, name: &str) -> Self {
        let mut branch = Self(seed);
        for byte in name.bytes() {
            branch.0 = branch.next() ^ u64::from(byte);
        }
        branch
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u128::try_from(limit).expect("sizes are small");
        let part = (u128::from(self.next()) * limit) >> u64::BITS;
        usize::try_from(part).expect("it is less than a size")
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(crate) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        let span = usize::try_from(range.end() - range.start() + 1).expect("spans are short");
        let more = u64::try_from(self.below(span)).expect("spans are short");
        Duration::from_millis(range.start() + more)
    }
}
