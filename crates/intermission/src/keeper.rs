//! The one task of a node: it carries out what the node machine says.
//!
//! All decisions are the machine's; this file only has hands. It is also the only place that ever waits for the
//! state, so a state that hangs or fails delays no request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Departure, Hold, MaintenanceState, NodeAction, NodeEvent, NodeMachine, Record, Revision,
    SharedState, StateError, StateErrorKind, SyncReply,
};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::gate::Stop;
use crate::in_flight::Order;
use crate::log::{Line, line};
use crate::metrics::Counted;
use crate::shared::Shared;

/// What the keeper is made of. It outlives a keeper that died.
pub(crate) struct Keeper {
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: SharedState,
    pub(crate) machine: NodeMachine,
    /// Which dependencies fail. The sender is in `shared`.
    pub(crate) failing: watch::Receiver<Option<String>>,
    /// How long the state may take for an answer.
    pub(crate) timeout: Duration,
    pub(crate) stop: mpsc::Receiver<Stop>,
    /// Whether the node is to say goodbye, and who wants to know when it has.
    pub(crate) stopping: Stopping,
    /// Told how the first report went.
    pub(crate) started: Option<oneshot::Sender<Result<(), StateError>>>,
    pub(crate) told: ToldOf,
}

/// What was written into the log.
#[derive(Debug, Default)]
pub(crate) struct ToldOf {
    /// Whether this node is held, and whether it starts no executions; `None` before the state has answered or failed,
    /// for until then every node is both.
    condition: Option<(Option<Hold>, bool)>,
    /// How the state failed last.
    error: String,
}

/// Whether a node is to say goodbye.
pub(crate) enum Stopping {
    No,
    /// As soon as nothing runs there any more.
    WhenIdle(Option<Stop>),
}

type Calling<T> = Pin<Box<dyn Future<Output = Result<T, StateError>> + Send>>;

/// How long to leave a keeper that died alone, so that one that dies at once does not take the processor with it, and how
/// long to wait before another goodbye.
const RESTART_PAUSE: Duration = Duration::from_millis(250);

/// How often a node tries to say goodbye. A process that is to end has little time.
const GOODBYES: u32 = 3;

/// Keeps a keeper running until its gate is gone.
pub(crate) async fn supervise(keeper: Keeper) {
    let shared = Arc::clone(&keeper.shared);
    let keeper = Arc::new(Mutex::new(keeper));
    let mut restarts = 0_u64;
    let mut first = NodeEvent::Tick;
    loop {
        let kept = Arc::clone(&keeper);
        let life = tokio::spawn(async move { kept.lock().await.keep(first).await });
        // An error is a panic, or the end of the runtime, which ends this task, too.
        let Err(death) = life.await else { return };
        if !death.is_panic() {
            return;
        }
        restarts += 1;
        shared.note_keeper_restart();
        line(&Line::KeeperDied(restarts));
        sleep(RESTART_PAUSE).await;
        // Whatever was on its way is lost.
        first = NodeEvent::Failed(StateErrorKind::Unavailable);
        keeper.lock().await.told.error = "the keeper died".to_owned();
    }
}

impl Keeper {
    async fn keep(&mut self, first: NodeEvent) {
        let mut syncing: Option<Calling<SyncReply>> = None;
        let mut watching: Option<Calling<Option<Arc<Record>>>> = None;
        // What this node had seen when the watch began, and which record it waits to see replaced: mostly the same.
        let (mut watched, mut replaced) = (Revision::ZERO, Revision::ZERO);
        self.take(first, &mut syncing);
        // One that died may have heard of a change and not told the machine.
        self.failing.mark_changed();
        loop {
            if matches!(self.stopping, Stopping::WhenIdle(_)) && self.is_idle() {
                // Nobody polls it any more. What it holds of the state, such as its turn on the one connection, the
                // goodbye would wait for in vain.
                drop(watching.take());
                // A report that arrives after the goodbye would put the node on the list again.
                if let Some(syncing) = syncing.take() {
                    let _ = syncing.await;
                }
                self.say_goodbye().await;
                return;
            }
            let seen = self.machine.snapshot().record.revision();
            if watching.is_some() && watched != seen {
                (watched, replaced) = (seen, seen);
                watching = Some(self.watch(seen));
            }
            let now = self.shared.moment();
            let pause = self.machine.wake_at(now).saturating_sub(now.steady);
            tokio::select! {
                reply = call(&mut syncing) => {
                    syncing = None;
                    // Only an answer makes hints worth hearing: a hint during an outage would be a report that fails.
                    let answered = reply.is_ok();
                    self.answered(reply, &mut syncing);
                    if answered && watching.is_none() {
                        watched = self.machine.snapshot().record.revision();
                        replaced = watched;
                        watching = Some(self.watch(watched));
                    }
                }
                hint = call(&mut watching) => {
                    // The next one is heard after the report that this one leads to.
                    watching = None;
                    match hint {
                        Ok(record) => {
                            let hinted = record.as_ref().map(|record| record.revision());
                            self.take(NodeEvent::Hint(record), &mut syncing);
                            // A record that is no news here leads to no report: the state has gone back to an older
                            // one, or come back from there. It is watched on, or all pushes until the next heartbeat
                            // would be missed; but a hint that says the same again waits for that heartbeat.
                            let old = hinted.filter(|hinted| *hinted <= seen && *hinted != replaced);
                            if let Some(hinted) = old {
                                (watched, replaced) = (seen, hinted);
                                watching = Some(self.watch(hinted));
                            }
                        }
                        // Watched again after the next heartbeat. A report at once would be answered at once, and the
                        // two would chase each other for as long as the state cannot be watched.
                        Err(error) => self.failed(&error),
                    }
                }
                () = self.shared.in_flight.emptied() => self.take(NodeEvent::Tick, &mut syncing),
                stop = self.stop.recv(), if matches!(self.stopping, Stopping::No) => {
                    self.stopping = Stopping::WhenIdle(stop);
                }
                Ok(()) = self.failing.changed() => {
                    let failing = self.failing.borrow_and_update().clone();
                    self.take(NodeEvent::Failing(failing), &mut syncing);
                }
                () = sleep(pause) => self.take(NodeEvent::Tick, &mut syncing),
            }
        }
    }

    /// Whether no execution runs here, not even one that no drain waits for.
    fn is_idle(&self) -> bool {
        // Watched, so that the end of the last one wakes this task.
        self.shared.in_flight.watch_executions() == 0 && self.shared.in_flight.running() == (0, 0)
    }

    fn watch(&self, replaced: Revision) -> Calling<Option<Arc<Record>>> {
        let state = self.state.clone();
        Box::pin(async move { state.watch(replaced).await })
    }

    fn answered(
        &mut self,
        reply: Result<SyncReply, StateError>,
        syncing: &mut Option<Calling<SyncReply>>,
    ) {
        let (event, outcome) = match reply {
            Ok(reply) => (NodeEvent::Replied(reply), Ok(())),
            Err(error) => {
                self.failed(&error);
                self.told.error = error.in_full();
                (NodeEvent::Failed(error.kind()), Err(error))
            }
        };
        let lost = outcome.as_ref().err().map(StateError::kind);
        self.told.condition.get_or_insert((None, false));
        self.take(event, syncing);
        self.shared
            .note_contact(self.machine.contact_age(self.shared.moment().steady), lost);
        if let Some(started) = self.started.take() {
            // Nobody listens any more if the start was dropped, and then the gate is gone, too.
            let _ = started.send(outcome);
        }
    }

    fn failed(&self, error: &StateError) {
        self.shared.tally.count(Counted::StateError(error.kind()));
        line(&Line::StateError(error));
    }

    /// Gives the machine an event, and all that follows from what it says.
    fn take(&mut self, event: NodeEvent, syncing: &mut Option<Calling<SyncReply>>) {
        self.tell(event, syncing);
        self.shared.set_fence_at(self.machine.fence_at());
        self.tell_condition();
    }

    fn tell_condition(&mut self) {
        let snapshot = self.machine.snapshot();
        let (hold, suspended) = (&snapshot.hold, snapshot.executions_suspended);
        if *hold == Some(Hold::ServesNobody) {
            // So it is from its start to its end, as its owner wants it.
            return;
        }
        if let Some((told_hold, told_suspended)) = &mut self.told.condition
            && (*told_hold != *hold || *told_suspended != suspended)
        {
            line(&Line::Condition {
                hold: hold.as_ref(),
                suspended,
            });
            (*told_hold, *told_suspended) = (hold.clone(), suspended);
        }
    }

    fn tell(&mut self, event: NodeEvent, syncing: &mut Option<Calling<SyncReply>>) {
        let actions = self.machine.step(event, self.shared.moment());
        self.carry_out(actions, syncing);
        if let Some(activation) = self.shared.watch_drained() {
            let actions = self
                .machine
                .step(NodeEvent::Drained(activation), self.shared.moment());
            self.carry_out(actions, syncing);
        }
        if let Some(undrained) = self.shared.watch_scopes() {
            let actions = self
                .machine
                .step(NodeEvent::Undrained(undrained), self.shared.moment());
            self.carry_out(actions, syncing);
        }
        if let Some(since) = self.shared.watch_quiet() {
            let actions = self
                .machine
                .step(NodeEvent::Quiet(since), self.shared.moment());
            self.carry_out(actions, syncing);
        }
    }

    fn carry_out(&self, actions: Vec<NodeAction>, syncing: &mut Option<Calling<SyncReply>>) {
        for action in actions {
            match action {
                NodeAction::Install(snapshot) => {
                    let (before, record) = (self.shared.record(), Arc::clone(&snapshot.record));
                    // Installed first: a log that is slow is no reason to close late.
                    self.shared.install(snapshot);
                    if record.phase() != before.phase() {
                        self.shared.tally.count(Counted::Transition(record.phase()));
                    }
                    if record.revision() != before.revision() {
                        line(&Line::Applied {
                            before: &before,
                            record: &record,
                        });
                    }
                }
                NodeAction::Send(mut report) => {
                    report.facts = self.shared.facts();
                    if !self.machine.has_joined() {
                        // That it was held for want of this very report is no news to anybody.
                        report.facts.hold = None;
                    }
                    let (state, limit) = (self.state.clone(), self.timeout);
                    *syncing = Some(Box::pin(
                        async move { in_time(limit, state.sync(report)).await },
                    ));
                }
                NodeAction::CancelExecutions => self.shared.in_flight.order(Order::Cancel),
                NodeAction::DropExecutions => {
                    let (awaited, others) = self.shared.in_flight.running();
                    if awaited + others > 0 {
                        line(&Line::Dropped(awaited + others));
                    }
                    self.shared.in_flight.order(Order::Drop);
                }
                NodeAction::EndExecutionsIn(scopes) => self.shared.in_flight.end_scopes(&scopes),
                NodeAction::ContactLost(kind) => line(&Line::ContactLost(kind, &self.told.error)),
                NodeAction::ContactRestored(after) => line(&Line::ContactRestored(after)),
            }
        }
    }

    async fn say_goodbye(&mut self) {
        // A goodbye that is lost costs the next drain a lease and more, so it is worth a second try.
        for attempt in 1..=GOODBYES {
            let leave = self.state.leave(self.shared.node, Departure::Goodbye);
            match in_time(self.timeout, leave).await {
                Ok(()) => break,
                Err(error) => {
                    self.failed(&error);
                    if attempt == GOODBYES {
                        line(&Line::GoodbyeFailed(&error));
                    } else {
                        sleep(RESTART_PAUSE).await;
                    }
                }
            }
        }
        if let Stopping::WhenIdle(Some(stop)) = std::mem::replace(&mut self.stopping, Stopping::No)
        {
            // Whoever asked for it may have stopped listening.
            let _ = stop.done.send(());
        }
    }
}

/// A state that hangs is out of reach, like one that fails.
async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, StateError>>,
) -> Result<T, StateError> {
    timeout(limit, answer).await.unwrap_or_else(|_| {
        let message = format!("the state has not answered within {limit:?}");
        Err(StateError::new(StateErrorKind::Unavailable, message))
    })
}

/// Waits for a call that may not be under way.
///
/// # Cancel safety
///
/// Safe: the call stays where it is.
async fn call<T>(calling: &mut Option<Calling<T>>) -> Result<T, StateError> {
    match calling {
        Some(calling) => calling.as_mut().await,
        None => std::future::pending().await,
    }
}
