//! Who did what, when, from where.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::id::Revision;
use crate::phase::Phase;

/// One line of the history: a change that was accepted, or something that the ledger did by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// When, by the store's clock.
    pub at: Timestamp,
    /// The revision that it led to.
    pub revision: Revision,
    /// What happened.
    pub event: HistoryEvent,
    /// The phase after it.
    pub phase: Phase,
    /// Who; `None` for what the ledger did by itself.
    pub by: Option<String>,
    /// By which way.
    pub origin: Option<String>,
    /// More, in words.
    pub note: Option<String>,
}

impl HistoryEntry {
    /// What stands for the name of a scope where something happened to many of them at once. No scope has this name.
    pub const SCOPES: &str = "*";

    /// The name of the scope in which it happened, or [`SCOPES`](Self::SCOPES) for many at once; `None` for what happened to
    /// the whole site, and for a change by which somebody touched several scopes. The note begins with it, and the phase is
    /// the scope's.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        if self.scope_count().is_some() {
            return Some(Self::SCOPES);
        }
        let rest = self.note.as_deref()?.strip_prefix("scope ")?;
        Some(rest.split_once(':').map_or(rest, |(name, _)| name))
    }

    /// To how many scopes it happened in one step, if to so many that a line for each would leave no room for others; `None`
    /// for what happened to the whole site, or to [one scope](Self::scope). The note begins with it, and the phase is that of
    /// these scopes. What became of each, the record says.
    #[must_use]
    pub fn scope_count(&self) -> Option<u64> {
        let (count, rest) = self.note.as_deref()?.split_once(" scopes")?;
        let ends = rest.is_empty() || rest.starts_with([':', ',']);
        count.parse().ok().filter(|_| ends)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HistoryEvent {
    /// Maintenance was asked for; the drain began.
    Requested,
    /// The drain is complete: nothing runs any more.
    Activated,
    /// The drain's limit was reached, and maintenance is on with work still running.
    Forced,
    /// The drain's limit was reached, and the site is open again.
    Aborted,
    /// The site is open again.
    Deactivated,
    /// How it is closed, or who passes, was changed.
    Updated,
    /// A maintenance was planned, or its plan changed.
    Planned,
    /// The planned maintenance was cancelled.
    PlanCancelled,
    /// The planned maintenance began.
    PlanStarted,
    /// The announced end came, and the site opened by itself.
    Ended,
    /// An empty state was marked as a new site.
    Initialised,
    /// A node brought back what the state had lost.
    Restored,
    /// A node was silent for too long; the drain no longer waits for it.
    NodeUnconfirmed,
    /// A node that was unconfirmed has confirmed that nothing runs there.
    NodeConfirmed,
    /// An operator took a node off the list.
    NodeForgotten,
    /// A node's process was found dead while a drain waited for it.
    NodeDied,
}

impl HistoryEvent {
    /// The word that interfaces show.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Activated => "activated",
            Self::Forced => "forced",
            Self::Aborted => "aborted",
            Self::Deactivated => "deactivated",
            Self::Updated => "updated",
            Self::Planned => "planned",
            Self::PlanCancelled => "plan-cancelled",
            Self::PlanStarted => "plan-started",
            Self::Ended => "ended",
            Self::Initialised => "initialised",
            Self::Restored => "restored",
            Self::NodeUnconfirmed => "node-unconfirmed",
            Self::NodeConfirmed => "node-confirmed",
            Self::NodeForgotten => "node-forgotten",
            Self::NodeDied => "node-died",
        }
    }
}

impl fmt::Display for HistoryEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
