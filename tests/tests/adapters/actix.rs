//! actix-web's own server, with the gate in front of its routes in each of the forms that there are.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{self, ServerHandle, Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Bytes, Payload, resource, scope};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, HttpServer, Resource};
use actix_ws::{CloseCode, Message};
use intermission::Decision;
use intermission_actix::{
    ExecutionHandle, LongLived, MaintenanceBuilder, MaintenanceExt, MaintenanceScope,
    UnknownRoutes, maintenance, scope_of_host,
};
use intermission_conformance::FixtureError;
use intermission_conformance::adapter::{Answer, AnswerBody, Call, Route, Server, Site, Unmet};
use tokio::sync::oneshot;

/// A server for this application, on a port of its own.
macro_rules! listen {
    ($factory:expr) => {{
        let server = HttpServer::new($factory)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            // With half-closed connections, its default, a client that is gone looks like one that waits.
            .h1_allow_half_closed(false)
            .bind_auto_h2c((Ipv4Addr::LOCALHOST, 0))?;
        let address = *server.addrs().first().ok_or("it listens nowhere")?;
        Ok((server.run(), address))
    }};
}

/// The longest upload; the table has one of a mebibyte.
const UPLOAD: usize = 2 << 20;

/// actix-web's own server, with the gate in front of the routes in one of its forms.
pub(crate) struct Actix<F> {
    address: SocketAddr,
    handle: ServerHandle,
    form: PhantomData<F>,
}

/// How an application puts the gate in front of its routes.
pub(crate) trait Form: Send + Sync + 'static {
    const NAME: &'static str;
    const UNMET: &'static [Unmet];

    fn start(
        site: Site,
        maintenance: MaintenanceBuilder,
    ) -> Result<(dev::Server, SocketAddr), FixtureError>;
}

/// What no middleware of actix-web can change.
mod unmet {
    use super::Unmet;

    /// Its HTTP/1 dispatcher says it as soon as it has the headers.
    pub(super) const CONTINUE: Unmet = Unmet::new(
        "a_refused_upload_that_asks_first_is_not_told_to_go_on",
        "actix-web says 100 by itself",
    );

    /// Its HTTP/1 encoder keeps one method for all requests that it has decoded, the last one's.
    pub(super) const HEAD: Unmet = Unmet::new(
        "head_in_one_go_is_answered_as_head",
        "actix-web mixes methods up",
    );

    /// Over HTTP/2 it looks at its client only when there is something to send.
    pub(super) const CANCELLED: Unmet = Unmet::new(
        "a_cancelled_request_counts_no_longer",
        "actix-web calls to the end",
    );
}

/// A [`MaintenanceScope`].
pub(crate) struct Scoped;

impl Form for Scoped {
    const NAME: &'static str = "actix";

    const UNMET: &'static [Unmet] = &[
        // It decodes letters, so that `/%68ealth` is the flagged route itself.
        Unmet::new(
            "an_escaped_letter_is_another_path",
            "actix-web decodes, then routes",
        ),
        // The application itself answers 404.
        Unmet::new("the_asterisk_is_refused", "no scope has the path `*`"),
        unmet::CONTINUE,
        unmet::HEAD,
        unmet::CANCELLED,
    ];

    fn start(
        site: Site,
        maintenance: MaintenanceBuilder,
    ) -> Result<(dev::Server, SocketAddr), FixtureError> {
        let maintenance = maintenance.build()?;
        listen!(move || {
            let scope = flagged_routes(&site, "", Route::ALL)
                .service(flagged_routes(&site, Route::NEST, Route::NESTED))
                .service(resource(Route::WEBSOCKET).to(converse));
            App::new()
                .service(scope.behind(&maintenance))
                .wrap_fn(|request, service| seen(service.call(request)))
        })
    }
}

/// The middleware around the whole application, with the flags in a table.
pub(crate) struct Wrapped;

impl Form for Wrapped {
    const NAME: &'static str = "actix-wrapped";

    const UNMET: &'static [Unmet] = &[unmet::CONTINUE, unmet::HEAD, unmet::CANCELLED];

    fn start(
        site: Site,
        mut maintenance: MaintenanceBuilder,
    ) -> Result<(dev::Server, SocketAddr), FixtureError> {
        for route in Route::ALL.iter().chain(Route::NESTED) {
            maintenance = maintenance.with_route(route.pattern(), route.access());
            if let Some(scope) = route.scope() {
                maintenance = maintenance.with_scope(route.pattern(), scope.as_str());
            }
        }
        let maintenance = maintenance.build()?;
        listen!(move || {
            let nested = Route::NESTED
                .iter()
                .fold(scope(Route::NEST), |scope, route| {
                    scope.service(unflagged(&site, *route))
                });
            let app = Route::ALL.iter().fold(App::new(), |app, route| {
                app.service(unflagged(&site, *route))
            });
            app.app_data(site.gate())
                .service(nested)
                .service(resource(Route::WEBSOCKET).to(converse))
                .wrap(maintenance.clone())
                .wrap_fn(|request, service| seen(service.call(request)))
        })
    }
}

impl<F: Form> Server for Actix<F> {
    const NAME: &'static str = F::NAME;

    const UNMET: &'static [Unmet] = F::UNMET;

    async fn serve(site: Site) -> Result<Self, FixtureError> {
        let (started, has_started) = oneshot::channel();
        // actix-web's handlers stay on their thread, so the server has threads and a runtime of its own.
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match start(site) {
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

fn start<F: Form>(site: Site) -> Result<(dev::Server, Actix<F>), FixtureError> {
    let (operator, tenants) = (site.clone(), site.clone());
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
        })
        .with_scopes(move |request| {
            let value = request.headers().get("x-tenant");
            let tenant = value.map(HeaderValue::as_bytes);
            tenants.scopes(tenant, scope_of_host(request))
        });
    let (server, address) = F::start(site, maintenance)?;
    let handle = server.handle();
    let actix = Actix {
        address,
        handle,
        form: PhantomData,
    };
    Ok((server, actix))
}

fn flagged_routes(site: &Site, prefix: &str, routes: &[Route]) -> MaintenanceScope {
    routes
        .iter()
        .fold(MaintenanceScope::new(prefix), |scope, route| {
            let flagged = unflagged(site, *route).with_access(route.access());
            scope.service(match route.scope() {
                Some(name) => flagged.in_scope(name),
                None => flagged,
            })
        })
}

fn unflagged(site: &Site, route: Route) -> Resource {
    let site = site.clone();
    resource(route.path()).to(move |request, payload| answer(site.clone(), route, request, payload))
}

/// What the outer middleware does.
async fn seen<B>(
    response: impl Future<Output = Result<ServiceResponse<B>, Error>>,
) -> Result<ServiceResponse<B>, Error> {
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
    // A status that is none fails the row.
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
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
