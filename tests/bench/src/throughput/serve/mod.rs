//! The servers that are measured, each a process of its own with one worker thread.

mod actix;
mod axum;
mod hyper;
mod warp;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use intermission::{Activate, Actor, AllowChange, Change, Gate, MemoryState, Operator, Phase};
use tokio::net::TcpListener;

use super::{ALLOWED, BODY};

/// In what mode a server is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Without the gate.
    Bare,
    /// Without the gate, but with what it needs to know of a connection: the peer's address.
    BarePeer,
    /// With the gate, which lets everybody in.
    Off,
    /// With the gate, which refuses.
    On,
}

/// Runs the server of this name until the process is killed. Its first line says where it listens.
///
/// # Errors
/// If there is no such server, or it cannot listen.
pub async fn serve(name: &str) -> Result<()> {
    let Some((framework, mode)) = name.split_once('-') else {
        return unknown(name);
    };
    let mode = match mode {
        "bare" => Mode::Bare,
        "bare+peer" => Mode::BarePeer,
        "off" => Mode::Off,
        "on" => Mode::On,
        _ => return unknown(name),
    };
    match (framework, mode) {
        // These know the peer's address in any case.
        ("actix" | "warp" | "service", Mode::BarePeer) => unknown(name),
        ("actix", mode) => actix::serve(mode).await,
        ("axum", mode) => axum::serve(mode).await,
        ("hyper", mode) => hyper::serve(mode).await,
        ("warp", mode) => warp::serve(mode).await,
        ("service", mode) => warp::serve_service(mode).await,
        _ => unknown(name),
    }
}

fn unknown(name: &str) -> Result<()> {
    bail!("there is no server `{name}`: they are FRAMEWORK-MODE, such as `axum-off`")
}

/// A gate that lets in or refuses, as a small site would have it.
async fn gate(mode: Mode) -> Result<Gate> {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await?;
    if mode == Mode::On {
        let allow = ALLOWED
            .iter()
            .map(|network| network.parse())
            .collect::<Result<_, _>>()?;
        let activate = Activate::by("bench")
            .with_message(BODY.trim_end())
            .with_allow(AllowChange::Replace(allow));
        Operator::new(state, Actor::new("bench", "bench"))
            .change(Change::Activate(activate))
            .await?;
        gate.reached(|record| record.phase() == Phase::Activated)
            .await;
    }
    Ok(gate)
}

/// Listens on a free port of this machine, and says on which.
async fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("cannot listen on 127.0.0.1")?;
    announce(listener.local_addr()?);
    Ok(listener)
}

fn announce(address: SocketAddr) {
    println!("{address}");
}

/// What staff send in `X-Staff`, as in the README.
const STAFF: &str = "s3cret";

fn is_staff(header: Option<&http::HeaderValue>) -> bool {
    header.is_some_and(|token| token == STAFF)
}
