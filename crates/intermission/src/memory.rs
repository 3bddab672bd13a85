//! A state in this process alone.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use intermission_core::{
    Clock, Departure, HistoryEntry, Ledger, MaintenanceState, Moment, NodeId, NodeReport,
    OperateReply, Operation, Record, Revision, StateError, SyncReply, SystemClock, Timing, View,
};
use tokio::sync::watch;

/// A state in this process alone: for tests, for a single service that is switched from within, and for a first try.
///
/// It forgets everything when the process ends, so a restart opens the site. Clones share one ledger.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{Activate, Actor, Change, Gate, MemoryState, Operator, Phase};
///
/// let state = MemoryState::new();
/// let gate = Gate::builder(state.clone()).start().await?;
/// let operator = Operator::new(state, Actor::new("ana", "code"));
/// operator.change(Change::Activate(Activate::by("ana"))).await?;
/// gate.reached(|record| record.phase() == Phase::Activated).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryState {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Mutex<Ledger>,
    clock: Arc<dyn Clock>,
    published: watch::Sender<Option<Arc<Record>>>,
}

impl MemoryState {
    /// A site that was never changed.
    #[must_use]
    pub fn new() -> Self {
        Self::with_timing_and_clock(Timing::default(), Arc::new(SystemClock))
    }

    /// The same, with other periods and another clock. The periods must be the same for the state and for its gates, and
    /// [fit together](Timing::validate); neither is checked here.
    #[must_use]
    pub fn with_timing_and_clock(timing: Timing, clock: Arc<dyn Clock>) -> Self {
        let (published, _) = watch::channel(None);
        Self {
            shared: Arc::new(Shared {
                ledger: Mutex::new(Ledger::new(timing)),
                clock,
                published,
            }),
        }
    }

    fn step<T>(&self, step: impl FnOnce(&mut Ledger, Moment) -> T) -> T {
        let mut ledger = self.shared.ledger();
        let now = self.shared.moment();
        let result = step(&mut ledger, now);
        let record = ledger.record().cloned();
        // Published under the lock, so that nobody is told of an older record after a newer one.
        self.shared.published.send_if_modified(|published| {
            let is_new = record.as_ref().map(|record| record.revision())
                != published.as_ref().map(|record| record.revision());
            if is_new {
                *published = record;
            }
            is_new
        });
        result
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A step that panicked may have left half of itself, so the poison must not be ignored silently; but the
        // ledger's steps do not panic, and refusing for ever would hold the site in whatever phase it is in.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self) -> Moment {
        Moment::new(self.clock.now(), self.clock.steady())
    }
}

impl Default for MemoryState {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryState(..)")
    }
}

impl MaintenanceState for MemoryState {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        Ok(self.step(|ledger, now| ledger.sync(&report, now)))
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        Ok(self.step(|ledger, now| ledger.operate(&operation, now)))
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.step(|ledger, now| ledger.leave(node, &departure, now));
        Ok(())
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        Ok(self.step(|ledger, now| {
            ledger.tick(now);
            ledger.view(limit, now)
        }))
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        Ok(self.shared.ledger().history(limit).cloned().collect())
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        let mut published = self.shared.published.subscribe();
        let is_other = |record: &Option<Arc<Record>>| {
            record
                .as_ref()
                .map_or(Revision::ZERO, |record| record.revision())
                != seen
        };
        // The sender lives as long as `self`, so waiting cannot fail.
        let record = published
            .wait_for(is_other)
            .await
            .map(|record| record.clone());
        Ok(record.ok().flatten())
    }
}
