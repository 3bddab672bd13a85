//! Maintenance that lasts as long as a piece of work: who holds it on, and what comes after.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::change::{Activate, ChangeError};
use crate::id::{HolderId, NodeId};
use crate::phase::Level;
use crate::record::{Record, Settings};
use crate::{Timestamp, wire};

/// How many may hold a site's maintenance on at a time.
pub const HOLDER_LIMIT: usize = 64;

/// The longest name of a piece of work, and the longest reason of its failure, in characters. What is longer is cut.
pub const HOLDER_TEXT_LIMIT: usize = 200;

/// That maintenance is held on by pieces of work, such as deployments, and what the site is once the last is done.
///
/// Each holder has an id of its own, so none ends the maintenance of another, and none that is dead is taken for one
/// that is done: what a crashed holder leaves behind is a closed site that says by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holding {
    /// Whether the site opens once the last holder is done. If not, somebody has asked for the maintenance itself, before
    /// or meanwhile, and it stays.
    pub opens_after: bool,
    /// How the maintenance is meant apart from its holders, and how it goes on if it stays. Where nobody but holders
    /// wants it, next to nothing: their needs decide.
    pub base: Settings,
    /// Who holds it, in the order in which they came. Never empty.
    pub holders: Vec<Holder>,
}

impl Holding {
    /// How the maintenance is meant at present.
    ///
    /// The level is the strictest that anybody needs; of the rest, what the last holder says that says something. No
    /// maintenance ends by itself while it is held.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = self.base.clone();
        for holder in &self.holders {
            let Wishes {
                level,
                message,
                ends_at,
                retry_after,
            } = &holder.wishes;
            settings.level = settings.level.strictest(*level);
            if message.is_some() {
                settings.message.clone_from(message);
            }
            settings.ends_at = ends_at.or(settings.ends_at);
            settings.retry_after = retry_after.or(settings.retry_after);
        }
        settings.auto_end = false;
        settings
    }

    /// What an operator says himself counts more than what holders wish; but nobody is left with a level below the one
    /// that he needs.
    pub(crate) fn overrule(&mut self, activate: &Activate) {
        for holder in &mut self.holders {
            let wishes = &mut holder.wishes;
            wishes.message = wishes.message.take().filter(|_| !activate.says_message());
            wishes.ends_at = wishes.ends_at.filter(|_| !activate.says_ends_at());
            wishes.retry_after = wishes.retry_after.filter(|_| !activate.says_retry_after());
        }
    }
}

/// A piece of work that holds maintenance on until it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holder {
    /// Which one: known to who holds alone, until it is written.
    pub id: HolderId,
    /// What it is, for people: the name of a command, or of a step of a deployment.
    pub label: String,
    /// Who asked for it.
    pub requested_by: String,
    /// The node that is in contact for as long as the holder lives.
    pub node: NodeId,
    /// That node's name for people.
    pub node_label: String,
    /// Since when it holds, by its own clock.
    pub since: Timestamp,
    /// How it wants the maintenance to be while it works.
    #[serde(default)]
    pub wishes: Wishes,
    /// That its work has failed, if it has. It holds on until somebody deactivates.
    #[serde(default)]
    pub failure: Option<HolderFailure>,
}

/// How a holder wants the maintenance to be. What it does not say is left to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Wishes {
    /// How much is to be closed at least.
    pub level: Level,
    /// What visitors are told.
    pub message: Option<String>,
    /// The announced end.
    pub ends_at: Option<Timestamp>,
    /// When visitors are to come back if no end is announced.
    #[serde(rename = "retry_after_ms", with = "wire::optional_millis", default)]
    pub retry_after: Option<Duration>,
}

/// That a holder's work has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HolderFailure {
    /// When, by the holder's clock.
    pub at: Timestamp,
    /// How, in a few words: `exit status 3`.
    pub reason: String,
}

/// Hold maintenance on for a piece of work: close the site if it is open, or join those who have closed it.
///
/// Nobody who [activates](crate::Change::Activate) has to know of it. While the site is held, activating makes the
/// maintenance last longer than its holders, and deactivating opens it at once, for a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Acquire {
    pub(crate) holder: Box<Holder>,
    pub(crate) activate: Activate,
}

impl Acquire {
    /// Held by `id` on a node, until it [releases](crate::Change::Release) it. How the maintenance is to be, and who asks,
    /// says `activate`.
    ///
    /// It begins at once: a planned start in `activate` is an error, and so is an automatic end, since work that takes
    /// longer would go on in an open site. The allow list that it may bring outlives the holder, as it outlives every
    /// maintenance. The drain policy counts if it is this change that closes the site; later it would end the wait, or
    /// the maintenance, of others.
    pub fn new(
        id: HolderId,
        node: NodeId,
        node_label: &str,
        label: &str,
        activate: Activate,
    ) -> Self {
        let settings = activate.overlay(Settings::default());
        Self {
            holder: Box::new(Holder {
                id,
                label: cut(label),
                requested_by: activate.requested_by().to_owned(),
                node,
                node_label: cut(node_label),
                since: Timestamp::default(),
                wishes: Wishes {
                    level: settings.level,
                    message: settings.message,
                    ends_at: settings.ends_at,
                    retry_after: settings.retry_after,
                },
                failure: None,
            }),
            activate,
        }
    }
}

impl Record {
    pub(crate) fn acquire(&mut self, acquire: &Acquire, now: Timestamp) -> Result<(), ChangeError> {
        let Acquire { holder, activate } = acquire;
        if self.holders().iter().any(|other| other.id == holder.id) {
            return Ok(());
        }
        if activate.is_by_the_clock() {
            return Err(ChangeError::HeldByTheClock);
        }
        self.judge(activate, &activate.overlay(Settings::default()), None, now)?;
        if self.holders().len() >= HOLDER_LIMIT {
            return Err(ChangeError::TooManyHolders {
                limit: HOLDER_LIMIT,
            });
        }
        let opens_after = self.activation.is_none();
        let base = match &self.activation {
            Some(activation) => activation.settings.clone(),
            None => Settings {
                level: Level::ReadOnly,
                drain: activate.drain().unwrap_or_default(),
                ..Settings::default()
            },
        };
        if opens_after {
            // What is planned for later stays planned.
            let settings = activate.overlay(Settings::default());
            self.begin(settings, activate.requested_by().to_owned(), now);
        }
        if let Some(activation) = &mut self.activation {
            let mut holding = activation.holding.take().unwrap_or_else(|| {
                Box::new(Holding {
                    opens_after,
                    base,
                    holders: Vec::new(),
                })
            });
            holding.holders.push(Holder {
                since: now,
                ..(**holder).clone()
            });
            activation.settings = holding.settings();
            activation.holding = Some(holding);
        }
        self.change_allow(activate.allow());
        Ok(())
    }

    pub(crate) fn release(&mut self, id: HolderId) -> Result<(), ChangeError> {
        let gone = ChangeError::NotHeld { id };
        let Some(activation) = &mut self.activation else {
            return Err(gone);
        };
        let Some(mut holding) = activation.holding.take() else {
            return Err(gone);
        };
        let before = holding.holders.len();
        holding.holders.retain(|holder| holder.id != id);
        if holding.holders.len() == before {
            return Err(gone);
        }
        if !holding.holders.is_empty() {
            activation.settings = holding.settings();
            activation.holding = Some(holding);
        } else if holding.opens_after {
            self.activation = None;
        } else {
            activation.settings = holding.base;
        }
        Ok(())
    }

    pub(crate) fn note_failure(
        &mut self,
        id: HolderId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let holding = self
            .activation
            .as_mut()
            .and_then(|activation| activation.holding.as_mut());
        let holder = holding.and_then(|holding| {
            let mut holders = holding.holders.iter_mut();
            holders.find(|holder| holder.id == id)
        });
        let holder = holder.ok_or(ChangeError::NotHeld { id })?;
        holder.failure.get_or_insert_with(|| HolderFailure {
            at: now,
            reason: cut(reason),
        });
        Ok(())
    }
}

/// At most as much of a text as a record carries.
fn cut(text: &str) -> String {
    text.chars().take(HOLDER_TEXT_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Deactivate, DrainPolicy, Outcome, Phase};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        NOW.saturating_add(Duration::from_secs(seconds))
    }

    fn id(bits: u128) -> HolderId {
        HolderId::from_bits(bits)
    }

    fn acquire_as(bits: u128, activate: Activate) -> Change {
        let node = NodeId::from_bits(bits);
        Change::Acquire(Acquire::new(id(bits), node, "web-1", "migrate", activate))
    }

    fn acquire(bits: u128) -> Change {
        acquire_as(bits, Activate::by("deploy"))
    }

    fn changed(record: &Record, change: &Change) -> Record {
        match record.apply(change, NOW).unwrap() {
            Outcome::Changed(next) => next,
            Outcome::Unchanged => panic!("nothing changed by {change:?}"),
        }
    }

    fn after(changes: &[Change]) -> Record {
        let first = Record::default();
        changes
            .iter()
            .fold(first, |record, change| changed(&record, change))
    }

    fn by_hand() -> Change {
        Change::Activate(Activate::by("ana").with_message("Upgrading"))
    }

    #[test]
    fn the_last_holder_opens_what_holders_have_closed() {
        let held = after(&[acquire(1), acquire(2)]);
        assert_eq!(
            (held.phase(), held.level()),
            (Phase::Activating, Level::Full)
        );
        assert_eq!(held.activation().unwrap().requested_by, "deploy");
        let one = changed(&held, &Change::Release(id(1)));
        assert!(one.phase().is_on());
        let none = changed(&one, &Change::Release(id(2)));
        assert_eq!(none.activation(), None);
    }

    #[test]
    fn what_was_on_before_is_on_afterwards_as_it_was() {
        let before = after(&[by_hand()]);
        let wishes = Activate::by("deploy")
            .with_message("Deploying")
            .with_level(Level::Exclusive)
            .with_ends_at(at(60));
        let held = changed(&before, &acquire_as(1, wishes));
        assert_eq!(
            (held.message(), held.level()),
            (Some("Deploying"), Level::Exclusive)
        );
        assert_eq!(held.ends_at(), Some(at(60)));
        assert_eq!(changed(&held, &Change::Release(id(1))), before);
    }

    #[test]
    fn who_activates_meanwhile_makes_it_last() {
        let held = after(&[
            acquire_as(1, Activate::by("deploy").with_message("Deploying")),
            by_hand(),
        ]);
        // What a person says counts more than what a deployment wishes.
        assert_eq!(held.message(), Some("Upgrading"));
        let kept = changed(&held, &Change::Release(id(1)));
        assert_eq!(
            (kept.message(), kept.level()),
            (Some("Upgrading"), Level::Full)
        );
        assert_eq!(kept.activation().unwrap().requested_by, "ana");
        assert!(kept.holders().is_empty() && kept.activation().unwrap().holding.is_none());
        // And so does one who only says again what is so.
        let held = after(&[acquire(1), Change::Activate(Activate::by("bob"))]);
        assert!(changed(&held, &Change::Release(id(1))).phase().is_on());
    }

    #[test]
    fn nobody_is_left_with_less_than_he_needs() {
        let backup = Activate::by("backup").with_level(Level::Exclusive);
        let reader = Activate::by("reader").with_level(Level::ReadOnly);
        let both = after(&[acquire_as(1, reader.clone()), acquire_as(2, backup)]);
        assert_eq!(both.level(), Level::Exclusive);
        let lowered = Change::Activate(Activate::by("ana").with_level(Level::ReadOnly));
        let both = changed(&both, &lowered);
        assert_eq!(both.level(), Level::Exclusive);
        assert_eq!(
            changed(&both, &Change::Release(id(2))).level(),
            Level::ReadOnly
        );
        // Who says nothing needs the site closed, whatever others are content with.
        assert_eq!(
            after(&[acquire_as(1, reader), acquire(2)]).level(),
            Level::Full
        );
    }

    #[test]
    fn nothing_opens_by_itself_under_work_that_runs() {
        let ending = Activate::by("ana").with_ends_at(at(60)).with_auto_end(true);
        let before = after(&[Change::Activate(ending)]);
        let held = changed(&before, &acquire(1));
        assert!(!held.activation().unwrap().settings.auto_end);
        assert_eq!(held.ends_at(), Some(at(60)));
        let after = changed(&held, &Change::Release(id(1)));
        assert!(after.activation().unwrap().settings.auto_end);
    }

    #[test]
    fn a_holder_that_failed_holds_on_until_somebody_decides() {
        let failed = after(&[
            acquire(1),
            Change::NoteFailure(id(1), "exit status 3".to_owned()),
        ]);
        let failure = failed.holders()[0].failure.clone().unwrap();
        assert_eq!(
            (failure.at, failure.reason.as_str()),
            (NOW, "exit status 3")
        );
        let again = Change::NoteFailure(id(1), "another".to_owned());
        assert_eq!(failed.apply(&again, at(1)), Ok(Outcome::Unchanged));
        // Work that succeeds later does not open what somebody is to look at.
        let retried = changed(&changed(&failed, &acquire(2)), &Change::Release(id(2)));
        assert!(retried.phase().is_on());
        let open = changed(&retried, &Change::Deactivate(Deactivate::new()));
        assert_eq!(open.activation(), None);
    }

    #[test]
    fn whoever_was_overruled_is_told() {
        for record in [Record::default(), after(&[by_hand()]), after(&[acquire(2)])] {
            let gone = Err(ChangeError::NotHeld { id: id(1) });
            assert_eq!(record.apply(&Change::Release(id(1)), NOW), gone);
            assert_eq!(
                record.apply(&Change::NoteFailure(id(1), String::new()), NOW),
                gone
            );
        }
    }

    #[test]
    fn repeating_is_harmless_and_the_clock_has_no_say() {
        let held = after(&[acquire(1)]);
        assert_eq!(held.apply(&acquire(1), at(1)), Ok(Outcome::Unchanged));
        for activate in [
            Activate::by("a").with_starts_at(at(9)),
            Activate::by("a").with_ends_at(at(9)).with_auto_end(true),
        ] {
            let refused = Record::default().apply(&acquire_as(1, activate), NOW);
            assert_eq!(refused, Err(ChangeError::HeldByTheClock));
        }
    }

    #[test]
    fn what_is_planned_for_later_stays_planned() {
        let planned = after(&[Change::Activate(
            Activate::by("ana").with_starts_at(at(3_600)),
        )]);
        let held = changed(&planned, &acquire(1));
        assert!(held.phase().is_on() && held.plan().is_some());
        // And whoever opens it by hand means what is on, not what is planned.
        let open = changed(&held, &Change::Deactivate(Deactivate::new()));
        assert_eq!(open, planned);
        let cancelled = changed(&open, &Change::Deactivate(Deactivate::new()));
        assert!(cancelled.plan().is_none());
        assert_eq!(changed(&held, &Change::Release(id(1))), planned);
    }

    #[test]
    fn the_drain_is_that_of_who_closed_the_site() {
        let abort = DrainPolicy::Abort(Duration::from_secs(1));
        let joined = after(&[
            acquire(1),
            acquire_as(2, Activate::by("b").with_drain(abort)),
        ]);
        assert_eq!(
            joined.activation().unwrap().settings.drain,
            DrainPolicy::Wait
        );
        let begun = after(&[acquire_as(1, Activate::by("b").with_drain(abort))]);
        assert_eq!(begun.activation().unwrap().settings.drain, abort);
    }

    #[test]
    fn there_is_a_limit_to_holders_and_to_what_they_say() {
        let limit = u128::try_from(HOLDER_LIMIT).unwrap();
        let full = (0..limit).fold(Record::default(), |record, bits| {
            changed(&record, &acquire(bits))
        });
        let refused = full.apply(&acquire(limit), NOW);
        assert_eq!(
            refused,
            Err(ChangeError::TooManyHolders {
                limit: HOLDER_LIMIT
            })
        );
        let long = "é".repeat(HOLDER_TEXT_LIMIT + 1);
        let held = Acquire::new(id(1), NodeId::from_bits(1), &long, &long, Activate::by("a"));
        let held = after(&[Change::Acquire(held)]);
        assert_eq!(held.holders()[0].label.chars().count(), HOLDER_TEXT_LIMIT);
    }

    #[test]
    fn a_held_record_can_be_written_and_read() {
        let held = after(&[
            by_hand(),
            acquire(1),
            Change::NoteFailure(id(1), "exit status 3".to_owned()),
        ]);
        assert_eq!(Record::from_json(&held.to_json()).unwrap(), held);
    }
}
