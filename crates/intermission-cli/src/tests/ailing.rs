//! A state that is not well.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use intermission::{
    Departure, HistoryEntry, MaintenanceState, MemoryState, NodeId, NodeReport, OperateReply,
    Operation, Record, Revision, SharedState, StateError, StateErrorKind, SyncReply, Timestamp,
    View,
};

/// A state whose pushes never arrive, and which may be out of reach, or have lost data.
#[derive(Clone, Default)]
pub(super) struct Ailing {
    state: MemoryState,
    is_away: Arc<AtomicBool>,
    lost_at: Option<Timestamp>,
}

impl Ailing {
    /// One that has lost data, and whose activations have not told of it.
    pub(super) fn having_lost_data_at(lost_at: Timestamp) -> Self {
        Self {
            lost_at: Some(lost_at),
            ..Self::default()
        }
    }

    pub(super) fn shared(&self) -> SharedState {
        SharedState::new(self.clone())
    }

    /// The same, without what ails it.
    pub(super) fn healthy(&self) -> SharedState {
        SharedState::new(self.state.clone())
    }

    pub(super) fn goes_away(&self) {
        self.is_away.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_back(&self) {
        self.is_away.store(false, Ordering::Relaxed);
    }

    fn reach(&self) -> Result<&MemoryState, StateError> {
        if self.is_away.load(Ordering::Relaxed) {
            let kind = StateErrorKind::Unavailable;
            return Err(StateError::new(kind, "the state is away: wait"));
        }
        Ok(&self.state)
    }
}

impl MaintenanceState for Ailing {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.reach()?.sync(report).await
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        self.reach()?.operate(operation).await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.reach()?.leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        let mut view = self.reach()?.inspect(limit).await?;
        if let Some(lost_at) = self.lost_at {
            view.lost_at = Some(lost_at);
            view.quiescent_at = None;
        }
        Ok(view)
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.reach()?.history(limit).await
    }

    async fn watch(&self, _seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        pending().await
    }
}
