//! Intermission as one unboxed tower layer for everything on http 1.x.

mod body;
mod builder;
mod closed;
mod execution;
mod future;
mod layer;
mod pass;
mod passage;
mod service;
mod settings;

pub use body::MaintenanceBody;
pub use builder::{ConfigError, MaintenanceBuilder};
pub use closed::refusal_response;
pub use execution::ExecutionHandle;
pub use future::ResponseFuture;
pub use layer::MaintenanceLayer;
pub use pass::BadPassName;
pub use service::Maintenance;
pub use settings::{Face, PeerAddress};
