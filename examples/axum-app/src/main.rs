//! A service on axum with maintenance mode.
//!
//! `main` shows the five things that an application does: open the state, start the gate, mount what operators
//! use, put the layer around its routes, and say goodbye at the end. What the routes do is in `routes`. What all examples do alike is in `shared`.

#[path = "../../shared/events.rs"]
mod events;
#[path = "../../shared/flags.rs"]
mod flags;
#[path = "../../shared/process.rs"]
mod process;
#[path = "../../shared/replies.rs"]
mod replies;
mod routes;
#[path = "../../shared/state.rs"]
mod state;
#[path = "../../shared/tokens.rs"]
mod tokens;

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::http::header::HeaderValue;
use axum::http::request::Parts;
use clap::Parser;
use flags::Flags;
use intermission::Gate;
use intermission_axum::admin::{self, Admin};
use intermission_axum::cloudify::{self, Cloudify};
use intermission_axum::{maintenance, scope_of_host};
use process::{Ending, announce, asked_to_end};
use tokens::Tokens;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    let tokens = Tokens::from_environment();

    let mut gate = Gate::builder(state::open(&flags.state()?)?)
        .with_framework("axum")
        .with_reply_policy(replies::policy(
            flags.site.as_deref(),
            flags.page.as_deref(),
        ))
        .with_outage_policy(flags.on_outage)
        .with_lost_contact(flags.lost)
        .with_scheduled_header();
    if let Some(node) = &flags.node {
        gate = gate.with_node_name(node);
    }
    if let Some(probe) = flags.probe() {
        gate = gate.with_probe(probe);
    }
    let gate = gate.start().await?;

    let proxies = flags.trusted_proxies()?;
    let mut admin = Admin::new(gate.clone())
        .with_trusted_proxies(proxies.clone())
        .with_challenge("Basic realm=\"maintenance\"");
    if let Some(site) = &flags.site {
        admin = admin.with_site(site);
    }
    let mounted = {
        let tokens = tokens.clone();
        let authorize = move |request: &Parts| tokens.authorize(|name| header(request, name));
        admin::routes("/admin/maintenance", admin.clone(), authorize)
    };
    let cloudify = {
        let tokens = tokens.clone();
        let authorize = move |request: &Parts| tokens.authorize(|name| header(request, name));
        let cloudify = Cloudify::new(gate.clone()).with_trusted_proxies(proxies.clone());
        cloudify::routes(cloudify, authorize)
    };
    let maintenance = maintenance(gate.clone())
        .with_permission(move |request: &Parts| {
            tokens.may_bypass(request.uri.path(), |name| header(request, name))
        })
        .with_trusted_proxies(proxies)
        // Every host is a tenant, which can be closed by itself.
        .with_scopes(scope_of_host);
    let ending = Ending::new();
    let app = routes::routes(flags.readiness, &ending)
        .merge(admin::public_status("/maintenance-status", gate.clone()))
        .merge(mounted)
        .merge(cloudify)
        .with_state(gate.clone())
        .into_service(maintenance)?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();

    let listener = TcpListener::bind(flags.listen)
        .await
        .with_context(|| format!("cannot listen on {}", flags.listen))?;
    announce(listener.local_addr()?);
    let asked_to_end = asked_to_end()?;
    let end = async move {
        asked_to_end.await;
        // A page that somebody has left open would keep the server waiting, and so would a conversation.
        admin.end_events();
        ending.begin();
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(end)
        .await?;

    // Jobs may still run: the node leaves the list when the last one has ended.
    gate.shutdown().await;
    Ok(())
}

fn header<'a>(request: &'a Parts, name: &str) -> Option<&'a [u8]> {
    request.headers.get(name).map(HeaderValue::as_bytes)
}
