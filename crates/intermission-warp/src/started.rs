//! Executions that handlers keep.

use std::convert::Infallible;

use http::request::Parts;
use intermission::{Execution, RouteAccess};
use intermission_tower::{Asked, ExecutionHandle, MaintenanceLayer};
use warp::{Filter, Reply, reply};

use crate::head::{Head, head};
use crate::refused::Refused;
use crate::response::lasting;

/// Begins an execution for the handler, which keeps it for as long as its work goes on: the flag
/// [`StartsExecution`](RouteAccess::StartsExecution), in the manner of a filter. It comes after what selects the route,
/// inside of a [`guard`](crate::guard).
///
/// It extracts an error where none may start, which is a reply and does not go on to other filters as a rejection would.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{Gate, MemoryState};
/// use intermission_warp::{Refused, StartedExecution, guard, maintenance, starts_execution};
/// use warp::http::StatusCode;
/// use warp::{Filter, Reply};
///
/// async fn start(started: Result<StartedExecution, Refused>) -> Result<impl Reply, Refused> {
///     let StartedExecution(execution) = started?;
///     tokio::spawn(async move {
///         // … the work, until it is done or is told to end …
///         execution.cancelled().await;
///     });
///     Ok(StatusCode::ACCEPTED)
/// }
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let maintenance = maintenance(gate).with_always("/health").build()?;
/// let jobs = warp::path!("jobs").and(warp::post()).and(starts_execution(&maintenance)).then(start);
/// let site = guard(&maintenance, jobs);
/// # drop(site); Ok(()) }
/// ```
#[must_use]
pub fn starts_execution(
    maintenance: &MaintenanceLayer,
) -> impl Filter<Extract = (Result<StartedExecution, Refused>,), Error = Infallible>
+ Clone
+ Send
+ Sync
+ 'static {
    let maintenance = maintenance.with_access(RouteAccess::StartsExecution);
    head().map(move |head: Head| begin(&maintenance, head))
}

fn begin(maintenance: &MaintenanceLayer, head: Head) -> Result<StartedExecution, Refused> {
    let mut parts = head.into_parts()?;
    match maintenance.ask(&mut parts) {
        // The passage goes at once: what counts the request is the guard's.
        Asked::Admitted(_passage) => taken(&parts).ok_or_else(Refused::preflight),
        Asked::Answered(response) => Err(Refused::from(response)),
    }
}

fn taken(parts: &Parts) -> Option<StartedExecution> {
    let handle = parts.extensions.get::<ExecutionHandle>()?;
    handle.take().map(StartedExecution)
}

/// The execution that [`starts_execution`] has begun: whoever has it decides when it ends.
#[derive(Debug)]
#[must_use = "an execution ends when it is dropped: keep it for as long as the work goes on"]
#[expect(
    clippy::exhaustive_structs,
    reason = "taken apart by handlers, as extracted values are"
)]
pub struct StartedExecution(pub Execution);

impl StartedExecution {
    /// The reply, with the execution lasting until its body has ended or was dropped: for work that is the response
    /// itself, such as a long export.
    #[must_use]
    pub fn until_sent(self, reply: impl Reply) -> reply::Response {
        lasting(reply.into_response(), self.0)
    }
}
