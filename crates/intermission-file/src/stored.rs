//! What is stored: the document, and in Magento's directory what the flag files make of it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use intermission_core::{Clock, Moment, Record, StateError, SystemClock};

use crate::document::Document;
use crate::flag_files::{FlagFiles, Found, Pair, Writes};
use crate::foreign::Foreign;
use crate::record_file::{Next, RecordFile};

/// How often, and how many times at most, somebody looks again who has found a list that may still be being written.
/// Together longer than `FILLED_AFTER` of the flag files. It is on a thread that may block.
const PAUSE: Duration = Duration::from_millis(5);
const LOOKS: u32 = 10;

/// What is stored.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) document: Option<Arc<Document>>,
    pub(crate) flag_files: Option<Found>,
    pub(crate) unfinished: Unfinished,
}

/// A step of somebody who was killed, or who is taking it at this moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    No,
    /// It was taken, and its document counts; this is still to be written.
    Taken(Writes),
    /// It was not, and its document does not count.
    NotTaken,
}

impl Stored {
    /// Reads it.
    pub(crate) fn read(
        record: &RecordFile,
        flag_files: Option<&FlagFiles>,
    ) -> Result<Self, StateError> {
        let Some(flag_files) = flag_files else {
            return Ok(Self {
                document: record.read()?,
                flag_files: None,
                unfinished: Unfinished::No,
            });
        };
        let mut stored = Self::read_once(record, flag_files)?;
        for _ in 1..LOOKS {
            if !stored.may_be_half_written() {
                break;
            }
            thread::sleep(PAUSE);
            stored = Self::read_once(record, flag_files)?;
        }
        Ok(stored)
    }

    fn read_once(record: &RecordFile, flag_files: &FlagFiles) -> Result<Self, StateError> {
        let document = record.read()?;
        let next = record.read_next()?;
        let found = flag_files.read()?;
        let (document, unfinished) = match next {
            Next::Nothing => (document, Unfinished::No),
            Next::Rubbish => (document, Unfinished::NotTaken),
            Next::Document(next) => match rest(document.as_deref(), &next, &found.pair) {
                Some(rest) => (Some(next), Unfinished::Taken(rest)),
                None => (document, Unfinished::NotTaken),
            },
        };
        Ok(Self {
            document,
            flag_files: Some(found),
            unfinished,
        })
    }

    /// Whether the flag files say something that the record does not ask for, so that it must follow.
    pub(crate) fn is_behind(&self) -> bool {
        let rest = matches!(&self.unfinished, Unfinished::Taken(rest) if !rest.is_empty());
        rest || !self.foreign().is_empty()
    }

    pub(crate) fn edition(&self) -> u64 {
        self.document
            .as_ref()
            .map_or(0, |document| document.edition)
    }

    /// The record, for people: with what the flag files say where it has not followed them yet.
    pub(crate) fn shown(&self, record: Arc<Record>, now: Moment) -> Arc<Record> {
        let foreign = self.flag_files.as_ref().map(|found| {
            let record = Some(&*record);
            Foreign::between(&found.pair, record, record)
        });
        let shown = foreign.and_then(|foreign| foreign.applied_to(&record, now));
        shown.map_or(record, Arc::new)
    }

    fn may_be_half_written(&self) -> bool {
        let now = SystemClock.now();
        let is_fresh = self
            .flag_files
            .as_ref()
            .is_some_and(|found| found.is_fresh(now));
        is_fresh && self.foreign().allow.is_some()
    }

    fn foreign(&self) -> Foreign {
        let record = record_of(self.document.as_deref());
        self.flag_files
            .as_ref()
            .map_or_else(Foreign::default, |found| {
                Foreign::between(&found.pair, record, record)
            })
    }
}

/// What is still to be written of a step that was taken; `None` if it was not.
fn rest(document: Option<&Document>, next: &Document, found: &Pair) -> Option<Writes> {
    if next.edition <= document.map_or(0, |document| document.edition) {
        return None;
    }
    let before = Pair::of(record_of(document));
    let after = Pair::of(record_of(Some(next)));
    // Their order is that of `FlagFiles::write`.
    let is_taken = if before.is_on == after.is_on {
        before.allow != after.allow && found.allow == after.allow
    } else {
        found.is_on == after.is_on
    };
    is_taken.then(|| Writes {
        is_on: None,
        allow: (found.allow == before.allow && found.allow != after.allow).then_some(after.allow),
    })
}

fn record_of(document: Option<&Document>) -> Option<&Record> {
    document.and_then(|document| document.record.as_deref())
}
