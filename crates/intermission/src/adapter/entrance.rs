//! A gate, and all that it takes to ask it about a request.

use std::fmt;

use intermission_core::{RouteAccess, RouteTable, ScopeName, TrustedProxies};

use crate::Gate;
use crate::adapter::pass_link::PassName;
use crate::scopes::RequestScopes;

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
    /// The scopes that have routes, each with these.
    pub(super) scopes: Box<[(ScopeName, RouteTable)]>,
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

    /// Whether routes belong to scopes here, so that [`scopes_of`](Self::scopes_of) may find some.
    #[must_use]
    pub const fn has_scopes(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// The scopes to which a request's route belongs by its path, in addition to these. An adapter asks for them while
    /// [`Gate::has_closed_scopes`], and always where an execution begins, which a later drain of its scopes is to wait for.
    #[must_use]
    pub fn scopes_of(&self, method: &str, path: &str, others: RequestScopes) -> RequestScopes {
        let found = self
            .scopes
            .iter()
            .filter(|(_, routes)| routes.access(method, path).is_some());
        found.fold(others, |scopes, (scope, _)| scopes.and(scope.clone()))
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
            .field("scopes", &self.scopes)
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
