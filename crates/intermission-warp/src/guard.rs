//! The gate around filters.

use std::future::{Ready, ready};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use intermission_tower::{Asked, MaintenanceLayer, Passage};
use warp::filters::path::FullPath;
use warp::reject::Reject;
use warp::{Filter, Rejection, Reply, reply};

use crate::filter_error::FilterError;
use crate::head::{Head, head, path_at_its_end, path_with_rest};
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
    let admit_open = {
        let maintenance = maintenance.clone();
        move |method: Method, path: Option<FullPath>| {
            let passage = match path {
                Some(path) => maintenance.admit_open(&method, path.as_str()),
                None => maintenance.admit_open_anywhere(&method),
            };
            ready(passage.ok_or_else(warp::reject::not_found))
        }
    };
    // Each is tried only if those before have rejected. Nobody sees these rejections, which cost nothing.
    let open = warp::method().and(path_with_rest());
    let open = open.and_then(admit_open.clone());
    let open_at_end = warp::method().and(path_at_its_end().map(Some));
    let open_at_end = open_at_end.and_then(admit_open);
    let asked = asked(maintenance, |passage, _| Some(passage));
    // What is rare is boxed, since every request would carry the room for it.
    let rare = open_at_end.or(asked).unify().boxed();
    let admitted = open.or(rare).unify();
    answered(
        admitted
            .and(F::Error::rejecting(filter))
            .map(|passage, reply: R| respond(passage, reply.into_response())),
    )
}

/// Asks about a request. Gives what `take` makes of it if it may in, and otherwise rejects it with its answer, which is
/// for [`answered`] to give. Where nothing can be taken, it is a preflight that the route is not for.
pub(crate) fn asked<T: Send + 'static>(
    maintenance: &MaintenanceLayer,
    take: fn(Passage, &Parts) -> Option<T>,
) -> impl Filter<Extract = (T,), Error = Rejection> + Clone + Send + Sync + 'static + use<T> {
    let maintenance = maintenance.clone();
    let ask = move |head: Head| {
        let mut parts = head.into_parts();
        match maintenance.ask(&mut parts) {
            Asked::Admitted(passage) => take(passage, &parts).ok_or_else(warp::reject::not_found),
            Asked::Answered(response) => {
                let answered = Answered(Mutex::new(Some(response)));
                Err(warp::reject::custom(answered))
            }
        }
    };
    head().and_then(move |head: Head| ready(ask(head)))
}

/// An answer on its way from where it is made to where it is given, past the filters that are not to be tried.
#[derive(Debug)]
struct Answered(Mutex<Option<Response<Bytes>>>);

impl Reject for Answered {}

/// Gives the answers that are on their way. All other rejections go on.
pub(crate) fn answered<F>(
    filter: F,
) -> impl Filter<Extract = (reply::Response,), Error = Rejection> + Clone + Send + Sync + 'static
where
    F: Filter<Extract = (reply::Response,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    filter.recover(answer).unify()
}

fn answer(rejection: Rejection) -> Ready<Result<reply::Response, Rejection>> {
    let response = rejection.find::<Answered>().and_then(|Answered(response)| {
        // Nothing in here can panic, so a poisoned cell holds what it held.
        let mut response = response.lock().unwrap_or_else(PoisonError::into_inner);
        response.take()
    });
    ready(match response {
        Some(response) => Ok(response.into_response()),
        None => Err(rejection),
    })
}

/// The application's response, which counts until its body has ended.
pub(crate) fn respond(passage: Passage, response: reply::Response) -> reply::Response {
    counted(marked(response, &passage), passage)
}
