//! A service on actix-web with maintenance mode.
//!
//! `main` shows the five things that an application does: open the state, start the gate, mount what operators
//! use, put the middleware around its routes, and say goodbye at the end. What the routes do is in `routes`. What all examples do alike is in `shared`.

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

use actix_web::http::header::HeaderValue;
use actix_web::{App, HttpRequest, HttpServer};
use anyhow::{Context, Result};
use clap::Parser;
use flags::Flags;
use intermission::Gate;
use intermission_actix::admin::{self, Admin};
use intermission_actix::cloudify::{self, Cloudify};
use intermission_actix::{maintenance, scope_of_host};
use process::{Ending, announce, asked_to_end};
use tokens::Tokens;
use tokio::runtime::Handle;

#[actix_web::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    let tokens = Tokens::from_environment();

    let mut gate = Gate::builder(state::open(&flags.state()?)?)
        .with_framework("actix-web")
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
        let (admin, tokens) = (admin.clone(), tokens.clone());
        move || {
            let tokens = tokens.clone();
            let authorize =
                move |request: &HttpRequest| tokens.authorize(|name| header(request, name));
            admin::scope("/admin/maintenance", admin.clone(), authorize)
        }
    };
    let cloudify = {
        let cloudify = Cloudify::new(gate.clone()).with_trusted_proxies(proxies.clone());
        let tokens = tokens.clone();
        move || {
            let tokens = tokens.clone();
            let authorize =
                move |request: &HttpRequest| tokens.authorize(|name| header(request, name));
            cloudify::scope(cloudify.clone(), authorize)
        }
    };
    let maintenance = maintenance(gate.clone())
        .with_permission(move |request: &HttpRequest| {
            tokens.may_bypass(request.uri().path(), |name| header(request, name))
        })
        .with_trusted_proxies(proxies)
        // Every host is a tenant, which can be closed by itself.
        .with_scopes(scope_of_host)
        .build()?;

    // The factory runs once for each worker; what it clones into each is one and the same gate.
    let (jobs, probed, readiness) = (Handle::current(), gate.clone(), flags.readiness);
    let ending = Ending::new();
    let told = ending.clone();
    let routes = move || {
        routes::routes(&jobs, &probed, readiness, &told)
            .service(admin::public_status("/maintenance-status", probed.clone()))
            .service(mounted())
            .service(cloudify())
            .behind(&maintenance)
    };
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
        // A page that somebody has left open would keep the server waiting, and so would a conversation.
        admin.end_events();
        ending.begin();
        handle.stop(true).await;
    });
    server.await?;

    // Jobs may still run, in this runtime and not in that of a worker: the node leaves the list when the last one has ended.
    gate.shutdown().await;
    Ok(())
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a [u8]> {
    request.headers().get(name).map(HeaderValue::as_bytes)
}
