//! Pieces of work that a drain waits for: begun now, once the site is open, or around a future.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use super::Gate;
use crate::execution::{Execution, ExecutionRefused, Past, RunError};
use crate::execution_info::ExecutionInfo;
use crate::scopes;
use crate::shared::Installed;

impl Gate {
    /// Begins a piece of work that a drain waits for.
    ///
    /// # Errors
    ///
    /// No execution may start now.
    // Always: out of line, what the work is would be copied on its way to the list once for each call, which is a quarter of
    // what beginning an execution costs.
    #[inline(always)]
    pub fn execution(&self, info: ExecutionInfo) -> Result<Execution, ExecutionRefused> {
        if !info.scopes().is_empty() {
            return self.execution_in_scopes(info);
        }
        let shared = self.shared();
        let begun = shared.begin_in_no_scope(info, Past::default());
        begun.ok_or_else(|| ExecutionRefused {
            reason: shared.execution_refusal(&[]),
        })
    }

    #[cold]
    fn execution_in_scopes(&self, mut info: ExecutionInfo) -> Result<Execution, ExecutionRefused> {
        let shared = self.shared();
        let begun = shared.begin_in_scopes(&mut info, Past::default());
        begun.ok_or_else(|| ExecutionRefused {
            reason: shared.execution_refusal(info.scopes()),
        })
    }

    /// Begins a piece of work as soon as executions may start. A loop of work is better made with
    /// [`worker`](Self::worker), which says in the log that it is paused, and ends with the gate.
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
            let may_start = |installed: &Arc<Installed>| {
                let snapshot = &installed.snapshot;
                snapshot.execution_refusal().is_none()
                    && scopes::execution_refusal(snapshot, info.scopes()).is_none()
            };
            if published.wait_for(may_start).await.is_err() {
                // The keeper publishes for as long as the gate lives, and `self` is the gate.
                std::future::pending::<()>().await;
            }
            // A node that has just been fenced is not told yet, and its keeper needs a turn to say so.
            tokio::task::yield_now().await;
        }
    }

    /// Runs a future as an execution, and drops it at its deadline: when the drain's limit is reached, or when a node
    /// that fences itself has been out of contact for too long. Nothing but this can be dropped: a bare [`Execution`] is
    /// only told.
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
}
