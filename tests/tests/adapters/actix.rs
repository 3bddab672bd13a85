//! `MaintenanceScope` on actix-web's own server.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServerHandle, Service};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Bytes, Payload, resource};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, HttpServer};
use actix_ws::{CloseCode, Message};
use intermission::Decision;
use intermission_actix::{
    ExecutionHandle, LongLived, Maintenance, MaintenanceExt, MaintenanceScope, UnknownRoutes,
    maintenance,
};
use intermission_conformance::FixtureError;
use intermission_conformance::adapter::{Answer, AnswerBody, Call, Route, Server, Site, Unmet};
use tokio::sync::oneshot;

/// The longest upload; the table has one of a mebibyte.
const UPLOAD: usize = 2 << 20;

pub(crate) struct Actix {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Server for Actix {
    const NAME: &'static str = "actix";

    const UNMET: &'static [Unmet] = &[
        // It decodes letters, so that `/%68ealth` is the flagged route itself.
        Unmet::new(
            "an_escaped_letter_is_another_path",
            "actix-web decodes, then routes",
        ),
        // The application itself answers 404.
        Unmet::new("the_asterisk_is_refused", "no scope has the path `*`"),
        // Its HTTP/1 dispatcher says it as soon as it has the headers.
        Unmet::new(
            "a_refused_upload_that_asks_first_is_not_told_to_go_on",
            "actix-web says 100 by itself",
        ),
        // Its HTTP/1 encoder keeps one method for all requests that it has decoded, the last one's.
        Unmet::new(
            "head_in_one_go_is_answered_as_head",
            "actix-web mixes methods up",
        ),
        // Over HTTP/2 it looks at its client only when there is something to send.
        Unmet::new(
            "a_cancelled_request_counts_no_longer",
            "actix-web calls to the end",
        ),
    ];

    async fn serve(site: Site) -> Result<Self, FixtureError> {
        let (started, has_started) = oneshot::channel();
        // actix-web's handlers stay on their thread, so the server has threads and a runtime of its own.
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match start(&site) {
                    Ok((server, actix)) => {
                        let _ = started.send(Ok(actix));
                        let _ = server.await;
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                    }
                }
            });
        });
        has_started.await?
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn stop(self) {
        self.handle.stop(false).await;
    }
}

fn start(site: &Site) -> Result<(actix_web::dev::Server, Actix), FixtureError> {
    let maintenance = settings(site)?;
    let site = site.clone();
    let factory = move || {
        let scope = routes(&site, "", Route::ALL)
            .service(routes(&site, Route::NEST, Route::NESTED))
            .service(resource(Route::WEBSOCKET).to(converse))
            .behind(&maintenance);
        App::new().service(scope).wrap_fn(|request, service| {
            let response = service.call(request);
            async move {
                let mut response = response.await?;
                let decision: Option<Decision> = response.response().extensions().get().copied();
                let headers = response.headers_mut();
                let seen = HeaderValue::from_static("seen");
                headers.insert(HeaderName::from_static("x-outer"), seen);
                if let Some(decision) = decision {
                    let value = HeaderValue::try_from(decision.to_string())?;
                    headers.insert(HeaderName::from_static("x-decision"), value);
                }
                Ok(response)
            }
        })
    };
    let server = HttpServer::new(factory)
        .workers(1)
        .disable_signals()
        .shutdown_timeout(0)
        // With half-closed connections, which are actix-web's default, a client that is gone looks like one that waits.
        .h1_allow_half_closed(false)
        .bind_auto_h2c((Ipv4Addr::LOCALHOST, 0))?;
    let address = *server.addrs().first().ok_or("it listens nowhere")?;
    let server = server.run();
    let handle = server.handle();
    Ok((server, Actix { address, handle }))
}

fn settings(site: &Site) -> Result<Maintenance, FixtureError> {
    let operator = site.clone();
    let unknown = if site.unknown_routes_are_told() {
        UnknownRoutes::NotFound
    } else {
        UnknownRoutes::Refused
    };
    let maintenance = maintenance(site.gate())
        .with_trusted_proxies(site.trusted_proxies())
        .with_pass_name(site.pass_name())
        .with_unknown_routes(unknown)
        .with_permission(move |request| {
            let value = request.headers().get("x-operator");
            operator.permits(value.map(HeaderValue::as_bytes))
        });
    Ok(maintenance.build()?)
}

fn routes(site: &Site, prefix: &str, routes: &[Route]) -> MaintenanceScope {
    routes
        .iter()
        .fold(MaintenanceScope::new(prefix), |scope, &route| {
            let site = site.clone();
            let handler = move |request, payload| answer(site.clone(), route, request, payload);
            let resource = resource(route.path()).to(handler);
            scope.service(resource.with_access(route.access()))
        })
}

async fn answer(site: Site, route: Route, request: HttpRequest, payload: Payload) -> HttpResponse {
    let decision = request.extensions().get().copied();
    let mut call = Call::new(route).with_decision(decision);
    if route.takes_execution() {
        let extensions = request.extensions();
        let handle = extensions.get::<ExecutionHandle>();
        call = call.with_execution(handle.and_then(ExecutionHandle::take));
    }
    if route.reads_body() {
        match payload.to_bytes_limited(UPLOAD).await {
            Ok(Ok(body)) => call = call.with_body_length(body.len()),
            _ => return HttpResponse::new(StatusCode::BAD_REQUEST),
        }
    }
    response(site.answer(call).await)
}

fn response(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status());
    let mut response = HttpResponse::build(status.expect("the table's statuses are good"));
    for header in Answer::HEADERS {
        response.insert_header(*header);
    }
    response.body(Body(answer.into_body()))
}

struct Body(AnswerBody);

impl MessageBody for Body {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0.length().map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.0.poll_piece(cx).map(|piece| piece.map(Ok))
    }
}

async fn converse(
    request: HttpRequest,
    body: Payload,
    connection: LongLived,
) -> Result<HttpResponse, Error> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                () = connection.closing() => {
                    let _ = session.close(Some(CloseCode::Restart.into())).await;
                    return;
                }
            };
            let Some(Ok(Message::Text(text))) = message else {
                return;
            };
            if session.text(text).await.is_err() {
                return;
            }
        }
    });
    Ok(response)
}
