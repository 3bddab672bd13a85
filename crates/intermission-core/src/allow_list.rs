//! Networks whose visitors may pass, and the list of them.
//!
//! 1. An entry is an address or a CIDR network of either family. White space around it is ignored. Bits to the
//!    right of the prefix are accepted and cleared: `192.0.2.77/24` is `192.0.2.0/24`.
//! 2. An IPv4-mapped IPv6 entry is the IPv4 one: `::ffff:192.0.2.10` is `192.0.2.10/32`, `::ffff:192.0.2.0/120` is
//!    `192.0.2.0/24`. A mapped address with a prefix below 96 is refused: as IPv6 it would open a far wider network
//!    and still hold no IPv4 address, which nobody means who writes it.
//! 3. Everything else is an error, and the error names every bad entry. No entry is skipped: a list that silently
//!    lost a line is found out by the person who stands outside. Numbers with leading zeros are refused, since some
//!    systems read them as octal.
//! 4. Addresses are compared as numbers, never as text and never across families: `::/0` holds no IPv4 address.
//! 5. A list is a set of networks in one order. A network inside another one keeps its place, so that removing the
//!    wide one leaves the narrow one.
//!
//! The list is Magento's (`maintenance:allow-ips`, `.maintenance.ip`). Magento compared text until 2.4.8, so a second
//! spelling of an address was another address; this list is canonical on input instead.
//! [`Network::bare`] prints what those older versions expect.

mod read;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use read::Reader;

/// One network, in canonical form. A single address is a network of one.
///
/// Networks are ordered by family (IPv4 first), address and prefix length.
///
/// # Examples
///
/// ```
/// use intermission_core::Network;
///
/// let office: Network = "192.0.2.77/24".parse().unwrap();
/// assert_eq!(office.to_string(), "192.0.2.0/24");
/// assert!(office.contains("::ffff:192.0.2.1".parse().unwrap()));
///
/// let error = "192.0.2.0/33".parse::<Network>().unwrap_err();
/// assert!(error.to_string().starts_with("`192.0.2.0/33` has no prefix length from 0 to 32"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// INVARIANT: truncated, and never an IPv4-mapped IPv6 network. Only `canonical` and `From<IpAddr>` make one.
pub struct Network(IpNet);

impl Network {
    /// The network of the `prefix_length` leading bits of `address`.
    ///
    /// # Errors
    ///
    /// The prefix is longer than the address, or it is below 96 and the address is IPv4-mapped.
    pub fn new(address: IpAddr, prefix_length: u8) -> Result<Self, BadNetwork> {
        Self::canonical(address, prefix_length)
            .map_err(|reason| BadNetwork::new(&format!("{address}/{prefix_length}"), reason))
    }

    fn canonical(address: IpAddr, prefix_length: u8) -> Result<Self, Reason> {
        let prefix_length = if is_mapped(address) {
            prefix_length.checked_sub(96)
        } else {
            Some(prefix_length)
        };
        prefix_length
            .and_then(|prefix_length| IpNet::new(address.to_canonical(), prefix_length).ok())
            .map(|network| Self(network.trunc()))
            .ok_or_else(|| Reason::prefix_length(address))
    }

    /// The first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0.addr()
    }

    /// How many leading bits all addresses of the network share: 0 to 32, or to 128 for IPv6.
    #[must_use]
    pub fn prefix_length(self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether the network holds one address only.
    #[must_use]
    pub fn is_single_address(self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }

    /// Whether `address` is in the network. An IPv4-mapped address counts as the IPv4 one.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Prints a single address without its prefix length and any other network with it.
    ///
    /// Magento before 2.4.8 compares the lines of its file with the visitor's address as text, and so never finds
    /// `192.0.2.10/32`.
    #[must_use]
    pub fn bare(self) -> impl fmt::Display {
        Bare(self)
    }
}

/// A single address as a network.
impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(IpNet::from(address.to_canonical()))
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        read_network(text).map_err(|reason| BadNetwork::new(text, reason))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// The networks whose visitors may pass: a set, made once and never changed.
///
/// A clone shares everything with the original, so a record whose message changes keeps its list as it is. A lookup
/// is a binary search in the merged ranges of one family: about twenty steps among a million networks. The order in
/// which the networks were given does not matter, nor how often each was.
///
/// In serde it is a sequence of strings; one bad string is an error.
///
/// # Examples
///
/// ```
/// use intermission_core::AllowList;
///
/// let list = AllowList::parse(["2001:db8::/64", "192.0.2.10", "192.0.2.10/32"])?;
/// assert_eq!(list.len(), 2);
/// assert!(list.contains("192.0.2.10".parse().unwrap()));
/// assert!(!list.contains("192.0.2.11".parse().unwrap()));
///
/// let error = AllowList::parse(["192.0.2.10", "192.0.2.0/33", "localhost"]).unwrap_err();
/// assert_eq!(error.entries().len(), 2);
/// # Ok::<(), intermission_core::BadNetworks>(())
/// ```
#[derive(Clone, Default)]
pub struct AllowList(Arc<Lists>);

/// The networks as they are shown, and the same addresses as they are searched.
#[derive(Default)]
struct Lists {
    /// The hash of a long text that says this list. It tells whether the next text says it, too, sooner than that is read.
    text: OnceLock<[u8; 32]>,
    /// Sorted, each once.
    networks: Box<[Network]>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl AllowList {
    /// Reads one network from each entry.
    ///
    /// # Errors
    ///
    /// Any entry is no network. The error names all that are none.
    pub fn parse(entries: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, BadNetworks> {
        let nothing = Self::default();
        let mut reader = Reader::after(&nothing);
        for entry in entries {
            reader.read(entry.as_ref());
        }
        reader.finish()
    }

    /// Whether both are one list in memory, and not only equal.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether a visitor from `address` may pass. An IPv4-mapped address counts as the IPv4 one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.0.v4.contain(address.to_bits()),
            IpAddr::V6(address) => self.0.v6.contain(address.to_bits()),
        }
    }

    /// The networks in their order, each once.
    #[must_use]
    pub fn networks(&self) -> impl ExactSizeIterator<Item = Network> + DoubleEndedIterator + '_ {
        self.0.networks.iter().copied()
    }

    /// How many networks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.networks.len()
    }

    /// Whether nobody passes by address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.networks.is_empty()
    }

    /// This list with the networks of `other` too.
    #[must_use]
    pub fn added(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        self.networks().chain(other.networks()).collect()
    }

    /// This list without the networks of `other`.
    ///
    /// Networks are compared as a whole. Taking `192.0.2.10/32` away from a list that holds `192.0.2.0/24` changes
    /// nothing: that address still passes, as [`AllowList::contains`] then says.
    #[must_use]
    pub fn removed(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        self.networks()
            .filter(|network| other.0.networks.binary_search(network).is_err())
            .collect()
    }
}

impl FromIterator<Network> for AllowList {
    fn from_iter<I: IntoIterator<Item = Network>>(iter: I) -> Self {
        let mut networks: Vec<Network> = iter.into_iter().collect();
        // A stable sort, because it takes the sorted runs that a list, or two, consist of as they are.
        networks.sort();
        networks.dedup();
        let v4 = networks.iter().filter_map(|network| match network.0 {
            IpNet::V4(v4) => Some((v4.network().to_bits(), v4.broadcast().to_bits())),
            IpNet::V6(_) => None,
        });
        let v6 = networks.iter().filter_map(|network| match network.0 {
            IpNet::V4(_) => None,
            IpNet::V6(v6) => Some((v6.network().to_bits(), v6.broadcast().to_bits())),
        });
        Self(Arc::new(Lists {
            text: OnceLock::new(),
            v4: Ranges::merge(v4),
            v6: Ranges::merge(v6),
            networks: networks.into_boxed_slice(),
        }))
    }
}

impl PartialEq for AllowList {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.networks == other.0.networks
    }
}

impl Eq for AllowList {}

impl fmt::Debug for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.networks()).finish()
    }
}

impl Serialize for AllowList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.networks())
    }
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {HOW_TO_WRITE_ONE}", Complaint(self))]
pub struct BadNetwork {
    text: String,
    reason: Reason,
}

impl BadNetwork {
    fn new(text: &str, reason: Reason) -> Self {
        Self {
            text: text.to_owned(),
            reason,
        }
    }

    /// The text, without the white space around it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Every entry of a list that is no network. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadNetworks(Vec<BadNetwork>);

impl BadNetworks {
    /// The bad entries, in the order in which they were given.
    #[must_use]
    pub fn entries(&self) -> &[BadNetwork] {
        &self.0
    }
}

impl fmt::Display for BadNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}", Complaint(entry))?;
        }
        write!(f, ": {HOW_TO_WRITE_ONE}")
    }
}

impl std::error::Error for BadNetworks {}

const HOW_TO_WRITE_ONE: &str =
    "write addresses or networks, as in `192.0.2.10`, `192.0.2.0/24` or `2001:db8::/64`";

/// Longer than every text of a network, and short enough for a log line.
const LONGEST_QUOTE: usize = 64;

/// What is wrong with one entry, without the advice that ends the message.
struct Complaint<'a>(&'a BadNetwork);

impl fmt::Display for Complaint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadNetwork { text, reason } = self.0;
        // Escaped, because an entry may come from anywhere and a message is one line.
        f.write_str("`")?;
        for letter in text.chars().take(LONGEST_QUOTE) {
            write!(f, "{}", letter.escape_debug())?;
        }
        if text.chars().nth(LONGEST_QUOTE).is_some() {
            f.write_str("…")?;
        }
        write!(f, "` {reason}")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("is empty")]
    Empty,
    #[error("has a number with a leading zero, which some systems read as octal")]
    LeadingZero,
    #[error("is IPv4 written as IPv6 and has no prefix length from 96 to 128 after its slash")]
    MappedPrefix,
    #[error("is not an address")]
    NotAnAddress,
    #[error("has a port or brackets, which are no part of an address")]
    PortOrBrackets,
    #[error("has no prefix length from 0 to {longest} after its slash")]
    PrefixLength { longest: u8 },
    #[error("names a zone, which means something on one machine only")]
    Zone,
}

impl Reason {
    fn prefix_length(address: IpAddr) -> Self {
        match address {
            mapped if is_mapped(mapped) => Self::MappedPrefix,
            IpAddr::V4(_) => Self::PrefixLength { longest: 32 },
            IpAddr::V6(_) => Self::PrefixLength { longest: 128 },
        }
    }

    fn for_no_address(text: &str) -> Self {
        let mut numbers = text.split('.');
        if text.is_empty() {
            Self::Empty
        } else if text.contains('%') {
            Self::Zone
        } else if text.starts_with('[') || text.parse::<SocketAddr>().is_ok() {
            Self::PortOrBrackets
        } else if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.'))
            && numbers.any(|number| number.len() > 1 && number.starts_with('0'))
        {
            Self::LeadingZero
        } else {
            Self::NotAnAddress
        }
    }
}

/// Whether the address is an IPv4 address in the form of an IPv6 one.
fn is_mapped(address: IpAddr) -> bool {
    address.is_ipv6() && address.to_canonical().is_ipv4()
}

fn read_network(text: &str) -> Result<Network, Reason> {
    let (address, prefix_length) = match text.split_once('/') {
        Some((address, prefix_length)) => (address, Some(prefix_length)),
        None => (text, None),
    };
    // The standard library's parser and not ipnet's, which takes `010.0.0.1` for 10.0.0.1.
    let parsed: IpAddr = address.parse().map_err(|_| match prefix_length {
        // An empty address before a slash is not an empty entry.
        Some(_) if address.is_empty() => Reason::NotAnAddress,
        _ => Reason::for_no_address(address),
    })?;
    match prefix_length {
        None => Ok(Network::from(parsed)),
        Some(digits) => {
            let prefix_length =
                read_prefix_length(digits).ok_or_else(|| Reason::prefix_length(parsed))?;
            Network::canonical(parsed, prefix_length)
        }
    }
}

/// Reads plain decimal digits only: `u8::from_str` would take `+8` and `008` as well.
fn read_prefix_length(digits: &str) -> Option<u8> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    is_plain.then(|| digits.parse().ok()).flatten()
}

struct Bare(Network);

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_single_address() {
            fmt::Display::fmt(&self.0.address(), f)
        } else {
            fmt::Display::fmt(&self.0, f)
        }
    }
}

/// Disjoint ranges of addresses, first and last included, in ascending order.
struct Ranges<T>(Box<[(T, T)]>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T: Copy + Ord> Ranges<T> {
    /// Merges ranges that come in the order of their first addresses.
    fn merge(sorted: impl Iterator<Item = (T, T)>) -> Self {
        let mut ranges: Vec<(T, T)> = Vec::new();
        for (first, last) in sorted {
            match ranges.last_mut() {
                Some(open) if first <= open.1 => open.1 = open.1.max(last),
                _ => ranges.push((first, last)),
            }
        }
        Self(ranges.into_boxed_slice())
    }

    fn contain(&self, address: T) -> bool {
        let begun = self.0.partition_point(|(first, _)| *first <= address);
        begun
            .checked_sub(1)
            .and_then(|nearest| self.0.get(nearest))
            .is_some_and(|(_, last)| address <= *last)
    }
}

#[cfg(test)]
mod tests;
