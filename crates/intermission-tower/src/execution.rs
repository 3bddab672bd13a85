//! How a handler gets at the execution that its route started.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use intermission::Execution;

/// The execution that a route flagged [`StartsExecution`](intermission::RouteAccess::StartsExecution) has started.
/// The handler finds it in the request's extensions.
///
/// Whoever [takes](Self::take) it decides when it ends; that is how work goes on in the background after the response.
/// If nobody takes it, it ends with the response's body.
///
/// # Examples
///
/// ```
/// use http::{Request, StatusCode};
/// use intermission_tower::ExecutionHandle;
///
/// fn start_job(request: &Request<()>) -> StatusCode {
///     let handle = request.extensions().get::<ExecutionHandle>();
///     let Some(execution) = handle.and_then(ExecutionHandle::take) else {
///         // The route is not flagged, so a drain would not wait for the job.
///         return StatusCode::INTERNAL_SERVER_ERROR;
///     };
///     std::thread::spawn(move || {
///         // … the work …
///         drop(execution);
///     });
///     StatusCode::ACCEPTED
/// }
/// # assert_eq!(start_job(&Request::new(())), StatusCode::INTERNAL_SERVER_ERROR);
/// ```
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
