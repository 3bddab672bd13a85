//! How the process tells where it listens, and when it ends: the same in each example.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// Says where the service listens.
#[expect(
    clippy::print_stdout,
    reason = "scripts that start the service read its address from here"
)]
pub(crate) fn announce(address: SocketAddr) {
    println!("listening on http://{address}");
}

/// Waits until the process is asked to end, in either of the usual ways.
pub(crate) fn asked_to_end() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
