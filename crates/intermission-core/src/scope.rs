//! Parts of a site that are closed by themselves: a tenant, a host, a group of routes.
//!
//! A scope is a maintenance of its own under the site's one record: with its own activation, plan, message, level, drain
//! and passes. What it shares with the site is the order of changes, the revision, and the allow list. A record lists
//! only the scopes that are not plainly open, so a site with ten thousand tenants carries those that are closed.
//!
//! Which scopes a request belongs to is the application's to say ([`Visitor::scopes`](crate::Visitor::scopes)), and so is
//! it for an execution. Of the site's answer and those of the scopes, the strictest counts.
//!
//! ```
//! use intermission_core::{Activate, Change, Outcome, Phase, Record, ScopeName, Timestamp};
//!
//! let now = Timestamp::from_millis(1_800_000_000_000);
//! let billing: ScopeName = "billing".parse()?;
//! let change = Change::Activate(Activate::by("ana")).in_scope(billing.clone());
//! let Outcome::Changed(record) = Record::default().apply(&change, now)? else { panic!("it was open") };
//!
//! assert_eq!(record.phase(), Phase::Deactivated);
//! assert_eq!(record.scopes().phase(&billing), Phase::Activating);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # While a state has lost its data
//!
//! A change in a scope carries on what the record says of all the rest. So it is an edit, and waits until the nodes have
//! had time to bring back what they know, even if it closes: as a new site's record, it would open what was closed. Who
//! closes the whole site at such a time is served at once, and decides for the scopes, too: what was lost of them is not
//! brought back.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{Error as _, IgnoredAny};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;
use crate::change::{Change, ChangeError, Outcome};
use crate::id::ActivationId;
use crate::pass::Pass;
use crate::phase::{Level, Phase};
use crate::record::{Activation, Plan, Record, Settings};

/// The name of a scope: 1 to 128 of the characters `a-z`, `A-Z`, `0-9`, `-`, `.` and `_`, so that a host name is one, and
/// not dots alone. Upper and lower case differ; the scope of a host is in lower case.
///
/// Cheap to clone, and looked up without an allocation: an application that knows its scopes beforehand makes the names
/// once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeName(Arc<str>);

impl ScopeName {
    /// How long a name may be, in characters.
    pub const LENGTH_LIMIT: usize = 128;

    /// The scope with this name.
    ///
    /// # Errors
    ///
    /// It cannot be a scope's name.
    pub fn new(name: &str) -> Result<Self, BadScopeName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let fits = (1..=Self::LENGTH_LIMIT).contains(&name.len()) && name.bytes().all(plain);
        if fits && name.bytes().any(|byte| byte != b'.') {
            Ok(Self(name.into()))
        } else {
            Err(BadScopeName {
                name: name.chars().take(Self::LENGTH_LIMIT).collect(),
            })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be the name of a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is no name of a scope: use 1 to {limit} of the characters a-z, A-Z, 0-9, `-`, `.` and `_`",
    name.escape_debug(),
    limit = ScopeName::LENGTH_LIMIT
)]
pub struct BadScopeName {
    name: String,
}

impl FromStr for ScopeName {
    type Err = BadScopeName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<&str> for ScopeName {
    type Error = BadScopeName;

    fn try_from(name: &str) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl Borrow<str> for ScopeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ScopeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for ScopeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ScopeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&name).map_err(D::Error::custom)
    }
}

/// What a record says of one scope: what it says of the whole site, less the allow list, which is the site's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScopeRecord {
    /// The maintenance that is on, if one is.
    pub activation: Option<Activation>,
    /// The maintenance that is to start by itself, if one is planned.
    pub plan: Option<Plan>,
}

impl ScopeRecord {
    /// How far the mode has got in this scope.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::of(self.activation.as_ref())
    }

    /// How the maintenance that is on is meant, if one is on.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        self.activation.as_ref().map(|on| &on.settings)
    }

    /// How much is closed; [`Level::Full`] while nothing is.
    #[must_use]
    pub fn level(&self) -> Level {
        self.settings().map_or_else(Level::default, |on| on.level)
    }

    /// The passes of the maintenance that is on. They pass in this scope alone.
    #[must_use]
    pub fn passes(&self) -> &[Pass] {
        self.activation.as_ref().map_or(&[], |on| &on.passes)
    }

    /// Whether there is nothing to say of it.
    pub(crate) const fn is_plainly_open(&self) -> bool {
        self.activation.is_none() && self.plan.is_none()
    }

    /// When the record says that something begins or ends here by itself.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let ends = self.settings().filter(|on| on.auto_end);
        match (&self.activation, &self.plan) {
            (Some(_), _) => ends.and_then(|on| on.ends_at),
            (None, plan) => plan.as_ref().map(|plan| plan.starts_at),
        }
    }

    fn is_draining(&self) -> bool {
        self.phase() == Phase::Activating
    }

    fn has_unconfirmed(&self) -> bool {
        let completion = self
            .activation
            .as_ref()
            .and_then(|on| on.completion.as_ref());
        completion.is_some_and(|done| !done.unconfirmed.is_empty())
    }
}

/// The scopes of a record that are not plainly open, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scopes {
    listed: BTreeMap<ScopeName, Arc<ScopeRecord>>,
    /// How many of them are closed, how many drain, how many list unconfirmed nodes, and when the next begins or ends by itself: counted
    /// when a scope changes, so that a step in which none does need not look at each.
    closed: usize,
    draining: usize,
    unconfirmed: usize,
    due: Option<Timestamp>,
}

impl Scopes {
    /// How many may be listed at a time. Every node carries them all.
    pub const LIMIT: usize = 10_000;

    /// What the record says of a scope; `None` if it is plainly open.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ScopeRecord> {
        self.listed.get(name).map(|scope| &**scope)
    }

    /// How far the mode has got in a scope.
    #[must_use]
    pub fn phase(&self, name: &ScopeName) -> Phase {
        self.get(name.as_str())
            .map_or(Phase::Deactivated, ScopeRecord::phase)
    }

    /// The listed scopes, by name.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ScopeName, &ScopeRecord)> {
        self.listed.iter().map(|(name, scope)| (name, &**scope))
    }

    /// How many are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// Whether every scope is plainly open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// How many are activating or activated.
    #[must_use]
    pub const fn closed(&self) -> usize {
        self.closed
    }

    /// How many are activating.
    #[must_use]
    pub const fn draining(&self) -> usize {
        self.draining
    }

    /// When the next of them begins or ends by itself.
    #[must_use]
    pub const fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// The activations that are not complete, each with the name of its scope. Those of plans that began at the same time
    /// share an id.
    pub fn draining_activations(&self) -> impl Iterator<Item = (&ScopeName, ActivationId)> {
        // Nearly always there are none.
        let all = if self.draining == 0 {
            btree_map::Iter::default()
        } else {
            self.listed.iter()
        };
        let draining = all.filter(|(_, scope)| scope.is_draining());
        draining.filter_map(|(name, scope)| Some((name, scope.activation.as_ref()?.id)))
    }

    /// The activations that are on, complete or not.
    pub fn activations(&self) -> impl Iterator<Item = (&ScopeName, ActivationId)> {
        let on = |(name, scope): (_, &ScopeRecord)| Some((name, scope.activation.as_ref()?.id));
        self.iter().filter_map(on)
    }

    /// The scopes that list unconfirmed nodes.
    pub(crate) fn with_unconfirmed(&self) -> impl Iterator<Item = (&ScopeName, &ScopeRecord)> {
        let all = if self.unconfirmed == 0 {
            btree_map::Iter::default()
        } else {
            self.listed.iter()
        };
        all.filter(|(_, scope)| scope.has_unconfirmed())
            .map(|(name, scope)| (name, &**scope))
    }

    /// The names of the scopes of which these two say something else, in order.
    pub(crate) fn changed<'a>(&'a self, other: &'a Self) -> Vec<&'a ScopeName> {
        let differs = |name: &ScopeName, scope: &Arc<ScopeRecord>| {
            other
                .listed
                .get(name)
                .is_none_or(|theirs| !Arc::ptr_eq(scope, theirs) && scope != theirs)
        };
        let ours = self
            .listed
            .iter()
            .filter(|(name, scope)| differs(name, scope));
        let gone = other
            .listed
            .keys()
            .filter(|name| !self.listed.contains_key(*name));
        let mut names: Vec<&ScopeName> = ours.map(|(name, _)| name).chain(gone).collect();
        names.sort_unstable();
        names
    }

    /// Says this of a scope from now on.
    pub(crate) fn set(&mut self, name: &ScopeName, scope: ScopeRecord) {
        self.set_all([(name.clone(), scope)]);
    }

    /// Says these of these scopes from now on.
    pub(crate) fn set_all(&mut self, scopes: impl IntoIterator<Item = (ScopeName, ScopeRecord)>) {
        for (name, scope) in scopes {
            if scope.is_plainly_open() {
                self.listed.remove(&name);
            } else {
                self.listed.insert(name, Arc::new(scope));
            }
        }
        self.count();
    }

    fn count(&mut self) {
        let of = |is: fn(&ScopeRecord) -> bool| self.listed.values().filter(move |scope| is(scope));
        (self.closed, self.draining, self.unconfirmed) = (
            of(|scope| scope.phase().is_on()).count(),
            of(ScopeRecord::is_draining).count(),
            of(ScopeRecord::has_unconfirmed).count(),
        );
        self.due = self.listed.values().filter_map(|scope| scope.due()).min();
    }

    /// What a record of a newer version lists and this one cannot read, it must not hold open.
    pub(crate) fn not_understood(text: &str, closed: impl Fn() -> Activation) -> Self {
        let names: BTreeMap<ScopeName, IgnoredAny> = serde_json::from_str(text).unwrap_or_default();
        let close = |name| {
            let activation = Some(closed());
            let plan = None;
            (name, ScopeRecord { activation, plan })
        };
        let mut scopes = Self::default();
        scopes.set_all(names.into_keys().map(close));
        scopes
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.listed.len()))?;
        for (name, scope) in &self.listed {
            map.serialize_entry(name, &**scope)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<ScopeName, ScopeRecord>::deserialize(deserializer)?;
        let mut scopes = Self::default();
        scopes.set_all(read);
        Ok(scopes)
    }
}

impl Record {
    /// The scopes that are not plainly open.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// A scope of this record, as if it were a site of its own: without scopes, and with this record's revision and allow
    /// list. For whoever has something to say of a record, and wants to say the same of a scope.
    #[must_use]
    pub fn of_scope(&self, name: &ScopeName) -> Self {
        let scope = self.scopes.get(name.as_str()).cloned().unwrap_or_default();
        Self {
            revision: self.revision,
            operation: self.operation,
            activation: scope.activation,
            plan: scope.plan,
            allow: self.allow.clone(),
            ..Self::default()
        }
    }

    /// Whether a node that decides by `before` may decide by this record before it has asked the ledger: nothing that
    /// is closed opens, neither the site nor a scope, and something may be closed. See [`node`](crate::node).
    pub(crate) fn only_closes(&self, before: &Self) -> bool {
        let mut closed = before
            .scopes
            .iter()
            .filter(|(_, scope)| scope.phase().is_on());
        let reopens = closed.any(|(name, _)| !self.scopes.phase(name).is_on());
        if reopens || (before.phase().is_on() && !self.phase().is_on()) {
            return false;
        }
        let is_closed = |name: &ScopeName| before.scopes.phase(name).is_on();
        let mut scopes = self.scopes.iter();
        self.phase().is_on()
            || scopes.any(|(name, scope)| scope.phase().is_on() && !is_closed(name))
    }

    /// What this record becomes by a change in a scope.
    pub(crate) fn apply_in_scope(
        &self,
        name: &ScopeName,
        change: &Change,
        now: Timestamp,
    ) -> Result<Outcome, ChangeError> {
        let is_for_parts = match change {
            Change::Activate(activate) => activate.allow().is_none(),
            Change::Acquire(acquire) => acquire.activate.allow().is_none(),
            Change::Deactivate(deactivate) => !deactivate.changes_allow(),
            Change::IssuePass(_)
            | Change::RevokePass(_)
            | Change::RevokeAllPasses
            | Change::Release(_)
            | Change::NoteFailure(..) => true,
            _ => false,
        };
        if !is_for_parts {
            let scope = name.clone();
            return Err(ChangeError::NotInScope { scope });
        }
        let Outcome::Changed(part) = self.of_scope(name).apply(change, now)? else {
            return Ok(Outcome::Unchanged);
        };
        let scope = ScopeRecord {
            activation: part.activation,
            plan: part.plan,
        };
        let mut next = self.clone();
        next.scopes.set(name, scope);
        if next.scopes.len() > Scopes::LIMIT && next.scopes.len() > self.scopes.len() {
            let limit = Scopes::LIMIT;
            return Err(ChangeError::TooManyScopes { limit });
        }
        Ok(Outcome::Changed(next))
    }
}

#[cfg(test)]
mod tests;
