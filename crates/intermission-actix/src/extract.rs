//! What handlers can ask for.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use intermission::adapter::ExecutionHandle;
use intermission::{AdmitReason, Decision, Execution, Gate, LetIn};

/// The gate, out of the application's data.
///
/// A [`MaintenanceScope`](crate::MaintenanceScope) puts it there. Elsewhere the application does, with
/// `App::app_data(gate.clone())` or as `web::Data<Gate>`. It is not put into the extensions of each request, because
/// that would cost every request an allocation.
///
/// # Examples
///
/// ```
/// use actix_web::web;
/// use intermission_actix::MaintenanceGate;
///
/// async fn phase(MaintenanceGate(gate): MaintenanceGate) -> String {
///     gate.record().phase().to_string()
/// }
/// # drop(web::resource("/phase").to(phase));
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "taken apart by handlers, as `web::Data` is"
)]
pub struct MaintenanceGate(pub Gate);

impl FromRequest for MaintenanceGate {
    type Error = NoGate;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(gate(req).map(Self))
    }
}

fn gate(request: &HttpRequest) -> Result<Gate, NoGate> {
    let shared = || request.app_data::<Data<Gate>>().map(Data::get_ref);
    let gate = request.app_data::<Gate>().or_else(shared);
    gate.cloned().ok_or(NoGate)
}

/// A handler asked for the gate, and the application's data has none. It answers 500, since the application is put
/// together wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the application's data has no gate: add it with `app_data(gate.clone())`")]
#[non_exhaustive]
pub struct NoGate;

impl ResponseError for NoGate {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse {
        put_together_wrongly(self)
    }
}

fn put_together_wrongly(error: &impl ResponseError) -> HttpResponse {
    HttpResponse::build(error.status_code())
        .insert_header(ContentType::plaintext())
        .body(error.to_string())
}

/// The rule by which this request was let in.
///
/// `None` if nothing had to be asked, because the gate was open, or if no middleware is in front of the handler.
///
/// # Examples
///
/// ```
/// use intermission_actix::AdmittedBy;
///
/// async fn page(AdmittedBy(reason): AdmittedBy) -> &'static str {
///     if reason.is_some_and(|reason| reason.is_bypass()) {
///         "operating in maintenance mode"
///     } else {
///         "hello"
///     }
/// }
/// # drop(actix_web::web::resource("/").to(page));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "taken apart by handlers, as `web::Data` is"
)]
pub struct AdmittedBy(pub Option<AdmitReason>);

impl FromRequest for AdmittedBy {
    type Error = Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(match req.extensions().get() {
            Some(Decision::Admit(reason)) => Some(*reason),
            // A refused request reaches no handler.
            Some(Decision::Refuse(_)) | None => None,
        })))
    }
}

/// The execution that the route has begun: whoever has it decides when it ends. A handler that does not ask for it
/// leaves it to end with the response. `Option<StartedExecution>` is `None` where the route is not flagged.
///
/// # Examples
///
/// ```
/// use actix_web::HttpResponse;
/// use intermission_actix::StartedExecution;
///
/// async fn start(StartedExecution(execution): StartedExecution) -> HttpResponse {
///     actix_web::rt::spawn(async move {
///         // … the work, until it is done or is told to end …
///         execution.cancelled().await;
///     });
///     HttpResponse::Accepted().finish()
/// }
/// # drop(actix_web::web::resource("/jobs").to(start));
/// ```
#[derive(Debug)]
#[must_use = "an execution ends when it is dropped: keep it for as long as the work goes on"]
#[expect(
    clippy::exhaustive_structs,
    reason = "taken apart by handlers, as `web::Data` is"
)]
pub struct StartedExecution(pub Execution);

impl FromRequest for StartedExecution {
    type Error = NotStarted;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = req.extensions();
        let execution = extensions
            .get::<ExecutionHandle>()
            .and_then(ExecutionHandle::take);
        ready(execution.map(Self).ok_or(NotStarted))
    }
}

/// A handler asked for the execution of a route that begins none. It answers 500, since the application is put
/// together wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this route begins no execution, or it was taken already: flag the route with `starts_execution()`"
)]
#[non_exhaustive]
pub struct NotStarted;

impl ResponseError for NotStarted {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse {
        put_together_wrongly(self)
    }
}

/// A connection that would otherwise never end, such as a WebSocket or a stream of events, and when it is to end.
///
/// It counts nothing. In actix-web both are responses whose body lasts as long as the conversation, and so does the
/// count of the request.
///
/// It needs the gate, as [`MaintenanceGate`] does.
///
/// # Examples
///
/// ```no_run
/// use actix_web::{Error, HttpRequest, HttpResponse, web};
/// use actix_ws::{CloseCode, Message};
/// use intermission_actix::LongLived;
///
/// async fn echo(request: HttpRequest, body: web::Payload, connection: LongLived) -> Result<HttpResponse, Error> {
///     let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
///     actix_web::rt::spawn(async move {
///         loop {
///             let message = tokio::select! {
///                 message = messages.recv() => message,
///                 () = connection.closing() => {
///                     let _ = session.close(Some(CloseCode::Restart.into())).await;
///                     return;
///                 }
///             };
///             let Some(Ok(Message::Text(text))) = message else { return };
///             if session.text(text).await.is_err() {
///                 return;
///             }
///         }
///     });
///     Ok(response)
/// }
/// # drop(actix_web::web::resource("/ws").to(echo));
/// ```
#[derive(Debug)]
pub struct LongLived(intermission::LongLived);

impl LongLived {
    /// The rule that let the visitor in.
    #[must_use]
    pub const fn reason(&self) -> AdmitReason {
        self.0.reason()
    }

    /// Waits until the connection is to end: see [`intermission::LongLived::closing`].
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn closing(&self) {
        self.0.closing().await;
    }
}

impl FromRequest for LongLived {
    type Error = NoGate;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = req.extensions();
        let let_in = extensions.get::<LetIn>().cloned();
        let decided = || LetIn::from(extensions.get::<Decision>().copied());
        let let_in = let_in.unwrap_or_else(decided);
        let of_response = |gate| Self(intermission::LongLived::of_response(gate, let_in));
        ready(gate(req).map(of_response))
    }
}
