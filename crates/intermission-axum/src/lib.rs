//! Intermission for axum: route flags, extractors and the layer.

mod extract;
mod face;
mod flags;
mod pattern;
mod router;
mod service;

#[doc(no_inline)]
pub use intermission_tower::*;

pub use extract::{Closed, LongLived, MaintenanceGate, NotStarted, StartedExecution};
pub use face::{FACE, maintenance};
pub use flags::{FlaggedRoute, MethodRouterExt, RouterExt};
pub use router::{MaintenanceRouter, UnknownRoutes};
pub use service::{MaintenanceFuture, MaintenanceService};
