//! The layer that puts the gate in front of a service.

use std::sync::Arc;

use intermission::adapter::FlagOf;
use intermission::{Gate, RouteAccess};
use tower_layer::Layer;

use crate::builder::MaintenanceBuilder;
use crate::service::Maintenance;
use crate::settings::Settings;

/// Puts a [`Gate`] in front of a service. Clones share their settings.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct MaintenanceLayer {
    settings: Arc<Settings>,
    flag: FlagOf,
}

impl MaintenanceLayer {
    /// The settings of a layer that asks this gate.
    pub fn builder(gate: Gate) -> MaintenanceBuilder {
        MaintenanceBuilder::new(gate)
    }

    pub(crate) const fn new(settings: Arc<Settings>, flag: FlagOf) -> Self {
        Self { settings, flag }
    }

    /// The same for a route or a group of routes with this flag: the table is not asked.
    ///
    /// Put one layer around each group. A request that goes through two counts twice, and the outer one decides for
    /// both.
    pub fn with_access(&self, access: RouteAccess) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
            flag: FlagOf::All(access),
        }
    }

    /// The gate that is asked.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        self.settings.gate()
    }
}

impl<S> Layer<S> for MaintenanceLayer {
    type Service = Maintenance<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Maintenance::new(inner, Arc::clone(&self.settings), self.flag)
    }
}
