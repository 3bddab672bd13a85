//! The routes, each with its flag beside it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::Query;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::Json;
use intermission::{Execution, Gate};
use intermission_axum::{LongLived, MaintenanceRouter, MethodRouterExt, StartedExecution};
use serde::Deserialize;
use serde_json::json;

/// All routes of the application.
pub(crate) fn routes() -> MaintenanceRouter<Gate> {
    MaintenanceRouter::new()
        .route("/", get(|| async { "hello" }))
        .route("/health", get(|| async { "ok" }).always())
        // Ready in every phase: a fleet that is unready as a whole is an outage to its load balancer.
        .route("/ready", get(|| async { "ready" }).always())
        .route("/login", get(|| async { "login" }).always())
        .route("/slow", get(slow))
        .route("/items", post(|| async { StatusCode::CREATED }))
        .route("/jobs", post(start_job).starts_execution())
        .route("/ws", any(echo))
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

/// Starts a job that outlives its request: it takes the execution over, so that a drain waits for the job.
async fn start_job(StartedExecution(execution): StartedExecution, Query(takes): Query<Takes>) -> Response {
    static JOBS: AtomicU64 = AtomicU64::new(1);
    let id = JOBS.fetch_add(1, Ordering::Relaxed).to_string();
    tokio::spawn(work(execution, Duration::from_millis(takes.ms)));
    (StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response()
}

async fn work(execution: Execution, takes: Duration) {
    tokio::select! {
        () = tokio::time::sleep(takes) => {}
        // The drain's limit was reached: a good job leaves off where it can go on later.
        () = execution.cancelled() => {}
    }
    drop(execution);
}

async fn echo(connection: LongLived, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| echo_until_closing(socket, connection))
}

/// Says the same again, until the peer leaves or the site closes. A socket that stayed open would never be drained.
async fn echo_until_closing(mut socket: WebSocket, connection: LongLived) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = connection.closing() => {
                let frame = CloseFrame { code: close_code::RESTART, reason: "closed for maintenance".into() };
                // The peer may have left at the same moment, which is just as well.
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
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
