//! `backbone-maintenance`, on axum 0.7.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use axum_07::Router;
use axum_07::body::{Body, to_bytes};
use axum_07::extract::Request;
use axum_07::middleware::from_fn_with_state;
use axum_07::response::Response;
use axum_07::routing::{get, post};
use backbone_maintenance::{
    MaintenanceConfig, MaintenanceState, MaintenanceUpdate, maintenance_middleware,
};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{Case, Error, filling, ready};

/// A server, if it is one of these.
pub(crate) async fn app(name: &str, body: &'static str) -> Result<Option<Router>, Error> {
    Ok(Some(match name {
        "axum07-bare" => routes(body),
        "backbone-off" => layered(body, &state(false)),
        "backbone-on" => {
            let state = state(true);
            let say = |message| {
                let update = MaintenanceUpdate {
                    message: Some(message),
                    ..MaintenanceUpdate::default()
                };
                state.apply_update(update);
            };
            say(String::new());
            let app = layered(body, &state);
            let request = Request::builder().uri("/hello").body(Body::empty())?;
            let asked = app.clone().oneshot(request).await?;
            let without = to_bytes(asked.into_body(), usize::MAX).await?.len();
            say(filling(body, without)?);
            app
        }
        _ => return Ok(None),
    }))
}

/// A case to be counted, if it is one of these.
pub(crate) fn case(name: &str) -> Option<Case> {
    Some(match name {
        "backbone-bare" => requests(function()),
        "backbone-off" => {
            requests(from_fn_with_state(state(false), maintenance_middleware).layer(function()))
        }
        _ => return None,
    })
}

fn layered(body: &'static str, state: &Arc<MaintenanceState>) -> Router {
    routes(body).layer(from_fn_with_state(
        Arc::clone(state),
        maintenance_middleware,
    ))
}

fn routes(body: &'static str) -> Router {
    let hello = move || async move { body };
    Router::new()
        .route("/hello", get(hello))
        .route("/health", get(hello))
        .route("/imports", post(hello))
}

fn state(is_on: bool) -> Arc<MaintenanceState> {
    MaintenanceState::from_config(&MaintenanceConfig {
        enabled: is_on,
        ..MaintenanceConfig::default()
    })
}

fn function()
-> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
    service_fn(|_: Request| async { Ok(Response::new(Body::from("hello"))) })
}

fn requests<S>(app: S) -> Case
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + 'static,
{
    Box::new(move |times| {
        for _ in 0..times {
            let request = Request::builder().uri("/hello").body(Body::empty())?;
            let Ok(response) = ready(app.clone().oneshot(black_box(request)))?;
            if !response.status().is_success() {
                return Err("who is to be let in is refused".into());
            }
            drop(black_box(response));
        }
        Ok(())
    })
}
