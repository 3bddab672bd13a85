//! How a gate comes to life.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use intermission_core::reply::ReplyPolicy;
use intermission_core::{
    BadTiming, Clock, LostContact, NoRandomness, NodeId, NodeMachine, NodeSettings, OutagePolicy,
    Policy, SharedState, StartPolicy, StateError, Timing,
};
use tokio::sync::{mpsc, oneshot};

use crate::dependencies::{Dependencies, watch_always};
use crate::gate::Gate;
use crate::keeper::{Keeper, Stopping, ToldOf, supervise};
use crate::last_known::{LastKnown, LastKnownError};
use crate::log::{Line, line};
use crate::metrics::{Counted, publish_always};
use crate::node_clock::NodeClock;
use crate::probe::{BadProbe, Probe};
use crate::shared::{NodeParts, Shared};

/// Settings of a node, and its start.
///
/// Every setting has a default that closes rather than opens where the two differ.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is started"]
pub struct GateBuilder {
    state: SharedState,
    label: Option<String>,
    framework: Option<String>,
    policy: Policy,
    reply_policy: ReplyPolicy,
    announces: bool,
    settings: NodeSettings,
    clock: NodeClock,
    last_known: Option<LastKnown>,
    probes: Vec<Probe>,
}

impl GateBuilder {
    pub(crate) fn new(state: SharedState) -> Self {
        Self {
            state,
            label: None,
            framework: None,
            policy: Policy::default(),
            reply_policy: ReplyPolicy::default(),
            announces: false,
            settings: NodeSettings::default(),
            clock: NodeClock::default(),
            last_known: None,
            probes: Vec::new(),
        }
    }

    /// The node's name for humans. By default the process's number.
    pub fn with_node_name(mut self, name: impl Into<String>) -> Self {
        self.label = Some(name.into());
        self
    }

    /// The framework that the node serves with, for humans.
    pub fn with_framework(mut self, framework: impl Into<String>) -> Self {
        self.framework = Some(framework.into());
        self
    }

    /// How requests are decided about.
    pub const fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What a refused visitor gets.
    pub fn with_reply_policy(mut self, policy: ReplyPolicy) -> Self {
        self.reply_policy = policy;
        self
    }

    /// Announces a planned maintenance in the header `Maintenance-Scheduled` of every response to a visitor who is let in,
    /// from the moment at which this node hears of the plan until it starts or is cancelled. Off by default.
    ///
    /// The value is a Date of RFC 9651, with the announced end as its parameter `until`:
    /// `Maintenance-Scheduled: @1795212000;until=@1795215600` ([`Scheduled`](crate::reply::Scheduled)). The message is not
    /// in it; [`Gate::upcoming`] has it, and so has the public status of `intermission-admin`. A cache may go on giving out
    /// a response whose plan has been changed since; what it names are instants, so a client sees when they have passed. A
    /// script of another origin sees the header only if `Access-Control-Expose-Headers` names it.
    ///
    /// While no maintenance is planned, this costs a request nothing. While one is, each asks the gate, as during
    /// maintenance, and nothing of it is read but its method and path.
    pub const fn with_scheduled_header(mut self) -> Self {
        self.announces = true;
        self
    }

    /// What being out of contact with the state means for executions. By default [`LostContact::Wait`] of two
    /// minutes. With [`LostContact::Leave`] the gate lets nobody in and begins nothing, ever.
    pub const fn with_lost_contact(mut self, lost_contact: LostContact) -> Self {
        self.settings.lost_contact = lost_contact;
        self
    }

    /// What it means for requests. By default [`OutagePolicy::KeepLast`].
    pub const fn with_outage_policy(mut self, outage: OutagePolicy) -> Self {
        self.settings.outage = outage;
        self
    }

    /// What it means at the start. By default [`StartPolicy::RefuseToStart`].
    pub const fn with_start_policy(mut self, start: StartPolicy) -> Self {
        self.settings.start = start;
        self
    }

    /// The periods. They must be the same for the gate and for its state (the options of the state have a `with_timing`,
    /// too): nobody can compare these two. Give them to all nodes of a site; [`Timing`] says what counts while they differ.
    /// That they fit together is checked at the start.
    pub const fn with_timing(mut self, timing: Timing) -> Self {
        self.settings.timing = timing;
        self
    }

    /// Where the node takes the time from.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = NodeClock::Given(clock);
        self
    }

    /// Keeps the newest record in this file, so that a restart while the state is away does not forget that the site is
    /// closed. A node that finds a closed record there starts by it, whatever the start policy; it also brings it back to
    /// a store that has lost everything. One that finds an open record or none starts by its policy.
    ///
    /// Each process needs a file of its own, in a directory that outlives it. It is replaced as a whole by each change;
    /// a change that cannot be written is logged, and nothing else.
    ///
    /// # Security
    ///
    /// Whoever may write the file may close the node until it reaches its state. It holds the allow list and the hashes
    /// of passes, but no secret.
    pub fn with_last_known(mut self, file: impl Into<PathBuf>) -> Self {
        self.last_known = Some(LastKnown::new(file.into()));
        self
    }

    /// Holds the node while this dependency fails: visitors get the same page as during maintenance. Several probes may be
    /// given, and any of them holds. See the crate's documentation, [when a dependency fails](crate#when-a-dependency-fails).
    ///
    /// The probe's settings are checked at the start.
    pub fn with_probe(mut self, probe: Probe) -> Self {
        self.probes.push(probe);
        self
    }

    /// Joins the state, and starts the keeper on the present tokio runtime. When this returns, the gate knows the
    /// record (or, by its [`StartPolicy`], may go without).
    ///
    /// # Errors
    ///
    /// The state could not be reached and the start policy is [`StartPolicy::RefuseToStart`], the periods do not fit
    /// together, a probe's settings make no sense, or the system has no randomness.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Safe: a start that is dropped leaves nothing running.
    pub async fn start(self) -> Result<Gate, StartError> {
        let Self {
            state,
            label,
            framework,
            policy,
            reply_policy,
            announces,
            settings,
            clock,
            last_known,
            probes,
        } = self;
        settings.timing.validate_for(settings.lost_contact)?;
        Probe::validate(&probes)?;
        let node = NodeId::random()?;
        let label = label.unwrap_or_else(|| format!("process {}", std::process::id()));
        let parts = NodeParts {
            node,
            label,
            framework,
            policy,
            reply_policy,
            announces,
            clock,
            dependencies: Dependencies::new(&probes),
        };
        let now = intermission_core::Moment::new(parts.clock.now(), parts.clock.steady());
        // The node's own id is as good a seed as any: it spreads the heartbeats of nodes that start together.
        let seed = u64::try_from(node.bits() & u128::from(u64::MAX)).unwrap_or(1);
        let mut machine = NodeMachine::new(node, settings, seed, now);
        let remembered = last_known
            .as_ref()
            .map(LastKnown::read)
            .transpose()?
            .flatten();
        let remembers_closed = remembered
            .as_ref()
            .is_some_and(|record| record.phase().is_on());
        if let Some(record) = &remembered {
            machine = machine.with_remembered(Arc::clone(record), now);
        }
        let shared = Arc::new(Shared::new(parts, machine.snapshot().clone()));
        if let Some(record) = remembered {
            if record.phase().is_on() {
                shared.tally.count(Counted::Transition(record.phase()));
            }
            line(&Line::Remembered(&record));
        }
        publish_always(&shared);
        watch_always(&shared, probes);
        if let Some(last_known) = last_known {
            tokio::spawn(last_known.keep(shared.published.subscribe()));
        }
        let (stop, stopped) = mpsc::channel(1);
        let (started, first) = oneshot::channel();
        let gate = Gate::new(Arc::clone(&shared), state.clone(), stop);
        let failing = shared.dependencies.failing();
        tokio::spawn(supervise(Keeper {
            shared,
            state,
            machine,
            failing,
            timeout: settings.timing.timeout,
            stop: stopped,
            stopping: Stopping::No,
            started: Some(started),
            told: ToldOf::default(),
        }));
        match (first.await, settings.start) {
            (Ok(Ok(())), _) => Ok(gate),
            (Ok(Err(_)), StartPolicy::StartClosed | StartPolicy::StartOpen) => Ok(gate),
            (Ok(Err(_)), StartPolicy::RefuseToStart) if remembers_closed => Ok(gate),
            (Ok(Err(error)), StartPolicy::RefuseToStart) => Err(StartError::State(error)),
            (Err(_), _) => Err(StartError::Runtime),
        }
    }
}

impl fmt::Debug for GateBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateBuilder")
            .field("label", &self.label)
            .field("framework", &self.framework)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Why a gate did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The state could not be reached or read, and the start policy is to refuse.
    #[error("the maintenance state cannot be used, and the start policy is to refuse to start")]
    State(#[source] StateError),
    /// The file with the last known record is there and cannot be read.
    #[error(transparent)]
    LastKnown(#[from] LastKnownError),
    /// The periods do not fit together.
    #[error("the periods do not fit together")]
    Timing(#[from] BadTiming),
    /// The settings of a probe make no sense.
    #[error(transparent)]
    Probe(#[from] BadProbe),
    /// The system has no randomness to name the node with.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The runtime ended before the state answered.
    #[error("the runtime ended before the maintenance state answered")]
    Runtime,
}
