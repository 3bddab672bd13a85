//! What the files hold, and what it makes of a ledger before a step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{Departure, HistoryEntry, Ledger, Members, Moment, NodeId, Record};

use crate::document::Document;
use crate::flag_files;
use crate::foreign::{Followed, Foreign};
use crate::process::{Process, Surroundings};
use crate::stored::Unfinished;

/// What the files hold.
pub(crate) struct Kept {
    pub(crate) document: Option<Arc<Document>>,
    pub(crate) flag_files: Option<flag_files::Found>,
    pub(crate) unfinished: Unfinished,
    pub(crate) members: Members,
    pub(crate) processes: BTreeMap<NodeId, Process>,
    /// The newest edition of which anybody knows.
    pub(crate) newest_edition: u64,
    /// Whether the ledger may have forgotten who is there, or what was decided.
    pub(crate) is_lost: bool,
    /// Whether the machine was started anew since, so that everybody who was there has died.
    pub(crate) is_rebooted: bool,
    /// Whether the last step was taken, but its `members.json.next` is not in its place.
    pub(crate) is_unfinished: bool,
}

impl Kept {
    pub(crate) fn record(&self) -> Option<&Arc<Record>> {
        self.document
            .as_ref()
            .and_then(|document| document.record.as_ref())
    }

    pub(crate) fn history(&self) -> &[HistoryEntry] {
        self.document
            .as_ref()
            .map_or(&[], |document| &document.history)
    }

    /// Whether `record.json` already holds what the ledger says.
    pub(crate) fn holds_what(&self, ledger: &Ledger) -> bool {
        let same_record = match (self.record(), ledger.record()) {
            (Some(kept), Some(record)) => Arc::ptr_eq(kept, record) || kept == record,
            (kept, record) => kept.is_none() && record.is_none(),
        };
        same_record && ledger.kept_history().eq(self.history())
    }

    /// What somebody else has changed in the flag files, where the ledger holds this record.
    pub(crate) fn foreign(&self, present: Option<&Arc<Record>>) -> Foreign {
        self.flag_files
            .as_ref()
            .map_or_else(Foreign::default, |found| {
                let stored = self.record().map(|record| &**record);
                Foreign::between(&found.pair, stored, present.map(|record| &**record))
            })
    }

    /// Makes the ledger follow the flag files. Says what it did, and what is left to follow later.
    pub(crate) fn follow(&self, ledger: &mut Ledger, now: Moment) -> (Followed, Foreign) {
        let foreign = self.foreign(ledger.record());
        let Some(found) = self.flag_files.as_ref().filter(|_| !foreign.is_empty()) else {
            return (Followed::Already, Foreign::default());
        };
        if brings_back(ledger, now) {
            return (Followed::Refused, foreign);
        }
        match foreign.follow(found, ledger, now) {
            Followed::Refused => (Followed::Refused, foreign),
            followed => (followed, Foreign::default()),
        }
    }

    /// The record, for people. Where it has not followed the flag files yet, it says what they say, with its old
    /// revision, so that nobody can change what is not stored.
    pub(crate) fn shown_record(&self, now: Moment) -> Arc<Record> {
        let record = self.record().cloned().unwrap_or_default();
        let shown = self.foreign(self.record()).applied_to(&record, now);
        shown.map_or(record, Arc::new)
    }

    /// Whether there is a drain, or may soon be quiescence.
    pub(crate) fn is_on(&self) -> bool {
        self.record().is_some_and(|record| record.phase().is_on())
    }

    /// Tells the ledger what it cannot know by itself: that something was lost, and who has died.
    pub(crate) fn tell(&self, ledger: &mut Ledger, surroundings: &Surroundings, now: Moment) {
        if self.is_lost {
            ledger.lost_members(now);
        }
        if self.is_rebooted {
            let completion = self
                .record()
                .and_then(|record| record.activation()?.completion.as_ref());
            for unconfirmed in completion
                .iter()
                .flat_map(|completion| &completion.unconfirmed)
            {
                ledger.leave(unconfirmed.node, &Departure::Died, now);
            }
        }
        let Some(witness) = &surroundings.process else {
            return;
        };
        for (node, process) in &self.processes {
            if process.has_ended(witness) {
                ledger.leave(*node, &Departure::Died, now);
            }
        }
    }
}

/// Whether a lost record may be about to be brought back: by nodes that are closed already, and that a new activation
/// would open for the time of its drain.
fn brings_back(ledger: &Ledger, now: Moment) -> bool {
    let view = ledger.view(0, now);
    // A ledger that is behind has always a millisecond of grace left. Its nodes had their time by then.
    let is_in_grace = view.grace > Duration::from_millis(1);
    is_in_grace && (view.is_behind() || ledger.record().is_none())
}
