//! Somebody else is faster.

use std::future::Future;
use std::sync::Arc;

use intermission::{
    Activate, Actor, Change, Deactivate, Departure, HistoryEntry, MaintenanceState, MemoryState,
    NodeId, NodeReport, OperateReply, Operation, Operator, Phase, Record, Revision, SharedState,
    StateError, SyncReply, View,
};

use super::ran;
use crate::exit_code::ExitCode;

/// A state on which somebody else is always faster.
struct Contended(MemoryState);

impl MaintenanceState for Contended {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.0.sync(report).await
    }

    async fn operate(&self, _operation: Operation) -> Result<OperateReply, StateError> {
        let bob = Operator::new(self.0.clone(), Actor::new("bob", "code"));
        let change = match self.0.inspect(0).await?.record.phase() {
            Phase::Deactivated => Change::Activate(Activate::by("bob")),
            Phase::Activating | Phase::Activated => Change::Deactivate(Deactivate::new()),
        };
        Ok(OperateReply::Conflict(
            bob.change(change).await.unwrap().record,
        ))
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.0.leave(node, departure).await
    }

    fn inspect(&self, limit: usize) -> impl Future<Output = Result<View, StateError>> + Send {
        self.0.inspect(limit)
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.0.history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        self.0.watch(seen).await
    }
}

#[tokio::test]
async fn a_change_that_somebody_else_always_overtakes_is_given_up() {
    let state = SharedState::new(Contended(MemoryState::new()));
    let ran = ran(&state, &["allow-ips", "192.0.2.1"]).await;
    assert_eq!(ran.code, ExitCode::ChangedMeanwhile);
    let (error, hint) = ran.notes.split_once('\n').unwrap();
    assert!(
        error.starts_with("error: somebody else changed the record meanwhile"),
        "{error}"
    );
    assert_eq!(
        hint,
        "hint: look at `intermission status`, and repeat the request if it is still right\n"
    );
    assert!(state.inspect(0).await.unwrap().record.allow().is_empty());
}
