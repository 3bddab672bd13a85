//! What a backend, or its fixture, can do.

use std::fmt;

/// Something that not every backend, or not every fixture, can do. A case that needs it does not apply to the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// [`Fixture::break_link`](crate::Fixture::break_link) makes the store unreachable, for every handle.
    CanBreak,
    /// [`Fixture::corrupt`](crate::Fixture::corrupt) makes what is stored unreadable.
    CanCorrupt,
    /// What was accepted is there after [`Fixture::reopen`](crate::Fixture::reopen).
    Durable,
    /// [`Fixture::advance`](crate::Fixture::advance) moves the store's clocks at once, by any time. Without it,
    /// `advance` really waits.
    MovesClock,
    /// [`watch`](intermission_core::MaintenanceState::watch) brings the new record with it.
    PushesRecord,
    /// [`Fixture::second_handle`](crate::Fixture::second_handle) gives what another process would have.
    SharedBetweenHandles,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CanBreak,
        Self::CanCorrupt,
        Self::Durable,
        Self::MovesClock,
        Self::PushesRecord,
        Self::SharedBetweenHandles,
    ];

    /// The word that listings show.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CanBreak => "can-break",
            Self::CanCorrupt => "can-corrupt",
            Self::Durable => "durable",
            Self::MovesClock => "moves-clock",
            Self::PushesRecord => "pushes-record",
            Self::SharedBetweenHandles => "shared-between-handles",
        }
    }

    const fn bit(self) -> u32 {
        match self {
            Self::CanBreak => 1,
            Self::CanCorrupt => 1 << 1,
            Self::Durable => 1 << 2,
            Self::MovesClock => 1 << 3,
            Self::PushesRecord => 1 << 4,
            Self::SharedBetweenHandles => 1 << 5,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a backend and its fixture claim to be able to do.
///
/// A claim is tested: one that is not true fails cases. What is not claimed is not tested, and the cases that need
/// it are listed as not applicable, by name.
///
/// # Examples
///
/// ```
/// use intermission_conformance::{Capabilities, Capability};
///
/// let capabilities = Capabilities::none().with_durable().with_pushes_record();
/// assert!(capabilities.has(Capability::Durable));
/// assert!(!capabilities.has(Capability::CanBreak));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Capabilities {
    bits: u32,
}

impl Capabilities {
    /// None at all.
    pub const fn none() -> Self {
        Self { bits: 0 }
    }

    /// These and [`Capability::CanBreak`].
    pub const fn with_can_break(self) -> Self {
        self.with(Capability::CanBreak)
    }

    /// These and [`Capability::CanCorrupt`].
    pub const fn with_can_corrupt(self) -> Self {
        self.with(Capability::CanCorrupt)
    }

    /// These and [`Capability::Durable`].
    pub const fn with_durable(self) -> Self {
        self.with(Capability::Durable)
    }

    /// These and [`Capability::MovesClock`].
    pub const fn with_moves_clock(self) -> Self {
        self.with(Capability::MovesClock)
    }

    /// These and [`Capability::PushesRecord`].
    pub const fn with_pushes_record(self) -> Self {
        self.with(Capability::PushesRecord)
    }

    /// These and [`Capability::SharedBetweenHandles`].
    pub const fn with_shared_between_handles(self) -> Self {
        self.with(Capability::SharedBetweenHandles)
    }

    /// These and that one.
    pub const fn with(self, capability: Capability) -> Self {
        Self {
            bits: self.bits | capability.bit(),
        }
    }

    /// Whether this one is claimed.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.bits & capability.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_capability_is_its_own() {
        for one in Capability::ALL {
            for other in Capability::ALL {
                assert_eq!(
                    Capabilities::none().with(one).has(other),
                    one == other,
                    "{one} and {other}"
                );
            }
        }
    }
}
