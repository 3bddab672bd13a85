//! Where a node stands with its ledger.

use std::time::Duration;

/// The report that is on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingReport {
    pub(super) sequence: u64,
    pub(super) sent_at: Duration,
    pub(super) offers: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Contact {
    /// Never yet, since the start.
    Never { since: Duration, lost: bool },
    /// The report that was sent then was answered, and nothing failed since.
    Good { sent_at: Duration },
    /// The report that was sent then was the last that was answered.
    Lost { sent_at: Duration },
}
