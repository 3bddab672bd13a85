//! How a handler gets at the execution that its route started.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::execution::Execution;

/// The execution that a route flagged [`StartsExecution`](crate::RouteAccess::StartsExecution) has started.
/// The handler finds it in the request's extensions, or asks for what its framework's crate makes of it.
///
/// Whoever [takes](Self::take) it decides when it ends; that is how work goes on in the background after the response.
/// If nobody takes it, it ends with the response's body.
///
/// # Examples
///
/// ```
/// use intermission::adapter::ExecutionHandle;
///
/// fn start_job(handle: Option<&ExecutionHandle>) -> Result<(), &'static str> {
///     let Some(execution) = handle.and_then(ExecutionHandle::take) else {
///         return Err("the route is not flagged, so a drain would not wait for the job");
///     };
///     std::thread::spawn(move || {
///         // … the work …
///         drop(execution);
///     });
///     Ok(())
/// }
/// # assert!(start_job(None).is_err());
/// ```
#[derive(Clone)]
pub struct ExecutionHandle {
    execution: Arc<Mutex<Option<Execution>>>,
}

impl ExecutionHandle {
    pub(super) fn new(execution: Execution) -> Self {
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
pub(super) struct EndsWithResponse(pub(super) ExecutionHandle);

impl Drop for EndsWithResponse {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}
