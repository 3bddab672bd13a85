//! The guard around filters, on warp's own server.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use futures_util::stream::poll_fn;
use futures_util::{SinkExt, StreamExt};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt;
use intermission::{Decision, RouteAccess};
use intermission_conformance::FixtureError;
use intermission_conformance::adapter::{Call, Route, Server, Site, Unmet};
use intermission_warp::{
    LongLived, MaintenanceLayer, Refused, StartedExecution, admitted_by, guard, long_lived,
    maintenance, scope_of_host, starts_execution,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use warp::filters::BoxedFilter;
use warp::ws::{Message, WebSocket, Ws};
use warp::{Filter, Rejection, Reply, reply};

use crate::{response, seen};

pub(crate) struct Warp {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server for Warp {
    const NAME: &'static str = "warp";

    const UNMET: &'static [Unmet] = &[
        Unmet::new(
            "an_unknown_route_is_not_found_while_open",
            "warp takes `/health/` for the same as `/health`",
        ),
        Unmet::new(
            "the_cookie_is_secure_where_the_address_says_https",
            "filters do not see the scheme of a request's target",
        ),
        Unmet::new(
            "unknown_routes_are_told_where_that_is_set",
            "only trying all filters would show that a path is unknown",
        ),
    ];

    async fn serve(site: Site) -> Result<Self, FixtureError> {
        let (operator, tenants) = (site.clone(), site.clone());
        let mut maintenance = maintenance(site.gate())
            .with_trusted_proxies(site.trusted_proxies())
            .with_pass_name(site.pass_name())
            .with_permission(move |parts| {
                let value = parts.headers.get("x-operator");
                operator.permits(value.map(|value| value.as_bytes()))
            })
            .with_scopes(move |parts| {
                let value = parts.headers.get("x-tenant");
                let tenant = value.map(|value| value.as_bytes());
                tenants.scopes(tenant, scope_of_host(parts))
            });
        for route in routes().filter(|route| route.access() == RouteAccess::Always) {
            maintenance = maintenance.with_always(route.pattern());
        }
        let maintenance = maintenance.build()?;
        let app = application(&site, &maintenance).map(seen::<_>);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(warp::serve(app).incoming(listener).run());
        Ok(Self { address, serving })
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn stop(self) {
        // Connections are tasks of the row's runtime, and end with it.
        self.serving.abort();
        let _ = self.serving.await;
    }
}

fn routes() -> impl Iterator<Item = Route> {
    Route::ALL.iter().chain(Route::NESTED).copied()
}

type Responses = BoxedFilter<(reply::Response,)>;

fn application(site: &Site, maintenance: &MaintenanceLayer) -> Responses {
    let unflagged = |route: &&Route| !is_flagged(**route);
    let beside: Vec<_> = Route::ALL.iter().filter(unflagged).copied().collect();
    let beside = group(site, &beside, maintenance);
    let nested = group(site, Route::NESTED, maintenance);
    let prefix = warp::path(Route::NEST.trim_start_matches('/'));
    let chat = path(Route::WEBSOCKET)
        .and(warp::ws())
        .and(long_lived(maintenance))
        .then(converse)
        .map(Reply::into_response);
    let all = beside.or(prefix.and(nested)).unify();
    let all = guard(maintenance, all.or(chat).unify());
    flagged(site, maintenance).or(all).unify().boxed()
}

/// Whether it has a guard of its own.
fn is_flagged(route: Route) -> bool {
    route.access() == RouteAccess::StartsExecution || route.scope().is_some()
}

/// The routes that start an execution or belong to a scope, each with its flag.
fn flagged(site: &Site, maintenance: &MaintenanceLayer) -> Responses {
    let flagged: Vec<_> = routes().filter(|route| is_flagged(*route)).collect();
    group(site, &flagged, maintenance)
}

fn group(site: &Site, routes: &[Route], maintenance: &MaintenanceLayer) -> Responses {
    let none = warp::any()
        .and_then(async || Err(warp::reject::not_found()))
        .boxed();
    routes.iter().fold(none, |group, route| {
        group.or(filter(site, *route, maintenance)).unify().boxed()
    })
}

fn filter(site: &Site, route: Route, maintenance: &MaintenanceLayer) -> Responses {
    let site = site.clone();
    let path = path(route.path());
    if route.takes_execution() {
        let handler = move |started: StartedExecution, is_head| {
            let call = Call::new(route).with_execution(Some(started.0));
            answer(site.clone(), call, is_head)
        };
        let handler = starts_execution(maintenance, is_head(), handler);
        return path.and(handler).boxed();
    }
    if route.reads_body() {
        let handler = move |is_head, body: Bytes| {
            let call = Call::new(route).with_body_length(body.len());
            answer(site.clone(), call, is_head)
        };
        let body = is_head().and(warp::body::bytes());
        return path.and(body).then(handler).boxed();
    }
    if matches!(route, Route::Seen) {
        let handler = move |is_head, reason: Option<_>| {
            let call = Call::new(route).with_decision(reason.map(Decision::Admit));
            answer(site.clone(), call, is_head)
        };
        let reason = is_head().and(admitted_by(maintenance));
        return path.and(reason).then(handler).boxed();
    }
    let handler = move |is_head| answer(site.clone(), Call::new(route), is_head);
    let handler = is_head().then(handler);
    if let Some(scope) = route.scope() {
        return path
            .and(guard(&maintenance.for_scope(scope), handler))
            .boxed();
    }
    match route.access() {
        RouteAccess::StartsExecution => path
            .and(guard(&maintenance.for_routes(route.access()), handler))
            .boxed(),
        RouteAccess::Always | RouteAccess::Ordinary => path.and(handler).boxed(),
    }
}

fn is_head() -> BoxedFilter<(bool,)> {
    warp::method()
        .and_then(async |method: Method| Ok::<_, Rejection>(method == Method::HEAD))
        .boxed()
}

/// Exactly this path.
fn path(path: &'static str) -> BoxedFilter<()> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let matched = segments.fold(warp::any().boxed(), |matched, segment| {
        matched.and(warp::path(segment)).boxed()
    });
    matched.and(warp::path::end()).boxed()
}

async fn answer(site: Site, call: Call, is_head: bool) -> reply::Response {
    let (mut parts, mut body) = response(site.answer(call).await).into_parts();
    let reply = match body.length() {
        Some(length) if is_head => {
            // hyper leaves the body out of an answer over HTTP/1 by itself, and over HTTP/2 it does not.
            let length = HeaderValue::from(length);
            parts.headers.insert(CONTENT_LENGTH, length);
            Response::default()
        }
        Some(_) => {
            let Ok(whole) = body.collect().await;
            Response::new(whole.to_bytes()).into_response()
        }
        None => {
            let pieces = poll_fn(move |cx| {
                let piece = body.poll_piece(cx);
                piece.map(|piece| piece.map(Ok::<_, Infallible>))
            });
            reply::stream(pieces).into_response()
        }
    };
    reply::Response::from_parts(parts, reply.into_body())
}

async fn converse(
    upgrade: Ws,
    connection: Result<LongLived, Refused>,
) -> Result<impl Reply, Refused> {
    let connection = connection?;
    Ok(upgrade.on_upgrade(move |socket| echo(socket, connection)))
}

async fn echo(mut socket: WebSocket, connection: LongLived) {
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = connection.closing() => {
                let _ = socket.send(Message::close_with(1012_u16, "")).await;
                return;
            }
        };
        let Some(Ok(message)) = message else { return };
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
