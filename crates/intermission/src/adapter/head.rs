//! The head of a request, as a framework has it.

use std::net::IpAddr;

/// The head of a request, as a framework has it.
///
/// Asked only while the gate is not open, or on a route that starts an execution.
pub trait RequestHead {
    /// What the application gave to be asked about its visitors, such as a closure over the framework's request.
    type Permission;

    /// The method, as sent.
    fn method(&self) -> &str;

    /// The path, as sent: before any router or middleware has decoded or changed it.
    fn path(&self) -> &str;

    /// The query, as sent, without its `?`.
    fn query(&self) -> Option<&str>;

    /// The values of all header lines with this name, in the order of their arrival. The name is in lower case.
    fn lines<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]>;

    /// The address of the socket's peer; `None` if the server does not tell.
    ///
    /// # Security
    ///
    /// The peer, never a header: what proxies say is read from [`lines`](Self::lines), if they are trusted.
    fn peer(&self) -> Option<IpAddr>;

    /// Whether the server itself knows that the request came by `https`.
    fn is_https(&self) -> bool;

    /// What the permission says of this visitor. If it panics, the visitor has none.
    fn permits(&self, permission: &Self::Permission) -> bool;
}
