//! What an adapter's author brings along.

use std::future::Future;
use std::net::SocketAddr;

use crate::FixtureError;

use super::Site;

/// A server that serves the contract's application behind an adapter. Each row starts one of its own, and stops it.
///
/// The [module's documentation](super) says what it has to serve.
pub trait Server: Send + Sync + Sized + 'static {
    /// The name that listings show first.
    const NAME: &'static str;

    /// Whether the outer middleware can look into a response's extensions. Where it cannot, `x-decision` is not compared.
    const SHOWS_DECISIONS: bool = true;

    /// The rows that cannot be met, with the reasons. They still run, and must fail.
    const UNMET: &'static [Unmet];

    /// Serves the application of this site, on a free port of 127.0.0.1.
    ///
    /// When this returns, the port is open. Everything of the server belongs to the value: nothing may be left when it
    /// was [stopped](Self::stop), and nothing may keep it from stopping, such as a connection that is still open.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    fn serve(site: Site) -> impl Future<Output = Result<Self, FixtureError>> + Send;

    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// Stops it, and cuts its connections off.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// A row that a framework cannot meet, or does not yet, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmet {
    /// The row's name.
    pub row: &'static str,
    /// Why it cannot be met.
    pub reason: &'static str,
}

impl Unmet {
    /// The row with this name, for this reason.
    #[must_use]
    pub const fn new(row: &'static str, reason: &'static str) -> Self {
        Self { row, reason }
    }
}
