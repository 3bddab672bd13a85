//! How a state in Redis is reached and kept.

use std::time::Duration;

use intermission_core::{BadStateUrl, BadTiming, StateError, StateUrl, Timing};

use crate::RedisState;
use crate::address::{Address, Topology};
use crate::keys::{Keys, check_prefix};
use crate::script::Scripts;

/// How a state in Redis is reached and kept, when [`RedisState::new`] does not say enough.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use intermission_redis::RedisOptions;
///
/// let url = "redis+sentinel://cache-1:26379,cache-2:26379/mymaster?site=shop".parse()?;
/// let state = RedisOptions::from_url(&url)?
///     .with_key_prefix("eu-1")?
///     .with_timeout(Duration::from_millis(500))
///     .build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct RedisOptions {
    pub(crate) address: Address,
    pub(crate) url: StateUrl,
    pub(crate) prefix: String,
    pub(crate) timing: Option<Timing>,
    pub(crate) timeout: Duration,
    pub(crate) require_init: bool,
    #[cfg(feature = "manual-clock")]
    pub(crate) manual_clock: bool,
}

/// How much longer than on a single server a grace has to be: until then an old master behind Sentinel that was cut off
/// may still take renewals (`min-replicas-max-lag`, and a second for its own clock to look), or one in a Cluster
/// (`cluster-node-timeout`).
const OLD_MASTER: Duration = Duration::from_secs(12);
const OLD_OWNER: Duration = Duration::from_secs(15);

impl RedisOptions {
    /// The server, or servers, and the site that the URL names. Nothing is dialled before the first use.
    ///
    /// # Errors
    ///
    /// It names another kind of state, or not well enough: [`Unsupported`](intermission_core::StateErrorKind::Unsupported).
    /// The error says what is wrong, without a password.
    pub fn from_url(url: &StateUrl) -> Result<Self, StateError> {
        Ok(Self {
            address: Address::from_url(url)?,
            url: url.clone(),
            prefix: "intermission".to_owned(),
            timing: None,
            timeout: Duration::from_secs(1),
            require_init: false,
            #[cfg(feature = "manual-clock")]
            manual_clock: false,
        })
    }

    /// One of several sites on the same Redis. Without it, and without `?site=` in the URL, it is `default`.
    ///
    /// # Errors
    ///
    /// The name is not one that every store can keep.
    pub fn with_site(mut self, site: &str) -> Result<Self, BadStateUrl> {
        self.url = self.url.with_site(site)?;
        Ok(self)
    }

    /// What all keys begin with: `{PREFIX:SITE}:record`, and so on. `intermission` by default. All who share a site must
    /// have the same.
    ///
    /// # Errors
    ///
    /// The prefix has characters that cannot be part of a hash tag.
    pub fn with_key_prefix(mut self, prefix: &str) -> Result<Self, StateError> {
        check_prefix(prefix)?;
        prefix.clone_into(&mut self.prefix);
        Ok(self)
    }

    /// The periods of the ledger. They must be the same for the state and for its gate (`GateBuilder::with_timing`): nobody
    /// can compare these two. Give them to all nodes of a site; while nodes differ, the most patient ones that any of them
    /// has brought along count. By default those of [`Timing::default`], with a grace that outlasts an old master: 15 s
    /// on a single server, 27 s behind Sentinel, 30 s in a Cluster; of the grace, the gate takes no notice.
    ///
    /// # Errors
    ///
    /// The periods do not fit together.
    pub fn with_timing(mut self, timing: Timing) -> Result<Self, BadTiming> {
        timing.validate()?;
        self.timing = Some(timing);
        Ok(self)
    }

    /// How long Redis may take for each answer, 1 s by default. After one time-out the connection is replaced. It must be
    /// clearly shorter than [`Timing::timeout`], which limits the whole of a call.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// An empty Redis never means that the site is open: nodes report that the state is out of reach until somebody
    /// runs `intermission init`, or a node that knows the record brings it back. What they do then is their
    /// [`StartPolicy`](intermission_core::StartPolicy)'s business.
    ///
    /// Without it, a Redis in which nobody knows of a record is that of a new site, once a grace is over. So a site that
    /// was closed would open if its Redis lost its data and all nodes that knew it ended before that.
    ///
    /// What it does not rule out: that the only survivor knows an older record, from before the site was closed, and
    /// brings that back.
    pub const fn with_required_init(mut self, required: bool) -> Self {
        self.require_init = required;
        self
    }

    /// The time is what the key `…:clock` says, in milliseconds. For tests of the protocol.
    #[cfg(feature = "manual-clock")]
    #[doc(hidden)]
    pub const fn with_manual_clock(mut self) -> Self {
        self.manual_clock = true;
        self
    }

    /// The state. Nothing is dialled yet.
    #[must_use]
    pub fn build(self) -> RedisState {
        RedisState::build(self)
    }

    pub(crate) fn timing(&self) -> Timing {
        self.timing.unwrap_or_else(|| {
            let mut timing = Timing::default();
            timing.grace += match self.address.topology {
                Topology::Single(_) => Duration::ZERO,
                Topology::Sentinel { .. } => OLD_MASTER,
                Topology::Cluster { .. } => OLD_OWNER,
            };
            timing
        })
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::new(&self.prefix, self.url.site().unwrap_or("default"))
    }

    pub(crate) fn scripts(&self) -> Scripts {
        #[cfg(feature = "manual-clock")]
        if self.manual_clock {
            return Scripts::by_manual_clock();
        }
        Scripts::by_server_clock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_that_do_not_fit_together_are_refused() {
        let url = "redis://127.0.0.1:6379/0".parse().unwrap();
        let options = RedisOptions::from_url(&url).unwrap();
        let mut timing = Timing::default();
        assert!(options.clone().with_timing(timing).is_ok());
        timing.grace = Duration::from_secs(1);
        let refused = options.with_timing(timing).unwrap_err();
        assert!(matches!(refused, BadTiming::Grace { .. }), "{refused}");
    }
}
