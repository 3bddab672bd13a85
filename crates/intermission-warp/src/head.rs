//! The head of a request, as far as filters can see it.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;

use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Uri};
use intermission_tower::PeerAddress;
use warp::host::Authority;
use warp::log::Info;
use warp::{Filter, Reply, host, log, reject};

/// What filters can see of a request.
///
/// warp gives no filter the request itself. So its head is copied, but only where the gate has to be asked.
pub(crate) struct Head {
    seen: Seen,
    query: Option<String>,
    told: Option<PeerAddress>,
    authority: Option<Authority>,
}

/// The part of it that can be looked at as it is.
#[derive(Default)]
pub(crate) struct Seen {
    method: Method,
    /// Empty if there is none, as in a target that is only a host (`CONNECT host:443`).
    path: String,
    headers: HeaderMap,
    peer: Option<SocketAddr>,
}

thread_local! {
    /// What was seen, on its way to the next filter.
    static SEEN: Cell<Option<Seen>> = const { Cell::new(None) };
    /// Whether a host is among it.
    static HAS_HOST: Cell<bool> = const { Cell::new(false) };
}

/// The head of any request.
pub(crate) fn head()
-> impl Filter<Extract = (Head,), Error = Infallible> + Clone + Send + Sync + 'static {
    let looked = looked(|request| Seen::keep(&request)).map(|_| ());
    looked.untuple_one().and(head_of_seen())
}

/// Looks at a request as it is. Of all that warp lets us write, only what logs a filter may, and it has no way to say what it
/// saw. So that is told past warp, to the next filter, which comes in the same poll.
///
/// It costs less than the filters for the method, the path and so on, each of which copies, and of which that for the path
/// panics at a target without one. The price is that whatever logs reads the clock.
pub(crate) fn looked<F>(
    look: F,
) -> impl Filter<Extract = (impl Reply + use<F>,), Error = Infallible> + Clone + Send + Sync + 'static
where
    F: Fn(Info<'_>) + Clone + Send + Sync + 'static,
{
    warp::any().map(warp::reply).with(log::custom(look))
}

/// The path that the client sent. A target without one is asked about as one that no table of routes can have a flag for.
pub(crate) fn path_of<'a>(request: &'a Info<'_>) -> &'a str {
    match request.path() {
        "" => NO_PATH,
        path => path,
    }
}

const NO_PATH: &str = "*";

/// The head of a request that was looked at in the same poll.
pub(crate) fn head_of_seen()
-> impl Filter<Extract = (Head,), Error = Infallible> + Copy + Send + Sync + 'static {
    let query = warp::query::raw().map(Some);
    let query = query.or_else(|_| ready(Ok::<_, Infallible>((None,))));
    // Where there is a header, it is copied already, and need not be parsed.
    let without_host = warp::any().and_then(|| {
        let without_host = (!HAS_HOST.get()).then_some(());
        ready(without_host.ok_or_else(reject::not_found))
    });
    let authority = without_host.untuple_one().and(host::optional());
    let authority = authority.or_else(|_| ready(Ok::<_, Infallible>((None,))));
    let rest = query.and(warp::ext::optional()).and(authority);
    // What is big comes last: each filter would move it.
    rest.map(|query, told, authority| Head {
        seen: SEEN.take().unwrap_or_default(),
        query,
        told,
        authority,
    })
}

impl Seen {
    pub(crate) fn keep(request: &Info<'_>) {
        let headers = request.request_headers();
        // It is the first that most visitors send.
        HAS_HOST.set(headers.keys().any(|name| name == HOST));
        SEEN.set(Some(Self {
            method: request.method().clone(),
            path: request.path().to_owned(),
            headers: headers.clone(),
            peer: request.remote_addr(),
        }));
    }
}

impl Head {
    /// Whether the target has a path, which one that is only a host does not.
    #[cfg(feature = "admin")]
    pub(crate) const fn has_path(&self) -> bool {
        !self.seen.path.is_empty()
    }

    /// The same in the form that the gate is asked in.
    pub(crate) fn into_parts(self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.seen.method;
        parts.uri = target(self.seen.path, self.query);
        parts.headers = self.seen.headers;
        // Over HTTP/2 it may stand in the target alone.
        if let Some(authority) = &self.authority
            && let Ok(authority) = HeaderValue::from_str(authority.as_str())
        {
            parts.headers.insert(HOST, authority);
        }
        // Under `warp::serve` warp knows the peer; under `warp::service` the server tells, as to the layer.
        if let Some(peer) = self.seen.peer.map(PeerAddress).or(self.told) {
            parts.extensions.insert(peer);
        }
        parts
    }
}

/// The target of a request.
fn target(mut path: String, query: Option<String>) -> Uri {
    if let Some(query) = query.filter(|_| !path.is_empty()) {
        path.push('?');
        path.push_str(&query);
    }
    let target = Uri::try_from(path);
    target.unwrap_or_else(|_| Uri::from_static(NO_PATH))
}
