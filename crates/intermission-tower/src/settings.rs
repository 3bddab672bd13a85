//! What all services of one layer share.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::request::Parts;
use http::{Extensions, Request, Uri};
use intermission::{Gate, RouteAccess, RouteTable, TrustedProxies};

use crate::pass::PassName;

/// Whether a request's visitor may `access site in maintenance mode`.
pub(crate) type Permission = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

pub(crate) struct Settings {
    pub(crate) gate: Gate,
    pub(crate) permission: Option<Permission>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) routes: RouteTable,
    /// The access of routes that are not in the table.
    pub(crate) access: RouteAccess,
    pub(crate) pass_name: PassName,
    pub(crate) https_only: bool,
    pub(crate) face: Face,
}

/// How the access of a request is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    /// Whatever the request is for.
    Fixed(RouteAccess),
    /// By method and path.
    Looked,
}

/// Where a framework keeps what the decision needs, and `http` has no place for.
///
/// # Examples
///
/// How a crate for another framework says where its peer addresses are:
///
/// ```
/// use std::net::SocketAddr;
/// use intermission_tower::Face;
///
/// #[derive(Clone)]
/// struct TheirPeer(SocketAddr);
///
/// const FACE: Face = Face::http()
///     .with_peer_address(|parts| parts.extensions.get().map(|TheirPeer(peer)| peer.ip()));
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct Face {
    peer_address: fn(&Parts) -> Option<IpAddr>,
    original_uri: fn(&Extensions) -> Option<&Uri>,
}

impl Face {
    /// Plain `http`: the peer is in the extension [`PeerAddress`], and nobody rewrites the URI.
    pub const fn http() -> Self {
        Self {
            peer_address: |parts| parts.extensions.get().map(|PeerAddress(peer)| peer.ip()),
            original_uri: |_| None,
        }
    }

    /// Where the address of the socket's peer is.
    ///
    /// # Security
    ///
    /// The peer, never a header: what proxies say is read by
    /// [`with_trusted_proxies`](crate::MaintenanceBuilder::with_trusted_proxies).
    pub const fn with_peer_address(mut self, find: fn(&Parts) -> Option<IpAddr>) -> Self {
        self.peer_address = find;
        self
    }

    /// Where the URI is that the client sent, if the framework changes the request's own (axum's nested routers take
    /// the prefix off). `None` means that it was not changed.
    pub const fn with_original_uri(mut self, find: fn(&Extensions) -> Option<&Uri>) -> Self {
        self.original_uri = find;
        self
    }
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").finish_non_exhaustive()
    }
}

/// The address of the socket's peer. A server puts it into the extensions of each request; without it, nobody passes
/// by address.
///
/// The faces of frameworks that have a place of their own for it read that instead (axum: `ConnectInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "servers make it, as in `PeerAddress(address)`"
)]
pub struct PeerAddress(pub SocketAddr);

impl Settings {
    #[inline]
    pub(crate) const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The access of a request by the table.
    pub(crate) fn look_up<B>(&self, request: &Request<B>) -> RouteAccess {
        let original = (self.face.original_uri)(request.extensions());
        let path = original.unwrap_or_else(|| request.uri()).path();
        self.routes
            .access(request.method().as_str(), path)
            .unwrap_or(self.access)
    }

    /// The URI that the client sent.
    pub(crate) fn original_uri<'a>(&self, parts: &'a Parts) -> &'a Uri {
        (self.face.original_uri)(&parts.extensions).unwrap_or(&parts.uri)
    }

    pub(crate) fn peer_address(&self, parts: &Parts) -> Option<IpAddr> {
        (self.face.peer_address)(parts)
    }

    /// Whether the visitor has the permission. Who cannot be judged has not.
    pub(crate) fn permits(&self, parts: &Parts) -> bool {
        self.permission.as_ref().is_some_and(|permission| {
            // The closure's state may be broken by its panic; it is asked again for the next request, as any handler.
            catch_unwind(AssertUnwindSafe(|| permission(parts))).unwrap_or(false)
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("gate", &self.gate)
            .field("permission", &self.permission.is_some())
            .field("proxies", &self.proxies)
            .field("routes", &self.routes)
            .field("access", &self.access)
            .field("pass_name", &self.pass_name)
            .field("https_only", &self.https_only)
            .finish_non_exhaustive()
    }
}
