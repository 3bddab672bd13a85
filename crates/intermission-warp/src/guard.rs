//! The gate around filters.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use intermission_tower::{Asked, MaintenanceLayer, Passage};
use warp::log::Info;
use warp::reject::Reject;
use warp::{Filter, Rejection, Reply, reject, reply};

use crate::filter_error::FilterError;
use crate::head::{Head, Seen, head_of_seen, looked, path_of};
use crate::response::{counted, marked};

/// Puts the gate in front of filters: what they are for is asked about as a whole, before any of them is tried.
///
/// A refused visitor gets the refusal as a reply, never as a rejection, so that whatever goes around this (CORS, logs)
/// sees it. No filter inside is tried then, and the request's body is not read. Paths that no filter inside knows are
/// refused all the same.
///
/// The flags of routes inside are in the table of `maintenance`, or beside the route: a guard of its own, with
/// [`MaintenanceLayer::for_routes`], after what selects it; a handler that keeps its execution has
/// [`starts_execution`](crate::starts_execution). Such routes go before the guard around all others. Inside of it they work
/// as well, with the inner one's decision, but a request that goes through two counts twice.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{Gate, MemoryState, RouteAccess};
/// use intermission_warp::{guard, maintenance};
/// use warp::Filter;
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let maintenance = maintenance(gate).with_always("/health").build()?;
///
/// let health = warp::path!("health").map(|| "ok");
/// let orders = warp::path!("orders" / u64).map(|id| format!("order {id}"));
/// let exports = warp::path("exports").and(guard(
///     &maintenance.for_routes(RouteAccess::StartsExecution),
///     warp::path::end().and(warp::post()).map(|| "a long stream"),
/// ));
/// let site = exports.or(guard(&maintenance, health.or(orders)));
/// # drop(site); Ok(()) }
/// ```
pub fn guard<F, R>(
    maintenance: &MaintenanceLayer,
    filter: F,
) -> impl Filter<Extract = (reply::Response,), Error = Rejection>
+ Clone
+ Send
+ Sync
+ 'static
+ use<F, R>
where
    F: Filter<Extract = (R,), Error: FilterError> + Clone + Send + Sync + 'static,
    R: Reply + 'static,
{
    let look = {
        let maintenance = maintenance.clone();
        move |request: Info<'_>| match maintenance.admit_open(request.method(), path_of(&request)) {
            Some(passage) => ADMITTED.set(Some(passage)),
            None => Seen::keep(&request),
        }
    };
    let open = looked(look).and_then(|_| ready(ADMITTED.take().ok_or_else(reject::not_found)));
    // Tried only if that has rejected. Nobody sees its rejection, which costs nothing.
    let asked = asked(maintenance, head_of_seen(), |passage, _| Some(passage));
    answered(
        open.or(asked)
            .unify()
            .and(F::Error::rejecting(filter))
            .map(|passage, reply: R| respond(passage, reply.into_response())),
    )
}

/// Asks about a request. Gives what `take` makes of it if it may in, and otherwise rejects it with its answer, which is
/// for [`answered`] to give. Where nothing can be taken, it is a preflight that the route is not for.
pub(crate) fn asked<F, T>(
    maintenance: &MaintenanceLayer,
    head: F,
    take: fn(Passage, &Parts) -> Option<T>,
) -> impl Filter<Extract = (T,), Error = Rejection> + Clone + Send + Sync + 'static + use<F, T>
where
    F: Filter<Extract = (Head,), Error = Infallible> + Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    let maintenance = maintenance.clone();
    let ask = move |head: Head| {
        let mut parts = head.into_parts();
        match maintenance.ask(&mut parts) {
            Asked::Admitted(passage) => take(passage, &parts).ok_or_else(reject::not_found),
            Asked::Answered(response) => {
                let answered = Answered(Mutex::new(Some(response)));
                Err(reject::custom(answered))
            }
        }
    };
    head.and_then(move |head: Head| ready(ask(head)))
}

/// An answer on its way from where it is made to where it is given, past the filters that are not to be tried. It may hold
/// somebody's cookie, so it goes with the request, and not past warp as what is looked at does.
#[derive(Debug)]
struct Answered(Mutex<Option<Response<Bytes>>>);

impl Reject for Answered {}

/// Gives the answers that are on their way. All other rejections go on.
///
/// It goes around [`asked`], and around the filters that are not to be tried then.
pub(crate) fn answered<F>(
    filter: F,
) -> impl Filter<Extract = (reply::Response,), Error = Rejection> + Clone + Send + Sync + 'static
where
    F: Filter<Extract = (reply::Response,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    filter.or_else(|rejection: Rejection| {
        let response = rejection.find::<Answered>().and_then(|Answered(response)| {
            // Nothing in here can panic, so a poisoned cell holds what it held.
            let mut response = response.lock().unwrap_or_else(PoisonError::into_inner);
            response.take()
        });
        ready(match response {
            Some(response) => Ok((response.into_response(),)),
            None => Err(rejection),
        })
    })
}

thread_local! {
    /// Of who was let in at a look, on its way to the next filter.
    static ADMITTED: Cell<Option<Passage>> = const { Cell::new(None) };
}

/// The application's response, which counts until its body has ended.
pub(crate) fn respond(passage: Passage, response: reply::Response) -> reply::Response {
    counted(marked(response, &passage), passage)
}
