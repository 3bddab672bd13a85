//! A node's handle: cheap to clone, synchronous to ask.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use intermission_core::reply::{Marker, Notice, Replies, ReplyPolicy};
use intermission_core::{
    ActivationId, AdmitReason, Clock, Decision, Explanation, Hold, Level, MaintenanceState, Moment,
    NodeFacts, NodeId, Phase, Policy, Record, RefuseReason, Revision, RouteAccess, Snapshot,
    StateErrorKind, Timestamp, Visitor, decide, explain, is_safe,
};
use tokio::sync::{mpsc, watch};

use crate::admission::{Admission, Admitted, Refusal, RequestInFlight};
use crate::builder::GateBuilder;
use crate::execution::{Execution, ExecutionInfo, ExecutionRefused, RunError};
use crate::in_flight::{Entered, InFlight, RequestClass};
use crate::subscription::Subscription;

/// How often a request that starts an execution is decided about anew because the door was moved in between. The
/// keeper moves it in a few instructions; a request never waits longer for it than this.
const DOOR_TRIES: usize = 100;

/// A node's handle on maintenance mode: asked for every request and every execution, never waiting for anything.
///
/// Clones are the same gate. While maintenance is off, a question is one look at one word. When the last clone is
/// dropped, the node says goodbye as soon as no execution runs there any more; [`shutdown`](Gate::shutdown) does the
/// same and waits until it is done, which a program must do that ends its runtime afterwards.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Clone)]
pub struct Gate {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    /// The keeper ends when this is closed or dropped.
    stop: mpsc::Sender<Stop>,
}

/// Asks the keeper to say goodbye and end.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) done: tokio::sync::oneshot::Sender<()>,
}

/// No time at all.
const NEVER: u64 = u64::MAX;

/// What gate and keeper share.
pub(crate) struct Shared {
    /// Whether nothing needs to be asked: no maintenance, no hold, no suspension.
    open: AtomicBool,
    installed: ArcSwap<Installed>,
    pub(crate) in_flight: InFlight,
    policy: Policy,
    reply_policy: ReplyPolicy,
    clock: Arc<dyn Clock>,
    published: watch::Sender<Arc<Installed>>,
    pub(crate) node: NodeId,
    label: String,
    framework: Option<String>,
    contact: Mutex<Contact>,
    /// From when on the steady clock, in nanoseconds, this node begins no execution unless the state answers before.
    fence_at: AtomicU64,
    keeper_restarts: AtomicU64,
    entropy: AtomicU64,
}

/// A snapshot with all that follows from it.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) snapshot: Snapshot,
    replies: Arc<Replies>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Contact {
    answered_at: Option<Duration>,
    lost: Option<StateErrorKind>,
}

/// How a node is, for health checks and for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GateStatus {
    /// This node.
    pub node: NodeId,
    /// The newest record that it has applied.
    pub record: Arc<Record>,
    /// Why it is closed in any case, if it is.
    pub hold: Option<Hold>,
    /// Whether it may start no execution at present, because it is out of contact or on probation.
    pub executions_suspended: bool,
    /// How old the newest answer of its state is; `None` if there never was one.
    pub contact_age: Option<Duration>,
    /// What is wrong with its state, if something is.
    pub trouble: Option<StateErrorKind>,
    /// Executions that run and are waited for.
    pub running: u64,
    /// Requests in flight.
    pub requests: u64,
    /// How many times the keeper had to be restarted. Anything but zero is a bug worth reporting.
    pub keeper_restarts: u64,
}

impl Gate {
    /// A gate on this state.
    pub fn builder(state: impl MaintenanceState) -> GateBuilder {
        GateBuilder::new(intermission_core::SharedState::new(state))
    }

    pub(crate) fn new(shared: Arc<Shared>, stop: mpsc::Sender<Stop>) -> Self {
        Self {
            handle: Arc::new(Handle { shared, stop }),
        }
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Whether a request may in. Counts nothing; [`admit`](Self::admit) does.
    #[inline]
    #[must_use]
    pub fn decide(&self, visitor: &Visitor<'_>) -> Decision {
        if self.is_open() {
            return Decision::Admit(match visitor.access {
                RouteAccess::Always => AdmitReason::RouteAlways,
                RouteAccess::Ordinary | RouteAccess::StartsExecution => AdmitReason::Deactivated,
            });
        }
        self.decide_closed(visitor)
    }

    #[cold]
    fn decide_closed(&self, visitor: &Visitor<'_>) -> Decision {
        let shared = self.shared();
        decide(
            &shared.installed.load().snapshot,
            &shared.policy,
            visitor,
            shared.now_for(visitor),
        )
    }

    /// Whether nothing needs to be asked: no maintenance, no hold, nothing suspended.
    ///
    /// Adapters look here before they gather what is known of a request.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared().open.load(Ordering::Acquire)
    }

    /// Lets a request in without a question, if nothing needs to be asked: `None` means that
    /// [`admit`](Self::admit) has to be.
    ///
    /// For adapters: it needs no more than what is known before any header is read.
    #[inline]
    #[must_use]
    pub fn admit_open(&self, method: &str, access: RouteAccess) -> Option<Admitted> {
        match access {
            RouteAccess::Ordinary => {}
            RouteAccess::Always => return Some(always()),
            RouteAccess::StartsExecution => return None,
        }
        let shard = self.shared().in_flight.shard();
        let class = class_of(method);
        let word = shard.requests(class);
        match word.enter() {
            Entered::Open => {
                let in_flight = Some(RequestInFlight::counted(shard, class));
                Some(Admitted {
                    reason: AdmitReason::Deactivated,
                    in_flight,
                    execution: None,
                })
            }
            Entered::Closed => {
                shard.leave(word);
                None
            }
        }
    }

    /// Decides about a request, and counts it if it may in.
    ///
    /// On a route that [starts an execution](RouteAccess::StartsExecution), the execution begins here.
    #[must_use]
    pub fn admit(&self, visitor: &Visitor<'_>) -> Admission {
        if visitor.access == RouteAccess::Always {
            return Admission::Admitted(always());
        }
        let shared = self.shared();
        let class = class_of(visitor.method);
        let shard = shared.in_flight.shard();
        // INVARIANT: counted first, decided afterwards. Whoever closes the gate in between finds the request counted.
        let _ = shard.requests(class).enter();
        let mut in_flight = RequestInFlight::counted(shard, class);
        let now = shared.now_for(visitor);
        for _ in 0..DOOR_TRIES {
            let installed = shared.installed.load();
            let reason = match decide(&installed.snapshot, &shared.policy, visitor, now) {
                Decision::Admit(reason) => reason,
                Decision::Refuse(reason) => {
                    return Admission::Refused(shared.refusal(&installed, reason));
                }
            };
            if reason.is_bypass() {
                let _ = shard.requests(RequestClass::Bypass).enter();
                // The old count goes after the new one came, so that at no moment there is none.
                in_flight = RequestInFlight::counted(shard, RequestClass::Bypass);
            }
            // A preflight asks whether the browser may send the request that would start one.
            let starts =
                visitor.access == RouteAccess::StartsExecution && reason != AdmitReason::Preflight;
            let mut execution = None;
            if starts {
                let info = ExecutionInfo::new("request")
                    .with_label(format!("{} {}", visitor.method, visitor.path));
                execution = shared.begin(info, reason.is_bypass());
                if execution.is_none() {
                    // The door was closed after this decision, so there is a newer snapshot to decide by.
                    continue;
                }
            }
            return Admission::Admitted(Admitted {
                reason,
                in_flight: Some(in_flight),
                execution,
            });
        }
        let reason = shared.execution_refusal();
        Admission::Refused(shared.refusal(&shared.installed.load(), reason))
    }

    /// What every rule says about a request, as this node sees it.
    #[must_use]
    pub fn explain(&self, visitor: &Visitor<'_>) -> Explanation {
        let shared = self.shared();
        explain(
            &shared.installed.load().snapshot,
            &shared.policy,
            visitor,
            shared.clock.now(),
        )
    }

    /// Begins a piece of work that a drain waits for.
    ///
    /// # Errors
    ///
    /// No execution may start now.
    #[inline]
    pub fn execution(&self, info: ExecutionInfo) -> Result<Execution, ExecutionRefused> {
        let shared = self.shared();
        match shared.begin(info, false) {
            Some(execution) => Ok(execution),
            None => Err(ExecutionRefused {
                reason: shared.execution_refusal(),
            }),
        }
    }

    /// Begins a piece of work as soon as executions may start: how workers pause and resume by themselves.
    ///
    /// # Cancel safety
    ///
    /// Safe: a dropped call has begun nothing. A shutdown interrupts the wait by dropping it.
    pub async fn execution_when_open(&self, info: ExecutionInfo) -> Execution {
        let mut published = self.shared().published.subscribe();
        loop {
            if let Ok(execution) = self.execution(info.clone()) {
                return execution;
            }
            let may_start =
                |installed: &Arc<Installed>| installed.snapshot.execution_refusal().is_none();
            if published.wait_for(may_start).await.is_err() {
                // The keeper publishes for as long as the gate lives, and `self` is the gate.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Runs a future as an execution, and drops it at its deadline: when the drain's limit is reached, or when a node
    /// that fences itself has been out of contact for too long.
    ///
    /// # Errors
    ///
    /// It was not started, or it was dropped.
    ///
    /// # Cancel safety
    ///
    /// As safe as the future: dropping the call drops it and ends the execution.
    pub async fn run<T>(
        &self,
        info: ExecutionInfo,
        work: impl Future<Output = T>,
    ) -> Result<T, RunError> {
        let execution = self.execution(info)?;
        let mut work = pin!(work);
        tokio::select! {
            biased;
            result = &mut work => Ok(result),
            () = execution.dropped() => Err(RunError::Dropped),
        }
    }

    /// The newest record that this node has applied.
    #[must_use]
    pub fn record(&self) -> Arc<Record> {
        Arc::clone(&self.shared().installed.load().snapshot.record)
    }

    /// How this node is.
    #[must_use]
    pub fn status(&self) -> GateStatus {
        let shared = self.shared();
        let Snapshot {
            record,
            hold,
            executions_suspended,
            ..
        } = shared.installed.load().snapshot.clone();
        let contact = shared.contact();
        let now = shared.clock.steady();
        GateStatus {
            node: shared.node,
            record,
            hold,
            executions_suspended,
            contact_age: contact.answered_at.map(|at| now.saturating_sub(at)),
            trouble: contact.lost,
            running: shared.in_flight.running().0,
            requests: shared.in_flight.requests(),
            keeper_restarts: shared.keeper_restarts.load(Ordering::Relaxed),
        }
    }

    /// The records that this node applies from now on, each with the one before it.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.shared().published.subscribe())
    }

    /// Waits until this node has applied a record that `is_reached` accepts; at once if it already has.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn reached(&self, mut is_reached: impl FnMut(&Record) -> bool) -> Arc<Record> {
        let mut published = self.shared().published.subscribe();
        loop {
            let record = Arc::clone(&published.borrow_and_update().snapshot.record);
            if is_reached(&record) {
                return record;
            }
            if published.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until this node turns ordinary visitors away; at once if it already does. For handlers of connections
    /// that would otherwise never end, such as WebSockets and server-sent events.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn closing(&self) {
        let mut published = self.shared().published.subscribe();
        let turns_away = |installed: &Arc<Installed>| {
            let (phase, level) = installed.snapshot.closure();
            phase == Phase::Activated && level != Level::ReadOnly
        };
        if published.wait_for(turns_away).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until no execution runs on this node, and has it say goodbye, so that no drain waits for it.
    ///
    /// Executions that begin meanwhile are waited for, too: stop what begins them first. The gate goes on deciding by
    /// what it last knew.
    ///
    /// # Cancel safety
    ///
    /// Safe: the node says goodbye in any case, once nothing runs.
    pub async fn shutdown(&self) {
        let (done, finished) = tokio::sync::oneshot::channel();
        if self.handle.stop.send(Stop { done }).await.is_ok() {
            // An error means that the keeper ended meanwhile, which is what was asked for.
            let _ = finished.await;
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record();
        f.debug_struct("Gate")
            .field("node", &self.shared().node)
            .field("phase", &record.phase())
            .field("revision", &record.revision())
            .finish_non_exhaustive()
    }
}

/// What a node is made of, besides its state.
pub(crate) struct Parts {
    pub(crate) node: NodeId,
    pub(crate) label: String,
    pub(crate) framework: Option<String>,
    pub(crate) policy: Policy,
    pub(crate) reply_policy: ReplyPolicy,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Shared {
    pub(crate) fn new(parts: Parts, snapshot: Snapshot) -> Self {
        let Parts {
            node,
            label,
            framework,
            policy,
            reply_policy,
            clock,
        } = parts;
        let installed = Arc::new(Installed::new(snapshot, &reply_policy));
        let (published, _) = watch::channel(Arc::clone(&installed));
        let shared = Self {
            open: AtomicBool::new(false),
            installed: ArcSwap::new(Arc::clone(&installed)),
            in_flight: InFlight::new(),
            policy,
            reply_policy,
            clock,
            published,
            node,
            label,
            framework,
            contact: Mutex::default(),
            fence_at: AtomicU64::new(NEVER),
            keeper_restarts: AtomicU64::new(0),
            entropy: AtomicU64::new(0),
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
        let installed = Arc::new(Installed::new(snapshot, &self.reply_policy));
        // INVARIANT: whoever finds a door closed finds the snapshot that closed it. So the snapshot is published
        // before the doors close, and after they open.
        if installed.snapshot.is_open() {
            self.in_flight.open();
            self.installed.store(Arc::clone(&installed));
            self.open.store(true, Ordering::Release);
        } else {
            self.installed.store(Arc::clone(&installed));
            self.open.store(false, Ordering::Release);
            self.in_flight.close();
        }
        self.published.send_replace(installed);
    }

    /// The activation for which this node has drained, if it has.
    pub(crate) fn drained(&self) -> Option<ActivationId> {
        let installed = self.installed.load();
        let activation = installed.snapshot.record.activation()?;
        (self.in_flight.watch_executions() == 0).then_some(activation.id)
    }

    /// The level change since which no request that the level closes out has been running here, if none has.
    pub(crate) fn quiet(&self) -> Option<Revision> {
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
        facts.hold = self
            .installed
            .load()
            .snapshot
            .hold
            .as_ref()
            .map(ToString::to_string);
        facts
    }

    pub(crate) fn record(&self) -> Arc<Record> {
        Arc::clone(&self.installed.load().snapshot.record)
    }

    pub(crate) fn note_contact(&self, age: Option<Duration>, lost: Option<StateErrorKind>) {
        let now = self.clock.steady();
        let answered_at = age.map(|age| now.saturating_sub(age));
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner) =
            Contact { answered_at, lost };
    }

    pub(crate) fn note_keeper_restart(&self) {
        self.keeper_restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// The time, if the decision needs it: only passes end by it.
    fn now_for(&self, visitor: &Visitor<'_>) -> Timestamp {
        if visitor.pass.is_some() {
            self.clock.now()
        } else {
            Timestamp::default()
        }
    }

    fn contact(&self) -> Contact {
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From then on this node begins no execution, even if the keeper is late to say so.
    pub(crate) fn fence_at(&self, fence_at: Option<Duration>) {
        let nanos = fence_at.map(|at| u64::try_from(at.as_nanos()).unwrap_or(NEVER));
        self.fence_at
            .store(nanos.unwrap_or(NEVER), Ordering::Release);
    }

    /// Whether the lease is over on a node that fences itself. Looked at here and not by a timer: a process that was
    /// paused gets its timers too late.
    #[inline]
    fn is_fenced(&self) -> bool {
        let fence_at = self.fence_at.load(Ordering::Acquire);
        fence_at != NEVER && self.clock.steady() >= Duration::from_nanos(fence_at)
    }

    /// Begins an execution; `None` if the door is closed.
    #[inline]
    fn begin(&self, info: ExecutionInfo, bypass: bool) -> Option<Execution> {
        if self.is_fenced() {
            return None;
        }
        let now = self.clock.now();
        Execution::begin(self.in_flight.shard(), info, now, bypass)
    }

    /// Why an execution found the door closed.
    #[cold]
    fn execution_refusal(&self) -> RefuseReason {
        // The snapshot is published after the door opens, so it may still say why the door was closed, or no longer.
        let refusal = self.installed.load().snapshot.execution_refusal();
        let by_time = if self.is_fenced() {
            RefuseReason::OutOfContact
        } else {
            RefuseReason::Activating
        };
        refusal.unwrap_or(by_time)
    }

    fn refusal(&self, installed: &Installed, reason: RefuseReason) -> Refusal {
        // Spreads the jitter; an odd stride visits every value.
        let entropy = self
            .entropy
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        Refusal::new(
            reason,
            Arc::clone(&installed.replies),
            self.clock.now(),
            entropy,
        )
    }
}

impl Installed {
    fn new(snapshot: Snapshot, policy: &ReplyPolicy) -> Self {
        let (phase, level) = snapshot.closure();
        let record = &snapshot.record;
        let settings = record.activation().map(|activation| &activation.settings);
        // A node that may start no execution refuses those as if a drain went on.
        let marker = if phase.is_on() {
            Marker::of(phase, level)
        } else {
            Marker::Activating
        };
        let notice = Notice::new(marker)
            .with_message(record.message())
            .with_until(record.ends_at())
            .with_retry_after(settings.and_then(|settings| settings.retry_after))
            .with_passes(!record.passes().is_empty());
        let replies = Arc::new(Replies::render(policy, &notice));
        Self { snapshot, replies }
    }
}

fn always() -> Admitted {
    Admitted {
        reason: AdmitReason::RouteAlways,
        in_flight: None,
        execution: None,
    }
}

#[inline]
fn class_of(method: &str) -> RequestClass {
    if is_safe(method) {
        RequestClass::Safe
    } else {
        RequestClass::Unsafe
    }
}
