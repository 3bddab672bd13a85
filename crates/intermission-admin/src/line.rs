//! What has happened, one line at a time.

use intermission::{HistoryEntry, HistoryEvent, Phase, Record, Revision, Timestamp};

/// One line: what happened, or how things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line<'a> {
    /// When.
    pub at: Timestamp,
    /// The revision that it led to.
    pub revision: Revision,
    /// What.
    pub event: &'a str,
    /// The phase after it.
    pub phase: Phase,
    /// Who, if it was somebody.
    pub by: Option<&'a str>,
    /// By which way.
    pub origin: Option<&'a str>,
    /// More, in words.
    pub note: Option<&'a str>,
    /// The part of the site in which it happened, and whose phase this is; [`HistoryEntry::SCOPES`] for many parts at once.
    /// `None` for what happened to the whole, and for a change by which somebody touched several parts.
    pub scope: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// How things are now.
    #[must_use]
    pub fn current(record: &'a Record, now: Timestamp) -> Self {
        Self::seen("current", record, now)
    }

    /// A change of which the history says nothing, as when somebody touches a flag file by hand.
    #[must_use]
    pub fn unexplained(record: &'a Record, now: Timestamp) -> Self {
        Self::seen(HistoryEvent::Updated.as_str(), record, now)
    }

    /// The state has lost its newest record, and with it the history. A node that knows it brings it back.
    #[must_use]
    pub fn lost(record: &'a Record, now: Timestamp) -> Self {
        Self::seen("state-lost", record, now)
    }

    fn seen(event: &'a str, record: &'a Record, now: Timestamp) -> Self {
        let by = record.activation().map(|on| on.requested_by.as_str());
        let note = record.message();
        Self {
            at: now,
            revision: record.revision(),
            event,
            phase: record.phase(),
            by,
            origin: None,
            note,
            scope: None,
        }
    }
}

impl<'a> From<&'a HistoryEntry> for Line<'a> {
    fn from(entry: &'a HistoryEntry) -> Self {
        Self {
            at: entry.at,
            revision: entry.revision,
            event: entry.event.as_str(),
            phase: entry.phase,
            by: entry.by.as_deref(),
            origin: entry.origin.as_deref(),
            note: entry.note.as_deref(),
            scope: entry.scope(),
        }
    }
}

/// The entries that came after `last`, the oldest first. `history` has the newest first, and may have dropped `last`.
#[must_use]
pub fn since<'a>(
    history: &'a [HistoryEntry],
    last: Option<&HistoryEntry>,
) -> Vec<&'a HistoryEntry> {
    let is_old = |entry: &HistoryEntry| {
        last.is_some_and(|last| entry == last || entry.revision < last.revision)
    };
    let mut new: Vec<&HistoryEntry> = history.iter().take_while(|entry| !is_old(entry)).collect();
    new.reverse();
    new
}
