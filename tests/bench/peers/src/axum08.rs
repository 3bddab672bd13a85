//! `autumn-web` and `rustango`, on axum 0.8.

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;

use autumn_web::maintenance::{MaintenanceConfig, MaintenanceState};
use autumn_web::middleware::MaintenanceLayer;
use axum_08::Router;
use axum_08::body::{Body, to_bytes};
use axum_08::extract::Request;
use axum_08::response::Response;
use axum_08::routing::{get, post};
use rustango::maintenance::{MaintenanceFlag, MaintenanceRouterExt};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{ALLOWED, Case, Error, filling, ready};

/// A server, if it is one of these.
pub(crate) async fn app(name: &str, body: &'static str) -> Result<Option<Router>, Error> {
    Ok(Some(match name {
        "axum08-bare" => routes(body),
        "autumn-off" => routes(body).layer(autumn(MaintenanceState::new())),
        "autumn-on" => {
            let state = MaintenanceState::new();
            state.enable(closed(String::new(), &ALLOWED));
            let app = routes(body).layer(autumn(state.clone()));
            let asked = app.clone().oneshot(hello()).await?;
            let without = to_bytes(asked.into_body(), usize::MAX).await?.len();
            state.enable(closed(filling(body, without)?, &ALLOWED));
            app
        }
        "rustango-off" => routes(body).maintenance(rustango(false)),
        "rustango-on" => {
            let without = r#"{"error":""}"#.len();
            let json = format!(r#"{{"error":"{}"}}"#, filling(body, without)?);
            routes(body).maintenance(rustango(true).body(json))
        }
        _ => return Ok(None),
    }))
}

/// A case to be counted, if it is one of these.
pub(crate) fn case(name: &str) -> Option<Case> {
    let last_of = |count: usize| {
        let state = MaintenanceState::new();
        let networks: Vec<String> = (0..count)
            .map(|at| format!("10.{}.{}.0/24", at / 256, at % 256))
            .collect();
        let networks: Vec<&str> = networks.iter().map(String::as_str).collect();
        let message = "Back at noon.".to_owned();
        state.enable(closed(message, &networks));
        autumn(state).layer(function())
    };
    Some(match name {
        "autumn-bare" => requests(function()),
        "autumn-off" => requests(autumn(MaintenanceState::new()).layer(function())),
        "autumn-listed-100" => requests(last_of(100)),
        "rustango-bare" => requests(routes("hello").with_state(())),
        "rustango-off" => requests(routes("hello").maintenance(rustango(false)).with_state(())),
        _ => return None,
    })
}

fn routes(body: &'static str) -> Router {
    let hello = move || async move { body };
    Router::new()
        .route("/hello", get(hello))
        .route("/health", get(hello))
        .route("/imports", post(hello))
}

fn autumn(state: MaintenanceState) -> MaintenanceLayer {
    MaintenanceLayer::new(state).with_health_prefix("/health")
}

fn closed(message: String, allowed: &[&str]) -> MaintenanceConfig {
    MaintenanceConfig {
        message: Some(message),
        allow_ips: allowed
            .iter()
            .map(|network| (*network).to_owned())
            .collect(),
        readonly: false,
        bypass_header: Some(("x-staff".to_owned(), "s3cret".to_owned())),
    }
}

fn rustango(is_on: bool) -> rustango::maintenance::MaintenanceLayer {
    let flag = MaintenanceFlag::with_state(is_on);
    rustango::maintenance::MaintenanceLayer::new(flag).allow_path("/health")
}

fn function()
-> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
    service_fn(|_: Request| async { Ok(Response::new(Body::from("hello"))) })
}

fn hello() -> Request {
    Request::builder()
        .uri("/hello")
        .body(Body::empty())
        .expect("a fixed request is one")
}

fn requests<S>(app: S) -> Case
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + 'static,
{
    // The last of the networks of `last_of`.
    let peer = SocketAddr::from(([10, 0, 99, 1], 40_000));
    Box::new(move |times| {
        for _ in 0..times {
            let mut request = Request::builder().uri("/hello").body(Body::empty())?;
            request.extensions_mut().insert(peer);
            let Ok(response) = ready(app.clone().oneshot(black_box(request)))?;
            if !response.status().is_success() {
                return Err("who is to be let in is refused".into());
            }
            drop(black_box(response));
        }
        Ok(())
    })
}
