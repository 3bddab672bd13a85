//! A node's settings for the decision.

/// A node's settings for the decision.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Policy {
    pub(super) preflight: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { preflight: true }
    }
}

impl Policy {
    /// Whether browsers' preflight requests pass while the site is closed. On by default: refused, a script sees
    /// "network error" instead of the refusal.
    #[must_use]
    pub const fn with_preflight(mut self, preflight: bool) -> Self {
        self.preflight = preflight;
        self
    }
}
