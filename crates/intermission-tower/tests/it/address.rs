//! Who passes by address, and who cannot lie about it.

use std::net::{IpAddr, SocketAddr};

use http::{Request, StatusCode};
use intermission::{Activate, AllowChange, AllowList, ForwardedHeader, TrustedProxies};
use intermission_tower::{MaintenanceBuilder, PeerAddress};

use crate::site::{Site, answer, header};

const LISTED: &str = "192.0.2.10";

async fn site() -> Site {
    let site = Site::open().await;
    let allow = AllowChange::Replace(AllowList::parse([LISTED]).unwrap());
    site.activate(Activate::by("ana").with_allow(allow)).await;
    site
}

fn trusting(builder: MaintenanceBuilder, header: ForwardedHeader) -> MaintenanceBuilder {
    let proxies = AllowList::parse(["10.0.0.0/8"]).unwrap();
    builder.with_trusted_proxies(TrustedProxies::new(proxies, header))
}

fn from(peer: Option<&str>, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    if let Some(peer) = peer {
        let peer: IpAddr = peer.parse().unwrap();
        request
            .extensions_mut()
            .insert(PeerAddress(SocketAddr::new(peer, 4321)));
    }
    request
}

#[tokio::test]
async fn a_listed_peer_passes_as_itself_or_mapped() {
    let site = site().await;
    let layer = site.layer().build().unwrap();
    for peer in [LISTED, "::ffff:192.0.2.10"] {
        let response = answer(&layer, from(Some(peer), &[])).await;
        assert_eq!(response.status(), StatusCode::OK, "{peer}");
        assert_eq!(header(&response, "maintenance-mode"), "bypassed");
    }
    for peer in [Some("192.0.2.11"), None] {
        let response = answer(&layer, from(peer, &[])).await;
        assert_eq!(
            response.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{peer:?}"
        );
    }
}

#[tokio::test]
async fn headers_of_an_untrusted_peer_are_not_read() {
    let site = site().await;
    let nobody = site.layer().build().unwrap();
    let trusting = trusting(site.layer(), ForwardedHeader::XForwardedFor)
        .build()
        .unwrap();
    for layer in [nobody, trusting] {
        for name in ["x-forwarded-for", "forwarded", "x-real-ip", "client-ip"] {
            let value = if name == "forwarded" {
                "for=192.0.2.10"
            } else {
                LISTED
            };
            let spoofed = from(Some("203.0.113.7"), &[(name, value)]);
            assert_eq!(
                answer(&layer, spoofed).await.status(),
                StatusCode::SERVICE_UNAVAILABLE,
                "{name}"
            );
            // Nobody's word counts where the peer is not known.
            let nameless = from(None, &[(name, value)]);
            assert_eq!(
                answer(&layer, nameless).await.status(),
                StatusCode::SERVICE_UNAVAILABLE,
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_from_the_right() {
    let site = site().await;
    let layer = trusting(site.layer(), ForwardedHeader::XForwardedFor)
        .build()
        .unwrap();
    for (lines, status) in [
        (&["192.0.2.10"][..], StatusCode::OK),
        (&["203.0.113.7, 192.0.2.10"], StatusCode::OK),
        (&["192.0.2.10", "10.0.0.7"], StatusCode::OK),
        (
            &["192.0.2.10, 203.0.113.7"],
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        (
            &["192.0.2.10", "203.0.113.7"],
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        (&["192.0.2.10, nonsense"], StatusCode::SERVICE_UNAVAILABLE),
        (&[], StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let headers: Vec<_> = lines
            .iter()
            .map(|line| ("x-forwarded-for", *line))
            .collect();
        let response = answer(&layer, from(Some("10.0.0.1"), &headers)).await;
        assert_eq!(response.status(), status, "{lines:?}");
    }
}

#[tokio::test]
async fn only_the_configured_header_is_read() {
    let site = site().await;
    let layer = trusting(site.layer(), ForwardedHeader::single("x-real-ip").unwrap())
        .build()
        .unwrap();
    let right = from(Some("10.0.0.1"), &[("x-real-ip", LISTED)]);
    assert_eq!(answer(&layer, right).await.status(), StatusCode::OK);
    let wrong = from(Some("10.0.0.1"), &[("x-forwarded-for", LISTED)]);
    assert_eq!(
        answer(&layer, wrong).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_server_of_ones_own_may_keep_the_peer_elsewhere() {
    #[derive(Clone)]
    struct Theirs(IpAddr);
    let site = site().await;
    let layer = site
        .layer()
        .with_peer_address(|parts| parts.extensions.get().map(|Theirs(peer)| *peer));
    let mut request = from(None, &[]);
    request
        .extensions_mut()
        .insert(Theirs(LISTED.parse().unwrap()));
    assert_eq!(
        answer(&layer.build().unwrap(), request).await.status(),
        StatusCode::OK
    );
}
