//! Work that a drain waits for.

use std::future::Future;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use intermission_core::{RefuseReason, Snapshot, Timestamp};

use crate::execution_info::ExecutionInfo;
use crate::in_flight::{Order, Place, Running, Shard};
use crate::shared::Installed;

/// Past which closed doors an execution may begin. The site's and those of scopes are moved one by one: who was let in
/// past the one has not been let in past the others, should they close in between.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past<'a> {
    /// Past the site's.
    pub(crate) site: bool,
    /// Past those of scopes, as far as they are still closed as this says, by which it was decided.
    pub(crate) scopes: Option<&'a Snapshot>,
}

/// A piece of work that a drain waits for. It ends when this is dropped.
///
/// Get one from [`Gate::execution`](crate::Gate::execution), and move it into whatever does the work: a task, a
/// thread, a response's body.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{ExecutionInfo, Gate, MemoryState};
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let execution = gate.execution(ExecutionInfo::new("import").with_label("prices.csv"))?;
/// tokio::spawn(async move {
///     // … the work …
///     drop(execution);
/// });
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "an execution ends when it is dropped: keep it for as long as the work goes on"]
pub struct Execution {
    shard: Arc<CachePadded<Shard>>,
    place: Place,
}

impl Execution {
    /// Begins one that belongs to no scope; `None` if a door is closed past which it may not.
    #[inline(always)]
    pub(crate) fn begin(
        shard: &Arc<CachePadded<Shard>>,
        info: ExecutionInfo,
        started_at: Timestamp,
        doors: Past<'_>,
    ) -> Option<Self> {
        let running = Running { info, started_at };
        let place = shard.executions.begin(running, !doors.site)?;
        Some(Self::listed(shard, place))
    }

    /// Begins one that belongs to scopes, and takes what it is; `None`, and leaves it, if a door is closed past which it
    /// may not.
    pub(crate) fn begin_in_scopes(
        shard: &Arc<CachePadded<Shard>>,
        info: &mut ExecutionInfo,
        started_at: Timestamp,
        doors: Past<'_>,
    ) -> Option<Self> {
        let running =
            |closed: Option<&Installed>| running_in(closed, info, started_at, doors.scopes);
        let place = shard.executions.begin_in_part(running, !doors.site)?;
        Some(Self::listed(shard, place))
    }

    #[inline]
    fn listed(shard: &Arc<CachePadded<Shard>>, place: Place) -> Self {
        Self {
            shard: Arc::clone(shard),
            place,
        }
    }

    /// Its id, unique on its node.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.shard.id(self.number())
    }

    /// Whether a bypassed visitor began it past a closed door, so that no drain waits for it at present. Once the site
    /// was open again, it is like all others, and the next drain waits for it.
    #[must_use]
    pub fn is_bypass(&self) -> bool {
        !self.shard.executions.is_awaited(self.place)
    }

    /// Whether it has been told to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shard
            .executions
            .is_ordered(Order::Cancel, self.place, self.number())
    }

    /// Waits until it is told to end: when a drain's limit is reached, or when a node that fences itself is out of
    /// contact. Nothing forces it to obey.
    ///
    /// The future is independent of the execution: it can be moved elsewhere, and it does not hold up a drain.
    ///
    /// # Cancel safety
    ///
    /// Safe: the order stands, and is found by the next call.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.ordered(Order::Cancel)
    }

    /// Waits until it is to be dropped.
    pub(crate) fn dropped(&self) -> impl Future<Output = ()> + Send + 'static {
        self.ordered(Order::Drop)
    }

    fn ordered(&self, order: Order) -> impl Future<Output = ()> + Send + use<> {
        let (shard, place, number) = (Arc::clone(&self.shard), self.place, self.number());
        let mut ordered = shard.ordered();
        async move {
            while !shard.executions.is_ordered(order, place, number) {
                if ordered.changed().await.is_err() {
                    // INVARIANT: the shard holds the sender, so waiting cannot fail.
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    fn number(&self) -> u64 {
        self.shard.executions.number(self.place)
    }
}

/// What is known of an execution of scopes that begins now; `None` if one of them is closed to it.
fn running_in(
    closed: Option<&Installed>,
    info: &mut ExecutionInfo,
    started_at: Timestamp,
    past_scopes: Option<&Snapshot>,
) -> Option<Running> {
    let mut past = Vec::new();
    if let Some(closed) = closed {
        let snapshot = &closed.snapshot;
        for name in info.scopes() {
            let Some(closure) = snapshot.scope(name) else {
                continue;
            };
            // What was decided of another activation, level or list of passes says nothing about this one.
            if past_scopes.and_then(|decided| decided.scope(name)) != Some(closure) {
                return None;
            }
            let scope = snapshot.record.scopes().get(name.as_str());
            past.extend(
                scope
                    .and_then(|scope| scope.activation.as_ref())
                    .map(|on| on.id),
            );
        }
    }
    Some(Running {
        info: info.take().with_past(past),
        started_at,
    })
}

impl Drop for Execution {
    #[inline]
    fn drop(&mut self) {
        self.shard.end(self.place);
    }
}

/// No execution may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no execution may start now ({})", reason.as_str())]
#[non_exhaustive]
pub struct ExecutionRefused {
    /// By which rule.
    pub reason: RefuseReason,
}

/// Why [`Gate::run`](crate::Gate::run) has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It was not started.
    #[error(transparent)]
    Refused(#[from] ExecutionRefused),
    /// It was dropped because the drain's limit was reached, or because a node that fences itself was out of contact.
    #[error("the execution was dropped at its deadline")]
    Dropped,
}
