//! A request to the admin API or page, as a mount translates it.

use std::fmt;
use std::net::IpAddr;

use intermission::{ClientAddress, TrustedProxies};

use crate::authorization::Authorization;

/// The head of a request to the admin API or page.
///
/// A mount makes it of its framework's request. It has no body: the mount hands over how to read that, and it is read
/// only when it is known that whoever sent it may administer.
#[derive(Clone)]
#[must_use]
pub struct AdminRequest {
    pub(crate) method: String,
    pub(crate) mount: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) is_https: bool,
    pub(crate) authorization: Authorization,
}

impl AdminRequest {
    /// A request with this method to this path below the mount. The path begins with `/`, and is empty for the mount
    /// itself.
    pub fn new(
        method: impl Into<String>,
        path: impl Into<String>,
        authorization: Authorization,
    ) -> Self {
        Self {
            method: method.into(),
            mount: String::new(),
            path: path.into(),
            query: String::new(),
            headers: Vec::new(),
            peer: None,
            is_https: false,
            authorization,
        }
    }

    /// Where the application has mounted this: `/admin/maintenance`, without a slash at its end. Empty by default.
    pub fn with_mount(mut self, mount: impl Into<String>) -> Self {
        self.mount = mount.into();
        self
    }

    /// The query, as sent, without its `?`.
    pub fn with_query(mut self, query: Option<&str>) -> Self {
        query.unwrap_or_default().clone_into(&mut self.query);
        self
    }

    /// A header line. Lines of one name keep their order.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        let mut name = name.into();
        name.make_ascii_lowercase();
        self.headers.push((name, value.into()));
        self
    }

    /// The address of the socket's peer; `None` if the server does not tell.
    ///
    /// # Security
    ///
    /// The peer, never a header: what proxies say is read from the headers, if they are trusted.
    pub const fn with_peer(mut self, peer: Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// Whether the server itself knows that the request came by `https`.
    pub const fn with_https(mut self, is_https: bool) -> Self {
        self.is_https = is_https;
        self
    }

    /// All lines of a header, whose name is in lower case.
    pub(crate) fn lines<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_slice())
    }

    /// A header that makes sense once. `None` if there is none, if there are several, or if it is no text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.lines(name);
        let line = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        str::from_utf8(line).ok().map(str::trim)
    }

    /// Where the request comes from, as far as these proxies are believed.
    pub(crate) fn client_address(&self, proxies: &TrustedProxies) -> ClientAddress {
        let names = proxies.header_name().into_iter();
        let lines = names.flat_map(|name| self.lines(name));
        proxies.client_address(self.peer, lines)
    }

    /// Whether it says that its body is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.header("content-type").is_some_and(|line| {
            let essence = line.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("application/json")
        })
    }

    /// Whether there is any line of that header.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(found, _)| found == name)
    }
}

impl fmt::Debug for AdminRequest {
    /// Without headers and query, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminRequest")
            .field("method", &self.method)
            .field("mount", &self.mount)
            .field("path", &self.path)
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
    }
}

/// Why a request's body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a mount must be able to say either, and there is no third"
)]
pub enum BodyError {
    /// It is longer than the limit.
    TooLarge,
    /// The connection broke, or what was sent is no HTTP.
    Broken,
}
