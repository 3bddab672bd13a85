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
