//! What somebody else has changed in the flag files, and what it makes of the record.

use std::fmt::Write as _;

use intermission_core::{
    Activate, Actor, AllowChange, AllowList, Change, Deactivate, Ledger, Level, Moment,
    OperateReply, Operation, OperationId, Outcome, Record,
};

use crate::flag_files::{Found, Pair, Writes};

/// Who changes the flag files, as far as anybody can tell: Magento's command, or a person with `touch`.
const SOMEBODY: &str = "magento";

/// How many entries that are no addresses the history names.
const NAMED: usize = 5;

/// What somebody else has changed: what is neither what the stored record asks for nor what the present one does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) is_on: Option<bool>,
    pub(crate) allow: Option<AllowList>,
}

impl Foreign {
    pub(crate) fn between(found: &Pair, stored: Option<&Record>, present: Option<&Record>) -> Self {
        let (stored, present) = (Pair::of(stored), Pair::of(present));
        let is_on = found.is_on;
        let flag_changed = is_on != stored.is_on && is_on != present.is_on;
        let allow_changed = found.allow != stored.allow && found.allow != present.allow;
        Self {
            is_on: flag_changed.then_some(is_on),
            allow: allow_changed.then(|| found.allow.clone()),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.is_on.is_none() && self.allow.is_none()
    }

    /// The record that somebody has asked for by it; `None` if this one already says so, or is a newer one that only a
    /// newer Intermission may change.
    pub(crate) fn applied_to(&self, record: &Record, now: Moment) -> Option<Record> {
        // At this level the list is taken away, so what is found is what somebody wrote beside it, and not instead of it.
        let is_kept_elsewhere = record
            .activation()
            .is_some_and(|on| on.settings.level == Level::Exclusive);
        let allow = self.allow.clone().map(if is_kept_elsewhere {
            AllowChange::Add
        } else {
            AllowChange::Replace
        });
        let change = match (self.is_on, allow) {
            (Some(true), allow) => {
                let activate = Activate::by(SOMEBODY);
                Change::Activate(match allow {
                    Some(allow) => activate.with_allow(allow),
                    None => activate,
                })
            }
            (Some(false), allow) => {
                let deactivate = Deactivate::new();
                Change::Deactivate(match allow {
                    Some(allow) => deactivate.with_allow(allow),
                    None => deactivate,
                })
            }
            (None, Some(allow)) => Change::Allow(allow),
            (None, None) => return None,
        };
        match record.apply(&change, now.calendar) {
            Ok(Outcome::Changed(next)) => Some(next),
            Ok(Outcome::Unchanged) | Err(_) => None,
        }
    }

    /// Makes it the record. Says whether the record is another one then.
    pub(crate) fn follow(&self, found: &Found, ledger: &mut Ledger, now: Moment) -> Followed {
        let before = ledger.current();
        let Some(next) = self.applied_to(&before, now) else {
            return if before.version() > Record::VERSION {
                Followed::Refused
            } else {
                Followed::Already
            };
        };
        // The same for whoever follows this change of this record, and for no other operation.
        let id = OperationId::from_bits(u128::from(before.revision().number()));
        let actor = Actor::new(SOMEBODY, self.origin(found));
        match ledger.operate(&Operation::replace(id, &before, next, actor), now) {
            OperateReply::Stored(_) => Followed::Stored,
            OperateReply::Unchanged(_) | OperateReply::Duplicate(_) => Followed::Already,
            // The ledger hears its nodes before it opens or edits. The files stay as they are until then.
            _ => Followed::Refused,
        }
    }

    fn origin(&self, found: &Found) -> String {
        let mut origin = if self.is_on.is_some() {
            "flag file".to_owned()
        } else {
            "address file".to_owned()
        };
        if let Some(ignored) = found.ignored.as_ref().filter(|_| self.allow.is_some()) {
            let entries = ignored.entries();
            let names: Vec<String> = entries
                .iter()
                .take(NAMED)
                .map(|entry| format!("`{}`", entry.text().chars().take(64).collect::<String>()))
                .collect();
            let more = if entries.len() > NAMED { ", …" } else { "" };
            // Nothing can go wrong when writing into a string.
            let _ = write!(origin, " (ignored: {}{more})", names.join(", "));
        }
        origin
    }
}

/// What came of following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// The record says so now.
    Stored,
    /// The record said so already.
    Already,
    /// Not yet, or not by this Intermission.
    Refused,
}

/// What is to be written so that the files say what the record asks for, but for what is `left` to somebody else.
pub(crate) fn writes(found: &Pair, record: Option<&Record>, left: &Foreign) -> Writes {
    let wanted = Pair::of(record);
    Writes {
        is_on: (left.is_on.is_none() && found.is_on != wanted.is_on).then_some(wanted.is_on),
        allow: (left.allow.is_none() && found.allow != wanted.allow).then_some(wanted.allow),
    }
}
