//! A check of something that the node needs, and its settings.

mod streak;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use streak::{Change, Streak};

/// What a check says: nothing, or what is wrong.
type Checking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// A check of something that the node needs, such as its database: see
/// [`GateBuilder::with_probe`](crate::GateBuilder::with_probe).
///
/// The check runs on a task of its own, again and again and never twice at once. A check that returns an error, that takes
/// longer than its [time-out](Self::with_timeout) or that panics has failed. After some
/// [failures in a row](Self::with_failures) the node is held ([`Hold::Dependency`](crate::Hold::Dependency)), and after
/// some [successes in a row](Self::with_successes) it is open again. One success ends a row of failures, and one failure a
/// row of successes, so that what comes and goes changes nothing.
///
/// A gate starts as if all were well: it is held after as many failures as at any other time.
///
/// ```
/// use std::time::Duration;
///
/// use intermission::Probe;
///
/// # struct Pool;
/// # impl Pool { async fn ping(&self) -> Result<(), std::io::Error> { Ok(()) } }
/// # let pool = std::sync::Arc::new(Pool);
/// let probe = Probe::new("database", move || {
///     let pool = pool.clone();
///     async move { pool.ping().await }
/// })
/// .with_every(Duration::from_secs(2))
/// .with_failures(5);
/// ```
#[derive(Clone)]
pub struct Probe {
    name: String,
    check: Arc<dyn Fn() -> Checking + Send + Sync>,
    every: Duration,
    timeout: Duration,
    failures: u32,
    successes: u32,
    jitter: f64,
}

impl Probe {
    /// How long a name may be: it is shown in lists.
    const LONGEST_NAME: usize = 64;

    /// A check of what has this name, which people see: operators in the list of nodes, the log and the metrics; visitors
    /// never.
    ///
    /// # Security
    ///
    /// What the check's error says is written into the log and shown in [`GateStatus`](crate::GateStatus). Let it name no
    /// password.
    #[must_use]
    pub fn new<C, F, E>(name: impl Into<String>, check: C) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let check = move || -> Checking {
            let checking = check();
            Box::pin(async move { checking.await.map_err(|error| error.to_string()) })
        };
        Self {
            name: name.into(),
            check: Arc::new(check),
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            failures: 3,
            successes: 2,
            jitter: 0.1,
        }
    }

    /// How long to pause after each check. By default five seconds.
    #[must_use]
    pub const fn with_every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// How long a check may take. By default two seconds.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// After how many failures in a row the node is held. By default three.
    #[must_use]
    pub const fn with_failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    /// After how many successes in a row it is held no longer. By default two.
    #[must_use]
    pub const fn with_successes(mut self, successes: u32) -> Self {
        self.successes = successes;
        self
    }

    /// By which part a pause may be longer or shorter, at least 0 and less than 1, so that not all nodes of a fleet check
    /// at once. By default 0.1, a tenth.
    #[must_use]
    pub const fn with_jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// What the dependency is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) const fn streak(&self) -> Streak {
        Streak::new(self.failures, self.successes)
    }

    /// Runs the check once. Somebody else's code, which may panic.
    pub(crate) fn check(&self) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let check = Arc::clone(&self.check);
        async move { check().await }
    }

    /// The next pause, for a draw of at least 0 and less than 1.
    pub(crate) fn pause(&self, draw: f64) -> Duration {
        let factor = self.jitter.mul_add(2.0 * draw - 1.0, 1.0);
        Duration::try_from_secs_f64(self.every.as_secs_f64() * factor).unwrap_or(self.every)
    }

    /// Checks the settings of all probes of a gate.
    pub(crate) fn validate(probes: &[Self]) -> Result<(), BadProbe> {
        let mut names = BTreeSet::new();
        for probe in probes {
            let name = probe.name.clone();
            let length = name.chars().count();
            let is_blank = name.trim().is_empty();
            if is_blank || length > Self::LONGEST_NAME || name.contains(char::is_control) {
                return Err(BadProbe::Name { name });
            }
            if probe.every.is_zero() || probe.timeout.is_zero() {
                return Err(BadProbe::Period { name });
            }
            if probe.failures == 0 || probe.successes == 0 {
                return Err(BadProbe::Row { name });
            }
            if !(0.0..1.0).contains(&probe.jitter) {
                return Err(BadProbe::Jitter { name });
            }
            if !names.insert(&probe.name) {
                return Err(BadProbe::Twice { name });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("name", &self.name)
            .field("every", &self.every)
            .field("timeout", &self.timeout)
            .field("failures", &self.failures)
            .field("successes", &self.successes)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a [`Probe`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadProbe {
    /// Its name cannot be shown.
    #[error(
        "a probe is named {name:?}: a name has 1 to 64 characters that can be seen, and no control characters"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Another probe has its name.
    #[error("two probes are named {name:?}: nobody could tell which of them fails")]
    Twice {
        /// The name of both.
        name: String,
    },
    /// It checks without a pause, or has no time for a check.
    #[error("the probe {name:?} has a period or a time-out of zero")]
    Period {
        /// The name.
        name: String,
    },
    /// A row of no failures or no successes.
    #[error("the probe {name:?} counts to zero: failures and successes in a row are at least 1")]
    Row {
        /// The name.
        name: String,
    },
    /// The jitter is no part of the period.
    #[error("the jitter of the probe {name:?} is not at least 0 and less than 1")]
    Jitter {
        /// The name.
        name: String,
    },
}

#[cfg(test)]
mod tests;
