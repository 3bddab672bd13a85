//! The head of a request, as far as filters can see it.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;

use http::header::{Entry, HOST, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Uri};
use intermission_tower::PeerAddress;
use warp::filters::path::FullPath;
use warp::host::Authority;
use warp::{Filter, Rejection, host, log, path, reject};

/// What filters can see of a request.
///
/// warp gives no filter the request itself. So its head is copied, but only where the gate has to be asked.
pub(crate) struct Head {
    method: Method,
    path: Option<FullPath>,
    query: Option<String>,
    headers: HeaderMap,
    authority: Option<Authority>,
    peer: Option<SocketAddr>,
}

/// The head of any request.
pub(crate) fn head() -> impl Filter<Extract = (Head,), Error = Infallible> + Copy {
    let query = warp::query::raw().map(Some);
    let query = query.or(warp::any().map(|| None)).unify();
    // Under `warp::serve` warp knows the peer; under `warp::service` the server tells, as to the layer.
    let told = warp::ext::optional::<PeerAddress>();
    let peer = warp::addr::remote().and(told).map(
        |remote: Option<SocketAddr>, told: Option<PeerAddress>| {
            remote.or_else(|| told.map(|PeerAddress(peer)| peer))
        },
    );
    // Of two that differ, warp gives neither, and `Host` is among the headers.
    let authority = host::optional().or(warp::any().map(|| None)).unify();
    warp::method()
        .and(full_path())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(authority)
        .and(peer)
        .map(|method, path, query, headers, authority, peer| Head {
            method,
            path,
            query,
            headers,
            authority,
            peer,
        })
}

impl Head {
    /// Whether the target has a path, which one that is only a host does not.
    #[cfg(feature = "admin")]
    pub(crate) const fn has_path(&self) -> bool {
        self.path.is_some()
    }

    /// The same in the form that the gate is asked in.
    pub(crate) fn into_parts(self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method;
        parts.uri = target(self.path.as_ref(), self.query.as_deref());
        parts.headers = self.headers;
        // Over HTTP/2 it may stand in the target alone, of which filters see the path.
        if let (Entry::Vacant(host), Some(authority)) = (parts.headers.entry(HOST), &self.authority)
            && let Ok(authority) = HeaderValue::from_str(authority.as_str())
        {
            host.insert(authority);
        }
        if let Some(peer) = self.peer {
            parts.extensions.insert(PeerAddress(peer));
        }
        parts
    }
}

/// The target of a request. One without a path becomes one that no table of routes can have a flag for.
fn target(path: Option<&FullPath>, query: Option<&str>) -> Uri {
    let path = path.map(FullPath::as_str);
    let target = path.and_then(|path| match query {
        Some(query) => Uri::try_from(format!("{path}?{query}")).ok(),
        None => Uri::try_from(path).ok(),
    });
    target.unwrap_or_else(|| Uri::from_static("*"))
}

/// The whole path of a request; `None` if there is none, as in a target that is only a host (`CONNECT host:443`).
fn full_path() -> impl Filter<Extract = (Option<FullPath>,), Error = Infallible> + Copy {
    let path = path_with_rest()
        .and_then(|path: Option<FullPath>| ready(path.ok_or_else(reject::not_found)));
    let path = path.or(path_at_its_end()).unify().map(Some);
    path.or(warp::any().map(|| None)).unify()
}

/// The whole path, if more of it is left than what was matched: nearly always, and at little cost. warp's own filter panics
/// at a target without a path, and where something is left, there is one.
pub(crate) fn path_with_rest()
-> impl Filter<Extract = (Option<FullPath>,), Error = Infallible> + Copy {
    let at_end = path::end().map(|| None);
    at_end.or(path::full().map(Some)).unify()
}

/// The whole path, if all of it was matched.
pub(crate) fn path_at_its_end() -> impl Filter<Extract = (FullPath,), Error = Rejection> + Copy {
    // Only what logs a filter may look at the path as it is. What it sees can be told past it alone; both happen in one
    // poll.
    let log = log::custom(|seen| HAS_PATH.set(!seen.path().is_empty()));
    let logged = path::end().and(warp::any().map(warp::reply).with(log));
    let exists = logged.and_then(|_| {
        let exists = HAS_PATH.get().then_some(());
        ready(exists.ok_or_else(reject::not_found))
    });
    exists.untuple_one().and(path::full())
}

thread_local! {
    static HAS_PATH: Cell<bool> = const { Cell::new(false) };
}
