//! The one shared document.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::allow_list::AllowList;
use crate::holding::{Holder, Holding};
use crate::id::{ActivationId, NodeId, OperationId, Revision};
use crate::pass::Pass;
use crate::phase::{Level, Phase};
use crate::scope::Scopes;
use crate::{Timestamp, wire};

/// All that a site's nodes and operators share: whether maintenance is on, how, since when, and who may pass.
///
/// A record is a value. Nobody edits the shared one: an operator takes a copy, has
/// [`apply`](Record::apply) compute the next, and offers that to the state, which puts a new [`Revision`] on it or
/// refuses because somebody else was faster.
///
/// What only makes sense while maintenance is on lives in [`Activation`], so a deactivated record cannot claim an
/// `activated_at`, and an activated one cannot lack it.
///
/// # Examples
///
/// ```
/// use intermission_core::{Activate, Change, Outcome, Phase, Record, Timestamp};
///
/// let record = Record::default();
/// let now = Timestamp::from_millis(1_800_000_000_000);
/// let change = Change::Activate(Activate::by("ana").with_message("Upgrading the database"));
///
/// let Outcome::Changed(next) = record.apply(&change, now)? else { panic!("it was off") };
/// assert_eq!(next.phase(), Phase::Activating);
/// assert_eq!(next.message(), Some("Upgrading the database"));
/// assert!(matches!(next.apply(&change, now)?, Outcome::Unchanged));
/// # Ok::<(), intermission_core::ChangeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub(crate) revision: Revision,
    pub(crate) operation: Option<OperationId>,
    pub(crate) activation: Option<Activation>,
    pub(crate) plan: Option<Plan>,
    pub(crate) allow: AllowList,
    pub(crate) scopes: Scopes,
    pub(crate) newer: wire::Newer,
}

impl Record {
    /// How new this record is.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The operation that made this record; `None` for a site that was never changed.
    #[must_use]
    pub const fn operation(&self) -> Option<OperationId> {
        self.operation
    }

    /// How far the mode has got.
    #[inline]
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::of(self.activation.as_ref())
    }

    /// What is known of the maintenance that is on, if one is.
    #[must_use]
    pub const fn activation(&self) -> Option<&Activation> {
        self.activation.as_ref()
    }

    /// The maintenance that is to start by itself, if one is planned.
    #[must_use]
    pub const fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// The addresses that pass. The list outlives a deactivation.
    #[must_use]
    pub const fn allow(&self) -> &AllowList {
        &self.allow
    }

    /// How much is closed; [`Level::Full`] while nothing is.
    #[inline]
    #[must_use]
    pub fn level(&self) -> Level {
        self.activation
            .as_ref()
            .map_or_else(Level::default, |activation| activation.settings.level)
    }

    /// What visitors are told, if the operator said something.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.activation
            .as_ref()
            .and_then(|activation| activation.settings.message.as_deref())
    }

    /// The announced end, if there is one.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.activation
            .as_ref()
            .and_then(|activation| activation.settings.ends_at)
    }

    /// The passes of the maintenance that is on.
    #[inline]
    #[must_use]
    pub fn passes(&self) -> &[Pass] {
        self.activation
            .as_ref()
            .map_or(&[], |activation| &activation.passes)
    }

    /// Who holds the maintenance that is on for a piece of work, in the order in which they came.
    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        self.activation
            .as_ref()
            .and_then(|activation| activation.holding.as_deref())
            .map_or(&[], |holding| &holding.holders)
    }

    /// The wire version that wrote this record; greater than [`Record::VERSION`] if a newer Intermission did.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.newer.version()
    }

    /// Whether `self` is to replace `other`: the greater revision wins, then the more restrictive phase, then the
    /// greater operation id. The order is total, so nodes that hear the same records in any order agree at the end.
    #[must_use]
    pub fn supersedes(&self, other: &Self) -> bool {
        let order = |record: &Self| (record.revision, record.phase(), record.operation);
        order(self) > order(other)
    }
}

/// The maintenance that is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Activation {
    /// Which activation this is.
    pub id: ActivationId,
    /// Since which revision the level is what it is: quiescence is counted anew when the level changes.
    pub level_since: Revision,
    /// How it was asked for.
    pub settings: Settings,
    /// Who asked for it.
    pub requested_by: String,
    /// When it was asked for, by the store's clock.
    pub requested_at: Timestamp,
    /// How the drain ended; `None` while it goes on.
    pub completion: Option<Completion>,
    /// Bypasses for single persons. They end with the activation.
    pub passes: Vec<Pass>,
    /// That pieces of work hold it on, if some do; `settings` are then what all of them come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holding: Option<Box<Holding>>,
}

/// A maintenance that is to start by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// When it starts.
    pub starts_at: Timestamp,
    /// How.
    pub settings: Settings,
    /// Who asked for it.
    pub requested_by: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
}

/// How an operator wants the maintenance to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// How much is closed.
    pub level: Level,
    /// What visitors are told; `None` for the node's own default.
    pub message: Option<String>,
    /// The announced end.
    pub ends_at: Option<Timestamp>,
    /// Whether the maintenance ends by itself at the announced end.
    pub auto_end: bool,
    /// When visitors are to come back if no end is announced; `None` for the node's own default.
    #[serde(rename = "retry_after_ms", with = "wire::optional_millis", default)]
    pub retry_after: Option<Duration>,
    /// How long the drain waits, and what happens then.
    pub drain: DrainPolicy,
}

/// How long a drain waits for running executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "wire::WireDrain", into = "wire::WireDrain")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new policy must not compile until the ledger has an answer for it"
)]
pub enum DrainPolicy {
    /// Until the last one has ended.
    #[default]
    Wait,
    /// Until the last one has ended, at most this long; then activated, with what still runs listed and told.
    Force(Duration),
    /// Until the last one has ended, at most this long; then deactivated again.
    Abort(Duration),
}

impl DrainPolicy {
    /// The longest that the drain may take, if there is a limit.
    #[must_use]
    pub const fn limit(self) -> Option<Duration> {
        match self {
            Self::Wait => None,
            Self::Force(limit) | Self::Abort(limit) => Some(limit),
        }
    }
}

/// How a drain ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Completion {
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Whether the drain policy ended it with work still running.
    pub forced: bool,
    /// When the state lost its data during this drain, if it did: a node that was cut off at that time may have
    /// been forgotten with it.
    #[serde(default)]
    pub state_lost_at: Option<Timestamp>,
    /// The nodes of which nobody knows that nothing runs there. Empty means: nothing runs anywhere.
    pub unconfirmed: Vec<Unconfirmed>,
}

/// A node that was not confirmed to run nothing when the drain ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unconfirmed {
    /// Which node.
    pub node: NodeId,
    /// Its name for humans.
    pub label: String,
    /// Why it was not confirmed.
    pub cause: UnconfirmedCause,
    /// How many executions it ran when it was last heard of.
    pub running: u64,
    /// When it was last heard of.
    pub last_heard_at: Timestamp,
}

/// Why a node was not confirmed to run nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UnconfirmedCause {
    /// It was not heard of for longer than its lease and its [`LostContact::Wait`](crate::LostContact::Wait).
    OutOfContact,
    /// It still ran executions when the drain policy ended the drain.
    StillRunning,
}
