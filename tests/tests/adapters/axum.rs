//! `MaintenanceRouter` on axum's own server.

use std::net::{Ipv4Addr, SocketAddr};

use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::any;
use http::StatusCode;
use http_body_util::BodyExt;
use intermission::Gate;
use intermission_axum::{
    ExecutionHandle, LongLived, MaintenanceRouter, MethodRouterExt, UnknownRoutes, maintenance,
};
use intermission_conformance::FixtureError;
use intermission_conformance::adapter::{Answer, Call, Route, Server, Site, Unmet};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::util::MapResponse;

use crate::seen;

pub(crate) struct Axum {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server for Axum {
    const NAME: &'static str = "axum";

    const UNMET: &'static [Unmet] = &[];

    async fn serve(site: Site) -> Result<Self, FixtureError> {
        let operator = site.clone();
        let maintenance = maintenance(site.gate())
            .with_trusted_proxies(site.trusted_proxies())
            .with_pass_name(site.pass_name())
            .with_permission(move |parts| {
                let value = parts.headers.get("x-operator");
                operator.permits(value.map(|value| value.as_bytes()))
            });
        let unknown = if site.unknown_routes_are_told() {
            UnknownRoutes::NotFound
        } else {
            UnknownRoutes::Refused
        };
        let conversations = MaintenanceRouter::<Gate>::new()
            .route(Route::WEBSOCKET, any(converse))
            .with_state(site.gate());
        let app = routes(&site, Route::ALL)
            .nest(Route::NEST, routes(&site, Route::NESTED))
            .merge(conversations)
            .with_unknown_routes(unknown)
            .into_service(maintenance)?;
        let app = MapResponse::new(app, seen::<Body>);
        let app =
            axum::ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
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

fn routes(site: &Site, routes: &[Route]) -> MaintenanceRouter {
    routes
        .iter()
        .fold(MaintenanceRouter::new(), |router, &route| {
            let site = site.clone();
            let handler = any(move |request| answer(site, route, request));
            router.route(route.path(), handler.with_access(route.access()))
        })
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
    response(site.answer(call).await)
}

fn response(answer: Answer) -> Response {
    let mut response = Response::builder().status(answer.status());
    for (name, value) in Answer::HEADERS {
        response = response.header(*name, *value);
    }
    let body = Body::new(answer.into_body());
    response.body(body).expect("the table's headers are good")
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
