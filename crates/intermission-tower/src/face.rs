//! Where a framework keeps what the decision needs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{Extensions, Uri};

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
    pub(crate) peer_address: fn(&Parts) -> Option<IpAddr>,
    pub(crate) original_uri: fn(&Extensions) -> Option<&Uri>,
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
