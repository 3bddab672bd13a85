//! How the process tells where it listens, and when it ends: the same in each example.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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

/// Whether the process is ending: for connections that would keep the server waiting. Clones are the same.
#[derive(Clone)]
pub(crate) struct Ending(watch::Sender<bool>);

impl Ending {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// From now on it is.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is.
    pub(crate) async fn begun(&self) {
        // It cannot fail: the sender is here.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}
