//! The layer that puts the gate in front of a service.

use std::sync::Arc;

use http::Method;
use http::request::Parts;
use intermission::adapter::{FlagOf, Passage};
use intermission::{Gate, RouteAccess, ScopeName};
use tower_layer::Layer;

use crate::ask::{Asked, begins_conversation};
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
    pub fn for_routes(&self, access: RouteAccess) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
            flag: FlagOf::All(access),
        }
    }

    /// The same for a route or a group of routes that belongs to this scope, in addition to those of which the settings
    /// tell: see [`with_scopes`](crate::MaintenanceBuilder::with_scopes).
    pub fn for_scope(&self, scope: ScopeName) -> Self {
        Self {
            settings: Arc::new(self.settings.in_scope(scope)),
            flag: self.flag,
        }
    }

    /// Whether a request may belong to a scope that is closed.
    #[inline]
    fn may_be_scoped(&self) -> bool {
        self.settings.is_scoped() && self.gate().has_closed_scopes()
    }

    /// Lets a request in without a question, if nothing needs to be asked: `None` means that [`ask`](Self::ask) has to
    /// be.
    ///
    /// This and [`ask`](Self::ask) are for crates that adapt a framework whose handlers are no services.
    #[inline]
    #[must_use]
    pub fn admit_open(&self, method: &Method, path: &str) -> Option<Passage> {
        if self.may_be_scoped() {
            return None;
        }
        let access = self.access_of(method, path);
        Passage::if_open(self.settings.gate(), method.as_str(), access)
    }

    /// As [`admit_open`](Self::admit_open), for a face that does not know the path: `None` also if it may have a flag.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn admit_open_anywhere(&self, method: &Method) -> Option<Passage> {
        match self.flag {
            FlagOf::All(_) if self.may_be_scoped() => None,
            FlagOf::All(access) => Passage::if_open(self.settings.gate(), method.as_str(), access),
            FlagOf::Table => None,
        }
    }

    /// Asks the gate about a request. What was decided is in the extensions of its parts afterwards, and so is the
    /// [`ExecutionHandle`](crate::ExecutionHandle), if the route starts an execution.
    #[must_use]
    pub fn ask(&self, parts: &mut Parts) -> Asked {
        let path = self.settings.head(parts).sent_path();
        let access = self.access_of(&parts.method, path);
        let lasts = begins_conversation(&parts.method, &parts.headers);
        self.settings.ask(parts, access, lasts)
    }

    /// The same for a request that begins a conversation, whether its head shows it or not: so it is known to which scopes
    /// the conversation belongs. [`let_in`](crate::let_in) gives it.
    #[must_use]
    pub fn ask_for_conversation(&self, parts: &mut Parts) -> Asked {
        let path = self.settings.head(parts).sent_path();
        let access = self.access_of(&parts.method, path);
        self.settings.ask(parts, access, true)
    }

    #[inline]
    fn access_of(&self, method: &Method, path: &str) -> RouteAccess {
        match self.flag {
            FlagOf::All(access) => access,
            FlagOf::Table => self.settings.entrance.look_up(method.as_str(), path),
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
