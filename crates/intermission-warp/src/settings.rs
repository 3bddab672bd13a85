//! How the gate is set up for warp.

use intermission::Gate;
use intermission_tower::{MaintenanceBuilder, MaintenanceLayer};

/// The settings of a maintenance mode for a warp application. What [`build`](MaintenanceBuilder::build) makes of them
/// goes to [`guard`](crate::guard), or around a [`warp::service`].
///
/// # Examples
///
/// Filters behind a server of hyper's, with the layer around them:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{Gate, MemoryState, RouteAccess};
/// use intermission_warp::maintenance;
/// use tower_layer::Layer;
/// use warp::Filter;
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let maintenance = maintenance(gate)
///     .with_always("/health")
///     .with_route("/jobs", RouteAccess::StartsExecution)
///     .build()?;
/// let filters = warp::path::end().map(|| "hello").or(warp::path!("health").map(|| "ok"));
/// let service = maintenance.layer(warp::service(filters));
/// # drop(service); Ok(()) }
/// ```
pub fn maintenance(gate: Gate) -> MaintenanceBuilder {
    MaintenanceLayer::builder(gate)
}
