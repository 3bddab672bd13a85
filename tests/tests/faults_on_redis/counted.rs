//! A state that counts how a node's reports went.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use intermission::{
    Departure, HistoryEntry, MaintenanceState, NodeId, NodeReport, OperateReply, Operation, Record,
    Revision, StateError, SyncReply, View,
};
use intermission_redis::RedisState;

/// A state in Redis, and what came of the reports through it. Clones share both.
#[derive(Clone)]
pub(crate) struct Counted {
    state: RedisState,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    failed: AtomicU64,
    last_failure: Mutex<String>,
}

impl Counted {
    pub(crate) fn new(state: RedisState) -> Self {
        Self {
            state,
            counts: Arc::default(),
        }
    }

    /// Reports that were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::SeqCst)
    }

    /// Reports that failed.
    pub(crate) fn failed(&self) -> u64 {
        self.counts.failed.load(Ordering::SeqCst)
    }

    /// What the last one failed with, in full.
    pub(crate) fn last_failure(&self) -> String {
        self.counts.last_failure.lock().unwrap().clone()
    }
}

impl MaintenanceState for Counted {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        let outcome = self.state.sync(report).await;
        match &outcome {
            Ok(_) => self.counts.answered.fetch_add(1, Ordering::SeqCst),
            Err(error) => {
                *self.counts.last_failure.lock().unwrap() = error.in_full();
                self.counts.failed.fetch_add(1, Ordering::SeqCst)
            }
        };
        outcome
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        self.state.operate(operation).await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.state.leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        self.state.inspect(limit).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.state.history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        self.state.watch(seen).await
    }
}
