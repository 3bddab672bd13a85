//! The head of a request, as far as filters can see it.

use std::convert::Infallible;
use std::net::SocketAddr;

use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use intermission_tower::PeerAddress;
use warp::filters::path::FullPath;
use warp::reject::Reject;
use warp::{Filter, Reply, reply};

/// What filters can see of a request.
///
/// warp gives no filter the request itself. So its head is copied, but only where the gate has to be asked.
pub(crate) struct Head {
    method: Method,
    path: FullPath,
    query: Option<String>,
    headers: HeaderMap,
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
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(peer)
        .map(|method, path, query, headers, peer| Head {
            method,
            path,
            query,
            headers,
            peer,
        })
}

impl Head {
    /// The same in the form that the gate is asked in.
    pub(crate) fn into_parts(self) -> Result<Parts, BadTarget> {
        let path = self.path.as_str();
        let target = match &self.query {
            Some(query) => Uri::try_from(format!("{path}?{query}")),
            None => Uri::try_from(path),
        };
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method;
        parts.uri = target.map_err(|_| BadTarget)?;
        parts.headers = self.headers;
        if let Some(peer) = self.peer {
            parts.extensions.insert(PeerAddress(peer));
        }
        Ok(parts)
    }
}

/// The request is for nothing that has a path, such as a tunnel (`CONNECT`). It is answered with `400 Bad Request`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BadTarget;

impl Reject for BadTarget {}

impl Reply for BadTarget {
    fn into_response(self) -> reply::Response {
        StatusCode::BAD_REQUEST.into_response()
    }
}
