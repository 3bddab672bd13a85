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
        if !self.proxies.contains(peer) {
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
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const VISITOR: &str = "203.0.113.7";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn trusted(header: ForwardedHeader) -> TrustedProxies {
        let proxies = AllowList::parse(["10.0.0.0/8", "2001:db8:ffff::/48"]).unwrap();
        TrustedProxies::new(proxies, header)
    }

    fn single() -> TrustedProxies {
        trusted(ForwardedHeader::single("X-Real-IP").unwrap())
    }

    /// What becomes of a request that came from the trusted peer 10.0.0.1.
    fn client<B: AsRef<[u8]>>(trusted: &TrustedProxies, lines: &[B]) -> String {
        trusted
            .client_address(Some(ip("10.0.0.1")), lines.iter().map(AsRef::as_ref))
            .to_string()
    }

    /// Fails as soon as it is iterated.
    struct Untouchable;

    impl Iterator for Untouchable {
        type Item = &'static [u8];

        fn next(&mut self) -> Option<Self::Item> {
            panic!("the header of an untrusted peer was read")
        }
    }

    impl DoubleEndedIterator for Untouchable {
        fn next_back(&mut self) -> Option<Self::Item> {
            self.next()
        }
    }

    #[test]
    fn only_a_trusted_peer_makes_the_header_read() {
        let headers = [
            ForwardedHeader::Forwarded,
            ForwardedHeader::XForwardedFor,
            ForwardedHeader::single("x-real-ip").unwrap(),
        ];
        for trusted in headers.map(trusted).iter().chain([&TrustedProxies::none()]) {
            for (peer, expected) in [
                (Some("203.0.113.7"), "203.0.113.7"),
                (Some("::ffff:203.0.113.7"), "203.0.113.7"),
                (Some("2001:db8::1"), "2001:db8::1"),
                // IPv4-compatible, not mapped: another address than 10.0.0.1.
                (Some("::10.0.0.1"), "::a00:1"),
                (None, "unknown"),
            ] {
                let address = trusted.client_address(peer.map(ip), Untouchable);
                assert_eq!(address.to_string(), expected);
            }
        }
        let nobody = TrustedProxies::none().client_address(Some(ip("10.0.0.1")), Untouchable);
        assert_eq!(nobody.ip(), Some(ip("10.0.0.1")));
    }

    #[test]
    fn the_header_is_asked_for_only_if_somebody_is_trusted() {
        assert_eq!(TrustedProxies::default().header_name(), None);
        assert_eq!(
            trusted(ForwardedHeader::Forwarded).header_name(),
            Some("forwarded")
        );
        assert_eq!(
            trusted(ForwardedHeader::XForwardedFor).header_name(),
            Some("x-forwarded-for")
        );
        assert_eq!(single().header_name(), Some("x-real-ip"));
    }

    #[test]
    fn x_forwarded_for() {
        let long_port = format!("{VISITOR}:000000080");
        for (lines, expected) in [
            // Absent, one, many, several lines.
            (&[][..], "10.0.0.1"),
            (&["203.0.113.7"], VISITOR),
            (&["203.0.113.7, 10.0.0.2"], VISITOR),
            (&["203.0.113.7,10.0.0.2\t , 2001:db8:ffff::1"], VISITOR),
            (&["203.0.113.7", "10.0.0.2", "10.0.0.3, 10.0.0.4"], VISITOR),
            // Spoofed: the client wrote what is left of its own address.
            (&["192.0.2.10, 203.0.113.7"], VISITOR),
            (&["192.0.2.10, 203.0.113.7, 10.0.0.2"], VISITOR),
            (&["10.0.0.9, 203.0.113.7, 10.0.0.2"], VISITOR),
            (&["192.0.2.10", "203.0.113.7"], VISITOR),
            (&["203.0.113.7", "192.0.2.10"], "192.0.2.10"),
            (&["garbage, 203.0.113.7"], VISITOR),
            (&["\"192.0.2.10, 203.0.113.7"], VISITOR),
            (&[",,, 203.0.113.7"], VISITOR),
            (&["", "203.0.113.7"], VISITOR),
            // Everything is trusted: the leftmost hop.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["10.0.0.4", "10.0.0.3, 10.0.0.2"], "10.0.0.4"),
            (&["10.0.0.2:443"], "10.0.0.2"),
            // Ports, brackets, mapped.
            (&["203.0.113.7:80"], VISITOR),
            (&["203.0.113.7:0"], VISITOR),
            (&["203.0.113.7:65535"], VISITOR),
            (&["::ffff:203.0.113.7"], VISITOR),
            (&["[::ffff:203.0.113.7]:80, ::ffff:10.0.0.2"], VISITOR),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["2001:DB8:0::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["[2001:db8::1]:80, [2001:db8:ffff::2]:1"], "2001:db8::1"),
            // An IPv6 address whose end looks like a port is an address.
            (&["2001:db8::1:80"], "2001:db8::1:80"),
            // Unreadable on the way.
            (&[""], "unknown"),
            (&[" \t"], "unknown"),
            (&[","], "unknown"),
            (&["unknown"], "unknown"),
            (&["_hidden"], "unknown"),
            (&["localhost"], "unknown"),
            (&["203.0.113.7, unknown"], "unknown"),
            (&["203.0.113.7, unknown, 10.0.0.2"], "unknown"),
            (&["203.0.113.7, , 10.0.0.2"], "unknown"),
            (&["203.0.113.7,"], "unknown"),
            (&["203.0.113.7", ""], "unknown"),
            (&["203.0.113.7 10.0.0.2"], "unknown"),
            (&["203.0.113.7;10.0.0.2"], "unknown"),
            (&["203.0.113.7:"], "unknown"),
            (&["203.0.113.7:65536"], "unknown"),
            (&["203.0.113.7:+80"], "unknown"),
            (&["203.0.113.7:_x"], "unknown"),
            (&["203.0.113.7:80:80"], "unknown"),
            (&[long_port.as_str()], "unknown"),
            (&["203.0.113.007"], "unknown"),
            (&["203.0.113.7/32"], "unknown"),
            (&["203.0.113"], "unknown"),
            (&["\"203.0.113.7\""], "unknown"),
            (&["for=203.0.113.7"], "unknown"),
            (&["[203.0.113.7]"], "unknown"),
            (&["[2001:db8::1"], "unknown"),
            (&["2001:db8::1]"], "unknown"),
            (&["[2001:db8::1]80"], "unknown"),
            (&["[2001:db8::1]:"], "unknown"),
            (&["[]"], "unknown"),
            (&["fe80::1%eth0"], "unknown"),
            (&["[fe80::1%25eth0]:80"], "unknown"),
            (&["203.0.113.\u{0667}"], "unknown"),
        ] {
            let trusted = trusted(ForwardedHeader::XForwardedFor);
            assert_eq!(client(&trusted, lines), expected, "{lines:?}");
        }
        let trusted = trusted(ForwardedHeader::XForwardedFor);
        assert_eq!(client(&trusted, &[b"203.0.113.7\xff"]), "unknown");
        assert_eq!(client(&trusted, &[&b"\xff\x00, 203.0.113.7"[..]]), VISITOR);
    }

    #[test]
    fn forwarded() {
        for (lines, expected) in [
            (&[][..], "10.0.0.1"),
            (&["for=203.0.113.7"], VISITOR),
            (&["For=203.0.113.7"], VISITOR),
            (&["FOR=\"203.0.113.7\""], VISITOR),
            (&["for=203.0.113.7;proto=https;by=10.0.0.1"], VISITOR),
            (&["proto=https;for=203.0.113.7;host=\"a,b;for=x\""], VISITOR),
            (&["proto=https; for=203.0.113.7 ;by=_x"], VISITOR),
            (&[";for=203.0.113.7;;"], VISITOR),
            (&["for=203.0.113.7, for=10.0.0.2"], VISITOR),
            (
                &[
                    "for=203.0.113.7",
                    "for=10.0.0.2, for=\"[2001:db8:ffff::1]\"",
                ],
                VISITOR,
            ),
            (&["for=\"203.0.113.7:80\""], VISITOR),
            (&["for=\"203.0.113.7:_port\""], VISITOR),
            (&["for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
            (&["for=\"[2001:db8::1]\""], "2001:db8::1"),
            (&["for=\"[::ffff:203.0.113.7]\""], VISITOR),
            (
                &["for=10.0.0.3;host=\"\\\\\\\"\", for=10.0.0.2"],
                "10.0.0.3",
            ),
            // Spoofed, with quotes that are meant to swallow what follows.
            (&["for=192.0.2.10, for=203.0.113.7"], VISITOR),
            (&["for=\"192.0.2.10, for=203.0.113.7"], VISITOR),
            (
                &["for=\", for=203.0.113.7;host=\"a\", for=10.0.0.2"],
                VISITOR,
            ),
            (&["for=\"\\, for=\"203.0.113.7\""], VISITOR),
            (&["for=192.0.2.10;host=\"", "for=203.0.113.7"], VISITOR),
            (&["\", for=\"203.0.113.7\", for=\"10.0.0.2\""], VISITOR),
            // Everything is trusted.
            (&["for=10.0.0.3, for=10.0.0.2"], "10.0.0.3"),
            // Unreadable on the way.
            (&[""], "unknown"),
            (&[";"], "unknown"),
            (&["203.0.113.7"], "unknown"),
            (&["for"], "unknown"),
            (&["for="], "unknown"),
            (&["for=;proto=https"], "unknown"),
            (&["for=\"\""], "unknown"),
            (&["for=unknown"], "unknown"),
            (&["for=_hidden"], "unknown"),
            (&["for=\"_hidden:80\""], "unknown"),
            (&["proto=https"], "unknown"),
            (&["for=203.0.113.7, proto=https"], "unknown"),
            (&["for=203.0.113.7, for=unknown, for=10.0.0.2"], "unknown"),
            (&["for=203.0.113.7, , for=10.0.0.2"], "unknown"),
            (&["for=203.0.113.7,"], "unknown"),
            (&["for=203.0.113.7;for=192.0.2.10"], "unknown"),
            (&["for=203.0.113.7;For=203.0.113.7"], "unknown"),
            (&["for = 203.0.113.7"], "unknown"),
            (&["for=203.0.113.7 proto=https"], "unknown"),
            (&["for=203.0.113.7;proto"], "unknown"),
            (&["for=203.0.113.7;=https"], "unknown"),
            (&["for=203.0.113.7;a=\"b\"c"], "unknown"),
            (&["for=203.0.113.7:80"], "unknown"),
            (&["for=[2001:db8::1]"], "unknown"),
            (&["for=2001:db8::1"], "unknown"),
            (&["for=\"2001:db8::1\""], "unknown"),
            (&["for=\"203.0.113.7:_\""], "unknown"),
            (&["for=\"203.0.113.7:123456\""], "unknown"),
            (&["for=\" 203.0.113.7\""], "unknown"),
            (&["for=\"\\203.0.113.7\""], "unknown"),
            (&["for=\"203.0.113.7"], "unknown"),
            (&["for=203.0.113.7\""], "unknown"),
            (&["for=\"203.0.113.7\\\""], "unknown"),
        ] {
            let trusted = trusted(ForwardedHeader::Forwarded);
            assert_eq!(client(&trusted, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn single_value() {
        for (lines, expected) in [
            (&[][..], "10.0.0.1"),
            (&["203.0.113.7"], VISITOR),
            (&[" 203.0.113.7\t"], VISITOR),
            (&["203.0.113.7:80"], VISITOR),
            (&["[2001:db8::1]:80"], "2001:db8::1"),
            (&["::ffff:203.0.113.7"], VISITOR),
            (&["10.0.0.2"], "10.0.0.2"),
            (&[""], "unknown"),
            (&["unknown"], "unknown"),
            (&["203.0.113.7, 10.0.0.2"], "unknown"),
            (&["203.0.113.7,"], "unknown"),
            (&["203.0.113.7", "203.0.113.7"], "unknown"),
            (&["203.0.113.7", ""], "unknown"),
        ] {
            assert_eq!(client(&single(), lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_mapped_peer_is_a_trusted_one() {
        let trusted = trusted(ForwardedHeader::XForwardedFor);
        let peer = Some(ip("::ffff:10.0.0.1"));
        let address = trusted.client_address(peer, [VISITOR.as_bytes()]);
        assert_eq!(address, ClientAddress::from(ip(VISITOR)));
        assert_eq!(trusted.client_address(peer, []).ip(), Some(ip("10.0.0.1")));
    }

    #[test]
    fn header_names_are_tokens_and_no_lists() {
        let made = ForwardedHeader::single("CF-Connecting-IP").unwrap();
        assert_eq!(made.name(), "cf-connecting-ip");
        for (name, message) in [
            ("", "`` is not a header name"),
            ("x real ip", "`x real ip` is not a header name"),
            ("x-real-ip:", "`x-real-ip:` is not a header name"),
            ("x\n", "`x\\n` is not a header name"),
            ("x-réal-ip", "`x-réal-ip` is not a header name"),
            ("X-Forwarded-For", "`X-Forwarded-For` holds a list"),
            ("forwarded", "`forwarded` holds a list"),
        ] {
            let error = ForwardedHeader::single(name).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_huge_hostile_header_is_read_to_its_end() {
        // Would take hours if any of these were quadratic.
        let size = 1 << 20;
        let trusted_hops = "10.0.0.2,".repeat(size / 9);
        let x_forwarded_for = trusted(ForwardedHeader::XForwardedFor);
        assert_eq!(
            client(&x_forwarded_for, &[format!("{trusted_hops}10.0.0.3")]),
            "10.0.0.2"
        );
        assert_eq!(client(&x_forwarded_for, &["7".repeat(size)]), "unknown");
        assert_eq!(
            client(&x_forwarded_for, &vec!["10.0.0.4"; size / 8]),
            "10.0.0.4"
        );

        let forwarded = trusted(ForwardedHeader::Forwarded);
        let hops = "for=10.0.0.2,".repeat(size / 13);
        assert_eq!(
            client(&forwarded, &[format!("{hops}for=10.0.0.3")]),
            "10.0.0.2"
        );
        let pairs = ";".repeat(size);
        assert_eq!(
            client(&forwarded, &[format!("for=203.0.113.7{pairs}")]),
            VISITOR
        );
        for unit in [
            "\"", "\\", "\\\"", "\"\\\\", ",\"", "a=\"", "a=b;", ";", " ",
        ] {
            let hostile = unit.repeat(size / unit.len());
            assert_eq!(client(&forwarded, &[&hostile]), "unknown", "{unit}");
            let line = format!("{hostile}, for=203.0.113.7;host=\"x\"");
            assert_eq!(client(&forwarded, &[line]), VISITOR, "{unit}");
        }
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<IpAddr>(),
            any::<u16>().prop_map(|low| IpAddr::from([10, 0, low.to_be_bytes()[0], 1])),
        ]
    }

    /// Bytes that are rich in what the parsers look for.
    fn hostile_line() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            vec(any::<u8>(), 0..4),
            "[\\\\\",;=: \t\\[\\]]".prop_map(String::into_bytes),
            prop::sample::select(vec![
                "for=",
                "10.0.0.2",
                "192.0.2.10",
                "[::1]",
                ":80",
                "unknown",
                "_x",
                "2001:db8::1",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ];
        vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn all_headers() -> [TrustedProxies; 3] {
        [
            trusted(ForwardedHeader::Forwarded),
            trusted(ForwardedHeader::XForwardedFor),
            single(),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_known_is_canonical(
            peer in proptest::option::of(address()),
            lines in vec(hostile_line(), 0..4),
        ) {
            for trusted in all_headers() {
                let address = trusted.client_address(peer, lines.iter().map(Vec::as_slice));
                let canonical = peer.map(|peer| peer.to_canonical());
                prop_assert_eq!(address.ip(), address.ip().map(|ip| ip.to_canonical()));
                if canonical.is_none_or(|peer| !trusted.proxies.contains(peer)) {
                    prop_assert_eq!(address.ip(), canonical);
                }
            }
        }

        #[test]
        fn nothing_left_of_the_first_untrusted_hop_counts(
            left in vec(hostile_line(), 0..4),
            same_line in hostile_line(),
            hop in address(),
            unreadable in any::<bool>(),
            proxies in 0_usize..3,
            own_lines in any::<bool>(),
        ) {
            let separator = if own_lines { '\n' } else { ',' };
            for (trusted, name) in all_headers().into_iter().zip(["for=", ""]) {
                let written = match (unreadable, hop) {
                    (true, _) => "unknown".to_owned(),
                    (false, IpAddr::V6(v6)) if !name.is_empty() => format!("\"[{v6}]\""),
                    (false, hop) => hop.to_string(),
                };
                let hops = (0..proxies).map(|proxy| format!("{separator} {name}10.1.0.{proxy}"));
                let right: String = [format!("{name}{written}")].into_iter().chain(hops).collect();
                let expected = client(&trusted, &right.split('\n').collect::<Vec<_>>());
                if trusted.proxies.contains(hop) && !unreadable {
                    continue;
                }
                prop_assert_eq!(
                    &expected,
                    &if unreadable { ClientAddress::Unknown } else { hop.into() }.to_string()
                );

                let joined = [&same_line, &b","[..], right.as_bytes()].concat();
                let lines = left.iter().map(Vec::as_slice).chain(joined.split(|byte| *byte == b'\n'));
                // A client's bytes hold no line break; if these do, they make more lines on the left.
                let lines: Vec<&[u8]> = lines.collect();
                prop_assert_eq!(client(&trusted, &lines), expected);
            }
        }

        #[test]
        fn any_address_is_read_back(hop in any::<IpAddr>(), port in any::<u16>()) {
            prop_assume!(!trusted(ForwardedHeader::Forwarded).proxies.contains(hop));
            let expected = ClientAddress::from(hop).to_string();
            let with_port = std::net::SocketAddr::new(hop, port).to_string();
            for trusted in [trusted(ForwardedHeader::XForwardedFor), single()] {
                prop_assert_eq!(&client(&trusted, &[hop.to_string()]), &expected);
                prop_assert_eq!(&client(&trusted, &[&with_port]), &expected);
            }
            let forwarded = trusted(ForwardedHeader::Forwarded);
            prop_assert_eq!(&client(&forwarded, &[format!("for=\"{with_port}\"")]), &expected);
        }
    }
}
