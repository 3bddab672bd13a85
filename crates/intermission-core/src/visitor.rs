//! What is known of one request.

use crate::client_address::ClientAddress;
use crate::pass::PassSecret;
use crate::route::RouteAccess;
use crate::scope::ScopeName;

/// What is known of one request, as far as the decision cares.
///
/// An adapter fills it from the framework's request. Everything that is not known is absent, and what is absent
/// never opens anything.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Visitor<'a> {
    /// The method, as sent (`GET`).
    pub method: &'a str,
    /// The path, as sent, without the query.
    pub path: &'a str,
    /// The flag of the route that the request is for.
    pub access: RouteAccess,
    /// Where the request comes from.
    pub address: ClientAddress,
    /// Whether the visitor holds the permission to `access site in maintenance mode`, as Drupal calls it.
    pub permission: bool,
    /// The secret of a pass that the visitor carries.
    pub pass: Option<PassSecret>,
    /// Whether this is a browser's question before a cross-origin request (`OPTIONS` with
    /// `Access-Control-Request-Method`).
    pub preflight: bool,
    /// The [scopes](crate::scope) that the request belongs to; none unless the application says so.
    pub scopes: &'a [ScopeName],
}

impl<'a> Visitor<'a> {
    /// A visitor of whom nothing is known but what is asked for.
    #[must_use]
    pub const fn new(method: &'a str, path: &'a str) -> Self {
        Self {
            method,
            path,
            access: RouteAccess::Ordinary,
            address: ClientAddress::Unknown,
            permission: false,
            pass: None,
            preflight: false,
            scopes: &[],
        }
    }

    /// The same, on a route with this flag.
    #[must_use]
    pub const fn with_access(mut self, access: RouteAccess) -> Self {
        self.access = access;
        self
    }

    /// The same, from this address.
    #[must_use]
    pub const fn with_address(mut self, address: ClientAddress) -> Self {
        self.address = address;
        self
    }

    /// The same, with or without the permission.
    #[must_use]
    pub const fn with_permission(mut self, permission: bool) -> Self {
        self.permission = permission;
        self
    }

    /// The same, with this pass.
    #[must_use]
    pub fn with_pass(mut self, pass: Option<PassSecret>) -> Self {
        self.pass = pass;
        self
    }

    /// The same, marked as a browser's preflight or not.
    #[must_use]
    pub const fn with_preflight(mut self, preflight: bool) -> Self {
        self.preflight = preflight;
        self
    }

    /// The same, for these parts of the site.
    #[must_use]
    pub const fn with_scopes(mut self, scopes: &'a [ScopeName]) -> Self {
        self.scopes = scopes;
        self
    }

    /// Whether the method changes nothing by its definition (RFC 9110): GET, HEAD, OPTIONS or TRACE.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        is_safe(self.method)
    }
}

/// Whether a method changes nothing by its definition (RFC 9110, section 9.2.1).
///
/// Methods are case-sensitive: `get` is not `GET`, and an unknown method is not safe.
#[inline]
#[must_use]
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}
