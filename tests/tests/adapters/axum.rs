//! axum's own server, with the gate in front of its routes in each of the forms that there are.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};

use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use axum::{Router, ServiceExt};
use http::StatusCode;
use http_body_util::BodyExt;
use intermission_axum::{
    ExecutionHandle, LongLived, MaintenanceBuilder, MaintenanceRouter, MethodRouterExt,
    UnknownRoutes, maintenance, scope_of_host,
};
use intermission_conformance::FixtureError;
use intermission_conformance::adapter::{Call, Route, Server, Site, Unmet};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::util::{BoxCloneSyncService, MapResponse, MapResponseLayer};

use crate::{response, seen};

/// axum's own server, with the gate in front of the routes in one of its forms.
pub(crate) struct Axum<F> {
    address: SocketAddr,
    serving: JoinHandle<()>,
    form: PhantomData<F>,
}

/// How an application puts the gate in front of its routes.
pub(crate) trait Form: Send + Sync + 'static {
    const NAME: &'static str;
    const UNMET: &'static [Unmet];

    fn app(site: &Site, maintenance: MaintenanceBuilder) -> Result<App, FixtureError>;
}

type App = BoxCloneSyncService<Request, Response, Infallible>;

/// `MaintenanceRouter::into_service`.
pub(crate) struct AsService;

impl Form for AsService {
    const NAME: &'static str = "axum";

    const UNMET: &'static [Unmet] = &[];

    fn app(site: &Site, maintenance: MaintenanceBuilder) -> Result<App, FixtureError> {
        let service = flagged_routes(site).into_service(maintenance)?;
        Ok(App::new(MapResponse::new(service, seen::<Body>)))
    }
}

/// `MaintenanceRouter::into_router`.
pub(crate) struct AsRouter;

impl Form for AsRouter {
    const NAME: &'static str = "axum-router";

    const UNMET: &'static [Unmet] = &[];

    fn app(site: &Site, maintenance: MaintenanceBuilder) -> Result<App, FixtureError> {
        let router = flagged_routes(site).into_router(maintenance)?;
        Ok(App::new(router.layer(MapResponseLayer::new(seen::<Body>))))
    }
}

/// The layer on a plain router, with the flags in a table.
pub(crate) struct AsLayer;

impl Form for AsLayer {
    const NAME: &'static str = "axum-layer";

    const UNMET: &'static [Unmet] = &[Unmet::new(
        "unknown_routes_are_told_where_that_is_set",
        "a layer knows no routes",
    )];

    fn app(site: &Site, mut maintenance: MaintenanceBuilder) -> Result<App, FixtureError> {
        for route in Route::ALL.iter().chain(Route::NESTED) {
            maintenance = maintenance.with_route(route.pattern(), route.access());
            if let Some(scope) = route.scope() {
                maintenance = maintenance.with_scope(route.pattern(), scope.as_str());
            }
        }
        let router = plain_routes(site, Route::ALL)
            .nest(Route::NEST, plain_routes(site, Route::NESTED))
            .route(Route::WEBSOCKET, any(converse).with_state(site.gate()))
            .layer(maintenance.build()?)
            .layer(MapResponseLayer::new(seen::<Body>));
        Ok(App::new(router))
    }
}

impl<F: Form> Server for Axum<F> {
    const NAME: &'static str = F::NAME;

    const UNMET: &'static [Unmet] = F::UNMET;

    async fn serve(site: Site) -> Result<Self, FixtureError> {
        let (operator, tenants) = (site.clone(), site.clone());
        let maintenance = maintenance(site.gate())
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
        let app = F::app(&site, maintenance)?;
        let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self {
            address,
            serving,
            form: PhantomData,
        })
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

fn flagged_routes(site: &Site) -> MaintenanceRouter {
    let routes = |routes: &[Route]| {
        routes
            .iter()
            .fold(MaintenanceRouter::new(), |router, route| {
                let flagged = handler(site, *route).with_access(route.access());
                let flagged = match route.scope() {
                    Some(scope) => flagged.in_scope(scope),
                    None => flagged,
                };
                router.route(route.path(), flagged)
            })
    };
    let unknown = if site.unknown_routes_are_told() {
        UnknownRoutes::NotFound
    } else {
        UnknownRoutes::Refused
    };
    routes(Route::ALL)
        .nest(Route::NEST, routes(Route::NESTED))
        .route(Route::WEBSOCKET, any(converse).with_state(site.gate()))
        .with_unknown_routes(unknown)
}

fn plain_routes(site: &Site, routes: &[Route]) -> Router {
    routes.iter().fold(Router::new(), |router, route| {
        router.route(route.path(), handler(site, *route))
    })
}

fn handler(site: &Site, route: Route) -> MethodRouter {
    let site = site.clone();
    any(move |request| answer(site, route, request))
}

async fn answer(site: Site, route: Route, request: Request) -> Response {
    let extensions = request.extensions();
    let mut call = Call::new(route).with_decision(extensions.get().copied());
    if route.takes_execution() {
        let handle = extensions.get::<ExecutionHandle>();
        call = call.with_execution(handle.and_then(ExecutionHandle::take));
    }
    if route.reads_body() {
        match request.into_body().collect().await {
            Ok(body) => call = call.with_body_length(body.to_bytes().len()),
            Err(_) => return status(StatusCode::BAD_REQUEST),
        }
    }
    response(site.answer(call).await).map(Body::new)
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

async fn converse(upgrade: WebSocketUpgrade, connection: LongLived) -> Response {
    upgrade.on_upgrade(move |socket| echo(socket, connection))
}

async fn echo(mut socket: WebSocket, connection: LongLived) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = connection.closing() => {
                let frame = CloseFrame { code: close_code::RESTART, reason: "".into() };
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
        };
        let Some(Ok(message)) = message else { return };
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
