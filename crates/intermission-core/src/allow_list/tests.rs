use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::read::LONG;
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn entries_become_canonical() {
    for (text, printed, bare) in [
        ("192.0.2.10", "192.0.2.10/32", "192.0.2.10"),
        (" 192.0.2.10\t\n", "192.0.2.10/32", "192.0.2.10"),
        ("192.0.2.77/24", "192.0.2.0/24", "192.0.2.0/24"),
        ("203.0.113.9/0", "0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0::1", "2001:db8::1/128", "2001:db8::1"),
        ("2001:db8::1/64", "2001:db8::/64", "2001:db8::/64"),
        ("::/0", "::/0", "::/0"),
        ("::ffff:192.0.2.10", "192.0.2.10/32", "192.0.2.10"),
        ("::ffff:c000:020a/128", "192.0.2.10/32", "192.0.2.10"),
        ("::ffff:192.0.2.77/120", "192.0.2.0/24", "192.0.2.0/24"),
        ("::ffff:192.0.2.77/96", "0.0.0.0/0", "0.0.0.0/0"),
        // Not mapped: these stay IPv6.
        ("::192.0.2.10", "::c000:20a/128", "::c000:20a"),
        ("64:ff9b::192.0.2.10/96", "64:ff9b::/96", "64:ff9b::/96"),
    ] {
        let network: Network = text.parse().unwrap();
        assert_eq!(network.to_string(), printed, "{text}");
        assert_eq!(network.bare().to_string(), bare, "{text}");
    }
}

#[test]
fn a_bad_entry_is_an_error_that_says_why() {
    let octal = "has a number with a leading zero, which some systems read as octal";
    let port = "has a port or brackets, which are no part of an address";
    let zone = "names a zone, which means something on one machine only";
    let mapped = "is IPv4 written as IPv6 and has no prefix length from 96 to 128 after its slash";
    let v4 = "has no prefix length from 0 to 32 after its slash";
    let v6 = "has no prefix length from 0 to 128 after its slash";
    for (text, why) in [
        ("", "is empty"),
        (" \t", "is empty"),
        ("/", "is not an address"),
        ("/8", "is not an address"),
        ("localhost", "is not an address"),
        ("none", "is not an address"),
        ("192.0.2", "is not an address"),
        ("192.0.2.*", "is not an address"),
        ("192.0.2.256", "is not an address"),
        ("192.0.2.1-192.0.2.9", "is not an address"),
        ("192.0.2.1,192.0.2.2", "is not an address"),
        ("192.0.2.1 192.0.2.2", "is not an address"),
        ("^192\\.0\\.2\\.1$", "is not an address"),
        ("0xc0.0.2.1", "is not an address"),
        ("3221225994", "is not an address"),
        ("2001:db8:::1", "is not an address"),
        ("192.0.2.1 /24", "is not an address"),
        ("192.0.02.1", octal),
        ("010.0.0.1/8", octal),
        ("fe80::1%eth0", zone),
        ("fe80::1%1/64", zone),
        ("192.0.2.1:80", port),
        ("[2001:db8::1]", port),
        ("[2001:db8::1]:80", port),
        ("192.0.2.1/", v4),
        ("192.0.2.1/33", v4),
        ("192.0.2.1/256", v4),
        ("192.0.2.1/-1", v4),
        ("192.0.2.1/+8", v4),
        ("192.0.2.1/08", v4),
        ("192.0.2.1/ 8", v4),
        ("192.0.2.1/24/24", v4),
        ("192.0.2.1/255.255.255.0", v4),
        ("2001:db8::/129", v6),
        ("2001:db8::/0x40", v6),
        ("::ffff:192.0.2.1/129", mapped),
        ("::ffff:192.0.2.1/x", mapped),
        ("::ffff:192.0.2.1/24", mapped),
        ("::ffff:192.0.2.1/95", mapped),
    ] {
        let error = text.parse::<Network>().unwrap_err();
        assert_eq!(error.text(), text.trim());
        let message = error.to_string();
        let expected = format!("`{}` {why}: write ", text.trim().escape_debug());
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn every_bad_entry_is_named_in_one_line() {
    let long = "x".repeat(100);
    let entries = ["192.0.2.1", "10.0.0.0/40", "a\nb", "::1", long.as_str()];
    let error = AllowList::parse(entries).unwrap_err();
    assert_eq!(error.entries().len(), 3);
    assert_eq!(
        error.to_string(),
        format!(
            "`10.0.0.0/40` has no prefix length from 0 to 32 after its slash; `a\\nb` is not an address; \
             `{}…` is not an address: write addresses or networks, as in `192.0.2.10`, `192.0.2.0/24` or \
             `2001:db8::/64`",
            "x".repeat(64)
        )
    );
}

#[test]
fn never_across_families_and_mapped_is_v4() {
    let all_v6 = AllowList::parse(["::/0"]).unwrap();
    assert!(all_v6.contains(ip("2001:db8::1")) && all_v6.contains(ip("::")));
    assert!(!all_v6.contains(ip("192.0.2.1")) && !all_v6.contains(ip("::ffff:192.0.2.1")));

    let all_v4 = AllowList::parse(["0.0.0.0/0"]).unwrap();
    assert!(all_v4.contains(ip("192.0.2.1")) && all_v4.contains(ip("::ffff:192.0.2.1")));
    assert!(!all_v4.contains(ip("::1")) && !all_v4.contains(ip("::192.0.2.1")));

    let wide: Network = "0.0.0.0/0".parse().unwrap();
    assert!(wide.contains(ip("::ffff:192.0.2.1")) && !wide.contains(ip("::1")));
}

#[test]
fn removing_the_wide_network_leaves_the_narrow_one() {
    let list = AllowList::parse(["192.0.2.0/24", "192.0.2.10", "192.0.2.0/25"]).unwrap();
    let less = list.removed(&AllowList::parse(["192.0.2.1/24", "192.0.2.0/25"]).unwrap());
    assert_eq!(less, AllowList::parse(["192.0.2.10"]).unwrap());
    assert!(less.contains(ip("192.0.2.10")) && !less.contains(ip("192.0.2.11")));

    let same = list.removed(&AllowList::parse(["192.0.2.11"]).unwrap());
    assert_eq!(same, list);
    assert!(same.contains(ip("192.0.2.11")));
}

#[test]
fn a_clone_shares_and_so_does_a_change_of_nothing() {
    let list = AllowList::parse(["192.0.2.0/24"]).unwrap();
    let empty = AllowList::default();
    for same in [
        list.clone(),
        list.added(&empty),
        list.removed(&empty),
        empty.added(&list),
    ] {
        assert!(Arc::ptr_eq(&list.0, &same.0));
    }
    assert!(empty.is_empty() && !empty.contains(ip("0.0.0.0")) && !empty.contains(ip("::")));
}

#[test]
fn the_wire_form_is_a_sequence_of_strings_and_strict() {
    let json = r#"["2001:db8::5/64"," 192.0.2.10 ","::ffff:192.0.2.10"]"#;
    let list: AllowList = serde_json::from_str(json).unwrap();
    let printed = serde_json::to_string(&list).unwrap();
    assert_eq!(printed, r#"["192.0.2.10/32","2001:db8::/64"]"#);
    assert_eq!(format!("{list:?}"), "{192.0.2.10/32, 2001:db8::/64}");

    let error = serde_json::from_str::<AllowList>(r#"["::1","x","y/8"]"#).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("`x` is not an address; `y/8`"),
        "{message}"
    );
    for json in [r#""192.0.2.1""#, "[1]", "[null]", "null", "{}"] {
        assert!(serde_json::from_str::<AllowList>(json).is_err(), "{json}");
    }
}

#[test]
fn what_is_read_after_an_equal_list_is_that_list() {
    let read = AllowList::from_json_after;
    let known = AllowList::parse(["192.0.2.10", "2001:db8::/64"]).unwrap();
    for same in [
        r#"["192.0.2.10/32","2001:db8::/64"]"#,
        r#"[" 192.0.2.10", "2001:DB8::1/64"]"#,
        r#"["192.0.2.10\/32","2001:db8::/64"]"#,
    ] {
        let list = read(same, &known).unwrap();
        assert!(list.is_shared_with(&known), "{same}");
    }
    for (other, networks) in [
        ("[]", &[][..]),
        (r#"["192.0.2.10"]"#, &["192.0.2.10"]),
        (r#"["2001:db8::/64"]"#, &["2001:db8::/64"]),
        (r#"["192.0.2.10","::1"]"#, &["192.0.2.10", "::1"]),
        (
            r#"["192.0.2.10","2001:db8::/64","::1"]"#,
            &["::1", "192.0.2.10", "2001:db8::/64"],
        ),
        // Equal, and found to be so too late to be shared.
        (
            r#"["2001:db8::/64","192.0.2.10"]"#,
            &["192.0.2.10", "2001:db8::/64"],
        ),
    ] {
        let list = read(other, &known).unwrap();
        assert_eq!(list, AllowList::parse(networks).unwrap(), "{other}");
        assert!(!list.is_shared_with(&known), "{other}");
    }
    let error = read(r#"["192.0.2.10","x","::1","y"]"#, &known).unwrap_err();
    assert!(
        error.to_string().contains("`x` is not an address; `y` is"),
        "{error}"
    );
}

#[test]
fn a_long_text_that_says_the_same_again_is_not_read_again() {
    let networks = (0..10_000).map(|n| Network::from(IpAddr::V4(Ipv4Addr::from_bits(n * 2))));
    let list: AllowList = networks.collect();
    let json = serde_json::to_string(&list).unwrap();
    assert!(json.len() >= LONG);
    let hash: [u8; 32] = Sha256::digest(&json).into();
    // From no text at first, then from this one.
    for _ in 0..2 {
        let read = AllowList::from_json_after(&json, &list).unwrap();
        assert!(read.is_shared_with(&list));
        assert_eq!(list.0.text.get(), Some(&hash));
    }
    let other = json.replacen("0.0.0.2/32", "0.0.0.3/32", 1);
    let read = AllowList::from_json_after(&other, &list).unwrap();
    assert!(read != list && read.contains(ip("0.0.0.3")) && !read.contains(ip("0.0.0.2")));
    // What cannot be read is an error, whatever is known.
    for broken in ["0.0.0.x/32", "0.0.0.2/33", ""] {
        let broken = json.replacen("0.0.0.2/32", broken, 1);
        AllowList::from_json_after(&broken, &list).unwrap_err();
    }
    // Another text, and the same list.
    let spaced = json.replace(',', ", ");
    let read = AllowList::from_json_after(&spaced, &list).unwrap();
    assert!(read.is_shared_with(&list));
    assert_eq!(list.0.text.get(), Some(&hash));
}

#[test]
fn a_million_networks_fit_into_64_mebibytes() {
    let count = 1 << 20;
    assert!(count * (size_of::<Network>() + size_of::<(u32, u32)>()) <= 64 << 20);

    // Every second address, so that nothing merges; a tenth of the million is enough to see the shape.
    let networks = (0..100_000).map(|n| Network::from(IpAddr::V4(Ipv4Addr::from_bits(n * 2))));
    let list: AllowList = networks.rev().collect();
    assert_eq!(
        (list.len(), list.0.v4.0.len(), list.0.v6.0.len()),
        (100_000, 100_000, 0)
    );
    for n in [0, 1, 2, 99_999, 100_000, 199_997, 199_998, 199_999, 200_000] {
        let address = IpAddr::V4(Ipv4Addr::from_bits(n));
        assert_eq!(
            list.contains(address),
            n % 2 == 0 && n < 200_000,
            "{address}"
        );
    }
}

/// Some networks of everywhere, and some so near to each other that they overlap.
fn network() -> impl Strategy<Value = Network> {
    let v4 = prop_oneof![
        any::<u32>(),
        0xc000_0200_u32..0xc000_0210,
        0_u32..4,
        Just(u32::MAX)
    ]
    .prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let v6 = prop_oneof![any::<u128>(), 0_u128..16, Just(u128::MAX)]
        .prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
    prop_oneof![
        (v4, prop_oneof![0_u8..=32, 28_u8..=32]),
        (v6, prop_oneof![0_u8..=128, 124_u8..=128]),
    ]
    .prop_map(|(address, length)| Network::new(address, length).unwrap())
}

/// Both families as one number with its width, compared bit by bit: shares nothing with the list or ipnet.
fn naive_contains(network: Network, address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (32, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => match v6.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => {
                (32, u128::from(u32::from_be_bytes([a, b, c, d])))
            }
            _ => (128, v6.to_bits()),
        },
    };
    let (width, wanted) = bits(network.address());
    let (given_width, given) = bits(address);
    width == given_width
        && (0..u32::from(network.prefix_length()))
            .all(|bit| (wanted ^ given) >> (width - 1 - bit) & 1 == 0)
}

/// The ends of a network, what lies just outside them, and the same addresses in their other spelling.
fn near(network: Network) -> Vec<IpAddr> {
    let v4 = |bits| {
        let v4 = Ipv4Addr::from_bits(bits);
        [IpAddr::V4(v4), IpAddr::V6(v4.to_ipv6_mapped())]
    };
    let v6 = |bits| [IpAddr::V6(Ipv6Addr::from_bits(bits))];
    match network.0 {
        IpNet::V4(net) => {
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            let outside = [first.wrapping_sub(1), last.wrapping_add(1)];
            outside
                .into_iter()
                .chain([first, last])
                .flat_map(v4)
                .collect()
        }
        IpNet::V6(net) => {
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            let outside = [first.wrapping_sub(1), last.wrapping_add(1)];
            outside
                .into_iter()
                .chain([first, last])
                .flat_map(v6)
                .collect()
        }
    }
}

proptest! {
    #[test]
    fn contains_is_the_naive_scan(
        networks in vec(network(), 0..12),
        others in vec(network(), 0..4),
        random in any::<IpAddr>(),
    ) {
        let list: AllowList = networks.iter().copied().collect();
        let addresses = networks.iter().chain(&others).flat_map(|network| near(*network));
        for address in addresses.chain([random]) {
            let expected = networks.iter().any(|network| naive_contains(*network, address));
            prop_assert_eq!(list.contains(address), expected, "{} in {:?}", address, list);
            for network in &networks {
                prop_assert_eq!(network.contains(address), naive_contains(*network, address));
            }
        }
    }

    #[test]
    fn text_and_wire_form_round_trip(networks in vec(network(), 0..12)) {
        let list: AllowList = networks.iter().copied().collect();
        let printed: Vec<String> = list.networks().map(|network| network.to_string()).collect();
        prop_assert_eq!(&AllowList::parse(&printed).unwrap(), &list);
        let bare = list.networks().map(|network| network.bare().to_string());
        prop_assert_eq!(&AllowList::parse(bare).unwrap(), &list);
        let json = serde_json::to_string(&list).unwrap();
        prop_assert_eq!(&json, &serde_json::to_string(&printed).unwrap());
        prop_assert_eq!(&serde_json::from_str::<AllowList>(&json).unwrap(), &list);
    }

    #[test]
    fn what_is_read_does_not_depend_on_what_was_known(
        networks in vec(network(), 0..12),
        known in vec(network(), 0..12),
        shared in 0..12_usize,
    ) {
        let list: AllowList = networks.iter().copied().collect();
        let known: AllowList = list.networks().take(shared).chain(known).collect();
        let json = serde_json::to_string(&list).unwrap();
        let read = AllowList::from_json_after(&json, &known).unwrap();
        prop_assert_eq!(&read, &list);
        prop_assert_eq!(read.is_shared_with(&known), list == known);
    }

    #[test]
    fn a_list_is_a_set(
        left in vec(network(), 0..12),
        mut right in vec(network(), 0..6),
        shared in any::<prop::sample::Index>(),
    ) {
        if !left.is_empty() {
            right.push(left[shared.index(left.len())]);
        }
        let set = |networks: &[Network]| networks.iter().copied().collect::<BTreeSet<_>>();
        let (a, b) = (set(&left), set(&right));
        let (left, right): (AllowList, AllowList) =
            (left.into_iter().rev().collect(), right.into_iter().collect());
        prop_assert!(left.networks().eq(a.iter().copied()));
        prop_assert_eq!(left.len(), a.len());
        prop_assert!(left.added(&right).networks().eq(a.union(&b).copied()));
        prop_assert!(left.removed(&right).networks().eq(a.difference(&b).copied()));
        prop_assert_eq!(left == right, a == b);
        prop_assert_eq!(left.added(&right), right.added(&left));
        prop_assert_eq!(left.added(&right).removed(&right), left.removed(&right));
        prop_assert!(left.removed(&left).is_empty());
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Ok(network) = text.parse::<Network>() {
            prop_assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
        }
    }
}
