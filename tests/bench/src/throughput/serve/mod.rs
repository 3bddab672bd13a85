//! The servers that are measured, each a process of its own with one worker thread.

mod actix;
mod axum;
mod hyper;
mod warp;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use intermission::{Activate, AllowChange, Gate};
use tokio::net::TcpListener;

use super::{ALLOWED, BODY};
use crate::cases;

/// In what mode a server is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Without the gate.
    Bare,
    /// Without the gate, but with what it needs to know of a connection: the peer's address.
    BarePeer,
    /// Without the gate, and refusing with the same headers: the fastest that somebody could write.
    ByHand,
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
        "503" => Mode::ByHand,
        "off" => Mode::Off,
        "on" => Mode::On,
        _ => return unknown(name),
    };
    match (framework, mode) {
        ("hyper", mode) => hyper::serve(mode).await,
        (_, Mode::ByHand) => unknown(name),
        ("axum", mode) => axum::serve(mode).await,
        // These know the peer's address in any case.
        (_, Mode::BarePeer) => unknown(name),
        ("actix", mode) => actix::serve(mode).await,
        ("warp", mode) => warp::serve(mode).await,
        ("service", mode) => warp::serve_service(mode).await,
        _ => unknown(name),
    }
}

fn unknown(name: &str) -> Result<()> {
    bail!("there is no server `{name}`: they are FRAMEWORK-MODE, such as `axum-off`")
}

/// What closes a service, as for the servers that refuse.
pub(super) fn closed(message: &str, allowed: &[&str]) -> Result<Activate> {
    let allow = allowed
        .iter()
        .map(|network| network.parse())
        .collect::<Result<_, _>>()?;
    Ok(Activate::by("bench")
        .with_message(message)
        .with_allow(AllowChange::Replace(allow)))
}

/// A gate that is open, or closed by this.
pub(super) async fn gate(activate: Option<Activate>) -> Result<Gate> {
    match activate {
        Some(activate) => cases::closed_by(activate).await,
        None => cases::off().await,
    }
}

/// The gate of a server that is measured in this mode.
async fn gate_in(mode: Mode) -> Result<Gate> {
    let activate = match mode {
        Mode::On => Some(closed(BODY.trim_end(), &ALLOWED)?),
        Mode::Bare | Mode::BarePeer | Mode::ByHand | Mode::Off => None,
    };
    gate(activate).await
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
