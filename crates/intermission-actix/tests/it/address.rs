//! Who passes by address, and who cannot lie about it.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use intermission::{Activate, AllowChange, AllowList, ForwardedHeader, TrustedProxies};
use intermission_actix::MaintenanceBuilder;

use crate::server::{ask, get, hello_behind};
use crate::site::Site;

async fn listing(address: &str) -> Site {
    let site = Site::open().await;
    let allow = AllowChange::Replace(AllowList::parse([address]).unwrap());
    site.activate(Activate::by("ana").with_allow(allow)).await;
    site
}

/// Trusts the peer of all tests, which is this machine.
fn trusting(site: &Site, header: ForwardedHeader) -> MaintenanceBuilder {
    let local = AllowList::parse(["127.0.0.0/8", "10.0.0.0/8"]).unwrap();
    let proxies = TrustedProxies::new(local, header);
    site.maintenance().with_trusted_proxies(proxies)
}

/// Asks with these headers, and compares the status.
async fn expect(address: SocketAddr, headers: &[&str], status: u16) {
    let answer = ask(address, "GET", "/", headers).await;
    assert_eq!(answer.status, status, "{headers:?}");
}

#[actix_web::test]
async fn the_peer_of_the_socket_is_the_visitor() {
    let site = listing("127.0.0.1").await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let answer = get(address, "/").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("maintenance-mode"), "bypassed");
    assert_eq!(answer.header("x-decision"), "Admit(AllowedAddress)");
    let site = listing("127.0.0.2").await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    expect(address, &[], 503).await;
}

#[actix_web::test]
async fn headers_of_an_untrusted_peer_are_not_read() {
    let site = listing("192.0.2.10").await;
    let elsewhere = AllowList::parse(["10.0.0.0/8"]).unwrap();
    let proxies = TrustedProxies::new(elsewhere, ForwardedHeader::XForwardedFor);
    for maintenance in [
        site.maintenance(),
        site.maintenance().with_trusted_proxies(proxies),
    ] {
        let address = hello_behind(&maintenance.build().unwrap());
        for spoofed in [
            "X-Forwarded-For: 192.0.2.10",
            "Forwarded: for=192.0.2.10",
            "X-Real-IP: 192.0.2.10",
            "Client-IP: 192.0.2.10",
        ] {
            expect(address, &[spoofed], 503).await;
        }
    }
}

#[actix_web::test]
async fn a_trusted_proxy_is_believed_from_the_right() {
    let site = listing("192.0.2.10").await;
    let address = hello_behind(
        &trusting(&site, ForwardedHeader::XForwardedFor)
            .build()
            .unwrap(),
    );
    for (lines, status) in [
        (&["192.0.2.10"][..], 200),
        (&["203.0.113.7, 192.0.2.10"], 200),
        (&["192.0.2.10", "10.0.0.7"], 200),
        (&["::ffff:192.0.2.10"], 200),
        (&["192.0.2.10:4711"], 200),
        (&["192.0.2.10, 203.0.113.7"], 503),
        (&["192.0.2.10", "203.0.113.7"], 503),
        (&["192.0.2.10, nonsense"], 503),
        (&["192.0.2.10,"], 503),
        (&[], 503),
    ] {
        let lines = lines.iter().map(|line| format!("X-Forwarded-For: {line}"));
        let lines: Vec<String> = lines.collect();
        let headers: Vec<&str> = lines.iter().map(String::as_str).collect();
        expect(address, &headers, status).await;
    }
}

#[actix_web::test]
async fn forwarded_is_read_by_its_grammar() {
    let site = listing("2001:db8::10").await;
    let address = hello_behind(&trusting(&site, ForwardedHeader::Forwarded).build().unwrap());
    for (header, status) in [
        (r#"Forwarded: for="[2001:db8::10]:4711""#, 200),
        (
            r#"Forwarded: for=203.0.113.7, For="[2001:DB8:0::10]";proto=https"#,
            200,
        ),
        (r#"Forwarded: for="[2001:db8::10]", for=203.0.113.7"#, 503),
        ("Forwarded: for=2001:db8::10", 503),
        ("Forwarded: for=unknown", 503),
        ("X-Forwarded-For: 2001:db8::10", 503),
    ] {
        expect(address, &[header], status).await;
    }
    let lines = [
        r#"Forwarded: for="[2001:db8::10]""#,
        "Forwarded: for=10.0.0.7",
    ];
    expect(address, &lines, 200).await;
}

#[actix_web::test]
async fn only_the_configured_header_is_read() {
    let site = listing("192.0.2.10").await;
    let header = ForwardedHeader::single("x-real-ip").unwrap();
    let address = hello_behind(&trusting(&site, header).build().unwrap());
    expect(address, &["X-Real-IP: 192.0.2.10"], 200).await;
    expect(address, &["X-Forwarded-For: 192.0.2.10"], 503).await;
    let twice = ["X-Real-IP: 192.0.2.10", "X-Real-IP: 192.0.2.10"];
    expect(address, &twice, 503).await;
}

/// The peer as a server would tell it that has another place for it.
fn told(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.headers().get("x-peer")?.to_str().ok()?;
    peer.parse().ok()
}

#[actix_web::test]
async fn a_mapped_peer_is_the_address_that_it_maps() {
    let site = listing("192.0.2.10").await;
    let maintenance = site.maintenance().with_peer_address(told);
    let address = hello_behind(&maintenance.build().unwrap());
    expect(address, &["X-Peer: ::ffff:192.0.2.10"], 200).await;
    expect(address, &["X-Peer: 192.0.2.11"], 503).await;
    expect(address, &[], 503).await;
}
