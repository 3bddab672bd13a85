//! The contract of a backend.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::StateError;
use crate::history::HistoryEntry;
use crate::id::{NodeId, Revision};
use crate::record::Record;
use crate::report::{Departure, NodeReport, OperateReply, Operation, SyncReply};
use crate::view::View;

/// Where a site's record lives: one [`Ledger`](crate::Ledger) that many nodes and operators share.
///
/// Memory, a directory and Redis implement it; so may you. What the methods mean is the ledger's business: an
/// implementation keeps a ledger somewhere and steps it, one call after the other. Run `intermission-conformance`
/// against it.
///
/// # Contract
///
/// - **Atomicity.** [`sync`](Self::sync), [`operate`](Self::operate) and [`leave`](Self::leave) each take one step of
///   the ledger, wholly or not at all, whatever crashes in between. Two of them never interleave, from whatever
///   process or machine they come.
/// - **Absence.** A state that holds no record is that of a site that was never changed: deactivated. A state that
///   *lost* its record is not, and steps [`Ledger::lost_members`](crate::Ledger::lost_members) as soon as it knows.
/// - **Unreadable is an error.** What cannot be read is reported as [`Corrupt`], and nothing is overwritten. It never
///   means "deactivated".
/// - **No policy.** A state reports [`Unavailable`], [`Corrupt`], [`Denied`], [`Unsupported`]; only the gate's policy
///   turns that into open or closed.
/// - **Clones and handles.** Everything that was made for the same place shares the same ledger. Dropping a handle
///   changes nothing.
/// - **Time.** A state passes its own clock to the ledger. It answers, if only with `Unavailable`, within seconds: a
///   node's lease runs while it waits.
/// - **Cancel safety.** A future may be dropped at any time. Its step was then taken or not, and is taken at most
///   once; callers repeat it with the same sequence or operation id.
///
/// All methods are required: a default body that is wrong for one store would be a trap in all.
///
/// [`Unavailable`]: crate::StateErrorKind::Unavailable
/// [`Corrupt`]: crate::StateErrorKind::Corrupt
/// [`Denied`]: crate::StateErrorKind::Denied
/// [`Unsupported`]: crate::StateErrorKind::Unsupported
pub trait MaintenanceState: Send + Sync + 'static {
    /// A node says that it lives, what it has seen, what still runs, what it has closed and drained, and offers what
    /// it knows if that may be newer. It gets back the newest record and the fleet's drain count.
    ///
    /// # Errors
    ///
    /// The state could not take the step.
    fn sync(
        &self,
        report: NodeReport,
    ) -> impl Future<Output = Result<SyncReply, StateError>> + Send;

    /// An operator's change.
    ///
    /// # Errors
    ///
    /// The state could not take the step, or does not know whether it did: repeat it with the same operation.
    fn operate(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<OperateReply, StateError>> + Send;

    /// Takes a node off the list.
    ///
    /// # Errors
    ///
    /// The state could not take the step.
    fn leave(
        &self,
        node: NodeId,
        departure: Departure,
    ) -> impl Future<Output = Result<(), StateError>> + Send;

    /// The state for people, with at most `limit` nodes.
    ///
    /// Who may write moves the ledger on by looking, as [`Ledger::tick`](crate::Ledger::tick) does, so that a drain ends
    /// although no node speaks any more. Who may not is shown what is kept: no right to change anything is needed.
    ///
    /// # Errors
    ///
    /// The state could not be read.
    fn inspect(&self, limit: usize) -> impl Future<Output = Result<View, StateError>> + Send;

    /// The newest `limit` lines of the history, newest first.
    ///
    /// # Errors
    ///
    /// The state could not be read.
    fn history(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<HistoryEntry>, StateError>> + Send;

    /// Waits until the state holds, or may hold, another record than the one with the revision `seen`; at once if it
    /// already does. The record comes along if the state has it at hand.
    ///
    /// A hint, no more: it may come for nothing, but it does come for every change, within a quarter of a second on
    /// one machine. Nodes do not rely on it, for their heartbeat asks anyway.
    ///
    /// # Errors
    ///
    /// The state can no longer be watched. Watching it again later may work.
    fn watch(
        &self,
        seen: Revision,
    ) -> impl Future<Output = Result<Option<Arc<Record>>, StateError>> + Send;
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StateError>> + Send + 'a>>;

/// The object-safe twin, so that a state can be chosen at run time.
trait ErasedState: Send + Sync {
    fn sync(&self, report: NodeReport) -> BoxFuture<'_, SyncReply>;
    fn operate(&self, operation: Operation) -> BoxFuture<'_, OperateReply>;
    fn leave(&self, node: NodeId, departure: Departure) -> BoxFuture<'_, ()>;
    fn inspect(&self, limit: usize) -> BoxFuture<'_, View>;
    fn history(&self, limit: usize) -> BoxFuture<'_, Vec<HistoryEntry>>;
    fn watch(&self, seen: Revision) -> BoxFuture<'_, Option<Arc<Record>>>;
}

impl<S: MaintenanceState> ErasedState for S {
    fn sync(&self, report: NodeReport) -> BoxFuture<'_, SyncReply> {
        Box::pin(MaintenanceState::sync(self, report))
    }

    fn operate(&self, operation: Operation) -> BoxFuture<'_, OperateReply> {
        Box::pin(MaintenanceState::operate(self, operation))
    }

    fn leave(&self, node: NodeId, departure: Departure) -> BoxFuture<'_, ()> {
        Box::pin(MaintenanceState::leave(self, node, departure))
    }

    fn inspect(&self, limit: usize) -> BoxFuture<'_, View> {
        Box::pin(MaintenanceState::inspect(self, limit))
    }

    fn history(&self, limit: usize) -> BoxFuture<'_, Vec<HistoryEntry>> {
        Box::pin(MaintenanceState::history(self, limit))
    }

    fn watch(&self, seen: Revision) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(MaintenanceState::watch(self, seen))
    }
}

/// Any state, chosen at run time. Clones share it.
///
/// It boxes a future for each call; no call is ever made for a request.
#[derive(Clone)]
pub struct SharedState(Arc<dyn ErasedState>);

impl SharedState {
    /// Shares a state.
    #[must_use]
    pub fn new(state: impl MaintenanceState) -> Self {
        Self(Arc::new(state))
    }
}

impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedState(..)")
    }
}

impl MaintenanceState for SharedState {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.0.sync(report).await
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        self.0.operate(operation).await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.0.leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        self.0.inspect(limit).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.0.history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        self.0.watch(seen).await
    }
}

impl<S: MaintenanceState> MaintenanceState for Arc<S> {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        (**self).sync(report).await
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        (**self).operate(operation).await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        (**self).leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        (**self).inspect(limit).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        (**self).history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        (**self).watch(seen).await
    }
}
