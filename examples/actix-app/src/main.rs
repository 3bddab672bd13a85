//! A service on actix-web with maintenance mode.
//!
//! `main` shows the four things that an application does: open the state, start the gate, put the middleware around
//! its routes, and say goodbye at the end. What the routes do is in `routes`, what the command line may say in `flags`.

mod flags;
mod routes;
mod tokens;

use std::net::SocketAddr;

use actix_web::{App, HttpRequest, HttpServer};
use anyhow::{Context, Result, bail};
use clap::Parser;
use flags::Flags;
use intermission::{
    ForwardedHeader, Gate, MemoryState, SharedState, StateLocation, TrustedProxies,
};
use intermission_actix::maintenance;
use intermission_file::FileOptions;
use intermission_redis::RedisOptions;
use tokens::Tokens;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

#[actix_web::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    let tokens = Tokens::from_environment();

    let mut gate = Gate::builder(open_state(&flags)?)
        .with_framework("actix-web")
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
        .with_permission(move |request: &HttpRequest| tokens.may_bypass(request.headers()))
        .with_trusted_proxies(proxies)
        .build()?;

    // The factory runs once for each worker; what it clones into each is one and the same gate.
    let (jobs, probed, readiness) = (Handle::current(), gate.clone(), flags.readiness);
    let routes = move || routes::routes(&jobs, &probed, readiness).behind(&maintenance);
    let server = HttpServer::new(move || App::new().service(routes()))
        // A client that has hung up is to be waited for no longer.
        .h1_allow_half_closed(false)
        // By itself, actix-web would cut requests off on SIGINT.
        .disable_signals()
        .bind(flags.listen)
        .with_context(|| format!("cannot listen on {}", flags.listen))?;
    for address in server.addrs() {
        announce(address);
    }
    let server = server.run();
    let handle = server.handle();
    let asked_to_end = asked_to_end()?;
    actix_web::rt::spawn(async move {
        asked_to_end.await;
        handle.stop(true).await;
    });
    server.await?;

    // Jobs may still run, in this runtime and not in that of a worker: the node leaves the list when the last one has ended.
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
