//! Changes, asked for by a person or a program.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    ActivationId, Actor, Change, ChangeError, Clock, Departure, HistoryEntry, MaintenanceState,
    NoRandomness, NodeId, OperateReply, Operation, OperationId, Outcome, Phase, Record, ScopeName,
    SharedState, StateError, StateErrorKind, SystemClock, Timing, View,
};
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;

/// Somebody who may change the mode: the command, or your code.
///
/// It needs no gate and joins no fleet; it talks to the state alone.
#[derive(Clone, Debug)]
pub struct Operator {
    state: SharedState,
    actor: Actor,
    clock: Arc<dyn Clock>,
    scope: Option<ScopeName>,
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Accepted {
    /// The record to which it was made.
    pub before: Arc<Record>,
    /// The record after it. The state may have gone on in the same step: a drain whose limit has passed already is over.
    pub record: Arc<Record>,
    /// Whether anything was changed. If not, all was already as asked for.
    pub changed: bool,
}

/// Why a change was not made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// It makes no sense for the present record.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The state could not do it, or it is not known whether it did.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state may have lost data, or is new, and hears its nodes first.
    #[error(
        "the state may have lost data, or is new, and hears its nodes first: try again in {after:?}"
    )]
    Reconciling {
        /// How long that takes, as far as the state can say. If it has lost a record for certain, it takes until a node that
        /// has seen it speaks.
        after: Duration,
    },
    /// The system has no randomness to name the operation with.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// For what to wait after an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goal {
    /// No execution runs any more.
    Activated,
    /// No request that the level closes out runs any more, either: the moment from which a backup sees no visitor's
    /// write. At level [`Exclusive`](intermission_core::Level::Exclusive) no execution runs any more at all.
    Quiescent,
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Waited {
    /// What was waited for has come.
    Reached(View),
    /// The site is activated, and [`Goal::Quiescent`] will not come any more: of a node in doubt nobody knows, and a state
    /// that has lost its data may have forgotten one.
    Doubtful(View),
    /// Somebody ended this activation first, or began another.
    Superseded(View),
}

/// How often a wait looks, beside being woken by changes: acknowledgements wake nobody.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The most nodes that a wait looks at. In a greater fleet it looks less often, too, for the state counts all of them
/// each time.
const LOOKED_AT: u64 = 64;
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// How often whoever waits for a change looks by himself. A watch may have gone deaf without knowing, as on a
/// connection that a firewall has forgotten.
const LISTEN_AT_MOST: Duration = Duration::from_secs(5);
/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 16;

impl Operator {
    /// An operator on this state.
    pub fn new(state: impl MaintenanceState, actor: Actor) -> Self {
        Self {
            state: SharedState::new(state),
            actor,
            clock: Arc::new(SystemClock),
            scope: None,
        }
    }

    /// An operator on one part of the same site. To it, the scope is a site of its own: it changes the scope alone, and sees
    /// its mode, its plan, its passes, and what of the history happened there. What is the whole site's stays so: the
    /// revision, the allow list, the nodes.
    #[must_use]
    pub fn for_scope(mut self, scope: ScopeName) -> Self {
        self.scope = Some(scope);
        self
    }

    /// A change as it is asked of the state.
    fn directed(&self, change: Change) -> Change {
        match &self.scope {
            Some(scope) => change.in_scope(scope.clone()),
            None => change,
        }
    }

    /// A record as this operator sees it.
    fn seen(&self, record: Arc<Record>) -> Arc<Record> {
        match &self.scope {
            Some(scope) => Arc::new(record.of_scope(scope)),
            None => record,
        }
    }

    /// The same, with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes a change. If somebody else is faster, it is judged anew on what they made of the record.
    ///
    /// # Errors
    ///
    /// See [`OperatorError`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have made the change. Repeating it is harmless.
    pub async fn change(&self, change: Change) -> Result<Accepted, OperatorError> {
        let change = self.directed(change);
        let view = self.state.inspect(0).await?;
        // What the state has lost, its nodes will bring back. Until then nothing is known to be "already" so.
        let is_lost = view.is_behind();
        let doubt = if is_lost {
            view.grace.max(try_again_after())
        } else {
            view.grace
        };
        let stays_open = matches!(change, Change::Deactivate(_)) && !view.record.phase().is_on();
        match self
            .change_from(Arc::clone(&view.record), change, TRIES)
            .await?
        {
            accepted if accepted.changed || doubt.is_zero() => Ok(Accepted {
                before: self.seen(accepted.before),
                record: self.seen(accepted.record),
                changed: accepted.changed,
            }),
            // What was lost may have closed the site. Who says "open" now decides that it stays open.
            _ if is_lost && stays_open => self.decide_anew(view.record).await,
            _ => Err(OperatorError::Reconciling { after: doubt }),
        }
    }

    /// Makes the present record newer than all that was lost.
    async fn decide_anew(&self, record: Arc<Record>) -> Result<Accepted, OperatorError> {
        let same = (*record).clone();
        let id = OperationId::random()?;
        let operation = Operation::replace(id, &record, same, self.actor.clone());
        match self.state.operate(operation).await? {
            OperateReply::Stored(after) | OperateReply::Duplicate(after) => Ok(Accepted {
                before: record,
                record: after,
                changed: true,
            }),
            OperateReply::Reconciling(after) => Err(OperatorError::Reconciling { after }),
            // A node was faster and has brought back what was lost.
            _ => Err(OperatorError::Reconciling {
                after: try_again_after(),
            }),
        }
    }

    /// Makes a change to exactly this record, and fails with [`StateErrorKind::Conflict`] if it is no longer the
    /// newest. The record is the whole site's, also for an operator of a [scope](Self::for_scope), who finds it in the
    /// state itself.
    ///
    /// # Errors
    ///
    /// See [`OperatorError`].
    ///
    /// # Cancel safety
    ///
    /// As of [`change`](Self::change).
    pub async fn change_exactly(
        &self,
        record: Arc<Record>,
        change: Change,
    ) -> Result<Accepted, OperatorError> {
        let accepted = self.change_from(record, self.directed(change), 1).await?;
        if !accepted.changed {
            // What the state has lost, its nodes will bring back. Until then nothing is known to be "already" so.
            let view = self.state.inspect(0).await?;
            if view.is_behind() {
                let after = view.grace.max(try_again_after());
                return Err(OperatorError::Reconciling { after });
            }
            if view.is_reconciling() {
                return Err(OperatorError::Reconciling { after: view.grace });
            }
        }
        Ok(Accepted {
            before: self.seen(accepted.before),
            record: self.seen(accepted.record),
            changed: accepted.changed,
        })
    }

    async fn change_from(
        &self,
        mut record: Arc<Record>,
        change: Change,
        tries: usize,
    ) -> Result<Accepted, OperatorError> {
        let id = OperationId::random()?;
        let mut behind = false;
        for _ in 0..tries {
            let next = match record.apply(&change, self.clock.now())? {
                Outcome::Changed(next) => next,
                Outcome::Unchanged => {
                    return Ok(Accepted {
                        before: Arc::clone(&record),
                        record,
                        changed: false,
                    });
                }
            };
            let operation = Operation::replace(id, &record, next, self.actor.clone());
            match self.state.operate(operation).await? {
                OperateReply::Stored(after) | OperateReply::Duplicate(after) => {
                    return Ok(Accepted {
                        before: record,
                        record: after,
                        changed: true,
                    });
                }
                OperateReply::Unchanged(after) => {
                    return Ok(Accepted {
                        before: record,
                        record: after,
                        changed: false,
                    });
                }
                OperateReply::Conflict(newer) => record = newer,
                OperateReply::Reconciling(after) => {
                    return Err(OperatorError::Reconciling { after });
                }
                // The state has lost the record that it gave out a moment ago; a node will bring it back.
                OperateReply::Behind(_) => {
                    behind = true;
                    sleep(LOOK_EVERY).await;
                    continue;
                }
                other => return Err(unexpected(&other).into()),
            }
            behind = false;
        }
        if behind {
            return Err(OperatorError::Reconciling {
                after: try_again_after(),
            });
        }
        let message = format!(
            "somebody else changed the record meanwhile; it is at revision {} now",
            record.revision()
        );
        Err(StateError::new(StateErrorKind::Conflict, message).into())
    }

    /// Marks an empty state as a new site. `false` if it already is one.
    ///
    /// # Errors
    ///
    /// See [`OperatorError`].
    pub async fn init(&self) -> Result<bool, OperatorError> {
        let operation = Operation::init(OperationId::random()?, self.actor.clone());
        match self.state.operate(operation).await? {
            OperateReply::Stored(_) => Ok(true),
            OperateReply::Unchanged(_) | OperateReply::Duplicate(_) => Ok(false),
            OperateReply::Reconciling(after) => Err(OperatorError::Reconciling { after }),
            other => Err(unexpected(&other).into()),
        }
    }

    /// Takes a node off the list, taking the responsibility that nothing runs there any more.
    ///
    /// # Errors
    ///
    /// The state could not do it.
    pub async fn forget(&self, node: NodeId) -> Result<(), StateError> {
        self.state
            .leave(node, Departure::Forgotten(self.actor.clone()))
            .await
    }

    /// The state at this moment, with at most `limit` nodes.
    ///
    /// # Errors
    ///
    /// The state could not be read.
    pub async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        let view = self.state.inspect(limit).await?;
        Ok(match &self.scope {
            Some(scope) => view.of_scope(scope),
            None => view,
        })
    }

    /// The newest `limit` lines of the history, newest first.
    ///
    /// # Errors
    ///
    /// The state could not be read.
    pub async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        let Some(scope) = &self.scope else {
            return self.state.history(limit).await;
        };
        let mut history = self.state.history(usize::MAX).await?;
        // What happened to many at once may have happened to this one, and then nothing else says so.
        history.retain(|line| {
            let said = line.scope();
            said == Some(scope.as_str()) || said == Some(HistoryEntry::SCOPES)
        });
        history.truncate(limit);
        Ok(history)
    }

    /// Waits until the record is another than `record`, and returns it.
    ///
    /// # Errors
    ///
    /// The state could not be read or watched.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn changed(&self, record: &Record) -> Result<Arc<Record>, StateError> {
        loop {
            let pushed = tokio::select! {
                pushed = self.state.watch(record.revision()) => pushed?,
                () = sleep(LISTEN_AT_MOST) => None,
            };
            let newest = match pushed {
                Some(record) => record,
                None => self.state.inspect(0).await?.record,
            };
            if newest.revision() != record.revision() {
                return Ok(self.seen(newest));
            }
        }
    }

    /// Waits until an activation has come as far as `goal`. Shows how far it is each time that it looks: the view has
    /// at most 64 nodes, those first that hold up the drain, while its counts are of all.
    ///
    /// There is no limit; wrap it into a time-out if you need one. The activation goes on in any case.
    ///
    /// # Errors
    ///
    /// The state could not be read.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed, and no task is left behind.
    pub async fn wait(
        &self,
        activation: ActivationId,
        goal: Goal,
        mut show: impl FnMut(&View),
    ) -> Result<Waited, StateError> {
        // A task of its own, which goes on between two looks. A watch that is dropped while it subscribes costs a state
        // such as Redis its connection; one that is kept and not polled may hold the connection that the next look needs.
        let mut watching = JoinSet::new();
        loop {
            let limit = usize::try_from(LOOKED_AT).unwrap_or(usize::MAX);
            let view = self.inspect(limit).await?;
            if view.record.activation().map(|on| on.id) != Some(activation) {
                return Ok(Waited::Superseded(view));
            }
            let is_reached = match goal {
                Goal::Activated => view.record.phase() == Phase::Activated,
                Goal::Quiescent => view.quiescent_at.is_some(),
            };
            if is_reached {
                return Ok(Waited::Reached(view));
            }
            if goal == Goal::Quiescent && is_doubtful(&view) {
                return Ok(Waited::Doubtful(view));
            }
            show(&view);
            if watching.is_empty() {
                let (state, seen) = (self.state.clone(), view.record.revision());
                watching.spawn(async move { state.watch(seen).await });
            }
            tokio::select! {
                Some(watched) = watching.join_next() => hinted(watched)?,
                () = sleep(pause(view.node_count)) => {}
            }
        }
    }
}

/// Whether nobody can know any more when the last request has ended.
fn is_doubtful(view: &View) -> bool {
    let activation = view.record.activation();
    let completion = activation.and_then(|on| on.completion.as_ref());
    completion.is_some_and(|done| !done.unconfirmed.is_empty() || view.lost_at.is_some())
}

/// That a watch has ended is all that it says.
fn hinted(
    watched: Result<Result<Option<Arc<Record>>, StateError>, JoinError>,
) -> Result<(), StateError> {
    match watched.map_err(JoinError::try_into_panic) {
        Ok(hint) => hint.map(|_| ()),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends, and whoever waits ends with it.
        Err(Err(_)) => Ok(()),
    }
}

/// How soon to try again if the state has lost a record for certain, and does not say when a node will bring it back. An
/// operator does not know the periods of the site, so the default ones have to do; who tries again too early is told the same.
fn try_again_after() -> Duration {
    Timing::default().reconcile
}

/// How long a wait pauses between two looks at so many nodes, if nothing changes.
fn pause(nodes: u64) -> Duration {
    let more = Duration::from_millis(nodes.saturating_sub(LOOKED_AT));
    LOOK_EVERY.saturating_add(more).min(LOOK_AT_LEAST_EVERY)
}

fn unexpected(reply: &OperateReply) -> StateError {
    let message = format!("the state gave an answer that fits no change: {reply:?}");
    StateError::new(StateErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn great_fleets_are_looked_at_less_often() {
        for (nodes, millis) in [
            (0, 100),
            (64, 100),
            (100, 136),
            (1_000, 1_000),
            (u64::MAX, 1_000),
        ] {
            assert_eq!(pause(nodes), Duration::from_millis(millis), "{nodes}");
        }
    }
}
