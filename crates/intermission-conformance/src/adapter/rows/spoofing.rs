//! Who tries to pass for somebody else. The peer is always 127.0.0.1, and 192.0.2.10 is on the allow list.

use intermission::{AdmitReason, ForwardedHeader};

use crate::adapter::expected::{admitted, refused};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get};
use crate::adapter::row::{Row, RowGroup};

const LISTED: &[&str] = &["192.0.2.10", "2001:db8::10"];
const PEER: &[&str] = &["127.0.0.1"];

/// The peer is no proxy.
fn direct() -> Given {
    Given::closed().allowing(LISTED)
}

/// The peer is a proxy that speaks in `X-Forwarded-For`.
fn proxied() -> Given {
    direct().trusting(PEER)
}

fn in_forwarded() -> Given {
    proxied().speaking_in(ForwardedHeader::Forwarded)
}

fn in_real_ip() -> Given {
    let header = ForwardedHeader::single("x-real-ip").unwrap_or(ForwardedHeader::XForwardedFor);
    proxied().speaking_in(header)
}

/// Lines of one header.
fn lines<const N: usize>(name: &'static str, values: [&str; N]) -> Request {
    let lines = values.into_iter();
    lines.fold(get("/"), |request, value| request.with(name, value))
}

fn xff<const N: usize>(values: [&str; N]) -> Request {
    lines("x-forwarded-for", values)
}

fn forwarded<const N: usize>(values: [&str; N]) -> Request {
    lines("forwarded", values)
}

fn real_ip<const N: usize>(values: [&str; N]) -> Request {
    lines("x-real-ip", values)
}

fn passes<const N: usize>(
    name: &'static str,
    promise: &'static str,
    given: Given,
    requests: [Request; N],
) -> Row {
    let asks = requests.map(|request| (request, admitted("hello", AdmitReason::AllowedAddress)));
    Row::asks(RowGroup::Spoofing, name, promise, given, asks)
}

fn fails<const N: usize>(
    name: &'static str,
    promise: &'static str,
    given: Given,
    requests: [Request; N],
) -> Row {
    let asks = requests.map(|request| (request, refused()));
    Row::asks(RowGroup::Spoofing, name, promise, given, asks)
}

pub(super) fn rows() -> Vec<Row> {
    [peers(), lists(), unreadable(), elements(), singles()].concat()
}

fn peers() -> Vec<Row> {
    vec![
        fails(
            "an_untrusted_peer_is_not_believed",
            "Without trusted proxies no header names the visitor, whichever it is.",
            direct(),
            [
                xff(["192.0.2.10"]),
                forwarded(["for=192.0.2.10"]),
                real_ip(["192.0.2.10"]),
                lines("x-client-ip", ["192.0.2.10"]),
                lines("cf-connecting-ip", ["192.0.2.10"]),
                lines("true-client-ip", ["192.0.2.10"]),
                lines("x-forwarded", ["for=192.0.2.10"]),
                lines("via", ["192.0.2.10"]),
            ],
        ),
        fails(
            "a_peer_beside_the_proxies_is_not_believed",
            "With trusted proxies elsewhere, this peer is no proxy, and its header is not read.",
            direct().trusting(&["10.0.0.0/8", "127.0.0.2", "::1"]),
            [xff(["192.0.2.10"]), xff(["192.0.2.10, 10.0.0.1"])],
        ),
        passes(
            "an_untrusted_peer_stays_itself",
            "A header that an untrusted peer sends does not take its own address from it, either.",
            Given::closed().allowing(PEER),
            [
                get("/"),
                xff(["198.51.100.7"]),
                xff(["nonsense"]),
                forwarded(["for=198.51.100.7"]),
            ],
        ),
        fails(
            "a_proxy_on_the_allow_list_lets_nobody_else_in",
            "The proxy's own address counts for requests that it makes itself, and not for those that it forwards.",
            Given::closed().allowing(PEER).trusting(PEER),
            [xff(["198.51.100.7"]), xff(["unknown"])],
        ),
        passes(
            "a_proxy_that_forwards_nobody_is_the_visitor",
            "A trusted peer that sends no header is itself the visitor.",
            Given::closed().allowing(PEER).trusting(PEER),
            [get("/"), forwarded(["for=198.51.100.7"])],
        ),
    ]
}

fn lists() -> Vec<Row> {
    vec![
        passes(
            "a_trusted_proxy_is_believed",
            "What a trusted proxy says counts.",
            proxied(),
            [
                xff(["192.0.2.10"]),
                lines("X-FORWARDED-FOR", ["192.0.2.10"]),
                xff(["  192.0.2.10\t"]),
                xff(["2001:db8::10"]),
                xff(["2001:DB8:0:0::10"]),
            ],
        ),
        fails(
            "leftmost_is_not_believed",
            "What stands left of the first untrusted hop was written by the visitor, and is not looked at.",
            proxied(),
            [
                xff(["192.0.2.10, 198.51.100.7"]),
                xff(["192.0.2.10, 192.0.2.10, 198.51.100.7"]),
                xff(["192.0.2.10,198.51.100.7"]),
                xff(["192.0.2.10 198.51.100.7"]),
            ],
        ),
        passes(
            "the_first_untrusted_hop_from_the_right_is_the_visitor",
            "Whatever the visitor wrote before it, the first hop that is no proxy counts.",
            proxied(),
            [
                xff(["198.51.100.7, 192.0.2.10"]),
                xff(["nonsense, , unknown, 192.0.2.10"]),
                xff(["\"192.0.2.10, 192.0.2.10"]),
            ],
        ),
        passes(
            "trusted_hops_in_the_middle_are_skipped",
            "Hops of trusted proxies are skipped, from right to left.",
            direct().trusting(&["127.0.0.1", "10.0.0.0/8"]),
            [
                xff(["192.0.2.10, 10.0.0.2, 10.0.0.1"]),
                xff(["198.51.100.7, 192.0.2.10, 10.0.0.1"]),
            ],
        ),
        fails(
            "a_private_address_is_no_proxy_by_itself",
            "A hop of a private or local network is skipped only if it is trusted.",
            proxied(),
            [
                xff(["192.0.2.10, 10.0.0.1"]),
                xff(["192.0.2.10, 192.168.0.1"]),
                xff(["192.0.2.10, 172.16.0.1"]),
                xff(["192.0.2.10, ::1"]),
                xff(["192.0.2.10, fd00::1"]),
                xff(["192.0.2.10, 169.254.0.1"]),
            ],
        ),
        fails(
            "a_trusted_hop_behind_an_untrusted_one_changes_nothing",
            "Trusted hops that the visitor wrote, left of the first untrusted one, do not count.",
            direct().trusting(&["127.0.0.1", "10.0.0.0/8"]),
            [xff(["192.0.2.10, 10.0.0.1, 198.51.100.7"])],
        ),
        passes(
            "with_trusted_hops_alone_the_leftmost_is_the_visitor",
            "A request that was made among the proxies comes from the leftmost of them.",
            Given::closed()
                .allowing(&["10.0.0.3"])
                .trusting(&["127.0.0.1", "10.0.0.0/8"]),
            [xff(["10.0.0.3, 10.0.0.2, 10.0.0.1"])],
        ),
        passes(
            "several_lines_count_as_one",
            "The lines of a list are read as one, in their order.",
            direct().trusting(&["127.0.0.1", "10.0.0.0/8"]),
            [
                xff(["198.51.100.7", "192.0.2.10"]),
                xff(["192.0.2.10", "10.0.0.2", "10.0.0.1"]),
            ],
        ),
        fails(
            "an_earlier_line_is_not_believed",
            "A line that the visitor sent, before that of the proxy, does not count.",
            proxied(),
            [xff(["192.0.2.10", "198.51.100.7"])],
        ),
        passes(
            "a_mapped_address_is_the_plain_one",
            "An IPv4 address written as IPv6 is the IPv4 address.",
            proxied(),
            [xff(["::ffff:192.0.2.10"]), xff(["::ffff:c000:20a"])],
        ),
        passes(
            "ports_are_ignored",
            "A port after an address does not matter, and IPv6 may stand in brackets.",
            proxied(),
            [
                xff(["192.0.2.10:8080"]),
                xff(["[2001:db8::10]:443"]),
                xff(["[2001:db8::10]"]),
            ],
        ),
    ]
}

fn unreadable() -> Vec<Row> {
    vec![
        fails(
            "an_unreadable_hop_makes_the_address_unknown",
            "A hop that has to be read and is no address makes the visitor's address unknown.",
            proxied(),
            [
                xff(["nonsense"]),
                xff(["192.0.2.10, nonsense"]),
                xff(["192.0.2.10.5"]),
                xff(["192.0.2.010"]),
                xff(["3221226000"]),
                xff(["0xc000020a"]),
                xff(["192.0.2.10:99999"]),
                xff(["192.0.2.10:"]),
                xff(["192.0.2.10/32"]),
                xff(["http://192.0.2.10"]),
                xff(["\"192.0.2.10\""]),
                xff(["for=192.0.2.10"]),
                xff(["[2001:db8::10"]),
                xff(["2001:db8::10]"]),
                xff(["fe80::1%eth0"]),
            ],
        ),
        fails(
            "an_unknown_hop_makes_the_address_unknown",
            "`unknown` and hidden names are no addresses, and no reason to look further to the left.",
            direct().trusting(&["127.0.0.1", "10.0.0.0/8"]),
            [
                xff(["unknown"]),
                xff(["_hidden"]),
                xff(["192.0.2.10, unknown"]),
                xff(["192.0.2.10, _hidden, 10.0.0.1"]),
            ],
        ),
        fails(
            "an_empty_element_makes_the_address_unknown",
            "An empty element is a hop that somebody erased; nobody guesses past it.",
            proxied(),
            [
                xff([""]),
                xff(["192.0.2.10,"]),
                xff(["192.0.2.10, ,"]),
                xff(["192.0.2.10", ""]),
                xff([","]),
            ],
        ),
        fails(
            "an_unreadable_hop_does_not_fall_back_to_the_peer",
            "Where the header cannot be read, the proxy's own address does not let the visitor in.",
            Given::closed().allowing(&["127.0.0.0/8"]).trusting(PEER),
            [xff(["nonsense"]), xff([""]), xff(["unknown"])],
        ),
        fails(
            "bytes_beyond_ascii_are_no_address",
            "A header with bytes beyond ASCII names nobody.",
            proxied(),
            [xff(["192.0.2.10\u{a0}"]), xff(["１９２.0.2.10"])],
        ),
        fails(
            "a_hundred_hops_are_read_from_the_right",
            "However long the list, the first untrusted hop from the right is the visitor.",
            proxied(),
            [xff([&format!(
                "{}198.51.100.7",
                "192.0.2.10, ".repeat(200)
            )])],
        ),
    ]
}

fn elements() -> Vec<Row> {
    vec![
        passes(
            "forwarded_is_read_by_its_grammar",
            "`Forwarded` may name the visitor plainly, quoted, with a port, in brackets, among other parameters.",
            in_forwarded(),
            [
                forwarded(["for=192.0.2.10"]),
                forwarded(["For=192.0.2.10;proto=https;by=203.0.113.43"]),
                forwarded(["proto=http; for=\"192.0.2.10:47011\""]),
                forwarded(["for=\"[2001:db8::10]\""]),
                forwarded(["for=\"[2001:DB8::10]:4711\";proto=https"]),
                forwarded(["for=192.0.2.10;host=\"a,b\""]),
                forwarded(["for=198.51.100.7, for=192.0.2.10"]),
                forwarded(["for=198.51.100.7", "for=192.0.2.10"]),
                forwarded(["for=\"192.0.2.10:_port\""]),
            ],
        ),
        fails(
            "forwarded_breaks_at_what_its_grammar_forbids",
            "An element that breaks the grammar, or hides the visitor, makes the address unknown.",
            in_forwarded(),
            [
                forwarded(["for=unknown"]),
                forwarded(["for=_hidden"]),
                forwarded(["for=\"_gazonk\""]),
                forwarded(["proto=https"]),
                forwarded(["for=192.0.2.10;for=192.0.2.10"]),
                forwarded(["for=[2001:db8::10]"]),
                forwarded(["for=2001:db8::10"]),
                forwarded(["for=192.0.2.10:80"]),
                forwarded(["for="]),
                forwarded(["for=\"\""]),
                forwarded(["192.0.2.10"]),
                forwarded(["for = 192.0.2.10"]),
                forwarded(["for=192.0.2.10, "]),
                forwarded([""]),
                forwarded(["for=\"192.0.2.10"]),
            ],
        ),
        fails(
            "an_open_quote_swallows_no_hop",
            "A quote that the visitor opens and does not close hides nothing that the proxy adds.",
            in_forwarded(),
            [
                forwarded(["for=192.0.2.10;host=\", for=198.51.100.7"]),
                forwarded(["for=\"192.0.2.10, for=198.51.100.7"]),
                forwarded(["for=192.0.2.10;host=\"", "for=198.51.100.7"]),
            ],
        ),
        fails(
            "another_header_than_the_configured_one_is_not_read",
            "A proxy is believed in its own header, and the visitor's others say nothing.",
            in_forwarded(),
            [
                xff(["192.0.2.10"]),
                real_ip(["192.0.2.10"]),
                forwarded(["for=198.51.100.7"]).with("x-forwarded-for", "192.0.2.10"),
            ],
        ),
        fails(
            "forwarded_is_not_read_where_the_proxy_speaks_otherwise",
            "Where the proxy speaks in `X-Forwarded-For`, `Forwarded` is the visitor's own.",
            proxied(),
            [
                forwarded(["for=192.0.2.10"]),
                xff(["198.51.100.7"]).with("forwarded", "for=192.0.2.10"),
            ],
        ),
    ]
}

fn singles() -> Vec<Row> {
    vec![
        passes(
            "a_single_value_names_the_visitor",
            "A header with one value names the visitor.",
            in_real_ip(),
            [
                real_ip(["192.0.2.10"]),
                real_ip(["[2001:db8::10]:80"]),
                lines("X-Real-IP", ["192.0.2.10"]),
                real_ip(["192.0.2.10"]).with("x-forwarded-for", "198.51.100.7"),
            ],
        ),
        fails(
            "a_single_value_is_single",
            "Two lines or a list in a header with one value make the address unknown.",
            in_real_ip(),
            [
                real_ip(["192.0.2.10", "192.0.2.10"]),
                real_ip(["192.0.2.10", "198.51.100.7"]),
                real_ip(["192.0.2.10, 192.0.2.10"]),
                real_ip(["192.0.2.10,"]),
                real_ip([""]),
                xff(["192.0.2.10"]),
            ],
        ),
    ]
}
