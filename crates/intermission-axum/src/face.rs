//! Where axum keeps what the decision needs.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{ConnectInfo, OriginalUri};
use http::request::Parts;
use http::{Extensions, Uri};
use intermission::Gate;
use intermission_tower::{Face, MaintenanceBuilder, MaintenanceLayer, PeerAddress};

/// Where axum keeps what the decision needs: the peer's address in `ConnectInfo<SocketAddr>` (or in
/// [`PeerAddress`], for servers of one's own), and the whole path, of which nested routers take the prefix off, in
/// `OriginalUri`.
pub const FACE: Face = Face::http()
    .with_peer_address(peer_address)
    .with_original_uri(original_uri);

/// The settings of a maintenance mode for an axum application: [`MaintenanceLayer::builder`] with axum's [`FACE`].
///
/// # Security
///
/// axum knows the peer's address only if the server is started with
/// `into_make_service_with_connect_info::<SocketAddr>()`. Without it, nobody passes by address.
///
/// # Examples
///
/// In front of a router as it is, with the flags in a table:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, routing::{get, post}};
/// use intermission::{Gate, MemoryState, RouteAccess};
/// use intermission_axum::maintenance;
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let layer = maintenance(gate)
///     .with_always("/health")
///     .with_route("/jobs", RouteAccess::StartsExecution)
///     .build()?;
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .route("/health", get(|| async { "ok" }))
///     .route("/jobs", post(|| async { "started" }))
///     .layer(layer);
/// # drop(app); Ok(()) }
/// ```
pub fn maintenance(gate: Gate) -> MaintenanceBuilder {
    MaintenanceLayer::builder(gate).with_face(FACE)
}

pub(crate) fn peer_address(parts: &Parts) -> Option<IpAddr> {
    let extensions = &parts.extensions;
    let connected = extensions.get().map(|ConnectInfo::<SocketAddr>(peer)| peer);
    let given = || extensions.get().map(|PeerAddress(peer)| peer);
    let mocked = || {
        extensions
            .get()
            .map(|MockConnectInfo::<SocketAddr>(peer)| peer)
    };
    connected.or_else(given).or_else(mocked).map(SocketAddr::ip)
}

pub(crate) fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get().map(|OriginalUri(uri)| uri)
}
