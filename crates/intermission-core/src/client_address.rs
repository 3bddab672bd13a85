//! Where a visitor comes from: the socket's peer, or what trusted proxies say.
//!
//! 1. Without a peer (a Unix socket, a server that does not tell) the address is unknown.
//! 2. Unless the peer is a trusted proxy, the peer is the client, and no header is read.
//! 3. If it is, the configured header is read, and no other. A header that is absent leaves the peer.
//! 4. In a list (`X-Forwarded-For`, `Forwarded`) all lines count as one, in their order, and hops are read from right
//!    to left: trusted hops are skipped, and the first one that is not trusted is the client. What stands to the left
//!    of it was written by the client itself, or before it, and is not looked at.
//! 5. If all hops are trusted, the leftmost is the client: the request was made inside.
//! 6. If a hop that has to be read is not an address, the address is unknown. That holds for text that cannot be
//!    parsed, for `unknown`, for names such as `_hidden`, for a `Forwarded` element without `for`, and for an empty
//!    element or line. RFC 9110 lets a reader skip empty elements; here an empty one is a hop that somebody erased,
//!    and guessing past it would be trust that nobody configured.
//! 7. A single-value header has one line with one address, which is the client. Two lines or a comma make it unknown.
//! 8. IPv4-mapped IPv6 addresses are IPv4 addresses, everywhere.
//!
//! An unknown address is never in an allow list, so no doubt ever lets anybody in.
//!
//! Ports are ignored: `192.0.2.1:80`, `[2001:db8::1]:80`. `X-Forwarded-For` may hold IPv6 with or without brackets.
//! In `Forwarded` the grammar of RFC 7239 counts (IPv6 and ports in a quoted string, IPv6 in brackets), except that
//! spaces around `;` are tolerated and that an address written with backslashes is unknown.
//!
//! Magento reads its configured headers whoever the peer is, so a visitor who reaches the server directly names an
//! address of his choice; actix-web's `realip_remote_addr` takes the leftmost hop, which is the client's to choose
//! too. Neither is mirrored here.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::AllowList;

/// The address that a visitor comes from, as far as it can be believed.
///
/// Made with `From`, so that a known address is always in its canonical form. Other crates cannot build `Known`, and
/// write `Known(address, ..)` in patterns.
///
/// # Examples
///
/// ```
/// use std::net::IpAddr;
/// use intermission_core::ClientAddress;
///
/// let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
/// assert_eq!(ClientAddress::from(Some(mapped)).to_string(), "192.0.2.1");
/// assert_eq!(ClientAddress::from(None).ip(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an address is known or it is not; a caller must say what it does about both"
)]
pub enum ClientAddress {
    /// The canonical address. Never an IPv4-mapped one.
    #[non_exhaustive]
    Known(IpAddr),
    /// Nobody knows, or what was said could not be understood. In no allow list.
    #[default]
    Unknown,
}

impl ClientAddress {
    /// The address, if it is known.
    #[must_use]
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Known(address) => Some(address),
            Self::Unknown => None,
        }
    }
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self::Known(address.to_canonical())
    }
}

impl From<Option<IpAddr>> for ClientAddress {
    fn from(address: Option<IpAddr>) -> Self {
        address.map_or(Self::Unknown, Self::from)
    }
}

/// Prints the address, or `unknown`.
impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => fmt::Display::fmt(address, f),
            Self::Unknown => f.pad("unknown"),
        }
    }
}

/// The header in which trusted proxies say whom they serve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `Forwarded` (RFC 7239): a list of elements with a `for` parameter.
    Forwarded,
    /// `X-Forwarded-For`: a list of addresses.
    XForwardedFor,
    /// A header that holds one address, such as `X-Real-IP` or `CF-Connecting-IP`, by its name in lower case. Made
    /// by [`ForwardedHeader::single`].
    #[non_exhaustive]
    Single(Box<str>),
}

impl ForwardedHeader {
    /// A header that holds one address.
    ///
    /// # Errors
    ///
    /// The name is no header name (a token of RFC 9110), or it names one of the two lists, whose values this way
    /// would be unknown as soon as a second proxy adds to them.
    pub fn single(name: &str) -> Result<Self, BadHeaderName> {
        let lower = name.to_ascii_lowercase();
        let reason = if !is_token(name) {
            BadHeaderNameReason::NotAToken
        } else if lower == Self::Forwarded.name() || lower == Self::XForwardedFor.name() {
            BadHeaderNameReason::List
        } else {
            return Ok(Self::Single(lower.into_boxed_str()));
        };
        Err(BadHeaderName {
            name: name.to_owned(),
            reason,
        })
    }

    /// The name in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Forwarded => "forwarded",
            Self::XForwardedFor => "x-forwarded-for",
            Self::Single(name) => name,
        }
    }
}

/// A text that cannot be the name of a single-value header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {reason}", .name.escape_debug())]
pub struct BadHeaderName {
    name: String,
    reason: BadHeaderNameReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum BadHeaderNameReason {
    #[error("holds a list: use `ForwardedHeader::Forwarded` or `ForwardedHeader::XForwardedFor`")]
    List,
    #[error("is not a header name: write letters, digits and hyphens, as in `x-real-ip`")]
    NotAToken,
}

/// The proxies that are believed, and the header in which they speak.
///
/// By default no proxy is, and the peer of the socket is the client.
///
/// # Security
///
/// Every trusted proxy must append to the list (or, for a single-value header, replace the value). One that passes
/// the header through as it came lets each visitor choose an address. Trust the proxies' own addresses only: in a
/// network that visitors share with them, every visitor would be a proxy. Behind a content delivery network, trust
/// its published networks too, or its nodes will be taken for the clients.
///
/// # Examples
///
/// ```
/// use std::net::IpAddr;
/// use intermission_core::{AllowList, ForwardedHeader, TrustedProxies};
///
/// let proxies = AllowList::parse(["10.0.0.0/8"]).unwrap();
/// let trusted = TrustedProxies::new(proxies, ForwardedHeader::XForwardedFor);
/// assert_eq!(trusted.header_name(), Some("x-forwarded-for"));
///
/// // The visitor sent `X-Forwarded-For: 192.0.2.10` to get in; two proxies added what they saw.
/// let peer: IpAddr = "10.0.0.2".parse().unwrap();
/// let lines: [&[u8]; 2] = [b"192.0.2.10, 203.0.113.7", b"10.0.0.1"];
/// let client = trusted.client_address(Some(peer), lines);
/// assert_eq!(client.to_string(), "203.0.113.7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    proxies: AllowList,
    header: ForwardedHeader,
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self::none()
    }
}

impl TrustedProxies {
    /// No proxy is believed.
    #[must_use]
    pub fn none() -> Self {
        Self::new(AllowList::default(), ForwardedHeader::XForwardedFor)
    }

    /// Believes what peers in `proxies` say in `header`.
    #[must_use]
    pub const fn new(proxies: AllowList, header: ForwardedHeader) -> Self {
        Self { proxies, header }
    }

    /// The name, in lower case, of the header whose lines [`TrustedProxies::client_address`] needs; `None` if no
    /// proxy is trusted, and so no header is ever read.
    #[must_use]
    pub fn header_name(&self) -> Option<&str> {
        (!self.proxies.is_empty()).then(|| self.header.name())
    }

    /// Whether this peer of a socket is a proxy that is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.proxies.contains(peer.to_canonical())
    }

    /// The client of a request that came from `peer` with these `lines` of the header
    /// [`header_name`](Self::header_name), in the order in which they were received.
    ///
    /// Allocates nothing, and reads every byte a fixed number of times at most, whatever the header holds. `lines`
    /// is not iterated unless the peer is trusted. The module's documentation has the rules.
    #[must_use]
    pub fn client_address<'a>(
        &self,
        peer: Option<IpAddr>,
        lines: impl IntoIterator<Item = &'a [u8], IntoIter: DoubleEndedIterator>,
    ) -> ClientAddress {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else {
            return ClientAddress::Unknown;
        };
        if !self.trusts(peer) {
            return ClientAddress::from(peer);
        }
        let lines = lines.into_iter();
        match self.header {
            ForwardedHeader::Forwarded => {
                self.walk(peer, lines, cut_at_unquoted_comma, read_forwarded_element)
            }
            ForwardedHeader::XForwardedFor => self.walk(peer, lines, cut_at_comma, read_plain_hop),
            ForwardedHeader::Single(_) => read_single(peer, lines),
        }
    }

    fn walk<'a>(
        &self,
        peer: IpAddr,
        lines: impl DoubleEndedIterator<Item = &'a [u8]>,
        cut: fn(&[u8]) -> Option<Cut<'_>>,
        read: fn(&[u8]) -> Option<IpAddr>,
    ) -> ClientAddress {
        let mut leftmost = peer;
        for line in lines.rev() {
            let mut unread = Some(line);
            while let Some(line) = unread {
                let hop = cut(line).and_then(|cut| {
                    unread = cut.left;
                    read(cut.element.trim_ascii())
                });
                match hop {
                    None => return ClientAddress::Unknown,
                    Some(hop) if self.proxies.contains(hop) => leftmost = hop,
                    Some(hop) => return ClientAddress::from(hop),
                }
            }
        }
        ClientAddress::from(leftmost)
    }
}

/// The last element of a line, and what is left of the comma before it.
struct Cut<'a> {
    left: Option<&'a [u8]>,
    element: &'a [u8],
}

fn cut_at_comma(line: &[u8]) -> Option<Cut<'_>> {
    let mut parts = line.rsplitn(2, |byte| *byte == b',');
    let element = parts.next()?;
    Some(Cut {
        left: parts.next(),
        element,
    })
}

/// Finds the last comma outside quoted strings, going from right to left.
///
/// From the left it would be simpler and wrong: a client that opens a quote and does not close it would swallow what
/// the proxies append. From the right, an element that a proxy appended is complete before anything that a client
/// wrote is reached. On well-formed lines both ways agree, since inside a quoted string every quote is escaped.
fn cut_at_unquoted_comma(line: &[u8]) -> Option<Cut<'_>> {
    let mut quoted = false;
    for (at, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' if quoted && is_escaped(line.get(..at)?) => {}
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                return Some(Cut {
                    left: line.get(..at),
                    element: line.get(at + 1..)?,
                });
            }
            _ => {}
        }
    }
    (!quoted).then_some(Cut {
        left: None,
        element: line,
    })
}

/// Whether the byte after `before` is escaped: an even number of backslashes escape each other.
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\');
    backslashes.count() % 2 == 1
}

fn read_single<'a>(peer: IpAddr, mut lines: impl Iterator<Item = &'a [u8]>) -> ClientAddress {
    match (lines.next(), lines.next()) {
        (None, _) => ClientAddress::from(peer),
        // A comma is part of no address.
        (Some(line), None) => ClientAddress::from(read_plain_hop(line.trim_ascii())),
        (Some(_), Some(_)) => ClientAddress::Unknown,
    }
}

/// Reads an address as `X-Forwarded-For` holds it.
fn read_plain_hop(element: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(element).ok()?;
    let address = match text.parse() {
        Ok(address) => address,
        Err(_) => read_node(text, is_port_number)?,
    };
    Some(address.to_canonical())
}

/// Reads `for` out of one element of `Forwarded`, and refuses an element that breaks the grammar anywhere.
fn read_forwarded_element(element: &[u8]) -> Option<IpAddr> {
    let mut node = None;
    let mut rest = str::from_utf8(element).ok()?;
    while !rest.is_empty() {
        let (pair, after) = read_pair(rest)?;
        if let Some((name, value)) = pair
            && name.eq_ignore_ascii_case("for")
            && node.replace(value).is_some()
        {
            return None;
        }
        rest = after;
    }
    let is_port = |port: &str| is_port_number(port) || is_obfuscated_port(port);
    read_node(node?, is_port).map(|address| address.to_canonical())
}

/// A parameter's name and the inside of its value, which is not unescaped.
type Pair<'a> = (&'a str, &'a str);

/// Reads one `name=value`, or nothing at all, up to and with the `;` behind it.
fn read_pair(text: &str) -> Option<(Option<Pair<'_>>, &str)> {
    let (name, after) = split_token(text.trim_ascii_start());
    let (pair, after) = if name.is_empty() {
        (None, after)
    } else {
        let (value, after) = read_value(after.strip_prefix('=')?)?;
        (Some((name, value)), after)
    };
    match after.trim_ascii_start() {
        "" => Some((pair, "")),
        more => Some((pair, more.strip_prefix(';')?)),
    }
}

fn split_token(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !is_token_byte(byte));
    // All token bytes are ASCII, so the end is a boundary between characters.
    end.and_then(|end| text.split_at_checked(end))
        .unwrap_or((text, ""))
}

/// Reads a token or a quoted string. Only the latter may be empty.
fn read_value(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('"') {
        Some(quoted) => split_quoted(quoted),
        None => Some(split_token(text)).filter(|(token, _)| !token.is_empty()),
    }
}

/// Splits behind the closing quote of a string whose opening quote is already gone.
fn split_quoted(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    let (inside, after) = text.split_at_checked(end)?;
    Some((inside, after.strip_prefix('"')?))
}

/// Reads `192.0.2.1` or `[2001:db8::1]`, with or without a port.
fn read_node(text: &str, is_port: impl Fn(&str) -> bool) -> Option<IpAddr> {
    let (address, port) = match text.strip_prefix('[') {
        Some(text) => {
            let (address, after) = text.split_once(']')?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':')?),
            };
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let (address, port) = match text.split_once(':') {
                Some((address, port)) => (address, Some(port)),
                None => (text, None),
            };
            (IpAddr::V4(address.parse().ok()?), port)
        }
    };
    port.is_none_or(is_port).then_some(address)
}

fn is_port_number(port: &str) -> bool {
    (1..=5).contains(&port.len())
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok()
}

fn is_obfuscated_port(port: &str) -> bool {
    port.strip_prefix('_').is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    })
}

/// Whether the text is a token of RFC 9110, as header names and methods are.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
            | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    )
}

#[cfg(test)]
mod tests;
