//! The cases, and how one is run.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;

use crate::failure::{Checked, Failure};
use crate::site::Site;
use crate::{Capabilities, Capability, Fixture, cases as groups};

/// How many times a fixture's patience a case as a whole may take.
const PATIENCES: u32 = 12;

/// All cases, group by group.
#[must_use]
pub fn cases() -> Vec<Case> {
    groups::ALL.iter().copied().flatten().copied().collect()
}

/// Which part of the contract a case belongs to. There is one file for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// What an empty state is, and the first change.
    Absence,
    /// Dropped futures.
    Cancellation,
    /// What comes back of what was stored.
    Changes,
    /// Who wins when two ask at once.
    Conflicts,
    /// An unreadable record.
    Corruption,
    /// How a drain completes.
    Drain,
    /// What a restart leaves.
    Durability,
    /// Who did what, when, from where.
    History,
    /// Pieces of work that hold maintenance on.
    Holding,
    /// What is repeated, and must count once.
    Idempotence,
    /// The state for people.
    Inspection,
    /// Nodes that fall silent.
    Leases,
    /// Nodes that leave.
    Leaving,
    /// A store that cannot be reached.
    Outage,
    /// Maintenance that begins and ends by itself.
    Plans,
    /// When the last request has ended.
    Quiescence,
    /// What a node brings back after a loss.
    Reseeding,
    /// How revisions grow.
    Revisions,
    /// Parts of a site that are closed by themselves.
    Scopes,
    /// What several handles have in common.
    Sharing,
    /// How watchers are woken.
    Watching,
}

impl Group {
    /// The word that listings show, and the name of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absence => "absence",
            Self::Cancellation => "cancellation",
            Self::Changes => "changes",
            Self::Conflicts => "conflicts",
            Self::Corruption => "corruption",
            Self::Drain => "drain",
            Self::Durability => "durability",
            Self::History => "history",
            Self::Holding => "holding",
            Self::Idempotence => "idempotence",
            Self::Inspection => "inspection",
            Self::Leases => "leases",
            Self::Leaving => "leaving",
            Self::Outage => "outage",
            Self::Plans => "plans",
            Self::Quiescence => "quiescence",
            Self::Reseeding => "reseeding",
            Self::Revisions => "revisions",
            Self::Scopes => "scopes",
            Self::Sharing => "sharing",
            Self::Watching => "watching",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

pub(crate) type Body = fn(Site) -> Pin<Box<dyn Future<Output = Checked> + Send>>;

/// One promise of the contract, and how to find out whether a backend keeps it.
///
/// Run it with any runner, on tokio with its timers enabled; [`trials`](crate::trials) does so with `libtest-mimic`.
#[derive(Clone, Copy)]
#[must_use]
pub struct Case {
    group: Group,
    name: &'static str,
    promise: &'static str,
    needs: &'static [Capability],
    body: Body,
}

impl Case {
    pub(crate) const fn new(
        group: Group,
        name: &'static str,
        promise: &'static str,
        needs: &'static [Capability],
        body: Body,
    ) -> Self {
        Self {
            group,
            name,
            promise,
            needs,
            body,
        }
    }

    /// Which part of the contract it belongs to.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.group
    }

    /// Its name, which is also the name of the function that holds it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the contract promises, in a sentence.
    #[must_use]
    pub fn promise(&self) -> &'static str {
        self.promise.trim()
    }

    /// What a backend must be able to do for this case to apply.
    #[must_use]
    pub const fn needs(&self) -> &'static [Capability] {
        self.needs
    }

    /// The first capability that this case needs and that is not claimed. `None`: the case applies.
    #[must_use]
    pub fn missing(&self, claimed: Capabilities) -> Option<Capability> {
        self.needs
            .iter()
            .copied()
            .find(|needed| !claimed.has(*needed))
    }

    /// Runs the case on this fixture, which must be [fresh](Fixture::fresh).
    ///
    /// # Errors
    ///
    /// The backend does not keep the promise, or the fixture failed.
    ///
    /// # Panics
    ///
    /// The backend or the fixture panicked, or it runs outside of a tokio runtime with timers.
    pub async fn run<F: Fixture>(&self, fixture: F) -> Result<Verdict, CaseFailure> {
        if let Some(missing) = self.missing(F::capabilities()) {
            return Ok(Verdict::NotApplicable(missing));
        }
        let whole = F::patience().saturating_mul(PATIENCES);
        let checked = match Site::new(Box::new(fixture)) {
            Err(failure) => Err(failure),
            Ok(site) => tokio::time::timeout(whole, (self.body)(site))
                .await
                .unwrap_or_else(|_| {
                    Err(Failure::new(format!(
                        "the case was not over after {whole:?}"
                    )))
                }),
        };
        checked
            .map(|()| Verdict::Kept)
            .map_err(|failure| self.failed(failure))
    }

    /// Makes a fresh fixture and runs the case on it.
    ///
    /// # Errors
    ///
    /// The backend does not keep the promise, or there is no fixture.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub async fn run_fresh<F: Fixture>(&self) -> Result<Verdict, CaseFailure> {
        if let Some(missing) = self.missing(F::capabilities()) {
            return Ok(Verdict::NotApplicable(missing));
        }
        match F::fresh().await {
            Ok(fixture) => self.run(fixture).await,
            Err(error) => {
                Err(self.failed(Failure::from(&*error).during("there is no fresh place")))
            }
        }
    }

    fn failed(&self, Failure { message, at }: Failure) -> CaseFailure {
        CaseFailure {
            name: self.name,
            promise: self.promise(),
            message,
            at,
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("group", &self.group)
            .field("name", &self.name)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

/// What became of a case that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a runner must not take a third outcome for a success"
)]
#[must_use]
pub enum Verdict {
    /// The backend keeps the promise.
    Kept,
    /// The case was not run: this capability is not claimed.
    NotApplicable(Capability),
}

/// A backend does not keep a promise, or its fixture failed.
#[derive(Clone, Debug)]
pub struct CaseFailure {
    name: &'static str,
    promise: &'static str,
    message: String,
    at: &'static Location<'static>,
}

impl CaseFailure {
    /// Which case failed.
    #[must_use]
    pub const fn case(&self) -> &'static str {
        self.name
    }

    /// What the contract promises.
    #[must_use]
    pub const fn promise(&self) -> &'static str {
        self.promise
    }

    /// What was found instead.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            promise,
            message,
            at,
        } = self;
        write!(
            f,
            "`{name}` failed at {at}: {message}; the contract says: {promise}"
        )
    }
}

impl Error for CaseFailure {}

/// The table at the head of each group's file: the promise, the function, what it needs.
macro_rules! case_table {
    ($group:ident: $( $(#[doc = $promise:literal])+ $name:ident $(needs $($need:ident)+)?; )+) => {
        pub(super) const CASES: &[$crate::Case] = &[$(
            $crate::Case::new(
                $crate::Group::$group,
                stringify!($name),
                concat!($($promise),+),
                &[$($($crate::Capability::$need),+)?],
                |site| Box::pin($name(site)),
            )
        ),+];
    };
}
pub(crate) use case_table;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_promises_are_sentences() {
        let all = cases();
        let names: BTreeSet<&str> = all.iter().map(Case::name).collect();
        assert_eq!(names.len(), all.len());
        for case in &all {
            let promise = case.promise();
            assert!(
                promise.ends_with('.') && promise.len() > 20,
                "{}: {promise}",
                case.name()
            );
        }
    }

    #[test]
    fn a_case_applies_when_all_that_it_needs_is_claimed() {
        for case in cases() {
            let mut claimed = Capabilities::none();
            for needed in case.needs() {
                assert_eq!(case.missing(claimed), Some(*needed), "{}", case.name());
                claimed = claimed.with(*needed);
            }
            assert_eq!(case.missing(claimed), None, "{}", case.name());
        }
    }
}
