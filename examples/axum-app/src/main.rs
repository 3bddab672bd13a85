//! A service on axum with maintenance mode.
//!
//! `main` shows the four things that an application does: open the state, start the gate, put the layer around its
//! routes, and say goodbye at the end. What the routes do is in `routes`, what the command line may say in `flags`.

mod flags;
mod routes;
mod tokens;

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use axum::http::request::Parts;
use clap::Parser;
use flags::Flags;
use intermission::{
    ForwardedHeader, Gate, MemoryState, SharedState, StateLocation, TrustedProxies,
};
use intermission_axum::maintenance;
use intermission_file::FileOptions;
use intermission_redis::RedisOptions;
use tokens::Tokens;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    let tokens = Tokens::from_environment();

    let mut gate = Gate::builder(open_state(&flags)?)
        .with_framework("axum")
        .with_outage_policy(flags.on_outage)
        .with_lost_contact(flags.lost);
    if let Some(node) = &flags.node {
        gate = gate.with_node_name(node);
    }
    let gate = gate.start().await?;

    let proxies = match flags.trusted_proxies()? {
        list if list.is_empty() => TrustedProxies::none(),
        list => TrustedProxies::new(list, ForwardedHeader::XForwardedFor),
    };
    let maintenance = maintenance(gate.clone())
        .with_permission(move |request: &Parts| tokens.may_bypass(&request.headers))
        .with_trusted_proxies(proxies);
    let app = routes::routes(flags.readiness)
        .with_state(gate.clone())
        .into_service(maintenance)?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();

    let listener = TcpListener::bind(flags.listen)
        .await
        .with_context(|| format!("cannot listen on {}", flags.listen))?;
    announce(listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(asked_to_end()?)
        .await?;

    // Jobs may still run: the node leaves the list when the last one has ended.
    gate.shutdown().await;
    Ok(())
}

fn open_state(flags: &Flags) -> Result<SharedState> {
    let url = flags.state()?;
    Ok(match url.location() {
        StateLocation::Memory => SharedState::new(MemoryState::new()),
        // The service owns its state, so it creates the directory; the command never does so by accident.
        StateLocation::File(_) => SharedState::new(FileOptions::from_url(&url)?.open_or_create()?),
        // Nothing is dialled yet: the gate's start does, and fails if the server does not answer.
        StateLocation::Redis(_) => SharedState::new(RedisOptions::from_url(&url)?.build()),
        _ => {
            bail!("this example keeps its state in memory:, file:DIR or redis://HOST, not in {url}")
        }
    })
}

#[expect(
    clippy::print_stdout,
    reason = "scripts that start the service read its address from here"
)]
fn announce(address: SocketAddr) {
    println!("listening on http://{address}");
}

/// Waits until the process is asked to end, in either of the usual ways.
fn asked_to_end() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
