//! A gate, and all that it takes to ask it about a request.

use std::fmt;

use intermission_core::{RouteAccess, RouteTable, TrustedProxies};

use crate::Gate;
use crate::adapter::pass_link::PassName;

/// A gate, and all that it takes to ask it about a request. Made by [`EntranceBuilder`](super::EntranceBuilder).
///
/// `P` is the application's permission: see [`RequestHead::Permission`](super::RequestHead::Permission).
pub struct Entrance<P> {
    pub(super) gate: Gate,
    pub(super) permission: Option<P>,
    pub(super) proxies: TrustedProxies,
    pub(super) routes: RouteTable,
    /// The access of routes that are not in the table.
    pub(super) access: RouteAccess,
    pub(super) pass_name: PassName,
    pub(super) https_only: bool,
}

impl<P> Entrance<P> {
    /// The gate that is asked.
    #[inline]
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// How the flag of a request's route is found, if it is not known otherwise.
    #[must_use]
    pub fn flag(&self) -> FlagOf {
        if self.routes.is_empty() {
            FlagOf::All(self.access)
        } else {
            FlagOf::Table
        }
    }

    /// The flag of a request's route by the table; what all others have, if it is not there.
    #[must_use]
    pub fn look_up(&self, method: &str, path: &str) -> RouteAccess {
        self.routes.access(method, path).unwrap_or(self.access)
    }
}

impl<P> fmt::Debug for Entrance<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance")
            .field("gate", &self.gate)
            .field("permission", &self.permission.is_some())
            .field("proxies", &self.proxies)
            .field("routes", &self.routes)
            .field("access", &self.access)
            .field("pass_name", &self.pass_name)
            .field("https_only", &self.https_only)
            .finish()
    }
}

/// Where the flag of a request's route is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an adapter must say where it finds the flag in each case"
)]
pub enum FlagOf {
    /// All requests have this one.
    All(RouteAccess),
    /// In the table, by method and path: see [`Entrance::look_up`].
    Table,
}

/// What a request gets whose path no route matches, while the site is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an adapter must say what it does in each case"
)]
pub enum UnknownRoutes {
    /// A 404, as always: what exists can be told from what does not, as with Cloudify.
    NotFound,
    /// The refusal, as with Drupal: nobody learns which routes there are, and crawlers come back.
    #[default]
    Refused,
}
