//! Which change a client has seen last.

use intermission::{HistoryEntry, Revision};

/// Which change a client has seen last: a line of the history, which has no number of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventId {
    revision: Revision,
    at: u64,
    /// How many older lines are alike so far: several nodes may be given up in the same step.
    nth: usize,
    event: String,
}

impl EventId {
    /// Of somebody who has seen a history without any line.
    pub(super) fn before_all() -> Self {
        Self {
            revision: Revision::ZERO,
            at: 0,
            nth: 0,
            event: "none".to_owned(),
        }
    }

    /// Those of a history that has the newest line first.
    pub(super) fn all(history: &[HistoryEntry]) -> Vec<Self> {
        let alike = |one: &HistoryEntry, other: &HistoryEntry| {
            (one.revision, one.at, one.event) == (other.revision, other.at, other.event)
        };
        let ids = history.iter().enumerate().map(|(place, entry)| {
            let older = history.iter().skip(place + 1);
            Self {
                revision: entry.revision,
                at: entry.at.as_millis(),
                nth: older.filter(|other| alike(entry, other)).count(),
                event: entry.event.as_str().to_owned(),
            }
        });
        ids.collect()
    }

    /// `None` if this is no id of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let revision: u64 = parts.next()?.parse().ok()?;
        Some(Self {
            revision: Revision::try_from(revision).ok()?,
            at: parts.next()?.parse().ok()?,
            nth: parts.next()?.parse().ok()?,
            event: parts.next()?.to_owned(),
        })
    }

    pub(super) fn in_text(&self) -> String {
        let Self {
            revision,
            at,
            nth,
            event,
        } = self;
        format!("{revision}.{at}.{nth}.{event}")
    }

    pub(super) const fn revision(&self) -> Revision {
        self.revision
    }

    /// How many of these came after it. They have the newest first, and may lack it: the history is not kept for ever.
    pub(super) fn count_of_newer(&self, ids: &[Self]) -> usize {
        let is_seen = |id: &Self| id == self || id.revision < self.revision;
        ids.iter().position(is_seen).unwrap_or(ids.len())
    }
}

#[cfg(test)]
mod tests {
    use intermission::{
        Activate, Actor, Change, Ledger, Moment, Operation, OperationId, Outcome, Timestamp, Timing,
    };
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_id_of_ours_reads_back_and_no_other_does() {
        let id = EventId {
            revision: Revision::new(7),
            at: 12,
            nth: 1,
            event: "node-forgotten".into(),
        };
        assert_eq!(EventId::parse(&id.in_text()), Some(id));
        for text in [
            "",
            "7",
            "7.12",
            "7.12.requested",
            "x.12.0.requested",
            "7.-1.0.requested",
        ] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lines_that_are_alike_are_told_apart_and_none_is_missed() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let moment = Moment::new(now, Duration::ZERO);
        let mut ledger = Ledger::new(Timing::default());
        let before = ledger.current();
        let change = Change::Activate(Activate::by("ana"));
        let Ok(Outcome::Changed(next)) = before.apply(&change, now) else {
            panic!("it was off")
        };
        let id = OperationId::from_bits(1);
        ledger.operate(
            &Operation::replace(id, &before, next, Actor::new("ana", "test")),
            moment,
        );
        let line = ledger.history(1).next().unwrap().clone();
        let history = [line.clone(), line.clone(), line];
        let ids = EventId::all(&history);
        for (place, id) in ids.iter().enumerate() {
            assert_eq!(id.count_of_newer(&ids), place);
        }
        assert_eq!(EventId::before_all().count_of_newer(&ids), 3);
    }
}
