//! The process that is started: a service as small as one can be, with Intermission or without.

use std::convert::Infallible;
use std::io::Read as _;

use anyhow::{Context, Result};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use intermission::{Gate, SharedState, StateUrl};
use intermission_file::FileState;
use intermission_redis::RedisState;
use intermission_tower::MaintenanceLayer;
use tokio::net::TcpListener;
use tower::{Layer, Service, service_fn};

use super::start::{Start, State};

/// Serves until nobody holds the other end of its input any more.
///
/// # Errors
/// If the service cannot start: with what its start policy, or its state, makes of that.
pub fn child(start: &str) -> Result<()> {
    let start: Start = serde_json::from_str(start).context("that is no start")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (ended, orphaned) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Whatever ends the input is the end of the bench.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    runtime.block_on(async {
        tokio::select! {
            ended = serve(&start) => ended,
            _ = orphaned => Ok(()),
        }
    })
}

async fn serve(start: &Start) -> Result<()> {
    let Some(state) = state(&start.state)? else {
        return answer(start, service_fn(hello)).await;
    };
    let mut builder = Gate::builder(state).with_start_policy(start.policy.into());
    if let Some(file) = &start.last_known {
        builder = builder.with_last_known(file);
    }
    let gate = builder.start().await?;
    let layer = MaintenanceLayer::builder(gate)
        .with_lockout_accepted()
        .build()?;
    answer(start, layer.layer(service_fn(hello))).await
}

fn state(state: &State) -> Result<Option<SharedState>> {
    Ok(Some(match state {
        State::Bare => return Ok(None),
        State::Memory => SharedState::new(intermission::MemoryState::new()),
        State::File(directory) => SharedState::new(FileState::open(directory)?),
        State::Redis(url) => SharedState::new(RedisState::new(&url.parse::<StateUrl>()?)?),
    }))
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

async fn answer<S, B>(start: &Start, app: S) -> Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let listener = TcpListener::bind(start.address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(app.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A client that goes away early is none of the server's business.
            let _ = connection.await;
        });
    }
}
