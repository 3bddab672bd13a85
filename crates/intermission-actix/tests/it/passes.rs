//! Links and cookies.

use std::net::SocketAddr;

use intermission::{
    Activate, AllowList, Change, ForwardedHeader, Level, Pass, PassSecret, Timestamp,
    TrustedProxies,
};

use crate::server::{Answer, Calls, ask, get, hello_behind, serve_hello};
use crate::site::Site;

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

/// What a request with this cookie gets.
async fn with_cookie(address: SocketAddr, cookie: &str) -> Answer {
    ask(address, "GET", "/", &[&format!("Cookie: {cookie}")]).await
}

#[actix_web::test]
async fn a_link_becomes_a_cookie_and_the_cookie_opens() {
    let (site, secret) = site_with_pass().await;
    let calls = Calls::default();
    let address = serve_hello(&site.maintenance().build().unwrap(), &calls);
    let link = format!("/orders?page=2&intermission-pass={secret}&sort=%41+b");
    let answer = get(address, &link).await;
    assert_eq!((answer.status, &*answer.body), (303, ""));
    let cookie = format!("intermission-pass={secret}; Path=/; HttpOnly; SameSite=Lax");
    let expected = [
        ("cache-control", "no-store"),
        ("content-length", "0"),
        ("location", "/orders?page=2&sort=%41+b"),
        ("referrer-policy", "no-referrer"),
        ("set-cookie", &cookie),
        ("x-decision", "Admit(Pass)"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(answer.headers, expected);
    assert_eq!(calls.count(), 0);
    let cookie = format!("theme=dark; intermission-pass={secret}; x");
    let answer = with_cookie(address, &cookie).await;
    assert_eq!(answer.header("x-decision"), "Admit(Pass)");
    assert_eq!(answer.header("maintenance-mode"), "bypassed");
    assert_eq!(calls.count(), 1);
}

#[actix_web::test]
async fn what_is_left_of_the_address_stays_as_it_was() {
    let (site, secret) = site_with_pass().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let pass = format!("intermission-pass={secret}");
    for (link, location) in [
        (format!("/?{pass}"), "/"),
        (format!("/a%2Fb//c/?{pass}"), "/a%2Fb//c/"),
        (format!("/?a&&{pass}&=&b=%26"), "/?a&&=&b=%26"),
        (format!("/?{pass}&b=2&{pass}"), "/?b=2"),
        (format!("/?x-{pass}&{pass}"), &*format!("/?x-{pass}")),
        (format!("http://shop.example/a?{pass}"), "/a"),
        (format!("//evil.example/?{pass}"), "/.//evil.example/"),
        (format!("//?{pass}&x"), "/.//?x"),
    ] {
        let answer = get(address, &link).await;
        assert_eq!(answer.status, 303, "{link}");
        assert_eq!(answer.header("location"), location, "{link}");
    }
}

#[actix_web::test]
async fn a_bad_pass_falls_through_to_the_refusal() {
    let (site, secret) = site_with_pass().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let (_, foreign) = Pass::issue("eve", None).unwrap();
    let short = secret.to_string().split_off(1);
    for value in ["", "x", &short, &foreign.to_string(), &format!("{secret}0")] {
        let link = get(address, &format!("/?intermission-pass={value}")).await;
        assert_eq!(link.status, 503, "{value}");
        assert_eq!(link.header("set-cookie"), "");
        let cookie = with_cookie(address, &format!("intermission-pass={value}")).await;
        assert_eq!(cookie.status, 503, "{value}");
    }
    assert_eq!(get(address, "/").await.header("vary"), "Accept, Cookie");
}

#[actix_web::test]
async fn revoking_ends_a_cookie_at_once() {
    let (site, secret) = site_with_pass().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let pass = format!("intermission-pass={secret}");
    assert_eq!(with_cookie(address, &pass).await.status, 200);
    site.change(Change::RevokeAllPasses).await;
    assert_eq!(with_cookie(address, &pass).await.status, 503);
    assert_eq!(get(address, &format!("/?{pass}")).await.status, 503);
}

#[actix_web::test]
async fn of_several_cookies_any_may_open_but_not_any_number_is_tried() {
    let (site, secret) = site_with_pass().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let wrong = "intermission-pass=00000000000000000000000000000000";
    let right = format!("intermission-pass=\"{secret}\"");
    let one_line = with_cookie(address, &format!("{wrong}; {right}")).await;
    assert_eq!(one_line.status, 200);
    let lines = [format!("Cookie: {wrong}"), format!("Cookie: {right}")];
    let lines = ask(address, "GET", "/", &[&lines[0], &lines[1]]).await;
    assert_eq!(lines.status, 200);
    let flood = format!("{}{right}", format!("{wrong}; ").repeat(100));
    assert_eq!(with_cookie(address, &flood).await.status, 503);
}

#[actix_web::test]
async fn the_cookie_ends_with_the_pass() {
    let site = Site::activated().await;
    let end: Timestamp = "2999-12-31T23:59:59.999Z".parse().unwrap();
    let secret = issue(&site, Some(end)).await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let answer = get(address, &format!("/?intermission-pass={secret}")).await;
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.ends_with("; Expires=Tue, 31 Dec 2999 23:59:59 GMT"),
        "{cookie}"
    );
    let ended = issue(&site, Some("2001-01-01T00:00:00Z".parse().unwrap())).await;
    let link = get(address, &format!("/?intermission-pass={ended}")).await;
    assert_eq!(link.status, 503);
}

#[actix_web::test]
async fn the_cookie_is_secure_where_the_browser_speaks_https() {
    let (site, secret) = site_with_pass().await;
    let link = format!("/?intermission-pass={secret}");
    let local = AllowList::parse(["127.0.0.1"]).unwrap();
    let proxies = TrustedProxies::new(local, ForwardedHeader::XForwardedFor);
    let plain = hello_behind(&site.maintenance().build().unwrap());
    let behind = site.maintenance().with_trusted_proxies(proxies);
    let behind = hello_behind(&behind.build().unwrap());
    let https_only = hello_behind(&site.maintenance().with_https_only().build().unwrap());
    let absolute = format!("https://shop.example{link}");
    for (address, uri, headers, secure) in [
        (plain, &link, &[][..], false),
        (plain, &absolute, &[], true),
        (plain, &link, &["X-Forwarded-Proto: https"], false),
        (behind, &link, &["X-Forwarded-Proto: https"], true),
        (behind, &link, &["X-Forwarded-Proto: HTTPS , http"], true),
        (behind, &link, &["X-Forwarded-Proto: http"], false),
        (https_only, &link, &[], true),
    ] {
        let answer = ask(address, "GET", uri, headers).await;
        let cookie = answer.header("set-cookie");
        assert_eq!(cookie.contains("; Secure"), secure, "{uri} {headers:?}");
    }
}

#[actix_web::test]
async fn other_methods_pass_by_the_link_itself() {
    let (site, secret) = site_with_pass().await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let uri = format!("/items?intermission-pass={secret}");
    let posted = ask(address, "POST", &uri, &[]).await;
    let decision = posted.header("x-decision");
    assert_eq!(decision, "Admit(Pass)", "a redirect would lose the body");
    assert_eq!(ask(address, "HEAD", &uri, &[]).await.status, 303);
}

#[actix_web::test]
async fn a_link_to_a_route_that_is_open_anyway_is_redeemed_too() {
    let (site, secret) = site_with_pass().await;
    let maintenance = site.maintenance().with_always("/login");
    let address = hello_behind(&maintenance.build().unwrap());
    let link = format!("/login?intermission-pass={secret}");
    assert_eq!(get(address, &link).await.header("location"), "/login");
    assert_eq!(get(address, "/login").await.status, 200);
    site.deactivate().await;
    let open = get(address, &link).await.status;
    assert_eq!(open, 200, "nothing is read while the gate is open");
}

#[actix_web::test]
async fn no_pass_opens_an_exclusive_site() {
    let site = Site::open().await;
    site.activate(Activate::by("ana").with_level(Level::Exclusive))
        .await;
    let secret = issue(&site, None).await;
    let address = hello_behind(&site.maintenance().build().unwrap());
    let link = get(address, &format!("/?intermission-pass={secret}")).await;
    assert_eq!(link.status, 503);
}

#[actix_web::test]
async fn a_pass_may_have_another_name() {
    let (site, secret) = site_with_pass().await;
    let maintenance = site.maintenance().with_pass_name("key").build();
    let address = hello_behind(&maintenance.unwrap());
    let answer = get(address, &format!("/?key={secret}")).await;
    assert!(answer.header("set-cookie").starts_with("key="));
    let usual = get(address, &format!("/?intermission-pass={secret}")).await;
    assert_eq!(usual.status, 503);
}
