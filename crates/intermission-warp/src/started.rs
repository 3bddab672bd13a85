//! Executions that handlers keep.

use std::future::Future;

use http::request::Parts;
use intermission::{Execution, RouteAccess};
use intermission_tower::{ExecutionHandle, MaintenanceLayer, Passage};
use warp::{Filter, Rejection, Reply, reply};

use crate::filter_error::FilterError;
use crate::guard::{answered, asked, respond};
use crate::head::head;

/// Begins an execution and gives it to a handler, which keeps it for as long as its work goes on: the flag
/// [`StartsExecution`](RouteAccess::StartsExecution), beside the route. It comes after what selects the route.
///
/// The handler gets the execution and what `filter` extracts, which is one value: a body, a query, or several of them
/// made into one with `map`; `warp::any().map(|| ())` if it needs nothing. `filter` is tried after the gate has let the
/// visitor in. Who is refused gets the refusal, as from a [`guard`](crate::guard); like one, this goes before the guard
/// around all others.
///
/// A route whose execution is to last as long as its response needs no handler that keeps it: put a guard with that flag
/// around the rest of the route.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{Gate, MemoryState};
/// use intermission_warp::{StartedExecution, guard, maintenance, starts_execution};
/// use warp::{Filter, http::StatusCode, hyper::body::Bytes};
///
/// async fn import(StartedExecution(execution): StartedExecution, prices: Bytes) -> StatusCode {
///     tokio::spawn(async move {
///         // … the work with `prices`, until it is done or is told to end …
///         execution.cancelled().await;
///     });
///     StatusCode::ACCEPTED
/// }
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let maintenance = maintenance(gate).with_always("/health").build()?;
/// let imports = warp::path!("imports").and(warp::post());
/// let imports = imports.and(starts_execution(&maintenance, warp::body::bytes(), import));
/// let hello = warp::path::end().map(|| "hello");
/// let site = imports.or(guard(&maintenance, hello));
/// # drop(site); Ok(()) }
/// ```
pub fn starts_execution<F, T, H, R>(
    maintenance: &MaintenanceLayer,
    filter: F,
    handler: H,
) -> impl Filter<Extract = (reply::Response,), Error = Rejection>
+ Clone
+ Send
+ Sync
+ 'static
+ use<F, T, H, R>
where
    F: Filter<Extract = (T,), Error: FilterError> + Clone + Send + Sync + 'static,
    T: Send + 'static,
    H: Fn(StartedExecution, T) -> R + Clone + Send + Sync + 'static,
    R: Future<Output: Reply> + Send + 'static,
{
    let started = asked(
        &maintenance.for_routes(RouteAccess::StartsExecution),
        head(),
        |passage, parts| Some((passage, taken(parts)?)),
    );
    let route =
        started
            .and(F::Error::rejecting(filter))
            .then(move |started: (Passage, _), extracted| {
                let (passage, execution) = started;
                let reply = handler(execution, extracted);
                async move { respond(passage, reply.await.into_response()) }
            });
    answered(route)
}

/// `None` for a browser's preflight, which starts nothing.
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
