//! How far the mode has got, and how much it closes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far maintenance mode has got.
///
/// The three phases are Cloudify's, and so is the reason for the middle one: a service that is closed while its
/// jobs still run is not yet in maintenance. The order is the order of restrictiveness.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a fourth phase must not compile until every match has an answer for it"
)]
pub enum Phase {
    /// Open: everything runs.
    #[default]
    Deactivated,
    /// Draining: nothing that starts an execution is let in, and what runs may finish.
    Activating,
    /// Closed: visitors are refused, and no execution runs but what [`Completion::unconfirmed`](crate::Completion) names.
    Activated,
}

impl Phase {
    /// How far a maintenance has got.
    #[inline]
    pub(crate) fn of(activation: Option<&crate::Activation>) -> Self {
        match activation.map(|on| on.completion.is_some()) {
            None => Self::Deactivated,
            Some(false) => Self::Activating,
            Some(true) => Self::Activated,
        }
    }

    /// All phases, from the most open to the most closed.
    pub const ALL: [Self; 3] = [Self::Deactivated, Self::Activating, Self::Activated];

    /// The word that every interface uses: `deactivated`, `activating` or `activated`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Activating => "activating",
            Self::Activated => "activated",
        }
    }

    /// Whether maintenance was asked for: activating or activated.
    #[must_use]
    pub const fn is_on(self) -> bool {
        !matches!(self, Self::Deactivated)
    }
}

/// How much is closed while maintenance is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a fourth level must not compile until every match has an answer for it"
)]
pub enum Level {
    /// Safe methods (GET, HEAD, OPTIONS, TRACE) go on, where they start no execution. For everything else it is as
    /// [`Full`](Self::Full).
    ReadOnly,
    /// Visitors are refused; those with a permission, a listed address or a pass are let in.
    #[default]
    Full,
    /// No permission, address or pass counts. For backups. Still open are routes flagged
    /// [`Always`](crate::RouteAccess::Always), and preflights ([`Policy::with_preflight`](crate::Policy::with_preflight)).
    Exclusive,
}

impl Level {
    /// All levels, from the most open to the most closed.
    pub const ALL: [Self; 3] = [Self::ReadOnly, Self::Full, Self::Exclusive];

    /// The one of both that closes more.
    #[must_use]
    pub const fn strictest(self, other: Self) -> Self {
        match (self, other) {
            (Self::Exclusive, _) | (_, Self::Exclusive) => Self::Exclusive,
            (Self::Full, _) | (_, Self::Full) => Self::Full,
            (Self::ReadOnly, Self::ReadOnly) => Self::ReadOnly,
        }
    }

    /// The word that every interface uses: `read-only`, `full` or `exclusive`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Full => "full",
            Self::Exclusive => "exclusive",
        }
    }
}

/// A word that names no level or phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{word}`: write one of {known}")]
pub struct UnknownWord {
    kind: &'static str,
    word: String,
    known: &'static str,
}

impl UnknownWord {
    pub(crate) fn new(kind: &'static str, word: &str, known: &'static str) -> Self {
        Self {
            kind,
            word: word.to_owned(),
            known,
        }
    }
}

impl FromStr for Phase {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "deactivated" => Ok(Self::Deactivated),
            "activating" => Ok(Self::Activating),
            "activated" => Ok(Self::Activated),
            _ => Err(UnknownWord::new(
                "phase",
                word,
                "deactivated, activating, activated",
            )),
        }
    }
}

impl FromStr for Level {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "read-only" => Ok(Self::ReadOnly),
            "full" => Ok(Self::Full),
            "exclusive" => Ok(Self::Exclusive),
            _ => Err(UnknownWord::new(
                "level",
                word,
                "full, read-only, exclusive",
            )),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_strict() {
        for word in ["", "on", "Full", "readonly", "read_only", "true", "1"] {
            assert!(word.parse::<Level>().is_err(), "{word}");
        }
        for level in Level::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
        }
    }

    #[test]
    fn phases_are_ordered_by_restrictiveness() {
        assert!(Phase::Deactivated < Phase::Activating && Phase::Activating < Phase::Activated);
    }
}
