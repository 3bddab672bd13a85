//! A state that can be put out of reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use intermission::{
    Departure, HistoryEntry, MaintenanceState, MemoryState, NodeId, NodeReport, OperateReply,
    Operation, Record, Revision, StateError, StateErrorKind, SyncReply, View,
};

/// A memory state that nodes cannot reach while it is told so. Operators reach the memory state behind it.
#[derive(Clone, Debug)]
pub(crate) struct Breakable {
    inner: MemoryState,
    is_away: Arc<AtomicBool>,
}

impl Breakable {
    pub(crate) fn new(inner: MemoryState, is_away: bool) -> Self {
        Self {
            inner,
            is_away: Arc::new(AtomicBool::new(is_away)),
        }
    }

    pub(crate) fn break_link(&self) {
        self.is_away.store(true, Ordering::SeqCst);
    }

    pub(crate) fn heal(&self) {
        self.is_away.store(false, Ordering::SeqCst);
    }

    fn reach(&self) -> Result<&MemoryState, StateError> {
        if self.is_away.load(Ordering::SeqCst) {
            let message = "the table has put it out of reach";
            return Err(StateError::new(StateErrorKind::Unavailable, message));
        }
        Ok(&self.inner)
    }
}

impl MaintenanceState for Breakable {
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
        self.reach()?.inspect(limit).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.reach()?.history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        self.reach()?.watch(seen).await
    }
}
