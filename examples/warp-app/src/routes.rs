//! The routes, and their flags.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use intermission::{BadPattern, Execution, Gate, ReadinessPolicy, RouteAccess, RouteTable};
use intermission_warp::{
    LongLived, MaintenanceLayer, Refused, StartedExecution, guard, long_lived, long_lived_response,
    starts_execution,
};
use serde::Deserialize;
use serde_json::json;
use warp::http::{HeaderValue, StatusCode};
use warp::ws::{Message, WebSocket, Ws};
use warp::{Filter, Rejection, Reply, reply};

use crate::events;
use crate::process::Ending;

/// The code with which a WebSocket is told that the process ends.
const AWAY: u16 = 1001;
/// The code with which a WebSocket is told that the service restarts, and to come back.
const RESTART: u16 = 1012;

/// The routes that are always open. `/jobs` has its flag beside it.
pub(crate) fn flags() -> Result<RouteTable, BadPattern> {
    RouteTable::new()
        .with("/health", RouteAccess::Always)?
        .with("/ready", RouteAccess::Always)?
        .with("/login", RouteAccess::Always)
}

/// All routes of the application, behind the gate.
pub(crate) fn routes(
    maintenance: &MaintenanceLayer,
    readiness: ReadinessPolicy,
    ending: &Ending,
) -> impl Filter<Extract = (reply::Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<>
{
    // The path comes first in each, so that a path that nobody knows is a 404 and not a wrong method.
    let hello = warp::path::end().and(get()).map(|| "hello");
    let health = warp::path!("health").and(get()).map(|| "ok");
    let gate = maintenance.gate().clone();
    let ready = move || ready(&gate, readiness);
    let ready = warp::path!("ready").and(get()).map(ready);
    let login = warp::path!("login").and(get()).map(|| "login");
    let slow = warp::path!("slow").and(get()).and(warp::query()).then(slow);
    let items = warp::path!("items")
        .and(warp::post())
        .map(|| StatusCode::CREATED);
    let start_job = {
        let gate = maintenance.gate().clone();
        move |execution, takes| std::future::ready(start_job(&gate, execution, &takes))
    };
    let jobs = warp::path!("jobs").and(warp::post()).and(starts_execution(
        maintenance,
        warp::query(),
        start_job,
    ));
    let start_execution = {
        let gate = maintenance.gate().clone();
        move |execution, takes| std::future::ready(start_execution(&gate, execution, &takes))
    };
    // How Cloudify's clients start work.
    let executions = warp::path("api")
        .and(warp::path::param())
        .map(|_version: String| ())
        .untuple_one()
        .and(warp::path!("executions"))
        .and(warp::post())
        .and(starts_execution(
            maintenance,
            warp::query(),
            start_execution,
        ));
    let told = ending.clone();
    let ending = ending.clone();
    let chat = warp::path!("ws")
        .and(warp::ws())
        .and(long_lived(maintenance))
        .map(move |upgrade, connection| echo(upgrade, connection, ending.clone()));
    let feed = warp::path!("events")
        .and(get())
        .and(long_lived_response(maintenance))
        .map(move |connection| tell(connection, told.clone()));
    let all = hello.or(health).or(ready).or(login);
    let guarded = guard(maintenance, all.or(slow).or(items).or(chat).or(feed));
    jobs.or(executions).unify().or(guarded).unify()
}

/// GET, and HEAD, which asks for the same without the body.
fn get() -> impl Filter<Extract = (), Error = Rejection> + Copy {
    warp::get().or(warp::head()).unify()
}

/// What a load balancer asks. Not whether the process lives, which `/health` says.
fn ready(gate: &Gate, policy: ReadinessPolicy) -> impl Reply + use<> {
    let readiness = gate.readiness(policy);
    let status = StatusCode::from_u16(readiness.status()).unwrap_or_default();
    reply::with_status(readiness.as_str(), status)
}

/// How long something takes: `?ms=N`.
#[derive(Deserialize)]
struct Takes {
    #[serde(default)]
    ms: u64,
}

async fn slow(takes: Takes) -> &'static str {
    tokio::time::sleep(Duration::from_millis(takes.ms)).await;
    "done"
}

/// Starts a job that outlives its request.
fn start_job(gate: &Gate, execution: StartedExecution, takes: &Takes) -> impl Reply + use<> {
    reply::with_status(started(gate, execution, takes), StatusCode::ACCEPTED)
}

/// The same, with the status that Cloudify's client waits for.
fn start_execution(gate: &Gate, execution: StartedExecution, takes: &Takes) -> impl Reply + use<> {
    reply::with_status(started(gate, execution, takes), StatusCode::CREATED)
}

/// The job keeps the execution, so that a drain waits for it. Its id is the one that Cloudify's clients see.
fn started(
    gate: &Gate,
    StartedExecution(execution): StartedExecution,
    takes: &Takes,
) -> impl Reply + use<> {
    let id = format!("{}-{}", gate.status().node, execution.id());
    tokio::spawn(work(execution, Duration::from_millis(takes.ms)));
    reply::json(&json!({ "id": id }))
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
fn tell(connection: intermission::LongLived, ending: Ending) -> impl Reply {
    let closing = async move { connection.closing().await };
    let mut response = reply::stream(events::events(closing, ending)).into_response();
    for (name, value) in events::HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn echo(
    upgrade: Ws,
    connection: Result<LongLived, Refused>,
    ending: Ending,
) -> Result<impl Reply, Refused> {
    let connection = connection?;
    Ok(upgrade.on_upgrade(move |socket| echo_until_closing(socket, connection, ending)))
}

/// Says the same again, until the peer leaves or the site closes. A socket that stayed open would never be drained.
async fn echo_until_closing(mut socket: WebSocket, connection: LongLived, ending: Ending) {
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = connection.closing() => {
                return goodbye(socket, RESTART, "closed for maintenance").await;
            }
            () = ending.begun() => return goodbye(socket, AWAY, "the process ends").await,
        };
        match message {
            Some(Ok(message)) if message.is_text() || message.is_binary() => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(message)) if !message.is_close() => {}
            Some(Ok(_) | Err(_)) | None => return,
        }
    }
}

async fn goodbye(mut socket: WebSocket, code: u16, reason: &'static str) {
    // The peer may have left at the same moment, which is just as well.
    let _ = socket.send(Message::close_with(code, reason)).await;
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use intermission::{Activate, Actor, Change, DrainPolicy, MemoryState, Operator, Phase};
    use intermission_warp::maintenance;
    use tower::ServiceExt;
    use warp::filters::BoxedFilter;
    use warp::http::Request;

    use super::*;

    type App = BoxedFilter<(reply::Response,)>;

    async fn application(readiness: ReadinessPolicy) -> (Gate, Operator, App) {
        let state = MemoryState::new();
        let gate = Gate::builder(state.clone()).start().await.unwrap();
        let operator = Operator::new(state, Actor::new("ana", "test"));
        let maintenance = maintenance(gate.clone()).with_routes(flags().unwrap());
        let app = routes(&maintenance.build().unwrap(), readiness, &Ending::new());
        let app = app.map(Reply::into_response).boxed();
        (gate, operator, app)
    }

    async fn ask(app: &App, method: &str, uri: &str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(String::new())
            .unwrap();
        let response = warp::service(app.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
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
        let id: serde_json::Value = serde_json::from_str(&body).unwrap();
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
