//! Names for things that must never be confused: changes, operations, nodes.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How new a [`Record`](crate::Record) is. Grows with every accepted change and never goes back.
///
/// It is a hybrid clock: the store's milliseconds, or one more than anything that anybody has ever claimed to have
/// seen, whichever is greater. So the later decision wins even after a store has lost its newest writes. It stays
/// below 2^53, so that JSON and Lua keep it exact; a text that says more is refused. Zero is the revision of a site
/// that was never changed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct Revision(u64);

impl Revision {
    /// The revision of a site that was never changed.
    pub const ZERO: Self = Self(0);

    /// The greatest: 2^53 - 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The revision with this number, or the greatest one.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        if number > Self::MAX.0 {
            Self::MAX
        } else {
            Self(number)
        }
    }

    /// The number, as interfaces show it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The one right after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0 + 1)
    }
}

/// A number that is too great for a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no revision: they are less than 2^53")]
pub struct BadRevision(u64);

impl TryFrom<u64> for Revision {
    type Error = BadRevision;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        (number <= Self::MAX.0)
            .then_some(Self(number))
            .ok_or(BadRevision(number))
    }
}

impl From<Revision> for u64 {
    fn from(revision: Revision) -> Self {
        revision.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which activation something belongs to: the revision of the change that began it.
///
/// Acknowledgements carry it, so that "drained" said about one maintenance never counts for the next, while an edit
/// of the message in between resets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActivationId(Revision);

impl ActivationId {
    /// The activation that began with this revision.
    #[must_use]
    pub const fn new(began: Revision) -> Self {
        Self(began)
    }

    /// The revision that began the activation.
    #[must_use]
    pub const fn began(self) -> Revision {
        self.0
    }
}

/// 32 hexadecimal digits were expected, and this was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id: write its 32 hexadecimal digits")]
pub struct BadId {
    text: String,
}

macro_rules! random_id {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// A fresh one, from 128 bits of the system's randomness.
            ///
            /// # Errors
            ///
            /// The system has no randomness to give.
            pub fn random() -> Result<Self, NoRandomness> {
                Ok(Self(u128::from_ne_bytes(random_bytes()?)))
            }

            /// The one with these bits: for stores, which get it as text or bytes, and for reproducible simulations.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The bits.
            #[must_use]
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:032x})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let bits = if digits { u128::from_str_radix(text, 16).ok() } else { None };
                bits.map(Self).ok_or_else(|| BadId { text: text.to_owned() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

random_id! {
    /// One process that keeps a gate: fresh for each start, so that a restarted node is never taken for its
    /// predecessor.
    NodeId
}

random_id! {
    /// One piece of work that holds maintenance on: who does not know it, cannot release it by mistake.
    HolderId
}

random_id! {
    /// One request of an operator, the same for every repetition of it, so that a repeated one is recognised.
    OperationId
}

/// The system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoRandomness(#[source] getrandom::Error);

pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_reject_other_texts() {
        let id = NodeId::random().unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(NodeId::random().unwrap(), id);
        for text in [
            "",
            "1",
            "+0000000000000000000000000000001",
            &"g".repeat(32),
            &"0".repeat(33),
        ] {
            assert!(text.parse::<OperationId>().is_err(), "{text}");
        }
    }
}
