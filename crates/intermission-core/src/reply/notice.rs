//! What one activation tells its visitors.

use std::fmt;
use std::time::Duration;

use crate::{Level, Phase, Timestamp};

/// The header that names the mode, on refusals and on what a bypassed visitor gets.
///
/// A 503 alone does not say whether somebody works on the service or the service broke; monitors and clients can
/// tell by this one.
pub const MARKER_HEADER: &str = "maintenance-mode";

/// The headers to set on every response to a visitor who was let in past the closed mode.
///
/// A page that only this visitor may see must not fill a cache for everybody, and the page or its monitor can
/// show that the site is operated in maintenance mode.
pub const BYPASSED: [(&str, &str); 2] = [
    ("cache-control", "private, no-store"),
    (MARKER_HEADER, "bypassed"),
];

/// The mode that a refusal names in its `Maintenance-Mode` header and in its JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Marker {
    /// Closed.
    Activated,
    /// Draining: what starts an execution is refused, everything else goes on.
    Activating,
    /// Closed for changes, open for reading.
    ReadOnly,
}

impl Marker {
    /// The marker of a refusal in that phase at that level.
    ///
    /// A node may refuse while the record says [`Phase::Deactivated`], for a dependency that is away; its visitors
    /// get the same reply as in maintenance, so that is [`Marker::Activated`] as well.
    #[must_use]
    pub const fn of(phase: Phase, level: Level) -> Self {
        match (phase, level) {
            (Phase::Activating, _) => Self::Activating,
            (Phase::Activated, Level::ReadOnly) => Self::ReadOnly,
            (Phase::Activated, Level::Full | Level::Exclusive) | (Phase::Deactivated, _) => {
                Self::Activated
            }
        }
    }

    /// The word in the header: `activated`, `activating` or `read-only`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activated => "activated",
            Self::Activating => "activating",
            Self::ReadOnly => "read-only",
        }
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is announced to refused visitors: the part of the record that a reply shows.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use intermission_core::reply::{Marker, Notice};
///
/// let notice = Notice::new(Marker::Activated)
///     .with_message("Upgrading the database")
///     .with_retry_after(Duration::from_secs(600));
/// assert_eq!(notice.message(), Some("Upgrading the database"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice<'a> {
    marker: Marker,
    message: Option<&'a str>,
    until: Option<Timestamp>,
    retry_after: Option<Duration>,
    passes: bool,
}

impl<'a> Notice<'a> {
    /// A notice that says no more than that.
    #[must_use]
    pub const fn new(marker: Marker) -> Self {
        Self {
            marker,
            message: None,
            until: None,
            retry_after: None,
            passes: false,
        }
    }

    /// The operator's words. Without them, or if they are blank, the policy's default message is shown.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Option<&'a str>>) -> Self {
        self.message = message.into();
        self
    }

    /// The announced end.
    #[must_use]
    pub fn with_until(mut self, until: impl Into<Option<Timestamp>>) -> Self {
        self.until = until.into();
        self
    }

    /// The activation's own `Retry-After`, which counts if no end is announced.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: impl Into<Option<Duration>>) -> Self {
        self.retry_after = retry_after.into();
        self
    }

    /// Whether there are passes: then the answer depends on the cookie, and `Vary` says so.
    #[must_use]
    pub const fn with_passes(mut self, passes: bool) -> Self {
        self.passes = passes;
        self
    }

    /// The mode that the reply names.
    #[must_use]
    pub const fn marker(&self) -> Marker {
        self.marker
    }

    /// The operator's words.
    #[must_use]
    pub const fn message(&self) -> Option<&'a str> {
        self.message
    }

    /// The announced end.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The activation's own `Retry-After`.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether there are passes.
    #[must_use]
    pub const fn passes(&self) -> bool {
        self.passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_follows_phase_and_level() {
        for (phase, level, word) in [
            (Phase::Activated, Level::Full, "activated"),
            (Phase::Activated, Level::Exclusive, "activated"),
            (Phase::Activated, Level::ReadOnly, "read-only"),
            (Phase::Activating, Level::ReadOnly, "activating"),
            (Phase::Activating, Level::Full, "activating"),
            (Phase::Deactivated, Level::ReadOnly, "activated"),
        ] {
            assert_eq!(Marker::of(phase, level).as_str(), word, "{phase} {level}");
        }
    }
}
