//! What an operator may ask for, and what it makes of a record.

use std::time::Duration;

use crate::Timestamp;
use crate::allow_list::AllowList;
use crate::holding::Acquire;
use crate::id::{ActivationId, HolderId, Revision};
use crate::pass::{Pass, PassId};
use crate::phase::Level;
use crate::record::{Activation, DrainPolicy, Plan, Record, Settings};
use crate::scope::ScopeName;

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Close the site, or change how it is closed.
    Activate(Activate),
    /// Open the site; if it is open, cancel a planned maintenance.
    Deactivate(Deactivate),
    /// Change who passes by address.
    Allow(AllowChange),
    /// Let one person pass.
    IssuePass(Pass),
    /// Let one person pass no longer.
    RevokePass(PassId),
    /// Let nobody pass by a pass any longer.
    RevokeAllPasses,
    /// Hold maintenance on for a piece of work.
    Acquire(Acquire),
    /// Hold it no longer: the work is done, or has never begun. The last one opens the site, unless somebody has asked
    /// for the maintenance itself.
    Release(HolderId),
    /// Hold it on, because the work has failed, for this reason. It stays so until somebody deactivates.
    NoteFailure(HolderId, String),
    /// The same for a part of the site. What concerns the allow list cannot be asked for a part: the list is the site's.
    InScope(ScopeName, Box<Self>),
}

impl Change {
    /// The same for this part of the site.
    #[must_use]
    pub fn in_scope(self, scope: ScopeName) -> Self {
        Self::InScope(scope, Box::new(self))
    }
}

/// Close the site, or change how it is closed.
///
/// While the site is open, what is not said gets its default. While it is closed, what is not said stays as it is:
/// repeating a request changes nothing, and another message does not reset the rest (Laravel ignores all options of
/// a repeated `down`). A plan that is ahead is changed in the same way, by saying a start: the old one or another.
/// Without a start, the site is closed at once, instead of by the plan and with nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Activate {
    requested_by: String,
    level: Option<Level>,
    message: Option<String>,
    allow: Option<AllowChange>,
    starts_at: Option<Timestamp>,
    ends_at: Said<Timestamp>,
    auto_end: Option<bool>,
    retry_after: Said<Duration>,
    drain: Option<DrainPolicy>,
}

/// What was said of something that may also be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said<T> {
    Nothing,
    Withdrawn,
    This(T),
}

impl<T> Said<T> {
    fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Nothing => before,
            Self::Withdrawn => None,
            Self::This(value) => Some(value),
        }
    }
}

impl Activate {
    /// Asked for by this person or program.
    pub fn by(requested_by: impl Into<String>) -> Self {
        Self {
            requested_by: requested_by.into(),
            level: None,
            message: None,
            allow: None,
            starts_at: None,
            ends_at: Said::Nothing,
            auto_end: None,
            retry_after: Said::Nothing,
            drain: None,
        }
    }

    /// How much is closed; [`Level::Full`] by default.
    pub const fn with_level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// What visitors are told. Plain text; pages escape it.
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Change the allow list in the same step.
    pub fn with_allow(mut self, allow: AllowChange) -> Self {
        self.allow = Some(allow);
        self
    }

    /// Start by itself at that time instead of at once. A time that has passed means at once.
    pub const fn with_starts_at(mut self, starts_at: Timestamp) -> Self {
        self.starts_at = Some(starts_at);
        self
    }

    /// Announce an end. Visitors are told to come back then.
    pub const fn with_ends_at(mut self, ends_at: Timestamp) -> Self {
        self.ends_at = Said::This(ends_at);
        self
    }

    /// Withdraw the announced end. The site does not open by itself then, either: who takes back an end means that the
    /// work takes longer, and closed is the safer mistake.
    pub const fn without_ends_at(mut self) -> Self {
        self.ends_at = Said::Withdrawn;
        self
    }

    /// Whether the site opens by itself at the announced end. Needs one, said now or before.
    pub const fn with_auto_end(mut self, auto_end: bool) -> Self {
        self.auto_end = Some(auto_end);
        self
    }

    /// When visitors are to come back if no end is announced.
    pub const fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Said::This(retry_after);
        self
    }

    /// Withdraw what was said of when visitors are to come back: from now on, it is what the application tells them by
    /// default.
    pub const fn without_retry_after(mut self) -> Self {
        self.retry_after = Said::Withdrawn;
        self
    }

    /// How long running executions are waited for.
    pub const fn with_drain(mut self, drain: DrainPolicy) -> Self {
        self.drain = Some(drain);
        self
    }

    /// Who asks.
    #[must_use]
    pub fn requested_by(&self) -> &str {
        &self.requested_by
    }

    pub(crate) const fn says_message(&self) -> bool {
        self.message.is_some()
    }

    pub(crate) const fn says_ends_at(&self) -> bool {
        !matches!(self.ends_at, Said::Nothing)
    }

    pub(crate) const fn says_retry_after(&self) -> bool {
        !matches!(self.retry_after, Said::Nothing)
    }

    /// How long running executions are to be waited for, if that is said.
    #[must_use]
    pub const fn drain(&self) -> Option<DrainPolicy> {
        self.drain
    }

    pub(crate) const fn allow(&self) -> Option<&AllowChange> {
        self.allow.as_ref()
    }

    /// Whether it begins or ends at a time of its own.
    pub(crate) const fn is_by_the_clock(&self) -> bool {
        self.starts_at.is_some() || matches!(self.auto_end, Some(true))
    }

    pub(crate) fn overlay(&self, before: Settings) -> Settings {
        Settings {
            level: self.level.unwrap_or(before.level),
            message: self.message.clone().or(before.message),
            ends_at: self.ends_at.over(before.ends_at),
            // Without an end, nothing opens by itself, unless somebody says so now, which is a contradiction.
            auto_end: self
                .auto_end
                .unwrap_or(before.auto_end && self.ends_at != Said::Withdrawn),
            retry_after: self.retry_after.over(before.retry_after),
            drain: self.drain.unwrap_or(before.drain),
        }
    }
}

/// Open the site; if it is open, cancel a planned maintenance.
///
/// Who asks is not part of it, as an open record names nobody: the history has the name from the operation's
/// [`Actor`](crate::Actor).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Deactivate {
    allow: Option<AllowChange>,
}

impl Deactivate {
    /// Open, and leave the allow list as it is.
    pub const fn new() -> Self {
        Self { allow: None }
    }

    /// Change the allow list in the same step, for the next time, as Magento's `maintenance:disable --ip` does.
    pub fn with_allow(mut self, allow: AllowChange) -> Self {
        self.allow = Some(allow);
        self
    }

    pub(crate) const fn changes_allow(&self) -> bool {
        self.allow.is_some()
    }
}

/// A change of the allow list. An empty replacement clears it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowChange {
    /// These and no others.
    Replace(AllowList),
    /// These, too.
    Add(AllowList),
    /// These no longer. Networks that are not in the list are no error.
    Remove(AllowList),
}

impl AllowChange {
    /// The list after the change.
    #[must_use]
    pub fn applied_to(&self, list: &AllowList) -> AllowList {
        match self {
            Self::Replace(networks) => networks.clone(),
            Self::Add(networks) => list.added(networks),
            Self::Remove(networks) => list.removed(networks),
        }
    }
}

/// What a [`Change`] comes to.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
#[expect(
    clippy::large_enum_variant,
    reason = "matched at once and never stored"
)]
pub enum Outcome {
    /// The record after the change. The ledger puts revision, ids and times of its own on it.
    Changed(Record),
    /// All is already as asked for: a success without a new revision, event or history line.
    Unchanged,
}

/// A change that makes no sense. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The end is not after the start.
    #[error("the end {end} is not after the start {start}: choose a later end or an earlier start")]
    EndBeforeStart {
        /// The start, or the present if it starts at once.
        start: Timestamp,
        /// The end.
        end: Timestamp,
    },
    /// It is to end by itself, and no end is announced.
    #[error("an automatic end needs an announced end: say when it ends, too")]
    AutoEndWithoutEnd,
    /// A start cannot be planned while maintenance is on.
    #[error("maintenance is already on since {since}: it cannot be planned to start at {start}")]
    AlreadyOn {
        /// Since when.
        since: Timestamp,
        /// The planned start.
        start: Timestamp,
    },
    /// Passes belong to a maintenance that is on.
    #[error("maintenance is off, so there is nothing to pass: activate it first")]
    NotOn,
    /// No pass has this id.
    #[error("no pass has the id `{id}`: list the passes to see their ids")]
    UnknownPass {
        /// The id.
        id: PassId,
    },
    /// So many persons have a pass already that every node would carry a long list.
    #[error(
        "there are {limit} passes already: revoke some, or let these persons pass by address or permission"
    )]
    TooManyPasses {
        /// How many there may be.
        limit: usize,
    },
    /// The message is too long for every node to carry.
    #[error("the message has {length} characters; at most {limit} are possible")]
    MessageTooLong {
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Work that holds maintenance on neither starts nor ends by the clock.
    #[error(
        "maintenance that a piece of work holds on begins at once and ends with the work: leave out the planned start \
         and the automatic end"
    )]
    HeldByTheClock,
    /// Nobody of that id holds maintenance on: it was deactivated meanwhile.
    #[error("`{id}` does not hold maintenance on any more: somebody has deactivated it meanwhile")]
    NotHeld {
        /// The holder.
        id: HolderId,
    },
    /// So many hold maintenance on already that every node would carry a long list.
    #[error(
        "{limit} pieces of work hold maintenance on already: see in the status which of them have failed or are gone, \
         and deactivate"
    )]
    TooManyHolders {
        /// How many there may be.
        limit: usize,
    },
    /// A scope cannot be asked for this: the allow list, for one, is the whole site's.
    #[error(
        "this is asked of the whole site, as the allow list is: do it without naming the scope {scope}"
    )]
    NotInScope {
        /// The scope.
        scope: ScopeName,
    },
    /// So many scopes are closed or planned already that every node would carry a long list.
    #[error("{limit} scopes are closed or planned already: open some, or close the whole site")]
    TooManyScopes {
        /// How many there may be.
        limit: usize,
    },
    /// The record was written by a newer Intermission.
    #[error(
        "the record has version {version}, and this Intermission knows {known}: upgrade it to change the record"
    )]
    NewerVersion {
        /// The record's version.
        version: u64,
        /// The version known here.
        known: u64,
    },
}

/// The longest message, in characters.
pub const MESSAGE_LIMIT: usize = 2_000;

/// How many passes there may be at a time.
pub const PASS_LIMIT: usize = 1_000;

impl Record {
    /// What this record becomes by a change.
    ///
    /// `now` judges planned times. The stamps of the result are provisional: the ledger that accepts it puts its
    /// own revision and times on it.
    ///
    /// # Errors
    ///
    /// The change makes no sense for this record; see [`ChangeError`].
    pub fn apply(&self, change: &Change, now: Timestamp) -> Result<Outcome, ChangeError> {
        if self.version() > Self::VERSION {
            return Err(ChangeError::NewerVersion {
                version: self.version(),
                known: Self::VERSION,
            });
        }
        if let Change::InScope(name, change) = change {
            return self.apply_in_scope(name, change, now);
        }
        let mut next = self.clone();
        match change {
            // Answered above.
            Change::InScope(..) => {}
            Change::Activate(activate) => next.activate(activate, now)?,
            Change::Deactivate(deactivate) => {
                // One thing at a time: who ends a maintenance does not mean the one that is planned for later.
                if next.activation.take().is_none() {
                    next.plan = None;
                }
                next.change_allow(deactivate.allow.as_ref());
            }
            Change::Allow(allow) => next.change_allow(Some(allow)),
            Change::IssuePass(pass) => {
                let activation = next.activation.as_mut().ok_or(ChangeError::NotOn)?;
                activation
                    .passes
                    .retain(|other| other.is_current(now) && other.id != pass.id);
                if activation.passes.len() >= PASS_LIMIT {
                    return Err(ChangeError::TooManyPasses { limit: PASS_LIMIT });
                }
                activation.passes.push(pass.clone());
            }
            Change::RevokePass(id) => {
                let passes = next
                    .activation
                    .as_mut()
                    .map(|activation| &mut activation.passes);
                let passes = passes.ok_or(ChangeError::UnknownPass { id: *id })?;
                let before = passes.len();
                passes.retain(|pass| pass.id != *id);
                if passes.len() == before {
                    return Err(ChangeError::UnknownPass { id: *id });
                }
            }
            Change::RevokeAllPasses => {
                if let Some(activation) = &mut next.activation {
                    activation.passes.clear();
                }
            }
            Change::Acquire(acquire) => next.acquire(acquire, now)?,
            Change::Release(id) => next.release(*id)?,
            Change::NoteFailure(id, reason) => next.note_failure(*id, reason, now)?,
        }
        Ok(if next == *self {
            Outcome::Unchanged
        } else {
            Outcome::Changed(next)
        })
    }

    fn activate(&mut self, activate: &Activate, now: Timestamp) -> Result<(), ChangeError> {
        let planned_start = activate.starts_at.filter(|start| *start > now);
        let settings = activate.overlay(self.settings_before(planned_start.is_some()));
        self.judge(activate, &settings, planned_start, now)?;
        match (&mut self.activation, planned_start) {
            (Some(activation), Some(start)) => {
                return Err(ChangeError::AlreadyOn {
                    since: activation.requested_at,
                    start,
                });
            }
            (Some(activation), None) => match &mut activation.holding {
                None => activation.settings = settings,
                Some(holding) => {
                    if holding.opens_after {
                        holding.opens_after = false;
                        activation.requested_by.clone_from(&activate.requested_by);
                        self.plan = None;
                    }
                    holding.overrule(activate);
                    holding.base = settings;
                    activation.settings = holding.settings();
                }
            },
            (None, Some(starts_at)) => {
                let requested_by = activate.requested_by.clone();
                let same = self.plan.as_ref().is_some_and(|plan| {
                    plan.starts_at == starts_at
                        && plan.settings == settings
                        && plan.requested_by == requested_by
                });
                if !same {
                    self.plan = Some(Plan {
                        starts_at,
                        settings,
                        requested_by,
                        requested_at: now,
                    });
                }
            }
            (None, None) => {
                self.plan = None;
                self.begin(settings, activate.requested_by.clone(), now);
            }
        }
        self.change_allow(activate.allow.as_ref());
        Ok(())
    }

    /// What stays as it is where an activation says nothing.
    fn settings_before(&self, is_planned: bool) -> Settings {
        let Some(activation) = &self.activation else {
            let plan = self.plan.as_ref().filter(|_| is_planned);
            return plan.map_or_else(Settings::default, |plan| plan.settings.clone());
        };
        match activation.holding.as_deref() {
            // Holders come and go; what is asked for now is to last.
            Some(holding) if holding.opens_after => Settings {
                level: Level::default(),
                ..holding.base.clone()
            },
            Some(holding) => holding.base.clone(),
            None => activation.settings.clone(),
        }
    }

    /// Whether what is asked for makes sense.
    pub(crate) fn judge(
        &self,
        activate: &Activate,
        settings: &Settings,
        planned_start: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        if let Some(end) = settings.ends_at {
            let start = planned_start.unwrap_or(now);
            // An end that was announced earlier may pass while the work goes on; it must be ahead if it is said now.
            let already_said = self.ends_at() == Some(end);
            if end <= start && !already_said {
                return Err(ChangeError::EndBeforeStart { start, end });
            }
        }
        if settings.auto_end && settings.ends_at.is_none() {
            return Err(ChangeError::AutoEndWithoutEnd);
        }
        let length = activate
            .message
            .as_ref()
            .map_or(0, |message| message.chars().count());
        if length > MESSAGE_LIMIT {
            return Err(ChangeError::MessageTooLong {
                length,
                limit: MESSAGE_LIMIT,
            });
        }
        Ok(())
    }

    /// Turns maintenance on. The ids are provisional until a ledger has given the change its revision.
    pub(crate) fn begin(&mut self, settings: Settings, requested_by: String, now: Timestamp) {
        self.activation = Some(begun(settings, requested_by, now));
    }

    pub(crate) fn change_allow(&mut self, change: Option<&AllowChange>) {
        if let Some(change) = change {
            self.allow = change.applied_to(&self.allow);
        }
    }
}

/// A maintenance that begins. The ids are provisional until a ledger has given the change its revision.
pub(crate) fn begun(settings: Settings, requested_by: String, now: Timestamp) -> Activation {
    Activation {
        id: ActivationId::new(Revision::ZERO),
        level_since: Revision::ZERO,
        settings,
        requested_by,
        requested_at: now,
        completion: None,
        passes: Vec::new(),
        holding: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phase;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        NOW.saturating_add(Duration::from_secs(seconds))
    }

    fn changed(record: &Record, change: &Change) -> Record {
        match record.apply(change, NOW).unwrap() {
            Outcome::Changed(next) => next,
            Outcome::Unchanged => panic!("nothing changed by {change:?}"),
        }
    }

    fn list(networks: &[&str]) -> AllowList {
        AllowList::parse(networks.iter().copied()).unwrap()
    }

    fn on() -> Record {
        changed(
            &Record::default(),
            &Change::Activate(Activate::by("ana").with_message("one")),
        )
    }

    #[test]
    fn repeating_changes_nothing() {
        let record = on();
        for change in [
            Change::Activate(Activate::by("ana").with_message("one")),
            Change::Activate(Activate::by("bob")),
            Change::Allow(AllowChange::Remove(list(&["192.0.2.1"]))),
            Change::RevokeAllPasses,
        ] {
            assert_eq!(
                record.apply(&change, at(60)),
                Ok(Outcome::Unchanged),
                "{change:?}"
            );
        }
        let off = Record::default();
        assert_eq!(
            off.apply(&Change::Deactivate(Deactivate::new()), NOW),
            Ok(Outcome::Unchanged)
        );
    }

    #[test]
    fn options_of_a_repeated_request_count_and_the_rest_stays() {
        let record = changed(
            &on(),
            &Change::Activate(Activate::by("bob").with_level(Level::Exclusive)),
        );
        assert_eq!(record.level(), Level::Exclusive);
        assert_eq!(record.message(), Some("one"));
        assert_eq!(record.activation().unwrap().requested_by, "ana");
        assert_eq!(record.activation().unwrap().requested_at, NOW);
    }

    #[test]
    fn the_list_outlives_deactivation_and_is_left_alone_by_activate() {
        let record = changed(
            &on(),
            &Change::Allow(AllowChange::Replace(list(&["192.0.2.1", "10.0.0.0/8"]))),
        );
        let off = changed(&record, &Change::Deactivate(Deactivate::new()));
        assert_eq!(off.phase(), Phase::Deactivated);
        let on_again = changed(&off, &Change::Activate(Activate::by("ana")));
        assert_eq!(on_again.allow().len(), 2);
        let added = changed(
            &on_again,
            &Change::Allow(AllowChange::Add(list(&["192.0.2.2"]))),
        );
        let removed = changed(
            &added,
            &Change::Allow(AllowChange::Remove(list(&["10.0.0.0/8"]))),
        );
        assert_eq!(removed.allow(), &list(&["192.0.2.1", "192.0.2.2"]));
    }

    #[test]
    fn passes_end_with_the_activation() {
        let (pass, _) = Pass::issue("ana", None).unwrap();
        assert_eq!(
            Record::default().apply(&Change::IssuePass(pass.clone()), NOW),
            Err(ChangeError::NotOn)
        );
        let record = changed(&on(), &Change::IssuePass(pass.clone()));
        assert_eq!(record.passes().len(), 1);
        let off = changed(&record, &Change::Deactivate(Deactivate::new()));
        assert!(
            changed(&off, &Change::Activate(Activate::by("ana")))
                .passes()
                .is_empty()
        );
        let revoked = changed(&record, &Change::RevokePass(pass.id));
        assert!(revoked.apply(&Change::RevokePass(pass.id), NOW).is_err());
    }

    #[test]
    fn passes_have_a_limit_and_expired_ones_make_room() {
        let mut record = on();
        for _ in 0..PASS_LIMIT {
            let (pass, _) = Pass::issue("ana", Some(at(60))).unwrap();
            record.activation.as_mut().unwrap().passes.push(pass);
        }
        let (pass, _) = Pass::issue("bob", None).unwrap();
        let issue = Change::IssuePass(pass);
        let limit = PASS_LIMIT;
        assert_eq!(
            record.apply(&issue, NOW),
            Err(ChangeError::TooManyPasses { limit })
        );
        assert!(matches!(
            record.apply(&issue, at(60)),
            Ok(Outcome::Changed(_))
        ));
    }

    #[test]
    fn planned_times_are_judged() {
        let activate = || Activate::by("ana");
        let refused = |activate: Activate| {
            Record::default()
                .apply(&Change::Activate(activate), NOW)
                .unwrap_err()
        };
        assert_eq!(
            refused(activate().with_ends_at(NOW)),
            ChangeError::EndBeforeStart {
                start: NOW,
                end: NOW
            }
        );
        let backwards = activate().with_starts_at(at(20)).with_ends_at(at(10));
        assert_eq!(
            refused(backwards),
            ChangeError::EndBeforeStart {
                start: at(20),
                end: at(10)
            }
        );
        assert_eq!(
            refused(activate().with_auto_end(true)),
            ChangeError::AutoEndWithoutEnd
        );
        let planned = changed(
            &Record::default(),
            &Change::Activate(activate().with_starts_at(at(20))),
        );
        assert_eq!(planned.phase(), Phase::Deactivated);
        assert_eq!(planned.plan().unwrap().starts_at, at(20));
        let repeated = planned.apply(&Change::Activate(activate().with_starts_at(at(20))), at(1));
        assert_eq!(repeated, Ok(Outcome::Unchanged));
        assert!(
            changed(&planned, &Change::Deactivate(Deactivate::new()))
                .plan()
                .is_none()
        );
        assert!(
            changed(&planned, &Change::Activate(activate()))
                .plan()
                .is_none()
        );
        let error = on()
            .apply(&Change::Activate(activate().with_starts_at(at(20))), NOW)
            .unwrap_err();
        assert_eq!(
            error,
            ChangeError::AlreadyOn {
                since: NOW,
                start: at(20)
            }
        );
    }

    #[test]
    fn a_plan_is_changed_by_saying_its_start() {
        let plan = |change: Activate| {
            let planned = changed(
                &Record::default(),
                &Change::Activate(
                    Activate::by("ana")
                        .with_message("one")
                        .with_starts_at(at(20))
                        .with_ends_at(at(40))
                        .with_auto_end(true),
                ),
            );
            let outcome = planned.apply(&Change::Activate(change), at(1))?;
            Ok(match outcome {
                Outcome::Changed(next) => next.plan().unwrap().clone(),
                Outcome::Unchanged => planned.plan().unwrap().clone(),
            })
        };
        let moved = plan(Activate::by("bob").with_starts_at(at(30))).unwrap();
        assert_eq!(
            (moved.starts_at, moved.settings.ends_at),
            (at(30), Some(at(40)))
        );
        assert_eq!(moved.settings.message.as_deref(), Some("one"));
        assert!(moved.settings.auto_end);
        assert_eq!(
            (moved.requested_by.as_str(), moved.requested_at),
            ("bob", at(1))
        );

        let said = Activate::by("ana")
            .with_starts_at(at(20))
            .with_message("two");
        let said = plan(said).unwrap();
        assert_eq!(said.settings.message.as_deref(), Some("two"));
        assert_eq!(
            (said.starts_at, said.settings.ends_at),
            (at(20), Some(at(40)))
        );

        let endless = plan(Activate::by("ana").with_starts_at(at(20)).without_ends_at()).unwrap();
        assert_eq!(
            (endless.settings.ends_at, endless.settings.auto_end),
            (None, false)
        );

        let (start, end) = (at(50), at(40));
        assert_eq!(
            plan(Activate::by("ana").with_starts_at(start)),
            Err(ChangeError::EndBeforeStart { start, end })
        );
    }

    #[test]
    fn closing_at_once_takes_nothing_of_the_plan() {
        let planned = changed(
            &Record::default(),
            &Change::Activate(
                Activate::by("ana")
                    .with_message("one")
                    .with_starts_at(at(20))
                    .with_ends_at(at(40))
                    .with_auto_end(true),
            ),
        );
        let now = changed(&planned, &Change::Activate(Activate::by("bob")));
        let settings = &now.activation().unwrap().settings;
        assert_eq!(settings, &Settings::default());
        assert!(now.plan().is_none());
    }

    #[test]
    fn what_was_announced_can_be_taken_back() {
        let announced = changed(
            &on(),
            &Change::Activate(
                Activate::by("ana")
                    .with_ends_at(at(40))
                    .with_auto_end(true)
                    .with_retry_after(Duration::from_secs(60)),
            ),
        );
        let settings = |change: Activate| {
            let next = changed(&announced, &Change::Activate(change));
            next.activation().unwrap().settings.clone()
        };
        let endless = settings(Activate::by("ana").without_ends_at());
        assert_eq!((endless.ends_at, endless.auto_end), (None, false));
        assert_eq!(endless.retry_after, Some(Duration::from_secs(60)));
        assert_eq!(endless.message.as_deref(), Some("one"));

        let by_hand = settings(Activate::by("ana").with_auto_end(false));
        assert_eq!((by_hand.ends_at, by_hand.auto_end), (Some(at(40)), false));

        let by_default = settings(Activate::by("ana").without_retry_after());
        assert_eq!(by_default.retry_after, None);
        assert_eq!(
            (by_default.ends_at, by_default.auto_end),
            (Some(at(40)), true)
        );

        let contradiction = Activate::by("ana").without_ends_at().with_auto_end(true);
        assert_eq!(
            announced.apply(&Change::Activate(contradiction), NOW),
            Err(ChangeError::AutoEndWithoutEnd)
        );
        let nothing = Activate::by("ana").without_ends_at().without_retry_after();
        assert_eq!(
            on().apply(&Change::Activate(nothing), NOW),
            Ok(Outcome::Unchanged)
        );
    }

    #[test]
    fn an_end_that_has_passed_keeps_nothing_else_from_being_changed() {
        let announced = changed(
            &on(),
            &Change::Activate(Activate::by("ana").with_ends_at(at(40))),
        );
        let later = Change::Activate(Activate::by("ana").with_message("it takes longer"));
        assert!(matches!(
            announced.apply(&later, at(60)),
            Ok(Outcome::Changed(_))
        ));
    }

    #[test]
    fn a_message_has_a_limit() {
        let long =
            Change::Activate(Activate::by("ana").with_message("é".repeat(MESSAGE_LIMIT + 1)));
        assert!(matches!(
            Record::default().apply(&long, NOW),
            Err(ChangeError::MessageTooLong { .. })
        ));
    }
}
