//! Lines of the history, as `watch` prints them one by one.

use intermission::{HistoryEntry, HistoryEvent, Phase, Record, Revision, Timestamp};

use crate::render::text::printable;

/// One line: what happened, or how things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) at: Timestamp,
    pub(crate) revision: Revision,
    pub(crate) event: &'a str,
    pub(crate) phase: Phase,
    pub(crate) by: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
    pub(crate) note: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// How things are now.
    pub(crate) fn current(record: &'a Record, now: Timestamp) -> Self {
        Self::seen("current", record, now)
    }

    /// A change of which the history says nothing, as when somebody touches a flag file by hand.
    pub(crate) fn unexplained(record: &'a Record, now: Timestamp) -> Self {
        Self::seen(HistoryEvent::Updated.as_str(), record, now)
    }

    /// The state has lost its newest record, and with it the history. A node that knows it brings it back.
    pub(crate) fn lost(record: &'a Record, now: Timestamp) -> Self {
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
        }
    }

    /// `2026-11-20T10:15:00.000Z  activating   requested  by ana (command): message`.
    pub(crate) fn in_words(&self) -> String {
        let by = self
            .by
            .map(|by| format!("by {}", printable(by)))
            .unwrap_or_default();
        let origin = self
            .origin
            .map(|origin| format!(" ({})", printable(origin)))
            .unwrap_or_default();
        let separator = if by.is_empty() && origin.is_empty() {
            ""
        } else {
            ": "
        };
        let note = self
            .note
            .map(|note| format!("{separator}{}", printable(note)))
            .unwrap_or_default();
        let line = format!(
            "{}  {:<11}  {:<16}  {by}{origin}{note}",
            self.at, self.phase, self.event
        );
        line.trim_end().to_owned()
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
        }
    }
}

/// The entries that came after `last`, the oldest first. `history` has the newest first, and may have dropped `last`.
pub(crate) fn since<'a>(
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

#[cfg(test)]
mod tests {
    use intermission::{Activate, AllowChange, Change, Deactivate};

    use super::*;
    use crate::render::sample::{Site, allow};

    #[test]
    fn only_what_is_new_is_told_the_oldest_first() {
        let mut site = Site::new();
        assert!(since(&site.history(), None).is_empty());
        site.activate(Activate::by("ana"));
        let first = site.history();
        let events: Vec<&str> = since(&first, None)
            .iter()
            .map(|entry| entry.event.as_str())
            .collect();
        assert_eq!(events, ["requested", "activated"]);
        let last = first.first().unwrap();
        assert!(since(&first, Some(last)).is_empty());
        site.change(&Change::Deactivate(Deactivate::new()));
        site.activate(Activate::by("ana"));
        let second = site.history();
        let new: Vec<&str> = since(&second, Some(last))
            .iter()
            .map(|entry| entry.event.as_str())
            .collect();
        assert_eq!(new, ["deactivated", "requested", "activated"]);
        assert_eq!(
            since(&second[..2], Some(last)).len(),
            2,
            "the last one told was dropped"
        );
    }

    #[test]
    fn lines_say_when_what_and_who() {
        let mut site = Site::new();
        site.activate(Activate::by("ana").with_message("one\ntwo"));
        site.change(&Change::Allow(AllowChange::Add(allow(&["192.0.2.1"]))));
        let (history, view) = (site.history(), site.view());
        let lines: Vec<String> = history
            .iter()
            .map(|entry| Line::from(entry).in_words())
            .collect();
        assert_eq!(
            lines[0],
            "2026-11-20T10:00:00.000Z  activated    updated           by ana (command): allow list"
        );
        assert_eq!(lines[1], "2026-11-20T10:00:00.000Z  activated    activated");
        assert!(lines[2].starts_with(
            "2026-11-20T10:00:00.000Z  activating   requested         by ana (command): "
        ));
        assert_eq!(
            Line::current(&view.record, site.now()).in_words(),
            "2026-11-20T10:00:00.000Z  activated    current           by ana: one\\ntwo"
        );
    }
}
