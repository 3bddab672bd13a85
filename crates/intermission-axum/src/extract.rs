//! What handlers can ask for.

use std::convert::Infallible;

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use intermission::{AdmitReason, Decision, Execution, Gate, Refusal};
use intermission_tower::{ExecutionHandle, let_in, refusal_response};

use crate::face::original_uri;

/// The gate, out of the application's state.
///
/// The state must have it: be a [`Gate`], or implement `FromRef` for it. It is not put into the extensions of each
/// request, because that would cost every request an allocation.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::FromRef, routing::get};
/// use intermission::Gate;
/// use intermission_axum::MaintenanceGate;
///
/// #[derive(Clone)]
/// struct App { gate: Gate }
///
/// impl FromRef<App> for Gate {
///     fn from_ref(app: &App) -> Self {
///         app.gate.clone()
///     }
/// }
///
/// async fn phase(MaintenanceGate(gate): MaintenanceGate) -> String {
///     gate.record().phase().to_string()
/// }
///
/// let router: Router<App> = Router::new().route("/phase", get(phase));
/// # drop(router);
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "taken apart by handlers, as `State` is"
)]
pub struct MaintenanceGate(pub Gate);

impl<S> FromRequestParts<S> for MaintenanceGate
where
    Gate: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Gate::from_ref(state)))
    }
}

/// The rule by which this request was let in.
///
/// `None` if nothing had to be asked, because the gate was open, or if no layer is in front of the handler.
///
/// # Examples
///
/// ```
/// use intermission_axum::AdmittedBy;
///
/// async fn page(AdmittedBy(reason): AdmittedBy) -> &'static str {
///     if reason.is_some_and(|reason| reason.is_bypass()) {
///         "operating in maintenance mode"
///     } else {
///         "hello"
///     }
/// }
/// # let _ = axum::routing::get::<_, _, ()>(page);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "taken apart by handlers, as `State` is"
)]
pub struct AdmittedBy(pub Option<AdmitReason>);

impl<S> FromRequestParts<S> for AdmittedBy
where
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(match parts.extensions.get() {
            Some(Decision::Admit(reason)) => Some(*reason),
            // A refused request reaches no handler.
            Some(Decision::Refuse(_)) | None => None,
        }))
    }
}

/// The execution that the route has begun: whoever has it decides when it ends. A handler that does not ask for it
/// leaves it to end with the response.
///
/// # Examples
///
/// ```
/// use axum::http::StatusCode;
/// use intermission_axum::StartedExecution;
///
/// async fn start(StartedExecution(execution): StartedExecution) -> StatusCode {
///     tokio::spawn(async move {
///         // … the work, until it is done or is told to end …
///         execution.cancelled().await;
///     });
///     StatusCode::ACCEPTED
/// }
/// # let _ = axum::routing::post::<_, _, ()>(start);
/// ```
#[derive(Debug)]
#[must_use = "an execution ends when it is dropped: keep it for as long as the work goes on"]
#[expect(
    clippy::exhaustive_structs,
    reason = "taken apart by handlers, as `State` is"
)]
pub struct StartedExecution(pub Execution);

impl<S> FromRequestParts<S> for StartedExecution
where
    S: Send + Sync,
{
    type Rejection = NotStarted;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        take(parts).ok_or(NotStarted)
    }
}

/// `None` where the route is not flagged, for handlers that serve both kinds of route.
impl<S> OptionalFromRequestParts<S> for StartedExecution
where
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(take(parts))
    }
}

fn take(parts: &Parts) -> Option<StartedExecution> {
    let handle = parts.extensions.get::<ExecutionHandle>()?;
    handle.take().map(StartedExecution)
}

/// A handler asked for the execution of a route that begins none. It answers 500, since the application is put
/// together wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this route begins no execution, or it was taken already: flag the route with `starts_execution()`"
)]
#[non_exhaustive]
pub struct NotStarted;

impl IntoResponse for NotStarted {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

/// A request that outlives its response: a WebSocket, or any other upgraded connection. It counts as in flight for as
/// long as this lives, and learns when it is to end.
///
/// Needed for upgrades only, since their response has ended when the conversation begins. A stream of events is a
/// response that lasts, and counts as one; its handler learns when to end it from [`LongLivedResponse`], as `/events` of
/// `examples/axum-app` does.
///
/// The state must have the gate, as for [`MaintenanceGate`].
///
/// # Examples
///
/// ```no_run
/// use axum::extract::ws::{CloseFrame, Message, WebSocketUpgrade, close_code};
/// use axum::response::Response;
/// use intermission_axum::LongLived;
///
/// async fn echo(upgrade: WebSocketUpgrade, connection: LongLived) -> Response {
///     upgrade.on_upgrade(async move |mut socket| {
///         loop {
///             let message = tokio::select! {
///                 message = socket.recv() => message,
///                 () = connection.closing() => {
///                     let frame = CloseFrame { code: close_code::RESTART, reason: "maintenance".into() };
///                     let _ = socket.send(Message::Close(Some(frame))).await;
///                     return;
///                 }
///             };
///             let Some(Ok(message)) = message else { return };
///             if socket.send(message).await.is_err() {
///                 return;
///             }
///         }
///     })
/// }
/// # let _ = axum::routing::any::<_, _, intermission::Gate>(echo);
/// ```
#[derive(Debug)]
#[must_use = "the connection counts as ended when this is dropped"]
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

impl<S> FromRequestParts<S> for LongLived
where
    Gate: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Closed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let gate = Gate::from_ref(state);
        let let_in = let_in(&parts.extensions);
        // Counted anew rather than taken over: what counts the request so far ends with its response.
        let uri = original_uri(&parts.extensions).unwrap_or(&parts.uri);
        let (method, path) = (parts.method.as_str(), uri.path());
        match intermission::LongLived::begin(gate, method, path, let_in) {
            Ok(connection) => Ok(Self(connection)),
            Err(refusal) => Err(Closed(Box::new((parts.clone(), *refusal)))),
        }
    }
}

/// A response that lasts, such as a stream of events, and when it is to end. It counts by itself for as long as it lasts.
///
/// The state must have the gate, as for [`MaintenanceGate`].
///
/// # Examples
///
/// ```
/// use axum::body::Body;
/// use axum::response::Response;
/// use intermission_axum::LongLivedResponse;
///
/// async fn events(LongLivedResponse(connection): LongLivedResponse) -> Response {
///     // … a body with an event now and then, until …
///     let last = async move { connection.closing().await };
///     # drop(last);
///     Response::new(Body::empty())
/// }
/// # let _ = axum::routing::get::<_, _, intermission::Gate>(events);
/// ```
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "taken apart by handlers, as `State` is"
)]
pub struct LongLivedResponse(pub intermission::LongLived);

impl<S> FromRequestParts<S> for LongLivedResponse
where
    Gate: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let (gate, let_in) = (Gate::from_ref(state), let_in(&parts.extensions));
        Ok(Self(intermission::LongLived::of_response(gate, let_in)))
    }
}

/// The gate was closed between the layer and the handler. It answers what the layer would have answered.
#[derive(Debug)]
pub struct Closed(Box<(Parts, Refusal)>);

impl IntoResponse for Closed {
    fn into_response(self) -> Response {
        let (parts, refusal) = *self.0;
        refusal_response(&refusal, &parts).map(Body::from)
    }
}
