//! How a handler gets at the execution that its route started.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use intermission::Execution;

/// The execution that a route flagged [`StartsExecution`](intermission::RouteAccess::StartsExecution) has started. It
/// is in the request's extensions, for middleware and services without extractors; handlers ask for
/// [`StartedExecution`](crate::StartedExecution).
///
/// Whoever [takes](Self::take) it decides when it ends; that is how work goes on in the background after the response.
/// If nobody takes it, it ends with the response's body.
#[derive(Clone)]
pub struct ExecutionHandle {
    execution: Arc<Mutex<Option<Execution>>>,
}

impl ExecutionHandle {
    pub(crate) fn new(execution: Execution) -> Self {
        Self {
            execution: Arc::new(Mutex::new(Some(execution))),
        }
    }

    /// The execution, the first time; `None` if somebody took it already, or if the response has ended.
    #[must_use = "the execution ends when it is dropped"]
    pub fn take(&self) -> Option<Execution> {
        // Nothing in here can panic, so a poisoned cell holds what it held.
        let mut execution = self
            .execution
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        execution.take()
    }
}

impl fmt::Debug for ExecutionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutionHandle").finish_non_exhaustive()
    }
}

/// Ends the execution when dropped, unless somebody took it. Copies of the handle that live on in the request's
/// extensions do not prolong it.
#[derive(Debug)]
pub(crate) struct EndsWithResponse(pub(crate) ExecutionHandle);

impl Drop for EndsWithResponse {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}
