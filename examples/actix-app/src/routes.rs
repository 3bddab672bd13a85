//! The routes, each with its flag beside it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Query};
use actix_web::{Error, HttpRequest, HttpResponse, Responder, guard};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, Session};
use futures_util::TryStreamExt;
use intermission::{Execution, Gate, ReadinessPolicy};
use intermission_actix::{LongLived, MaintenanceExt, MaintenanceScope, StartedExecution};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::events;
use crate::process::Ending;

/// All routes of the application. `jobs` is the runtime that jobs run in: those of actix-web's workers end with the
/// server, and with them whatever they run.
pub(crate) fn routes(
    jobs: &Handle,
    gate: &Gate,
    readiness: ReadinessPolicy,
    ending: &Ending,
) -> MaintenanceScope {
    let get = |path: &str, word: &'static str| {
        let say = move || std::future::ready(word);
        web::resource(path).route(web::get().to(say))
    };
    let probed = gate.clone();
    let ready = move || std::future::ready(ready(&probed, readiness));
    MaintenanceScope::new("")
        .app_data(Data::new(Jobs {
            runtime: jobs.clone(),
            gate: gate.clone(),
        }))
        .app_data(Data::new(ending.clone()))
        .service(get("/", "hello"))
        .service(get("/health", "ok").always())
        // Always, whatever the policy says: a probe that is refused would be one that failed.
        .service(web::resource("/ready").route(web::get().to(ready)).always())
        .service(get("/login", "login").always())
        .service(web::resource("/slow").route(web::get().to(slow)))
        .service(web::resource("/items").route(web::post().to(create)))
        // With the guard on the resource, other methods find no execution begun.
        .service(
            web::resource("/jobs")
                .guard(guard::Post())
                .to(start_job)
                .starts_execution(),
        )
        // How Cloudify's clients start work.
        .service(
            web::resource("/api/{version}/executions")
                .guard(guard::Post())
                .to(start_execution)
                .starts_execution(),
        )
        .service(web::resource("/ws").route(web::get().to(echo)))
        .service(web::resource("/events").route(web::get().to(tell)))
}

/// What a load balancer asks. Not whether the process lives, which `/health` says.
fn ready(gate: &Gate, policy: ReadinessPolicy) -> impl Responder + use<> {
    let readiness = gate.readiness(policy);
    let status = StatusCode::from_u16(readiness.status()).unwrap_or_default();
    readiness.as_str().customize().with_status(status)
}

/// How long something takes: `?ms=N`.
#[derive(Deserialize)]
struct Takes {
    #[serde(default)]
    ms: u64,
}

async fn slow(takes: Query<Takes>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(takes.ms)).await;
    "done"
}

async fn create() -> HttpResponse {
    HttpResponse::new(StatusCode::CREATED)
}

/// Where jobs run, and the node that runs them.
struct Jobs {
    runtime: Handle,
    gate: Gate,
}

/// Starts a job that outlives its request.
async fn start_job(
    StartedExecution(execution): StartedExecution,
    takes: Query<Takes>,
    jobs: Data<Jobs>,
) -> HttpResponse {
    HttpResponse::Accepted().json(jobs.start(execution, &takes))
}

/// The same, with the status that Cloudify's client waits for.
async fn start_execution(
    StartedExecution(execution): StartedExecution,
    takes: Query<Takes>,
    jobs: Data<Jobs>,
) -> HttpResponse {
    HttpResponse::Created().json(jobs.start(execution, &takes))
}

impl Jobs {
    /// The job takes the execution over, so that a drain waits for it. Its id is the one that Cloudify's clients see.
    fn start(&self, execution: Execution, takes: &Takes) -> Value {
        let id = format!("{}-{}", self.gate.status().node, execution.id());
        self.runtime
            .spawn(work(execution, Duration::from_millis(takes.ms)));
        json!({ "id": id })
    }
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
async fn tell(connection: LongLived, ending: Data<Ending>) -> HttpResponse {
    let closing = async move { connection.closing().await };
    let body = events::events(closing, ending.get_ref().clone()).map_ok(web::Bytes::from);
    let mut response = HttpResponse::Ok();
    for header in events::HEADERS {
        response.insert_header(header);
    }
    response.streaming(body)
}

async fn echo(
    request: HttpRequest,
    body: web::Payload,
    connection: LongLived,
    ending: Data<Ending>,
) -> Result<HttpResponse, Error> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let talk = echo_until_closing(session, messages, connection, ending);
    actix_web::rt::spawn(talk);
    Ok(response)
}

/// Says the same again, until the peer leaves or the site closes. A socket that stayed open would never be drained.
async fn echo_until_closing(
    mut session: Session,
    mut messages: MessageStream,
    connection: LongLived,
    ending: Data<Ending>,
) {
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = connection.closing() => {
                return goodbye(session, CloseCode::Restart, "closed for maintenance").await;
            }
            () = ending.begun() => return goodbye(session, CloseCode::Away, "the process ends").await,
        };
        let sent = match message {
            Some(Ok(Message::Text(text))) => session.text(text).await,
            Some(Ok(Message::Binary(bytes))) => session.binary(bytes).await,
            Some(Ok(Message::Ping(bytes))) => session.pong(&bytes).await,
            Some(Ok(Message::Pong(_) | Message::Nop | Message::Continuation(_))) => Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn goodbye(session: Session, code: CloseCode, reason: &str) {
    let description = Some(reason.to_owned());
    // The peer may have left at the same moment, which is just as well.
    let _ = session.close(Some(CloseReason { code, description })).await;
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use actix_web::dev::{Service, ServiceResponse};
    use actix_web::{App, test};
    use intermission::{
        Activate, Actor, Change, Deactivate, DrainPolicy, MemoryState, Operator, Phase,
    };
    use intermission_actix::{Maintenance, maintenance};

    use super::*;

    async fn gate() -> (Gate, Operator, Maintenance) {
        let state = MemoryState::new();
        let gate = Gate::builder(state.clone()).start().await.unwrap();
        let operator = Operator::new(state, Actor::new("ana", "test"));
        let maintenance = maintenance(gate.clone()).with_always_elsewhere();
        (gate, operator, maintenance.build().unwrap())
    }

    fn all_routes(gate: &Gate, readiness: ReadinessPolicy) -> MaintenanceScope {
        routes(&Handle::current(), gate, readiness, &Ending::new())
    }

    fn request(method: &str, uri: &str) -> test::TestRequest {
        test::TestRequest::with_uri(uri).method(method.parse().unwrap())
    }

    async fn ask<R, S, B>(app: &S, request: R) -> (u16, String)
    where
        S: Service<R, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody,
    {
        let response = test::call_service(app, request).await;
        let status = response.status().as_u16();
        let body = test::read_body(response).await;
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn the_routes_answer_as_they_are_documented() {
        let (gate, operator, maintenance) = gate().await;
        let routes = all_routes(&gate, ReadinessPolicy::StayReady).behind(&maintenance);
        let app = test::init_service(App::new().service(routes)).await;
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
                ask(&app, request(method, uri).to_request()).await,
                (status, body.to_owned()),
                "{uri}"
            );
            let activate = Change::Activate(Activate::by("ana"));
            operator.change(activate).await.unwrap();
            gate.reached(|record| record.phase() == Phase::Activated)
                .await;
            assert_eq!(
                ask(&app, request(method, uri).to_request()).await.0,
                closed,
                "{uri}"
            );
            let deactivate = Change::Deactivate(Deactivate::new());
            operator.change(deactivate).await.unwrap();
            gate.reached(|record| record.phase() == Phase::Deactivated)
                .await;
        }
    }

    #[actix_web::test]
    async fn readiness_follows_its_policy() {
        for (policy, closed) in [
            (ReadinessPolicy::StayReady, (200, "ready")),
            (ReadinessPolicy::UnreadyWhenActivated, (503, "unready")),
        ] {
            let (gate, operator, maintenance) = gate().await;
            let routes = all_routes(&gate, policy).behind(&maintenance);
            let app = test::init_service(App::new().service(routes)).await;
            let get = async |uri| ask(&app, request("GET", uri).to_request()).await;
            let is = |(status, word): (u16, &str)| (status, word.to_owned());
            assert_eq!(get("/ready").await, is((200, "ready")), "{policy}");
            let activate = Change::Activate(Activate::by("ana"));
            operator.change(activate).await.unwrap();
            gate.reached(|record| record.phase() == Phase::Activated)
                .await;
            assert_eq!(get("/ready").await, is(closed), "{policy}");
            assert_eq!(get("/health").await, is((200, "ok")), "{policy}");
        }
    }

    #[actix_web::test]
    async fn a_job_holds_its_execution_until_it_is_done_or_told_to_end() {
        let (gate, operator, maintenance) = gate().await;
        let routes = all_routes(&gate, ReadinessPolicy::StayReady).behind(&maintenance);
        let app = test::init_service(App::new().service(routes)).await;
        let (status, body) = ask(&app, request("POST", "/jobs?ms=1").to_request()).await;
        let id: Value = serde_json::from_str(&body).unwrap();
        assert!(status == 202 && id["id"].is_string(), "{body}");
        while gate.status().running > 0 {
            tokio::task::yield_now().await;
        }
        let an_hour = "/jobs?ms=3600000";
        assert_eq!(
            ask(&app, request("POST", an_hour).to_request()).await.0,
            202
        );
        assert_eq!((gate.status().running, gate.status().requests), (1, 0));
        let force = DrainPolicy::Force(Duration::ZERO);
        let activate = Activate::by("ana").with_drain(force);
        operator.change(Change::Activate(activate)).await.unwrap();
        gate.reached(|record| record.phase().is_on()).await;
        assert_eq!(
            ask(&app, request("POST", an_hour).to_request()).await.0,
            503
        );
        while gate.status().running > 0 {
            tokio::task::yield_now().await;
        }
    }
}
