//! Counts that only grow.

#[cfg(feature = "metrics")]
use std::sync::atomic::{AtomicU64, Ordering};

use intermission_core::{AdmitReason, Phase, RefuseReason, StateErrorKind};

/// Something that is counted.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "metrics"),
    expect(dead_code, reason = "read by the feature `metrics` only")
)]
pub(crate) enum Counted {
    Admitted(AdmitReason),
    Refused(RefuseReason),
    StateError(StateErrorKind),
    Transition(Phase),
}

/// How often everything that is counted has happened.
#[derive(Debug)]
#[cfg(feature = "metrics")]
pub(crate) struct Tally([AtomicU64; Counted::KINDS]);

#[cfg(feature = "metrics")]
impl Counted {
    const ADMITTED: usize = 0;
    const REFUSED: usize = Self::ADMITTED + AdmitReason::ALL.len();
    const STATE_ERROR: usize = Self::REFUSED + RefuseReason::ALL.len();
    const TRANSITION: usize = Self::STATE_ERROR + StateErrorKind::ALL.len();
    const KINDS: usize = Self::TRANSITION + Phase::ALL.len();

    const fn place(self) -> usize {
        match self {
            Self::Admitted(reason) => Self::ADMITTED + reason as usize,
            Self::Refused(reason) => Self::REFUSED + reason as usize,
            Self::StateError(kind) => Self::STATE_ERROR + kind as usize,
            Self::Transition(phase) => Self::TRANSITION + phase as usize,
        }
    }
}

#[cfg(feature = "metrics")]
impl Tally {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    #[inline]
    pub(crate) fn count(&self, counted: Counted) {
        if let Some(count) = self.0.get(counted.place()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn of(&self, counted: Counted) -> u64 {
        self.0
            .get(counted.place())
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// What is left without the feature.
#[derive(Debug)]
#[cfg(not(feature = "metrics"))]
pub(crate) struct Tally;

#[cfg(not(feature = "metrics"))]
impl Tally {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[inline]
    #[expect(clippy::unused_self, reason = "the feature `metrics` uses it")]
    pub(crate) const fn count(&self, _: Counted) {}
}
