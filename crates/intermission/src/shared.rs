//! What gate and keeper share: the doors, and the snapshot that says why they stand as they do.
//!
//! One writer, the keeper, moves both; every request and execution reads them. There are five doors:
//!
//! | door | is | who looks |
//! |---|---|---|
//! | [`Shared::open`] | one flag for the node | who counts nobody: [`Gate::is_open`], [`Gate::decide`] |
//! | [`Shared::unasked`] | the same, and nothing is to be announced | who counts nobody and answers: routes that are always open |
//! | the requests' words | a bit beside each count ([`Word`](crate::in_flight::Word)) | [`Gate::count_open`], which counts in the same step |
//! | [`Shared::scopes_closed`] | one flag for all scopes | adapters, before they ask to which scopes a request belongs |
//! | the executions' tables | a flag under each lock, and which scopes are closed ([`Table`](crate::in_flight::Table)) | [`Shared::begin`], which lists under the same lock |
//!
//! [`Shared::install`] opens the tables and words, then changes the snapshot, then raises the flag. It closes in the order
//! snapshot, flag, tables and words. So whoever finds a door closed finds the snapshot that closed it. [`Gate::admit`]
//! believes no door but that of the executions: it counts itself, and then decides by the snapshot. Who passes by permission,
//! address or pass is counted in a third word, which never closes. The models in `tests/loom` go through words and tables.
//!
//! A planned maintenance that is to be announced in every response closes the words alone: then each request asks, finds the
//! snapshot open, and takes the announcement along. Executions, and whoever asks whether the gate is open, notice nothing.
//!
//! [`Gate::is_open`]: crate::Gate::is_open
//! [`Gate::decide`]: crate::Gate::decide
//! [`Gate::count_open`]: crate::Gate::count_open
//! [`Gate::admit`]: crate::Gate::admit

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use intermission_core::reply::{Marker, Notice, Replies, ReplyPolicy, ReplyRequest, Scheduled};
use intermission_core::{
    ActivationId, Clock, Hold, Level, Moment, NodeFacts, NodeId, Phase, Policy, Record,
    RefuseReason, Revision, ScopeName, Snapshot, StateErrorKind, Timestamp, Visitor,
};
use tokio::sync::watch;

use crate::admission::Refusal;
use crate::dependencies::Dependencies;
use crate::execution::{Execution, Past};
use crate::execution_info::ExecutionInfo;
use crate::in_flight::InFlight;
use crate::metrics::{Counted, Tally, Told};
use crate::node_clock::NodeClock;
use crate::scopes::{self, ScopeReplies};

/// No time at all.
const NEVER: u64 = u64::MAX;

/// What gate and keeper share.
pub(crate) struct Shared {
    /// Whether nothing needs to be asked: no maintenance, no hold, no suspension.
    pub(crate) open: AtomicBool,
    /// Whether, besides, nothing is to be announced to those who are let in.
    pub(crate) unasked: AtomicBool,
    /// Whether a planned maintenance is announced in the responses to those who are let in.
    announces: bool,
    pub(crate) installed: ArcSwap<Installed>,
    /// Whether a scope is closed, so that it matters to which ones a request belongs.
    pub(crate) scopes_closed: AtomicBool,
    scope_replies: ScopeReplies,
    pub(crate) in_flight: InFlight,
    pub(crate) policy: Policy,
    reply_policy: ReplyPolicy,
    pub(crate) clock: NodeClock,
    pub(crate) published: watch::Sender<Arc<Installed>>,
    /// Whether the gate shuts down, so that workers are to end.
    pub(crate) ending: watch::Sender<bool>,
    pub(crate) node: NodeId,
    label: String,
    framework: Option<String>,
    contact: Mutex<Contact>,
    /// From when on the steady clock, in nanoseconds, this node begins no execution unless the state answers before.
    fence_at: AtomicU64,
    pub(crate) keeper_restarts: AtomicU64,
    /// What the keeper counts. Requests count in their shards.
    pub(crate) tally: Tally,
    #[cfg_attr(
        not(feature = "metrics"),
        expect(dead_code, reason = "read by the feature `metrics` only")
    )]
    pub(crate) told: Told,
    /// What the node needs, and how the probes found it. For people; the snapshot has the hold.
    pub(crate) dependencies: Dependencies,
}

/// A snapshot with all that follows from it.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) snapshot: Snapshot,
    /// What is announced to those who are let in, until it starts.
    scheduled: Option<Arc<Scheduled>>,
    /// Rendered for the first who is refused, and not before the doors close: rendering takes longer than all else
    /// that closing takes, and an open node needs none of it.
    replies: OnceLock<Arc<Replies>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contact {
    /// When the newest answered report was sent, on the steady clock.
    pub(crate) answered_at: Option<Duration>,
    /// The same by the calendar, for those who look from another machine. Not computed anew while nothing is answered,
    /// so that it stands still then.
    #[cfg(feature = "metrics")]
    pub(crate) answered_on: Timestamp,
    pub(crate) trouble: Option<StateErrorKind>,
}

/// What a node is made of, besides its state.
pub(crate) struct NodeParts {
    pub(crate) node: NodeId,
    pub(crate) label: String,
    pub(crate) framework: Option<String>,
    pub(crate) policy: Policy,
    pub(crate) reply_policy: ReplyPolicy,
    pub(crate) announces: bool,
    pub(crate) clock: NodeClock,
    pub(crate) dependencies: Dependencies,
}

impl Shared {
    pub(crate) fn new(parts: NodeParts, snapshot: Snapshot) -> Self {
        let NodeParts {
            node,
            label,
            framework,
            policy,
            reply_policy,
            announces,
            clock,
            dependencies,
        } = parts;
        let installed = Arc::new(Installed::new(snapshot, announces));
        let (published, _) = watch::channel(Arc::clone(&installed));
        let shared = Self {
            open: AtomicBool::new(false),
            unasked: AtomicBool::new(false),
            announces,
            installed: ArcSwap::new(Arc::clone(&installed)),
            scopes_closed: AtomicBool::new(false),
            scope_replies: ScopeReplies::default(),
            in_flight: InFlight::new(),
            policy,
            reply_policy,
            clock,
            published,
            ending: watch::Sender::new(false),
            node,
            label,
            framework,
            contact: Mutex::default(),
            fence_at: AtomicU64::new(NEVER),
            keeper_restarts: AtomicU64::new(0),
            tally: Tally::new(),
            told: Told::new(),
            dependencies,
        };
        shared.in_flight.close();
        shared.install(installed.snapshot.clone());
        shared
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment::new(self.clock.now(), self.clock.steady())
    }

    /// Decides by this snapshot from now on. Only the keeper calls it.
    pub(crate) fn install(&self, snapshot: Snapshot) {
        let installed = Arc::new(Installed::new(snapshot, self.announces));
        let scopes_closed = !installed.snapshot.all_scopes_open();
        if !scopes_closed {
            self.scopes_closed.store(false, Ordering::Release);
        }
        // INVARIANT: no execution of a scope begins after this that is not counted by whoever asks next what runs in it.
        // Who finds its scope closed decides anew, until the snapshot says so, too.
        self.in_flight
            .close_scopes(scopes_closed.then_some(&installed));
        // INVARIANT: whoever finds a door closed finds the snapshot that closed it. So the snapshot is published
        // before the doors close, and after they open.
        match (installed.snapshot.is_open(), &installed.scheduled) {
            (true, None) => {
                self.in_flight.open();
                self.installed.store(Arc::clone(&installed));
                self.open.store(true, Ordering::Release);
                self.unasked.store(true, Ordering::Release);
            }
            (true, Some(_)) => {
                self.in_flight.open_to_executions();
                self.installed.store(Arc::clone(&installed));
                self.open.store(true, Ordering::Release);
                self.unasked.store(false, Ordering::Release);
                self.in_flight.have_requests_ask();
            }
            (false, _) => {
                self.installed.store(Arc::clone(&installed));
                self.open.store(false, Ordering::Release);
                self.unasked.store(false, Ordering::Release);
                self.in_flight.close();
            }
        }
        if scopes_closed {
            self.scopes_closed.store(true, Ordering::Release);
        }
        self.scope_replies.keep_closed(&installed.snapshot);
        self.published.send_replace(installed);
    }

    /// The activations of scopes for which an execution still runs here; `None` if no scope is closed. If there are any, the
    /// end of each execution of a scope wakes whoever waits for [`InFlight::emptied`].
    pub(crate) fn watch_scopes(&self) -> Option<Vec<ActivationId>> {
        let installed = self.installed.load();
        let record = &installed.snapshot.record;
        (record.scopes().closed() > 0).then(|| self.in_flight.watch_scopes(record))
    }

    /// The activation for which this node has drained, if it has. If it has not, the last execution to end wakes whoever
    /// waits for [`InFlight::emptied`].
    pub(crate) fn watch_drained(&self) -> Option<ActivationId> {
        let installed = self.installed.load();
        let activation = installed.snapshot.record.activation()?;
        (self.in_flight.watch_executions() == 0).then_some(activation.id)
    }

    /// The level change since which no request that the level closes out has been running here, if none has; at level
    /// exclusive, no execution either. If one has, the last to end wakes whoever waits for [`InFlight::emptied`].
    pub(crate) fn watch_quiet(&self) -> Option<Revision> {
        let installed = self.installed.load();
        let activation = installed.snapshot.record.activation()?;
        activation.completion.as_ref()?;
        let level = activation.settings.level;
        // At this level nobody's work goes on, not even that of those who were let in before.
        let writes = level == Level::Exclusive && self.in_flight.running() != (0, 0);
        if self.in_flight.watch_requests(level) > 0 || writes {
            return None;
        }
        self.in_flight.unwatch_requests();
        Some(activation.level_since)
    }

    pub(crate) fn facts(&self) -> NodeFacts {
        let mut facts = NodeFacts::labelled(self.label.clone());
        facts.framework.clone_from(&self.framework);
        (facts.running, facts.bypass_running) = self.in_flight.running();
        facts.requests = self.in_flight.requests();
        facts.executions = self.in_flight.executions(NodeFacts::EXECUTIONS_SHOWN);
        let installed = self.installed.load();
        // What it does by its own choice is no trouble that anybody is to look after.
        let trouble = |hold: &&Hold| **hold != Hold::ServesNobody;
        let hold = installed.snapshot.hold.as_ref().filter(trouble);
        facts.hold = hold.map(ToString::to_string);
        facts
    }

    pub(crate) fn record(&self) -> Arc<Record> {
        Arc::clone(&self.installed.load().snapshot.record)
    }

    pub(crate) fn note_contact(&self, age: Option<Duration>, trouble: Option<StateErrorKind>) {
        let now = self.moment();
        let mut contact = self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        contact.answered_at = age.map(|age| now.steady.saturating_sub(age));
        contact.trouble = trouble;
        #[cfg(feature = "metrics")]
        if let (Some(age), None) = (age, trouble) {
            let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            let on = now.calendar.as_millis().saturating_sub(millis);
            contact.answered_on = Timestamp::from_millis(on);
        }
    }

    pub(crate) fn note_keeper_restart(&self) {
        self.keeper_restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// The time, if the decision needs it: only passes end by it.
    pub(crate) fn now_for(&self, visitor: &Visitor<'_>) -> Timestamp {
        if visitor.pass.is_some() {
            self.clock.now()
        } else {
            Timestamp::default()
        }
    }

    pub(crate) fn contact(&self) -> Contact {
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From then on this node begins no execution, even if the keeper is late to say so.
    pub(crate) fn set_fence_at(&self, fence_at: Option<Duration>) {
        let nanos = fence_at.map(|at| u64::try_from(at.as_nanos()).unwrap_or(NEVER));
        self.fence_at
            .store(nanos.unwrap_or(NEVER), Ordering::Release);
    }

    /// Whether the lease is over on a node that fences itself. Looked at here and not by a timer: a process that was
    /// paused gets its timers too late.
    #[inline]
    pub(crate) fn is_fenced(&self) -> bool {
        self.fence_at.load(Ordering::Acquire) != NEVER && self.is_past_fence()
    }

    #[cold]
    fn is_past_fence(&self) -> bool {
        // Read anew: it may be gone by now, and only nodes that fence themselves come here.
        let fence_at = self.fence_at.load(Ordering::Acquire);
        fence_at != NEVER && self.clock.steady() >= Duration::from_nanos(fence_at)
    }

    /// Begins an execution; `None` if a door is closed past which it may not, or if this node is fenced, past which nothing
    /// is.
    pub(crate) fn begin(&self, mut info: ExecutionInfo, past: Past<'_>) -> Option<Execution> {
        if !info.scopes().is_empty() {
            return self.begin_in_scopes(&mut info, past);
        }
        self.begin_in_no_scope(info, past)
    }

    /// The same for one that belongs to no scope.
    #[inline(always)]
    pub(crate) fn begin_in_no_scope(
        &self,
        info: ExecutionInfo,
        past: Past<'_>,
    ) -> Option<Execution> {
        if self.is_fenced() {
            return None;
        }
        let now = self.clock.now();
        Execution::begin(self.in_flight.shard(), info, now, past)
    }

    /// The same for one that belongs to scopes; leaves what it is to who asks, if it does not begin.
    #[cold]
    pub(crate) fn begin_in_scopes(
        &self,
        info: &mut ExecutionInfo,
        past: Past<'_>,
    ) -> Option<Execution> {
        if self.is_fenced() {
            return None;
        }
        let now = self.clock.now();
        Execution::begin_in_scopes(self.in_flight.shard(), info, now, past)
    }

    /// Why an execution of these scopes found a door closed.
    #[cold]
    pub(crate) fn execution_refusal(&self, scopes: &[ScopeName]) -> RefuseReason {
        // The snapshot is published after the door opens, so it may still say why the door was closed, or no longer.
        let snapshot = &self.installed.load().snapshot;
        let refusal = snapshot.execution_refusal();
        let refusal = refusal.or_else(|| scopes::execution_refusal(snapshot, scopes));
        let by_time = if self.is_fenced() {
            RefuseReason::OutOfContact
        } else {
            RefuseReason::Activating
        };
        refusal.unwrap_or(by_time)
    }

    /// The node's name for humans.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// How often that has happened.
    #[cfg(feature = "metrics")]
    pub(crate) fn counted(&self, counted: Counted) -> u64 {
        self.tally.of(counted) + self.in_flight.counted(counted)
    }

    /// What the response to somebody who is let in now announces, if anything is ahead.
    pub(crate) fn scheduled(&self, installed: &Installed) -> Option<Arc<Scheduled>> {
        let scheduled = installed.scheduled.as_ref();
        let ahead = scheduled.filter(|scheduled| scheduled.starts_at() > self.clock.now());
        ahead.cloned()
    }

    /// Refuses a request for this path, once.
    pub(crate) fn refusal(
        &self,
        installed: &Installed,
        reason: RefuseReason,
        scope: Option<ScopeName>,
        path: &str,
    ) -> Refusal {
        self.in_flight.count(Counted::Refused(reason));
        let closure = scope
            .as_ref()
            .and_then(|scope| Some((scope, installed.snapshot.scope(scope)?)));
        let replies = match closure {
            Some((scope, closure)) => self.scope_replies.of(scope, closure, &self.reply_policy),
            None => Arc::clone(installed.replies(&self.reply_policy)),
        };
        let (now, entropy) = (self.clock.now(), self.entropy());
        Refusal::new(reason, replies, path, now, entropy).with_scope(scope)
    }

    /// What `Retry-After` says to whoever is refused now.
    pub(crate) fn retry_after_s(&self) -> u64 {
        let installed = self.installed.load();
        let replies = installed.replies(&self.reply_policy);
        let reply = replies.reply(ReplyRequest::new("GET"), self.clock.now(), self.entropy());
        reply.retry_after_s()
    }

    /// Spreads the jitter.
    fn entropy(&self) -> u64 {
        self.in_flight.shard().entropy()
    }
}

impl Installed {
    fn new(snapshot: Snapshot, announces: bool) -> Self {
        let record = &snapshot.record;
        let plan = record
            .plan()
            .filter(|_| announces && !record.phase().is_on());
        Self {
            scheduled: plan.map(|plan| Arc::new(Scheduled::of(plan))),
            snapshot,
            replies: OnceLock::new(),
        }
    }

    /// What those get who are refused. Whoever asks first renders it, in about ten microseconds, and the others of that
    /// moment wait for it.
    fn replies(&self, policy: &ReplyPolicy) -> &Arc<Replies> {
        let render = || Arc::new(Replies::render(policy, &self.notice()));
        self.replies.get_or_init(render)
    }

    /// Whether ordinary visitors are turned away from pages.
    pub(crate) fn turns_visitors_away(&self) -> bool {
        let (phase, level) = self.snapshot.closure();
        phase == Phase::Activated && level != Level::ReadOnly
    }

    fn notice(&self) -> Notice<'_> {
        let (phase, level) = self.snapshot.closure();
        let record = &self.snapshot.record;
        let settings = self.snapshot.settings();
        // A node that may start no execution refuses those as if a drain went on.
        let marker = if phase.is_on() {
            Marker::of(phase, level)
        } else {
            Marker::Activating
        };
        Notice::new(marker)
            .with_message(settings.and_then(|settings| settings.message.as_deref()))
            .with_until(settings.and_then(|settings| settings.ends_at))
            .with_retry_after(settings.and_then(|settings| settings.retry_after))
            .with_passes(!record.passes().is_empty())
    }
}
