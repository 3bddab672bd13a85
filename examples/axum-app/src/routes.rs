//! The routes, each with its flag beside it.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use intermission::{Execution, Gate, ReadinessPolicy};
use intermission_axum::{
    LongLived, LongLivedResponse, MaintenanceRouter, MethodRouterExt, StartedExecution,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::events;
use crate::process::Ending;

/// All routes of the application.
pub(crate) fn routes(readiness: ReadinessPolicy, ending: &Ending) -> MaintenanceRouter<Gate> {
    let ready = async move |State(gate): State<Gate>| ready(&gate, readiness);
    let told = ending.clone();
    let tell = async move |LongLivedResponse(connection): LongLivedResponse| tell(connection, told);
    let ending = ending.clone();
    let echo = async move |connection: LongLived, upgrade: WebSocketUpgrade| {
        echo(connection, upgrade, ending)
    };
    MaintenanceRouter::new()
        .route("/", get(|| async { "hello" }))
        .route("/health", get(|| async { "ok" }).always())
        // Always, whatever the policy says: a probe that is refused would be one that failed.
        .route("/ready", get(ready).always())
        .route("/login", get(|| async { "login" }).always())
        .route("/slow", get(slow))
        .route("/items", post(|| async { StatusCode::CREATED }))
        .route("/jobs", post(start_job).starts_execution())
        // How Cloudify's clients start work.
        .route(
            "/api/{version}/executions",
            post(start_execution).starts_execution(),
        )
        .route("/ws", get(echo))
        .route("/events", get(tell))
}

/// What a load balancer asks. Not whether the process lives, which `/health` says.
fn ready(gate: &Gate, policy: ReadinessPolicy) -> Response {
    let readiness = gate.readiness(policy);
    let status = StatusCode::from_u16(readiness.status()).unwrap_or_default();
    (status, readiness.as_str()).into_response()
}

/// How long something takes: `?ms=N`.
#[derive(Deserialize)]
struct Takes {
    #[serde(default)]
    ms: u64,
}

async fn slow(Query(takes): Query<Takes>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(takes.ms)).await;
    "done"
}

/// Starts a job that outlives its request.
async fn start_job(
    State(gate): State<Gate>,
    StartedExecution(execution): StartedExecution,
    Query(takes): Query<Takes>,
) -> Response {
    (StatusCode::ACCEPTED, started(&gate, execution, &takes)).into_response()
}

/// The same, with the status that Cloudify's client waits for.
async fn start_execution(
    State(gate): State<Gate>,
    StartedExecution(execution): StartedExecution,
    Query(takes): Query<Takes>,
) -> Response {
    (StatusCode::CREATED, started(&gate, execution, &takes)).into_response()
}

/// The job takes the execution over, so that a drain waits for it. Its id is the one that Cloudify's clients see.
fn started(gate: &Gate, execution: Execution, takes: &Takes) -> Json<Value> {
    let id = format!("{}-{}", gate.status().node, execution.id());
    tokio::spawn(work(execution, Duration::from_millis(takes.ms)));
    Json(json!({ "id": id }))
}

async fn work(execution: Execution, takes: Duration) {
    tokio::select! {
        () = tokio::time::sleep(takes) => {}
        // The drain's limit was reached: a good job leaves off where it can go on later.
        () = execution.cancelled() => {}
    }
    drop(execution);
}

/// Tells something each second, until the site closes. It counts by itself, as a response that lasts.
fn tell(connection: intermission::LongLived, ending: Ending) -> Response {
    let closing = async move { connection.closing().await };
    let body = Body::from_stream(events::events(closing, ending));
    (events::HEADERS, body).into_response()
}

fn echo(connection: LongLived, upgrade: WebSocketUpgrade, ending: Ending) -> Response {
    upgrade.on_upgrade(move |socket| echo_until_closing(socket, connection, ending))
}

/// Says the same again, until the peer leaves or the site closes. A socket that stayed open would never be drained.
async fn echo_until_closing(mut socket: WebSocket, connection: LongLived, ending: Ending) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = connection.closing() => {
                return goodbye(socket, close_code::RESTART, "closed for maintenance").await;
            }
            () = ending.begun() => return goodbye(socket, close_code::AWAY, "the process ends").await,
        };
        match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        }
    }
}

async fn goodbye(mut socket: WebSocket, code: u16, reason: &'static str) {
    let reason = reason.into();
    // The peer may have left at the same moment, which is just as well.
    let _ = socket
        .send(Message::Close(Some(CloseFrame { code, reason })))
        .await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use axum::extract::Request;
    use http_body_util::BodyExt;
    use intermission::{Activate, Actor, Change, DrainPolicy, MemoryState, Operator, Phase};
    use intermission_axum::{MaintenanceService, maintenance};
    use tower::ServiceExt;

    use super::*;

    async fn application(readiness: ReadinessPolicy) -> (Gate, Operator, MaintenanceService) {
        let state = MemoryState::new();
        let gate = Gate::builder(state.clone()).start().await.unwrap();
        let operator = Operator::new(state, Actor::new("ana", "test"));
        let app = routes(readiness, &Ending::new())
            .with_state(gate.clone())
            .into_service(maintenance(gate.clone()))
            .unwrap();
        (gate, operator, app)
    }

    async fn ask(app: &MaintenanceService, method: &str, uri: &str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Body::empty())
            .unwrap();
        let response: Result<Response, Infallible> = app.clone().oneshot(request).await;
        let (parts, body) = response.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            parts.status.as_u16(),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn the_routes_answer_as_they_are_documented() {
        let (gate, operator, app) = application(ReadinessPolicy::StayReady).await;
        for (method, uri, status, body, closed) in [
            ("GET", "/", 200, "hello", 503),
            ("GET", "/health", 200, "ok", 200),
            ("GET", "/ready", 200, "ready", 200),
            ("GET", "/login", 200, "login", 200),
            ("GET", "/slow?ms=1", 200, "done", 503),
            ("POST", "/items", 201, "", 503),
            ("GET", "/nothing", 404, "", 503),
        ] {
            assert_eq!(
                ask(&app, method, uri).await,
                (status, body.to_owned()),
                "{uri}"
            );
            operator
                .change(Change::Activate(Activate::by("ana")))
                .await
                .unwrap();
            gate.reached(|record| record.phase() == Phase::Activated)
                .await;
            assert_eq!(ask(&app, method, uri).await.0, closed, "{uri}");
            operator
                .change(Change::Deactivate(intermission::Deactivate::new()))
                .await
                .unwrap();
            gate.reached(|record| record.phase() == Phase::Deactivated)
                .await;
        }
    }

    #[tokio::test]
    async fn readiness_follows_its_policy() {
        for (policy, closed) in [
            (ReadinessPolicy::StayReady, (200, "ready")),
            (ReadinessPolicy::UnreadyWhenActivated, (503, "unready")),
        ] {
            let (gate, operator, app) = application(policy).await;
            let ready = async || ask(&app, "GET", "/ready").await;
            let is = |(status, word): (u16, &str)| (status, word.to_owned());
            assert_eq!(ready().await, is((200, "ready")), "{policy}");
            let activate = Change::Activate(Activate::by("ana"));
            operator.change(activate).await.unwrap();
            gate.reached(|record| record.phase() == Phase::Activated)
                .await;
            assert_eq!(ready().await, is(closed), "{policy}");
            assert_eq!(ask(&app, "GET", "/health").await, is((200, "ok")));
        }
    }

    #[tokio::test]
    async fn a_job_holds_its_execution_until_it_is_done_or_told_to_end() {
        let (gate, operator, app) = application(ReadinessPolicy::StayReady).await;
        let (status, body) = ask(&app, "POST", "/jobs?ms=1").await;
        let id: Value = serde_json::from_str(&body).unwrap();
        assert!(status == 202 && id["id"].is_string(), "{body}");
        while gate.status().running > 0 {
            tokio::task::yield_now().await;
        }
        let an_hour = "/jobs?ms=3600000";
        assert_eq!(ask(&app, "POST", an_hour).await.0, 202);
        assert_eq!((gate.status().running, gate.status().requests), (1, 0));
        let force = DrainPolicy::Force(Duration::ZERO);
        operator
            .change(Change::Activate(Activate::by("ana").with_drain(force)))
            .await
            .unwrap();
        gate.reached(|record| record.phase().is_on()).await;
        assert_eq!(ask(&app, "POST", an_hour).await.0, 503);
        while gate.status().running > 0 {
            tokio::task::yield_now().await;
        }
    }
}
