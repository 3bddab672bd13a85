//! Links and cookies.

use std::net::SocketAddr;

use http::{Request, Response, StatusCode};
use intermission::{
    Activate, AdmitReason, AllowList, Change, Decision, ForwardedHeader, Level, Pass, PassSecret,
    Timestamp, TrustedProxies,
};
use intermission_tower::PeerAddress;

use crate::site::{Calls, Site, answer, ask, get, header, post};

async fn issue(site: &Site, expires_at: Option<Timestamp>) -> PassSecret {
    let (pass, secret) = Pass::issue("ben", expires_at).unwrap();
    site.change(Change::IssuePass(pass)).await;
    secret
}

async fn site_with_pass() -> (Site, PassSecret) {
    let site = Site::activated().await;
    let secret = issue(&site, None).await;
    (site, secret)
}

fn with_cookie(cookie: &str) -> Request<()> {
    Request::get("/").header("cookie", cookie).body(()).unwrap()
}

fn decision<B>(response: &Response<B>) -> Option<Decision> {
    response.extensions().get().copied()
}

#[tokio::test]
async fn a_link_becomes_a_cookie_and_the_cookie_opens() {
    let (site, secret) = site_with_pass().await;
    let layer = site.layer().build().unwrap();
    let calls = Calls::default();
    let link = get(&format!(
        "/orders?page=2&intermission-pass={secret}&sort=%41+b"
    ));
    let response = ask(&layer, &calls, link).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&response, "location"), "/orders?page=2&sort=%41+b");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "referrer-policy"), "no-referrer");
    let expected = format!("intermission-pass={secret}; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(header(&response, "set-cookie"), expected);
    assert!(
        !format!("{:?}", response.headers()).contains(&secret.to_string()),
        "no log shows it"
    );
    assert_eq!(calls.count(), 0);
    let cookie = with_cookie(&format!("theme=dark; intermission-pass={secret}; x"));
    let response = ask(&layer, &calls, cookie).await;
    assert_eq!(
        decision(&response),
        Some(Decision::Admit(AdmitReason::Pass))
    );
    assert_eq!(header(&response, "maintenance-mode"), "bypassed");
    assert_eq!(calls.count(), 1);
}

#[tokio::test]
async fn what_is_left_of_the_address_stays_as_it_was() {
    let (site, secret) = site_with_pass().await;
    let layer = site.layer().build().unwrap();
    let pass = format!("intermission-pass={secret}");
    for (link, location) in [
        (format!("/?{pass}"), "/"),
        (format!("/a%2Fb//c/?{pass}"), "/a%2Fb//c/"),
        (format!("/?a=1&{pass}"), "/?a=1"),
        (format!("/?{pass}&a"), "/?a"),
        (format!("/?a&&{pass}&=&b=%26"), "/?a&&=&b=%26"),
        (format!("/?{pass}&b=2&{pass}"), "/?b=2"),
        (format!("/?x-{pass}&{pass}"), &*format!("/?x-{pass}")),
        (format!("http://shop.example/a?{pass}"), "/a"),
        (format!("//evil.example/?{pass}"), "/.//evil.example/"),
        (format!("/\\evil.example/?{pass}"), "/./\\evil.example/"),
        (format!("//?{pass}&x"), "/.//?x"),
    ] {
        // `http` takes what begins with `//` for a path, as it does in a request line.
        let response = answer(&layer, get(&link)).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{link}");
        assert_eq!(header(&response, "location"), location, "{link}");
    }
}

#[tokio::test]
async fn a_bad_pass_falls_through_to_the_refusal() {
    let (site, secret) = site_with_pass().await;
    let layer = site.layer().build().unwrap();
    let (_, foreign) = Pass::issue("eve", None).unwrap();
    let short = secret.to_string().split_off(1);
    for value in ["", "x", &short, &foreign.to_string(), &format!("{secret}0")] {
        let link = answer(&layer, get(&format!("/?intermission-pass={value}"))).await;
        assert_eq!(link.status(), StatusCode::SERVICE_UNAVAILABLE, "{value}");
        assert!(!link.headers().contains_key("set-cookie"));
        let cookie = answer(&layer, with_cookie(&format!("intermission-pass={value}"))).await;
        assert_eq!(cookie.status(), StatusCode::SERVICE_UNAVAILABLE, "{value}");
    }
    let response = answer(&layer, get("/")).await;
    assert_eq!(header(&response, "vary"), "Accept, Cookie");
}

#[tokio::test]
async fn revoking_ends_a_cookie_at_once() {
    let (site, secret) = site_with_pass().await;
    let layer = site.layer().build().unwrap();
    let cookie = || with_cookie(&format!("intermission-pass={secret}"));
    assert_eq!(answer(&layer, cookie()).await.status(), StatusCode::OK);
    site.change(Change::RevokeAllPasses).await;
    assert_eq!(
        answer(&layer, cookie()).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let link = get(&format!("/?intermission-pass={secret}"));
    assert_eq!(
        answer(&layer, link).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn of_several_cookies_any_may_open_but_not_any_number_is_tried() {
    let (site, secret) = site_with_pass().await;
    let layer = site.layer().build().unwrap();
    let wrong = "intermission-pass=00000000000000000000000000000000";
    let right = format!("intermission-pass=\"{secret}\"");
    let one_line = with_cookie(&format!("{wrong}; {right}"));
    assert_eq!(answer(&layer, one_line).await.status(), StatusCode::OK);
    let lines = Request::get("/")
        .header("cookie", wrong)
        .header("cookie", &right)
        .body(())
        .unwrap();
    assert_eq!(answer(&layer, lines).await.status(), StatusCode::OK);
    let flood = with_cookie(&format!("{}{right}", format!("{wrong}; ").repeat(100)));
    assert_eq!(
        answer(&layer, flood).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn the_cookie_ends_with_the_pass() {
    let site = Site::activated().await;
    let end: Timestamp = "2999-12-31T23:59:59.999Z".parse().unwrap();
    let secret = issue(&site, Some(end)).await;
    let layer = site.layer().build().unwrap();
    let response = answer(&layer, get(&format!("/?intermission-pass={secret}"))).await;
    let cookie = header(&response, "set-cookie");
    assert!(
        cookie.ends_with("; Expires=Tue, 31 Dec 2999 23:59:59 GMT"),
        "{cookie}"
    );
}

#[tokio::test]
async fn a_pass_that_has_ended_opens_nothing() {
    let site = Site::activated().await;
    let secret = issue(&site, Some("2001-01-01T00:00:00Z".parse().unwrap())).await;
    let layer = site.layer().build().unwrap();
    let link = answer(&layer, get(&format!("/?intermission-pass={secret}"))).await;
    assert_eq!(link.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_cookie_is_secure_where_the_browser_speaks_https() {
    let (site, secret) = site_with_pass().await;
    let proxies = TrustedProxies::new(
        AllowList::parse(["10.0.0.1"]).unwrap(),
        ForwardedHeader::XForwardedFor,
    );
    let layer = site.layer().with_trusted_proxies(proxies).build().unwrap();
    let https_only = site.layer().with_https_only().build().unwrap();
    let link = format!("/?intermission-pass={secret}");
    let is_secure = |response: Response<_>| header(&response, "set-cookie").contains("; Secure");
    let from = |peer: [u8; 4], proto: &str| {
        let mut request = Request::get(&link)
            .header("x-forwarded-proto", proto)
            .body(())
            .unwrap();
        request
            .extensions_mut()
            .insert(PeerAddress(SocketAddr::from((peer, 1))));
        request
    };
    assert!(!is_secure(answer(&layer, get(&link)).await));
    assert!(is_secure(answer(&https_only, get(&link)).await));
    assert!(is_secure(
        answer(&layer, get(&format!("https://shop.example{link}"))).await
    ));
    assert!(is_secure(
        answer(&layer, from([10, 0, 0, 1], "https")).await
    ));
    assert!(is_secure(
        answer(&layer, from([10, 0, 0, 1], "HTTPS , http")).await
    ));
    assert!(!is_secure(
        answer(&layer, from([10, 0, 0, 1], "http")).await
    ));
    assert!(
        !is_secure(answer(&layer, from([203, 0, 113, 7], "https")).await),
        "not a proxy of ours"
    );
}

#[tokio::test]
async fn other_methods_pass_by_the_link_itself() {
    let (site, secret) = site_with_pass().await;
    let layer = site.layer().build().unwrap();
    let uri = format!("/items?intermission-pass={secret}");
    let response = answer(&layer, post(&uri)).await;
    assert_eq!(
        decision(&response),
        Some(Decision::Admit(AdmitReason::Pass)),
        "a redirect would lose the body"
    );
    let head = answer(&layer, Request::head(&uri).body(()).unwrap()).await;
    assert_eq!(head.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_link_to_a_route_that_is_open_anyway_is_redeemed_too() {
    let (site, secret) = site_with_pass().await;
    let layer = site.layer().with_always("/login").build().unwrap();
    let response = answer(&layer, get(&format!("/login?intermission-pass={secret}"))).await;
    assert_eq!(header(&response, "location"), "/login");
    assert_eq!(answer(&layer, get("/login")).await.status(), StatusCode::OK);
    site.deactivate().await;
    let response = answer(&layer, get(&format!("/login?intermission-pass={secret}"))).await;
    assert_eq!(
        response.status(),
        StatusCode::OK,
        "nothing is read while the gate is open"
    );
}

#[tokio::test]
async fn no_pass_opens_an_exclusive_site() {
    let site = Site::open().await;
    site.activate(Activate::by("ana").with_level(Level::Exclusive))
        .await;
    let secret = issue(&site, None).await;
    let layer = site.layer().build().unwrap();
    let link = answer(&layer, get(&format!("/?intermission-pass={secret}"))).await;
    assert_eq!(link.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_pass_may_have_another_name() {
    let (site, secret) = site_with_pass().await;
    let layer = site.layer().with_pass_name("key").build().unwrap();
    let response = answer(&layer, get(&format!("/?key={secret}"))).await;
    assert!(header(&response, "set-cookie").starts_with("key="));
    let usual = answer(&layer, get(&format!("/?intermission-pass={secret}"))).await;
    assert_eq!(usual.status(), StatusCode::SERVICE_UNAVAILABLE);
}
