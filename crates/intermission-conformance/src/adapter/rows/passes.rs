//! Bypasses for single persons: a link on the first visit, a cookie from then on.

use std::time::Duration;

use intermission::{AdmitReason, Change, ForwardedHeader, Level, Pass, PassSecret, RefuseReason};

use crate::adapter::expected::{Expect, admitted, open, refused, refused_by};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get, post};
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure, ensure_eq};

const NAME: &str = "intermission-pass";
const WRONG: &str = "intermission-pass=00000000000000000000000000000000";
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn rows() -> Vec<Row> {
    [links(), cookies(), ends(), secure()].concat()
}

fn links() -> Vec<Row> {
    vec![
        plays!(
            Passes,
            a_link_becomes_a_cookie,
            "Who comes by the link of a pass is sent to the same address without it, and has it in a cookie.",
            Given::closed()
        ),
        plays!(
            Passes,
            a_link_is_redeemed_by_head,
            "HEAD gets the headers of the redirect that GET gets.",
            Given::closed()
        ),
        plays!(
            Passes,
            the_rest_of_the_address_stays_as_it_was,
            "What the link holds besides the pass stays byte by byte, and leads to no other host.",
            Given::closed()
        ),
        plays!(
            Passes,
            a_link_with_another_method_passes_by_itself,
            "A link with a method that a redirect would not repeat lets in at once.",
            Given::closed()
        ),
        plays!(
            Passes,
            a_link_to_an_open_route_is_redeemed,
            "A link to a route that is always open becomes a cookie as well.",
            Given::closed()
        ),
        plays!(
            Passes,
            a_bad_link_is_refused,
            "A link with no pass of this site is refused as anything else, without a cookie.",
            Given::closed()
        ),
        plays!(
            Passes,
            a_pass_may_have_another_name,
            "With another name set, link and cookie have it, and the usual name says nothing.",
            Given::closed().pass_name("key")
        ),
        plays!(
            Passes,
            nothing_is_redeemed_while_open,
            "While the mode is off, a link is an address like any other.",
            Given::closed()
        ),
    ]
}

fn cookies() -> Vec<Row> {
    vec![
        plays!(
            Passes,
            a_cookie_lets_in,
            "Who carries a current pass is let in, with the marks of a bypass, and `Vary` names the cookie.",
            Given::closed()
        ),
        plays!(
            Passes,
            a_bad_cookie_is_refused,
            "A cookie that is no pass of this site lets nobody in.",
            Given::closed()
        ),
        plays!(
            Passes,
            of_several_cookies_any_may_open,
            "Of several cookies of one name, in one line or in many, any may be the pass.",
            Given::closed()
        ),
        plays!(
            Passes,
            not_any_number_of_cookies_is_tried,
            "Nobody makes the server compute hashes without end.",
            Given::closed()
        ),
        plays!(
            Passes,
            a_refused_visitors_cookies_are_left_alone,
            "A refusal sets no cookie and ends no session.",
            Given::closed()
        ),
        plays!(
            Passes,
            a_pass_starts_executions_in_a_drain,
            "While a drain goes on, who carries a pass may start an execution.",
            Given::draining()
        ),
    ]
}

fn ends() -> Vec<Row> {
    vec![
        plays!(
            Passes,
            a_pass_ends_at_its_time,
            "The cookie ends with the pass, and neither cookie nor link opens after that.",
            Given::closed()
        ),
        plays!(
            Passes,
            a_revoked_pass_opens_nothing,
            "A pass that is revoked opens nothing from then on, and others do.",
            Given::closed()
        ),
        plays!(
            Passes,
            all_passes_end_with_the_mode,
            "A pass of an earlier maintenance opens nothing.",
            Given::closed()
        ),
        plays!(
            Passes,
            no_pass_opens_an_exclusive_site,
            "At level exclusive, neither link nor cookie lets in.",
            Given::closed().at(Level::Exclusive)
        ),
    ]
}

fn secure() -> Vec<Row> {
    vec![
        plays!(
            Passes,
            the_cookie_is_secure_behind_a_proxy_that_says_https,
            "Behind a trusted proxy that was asked by https, the cookie is `Secure`.",
            Given::closed().trusting(&["127.0.0.1"])
        ),
        plays!(
            Passes,
            an_untrusted_peer_does_not_say_https,
            "Without a trusted proxy, nobody's header makes the cookie `Secure`.",
            Given::closed().trusting(&["10.0.0.0/8"])
        ),
        plays!(
            Passes,
            the_cookie_is_secure_where_the_address_says_https,
            "A request with the whole address in its line says by it whether the cookie is `Secure`.",
            Given::closed()
        ),
        plays!(
            Passes,
            https_is_read_whatever_header_names_the_visitor,
            "`X-Forwarded-Proto` of a trusted proxy counts, whichever header it names the visitor in.",
            Given::closed()
                .trusting(&["127.0.0.1"])
                .speaking_in(ForwardedHeader::Forwarded)
        ),
    ]
}

fn link(secret: &PassSecret) -> Request {
    get(format!("/?{NAME}={secret}"))
}

fn cookie(value: impl Into<String>) -> Request {
    get("/").with("cookie", value)
}

fn carrying(secret: &PassSecret) -> Request {
    cookie(format!("{NAME}={secret}"))
}

fn by_pass() -> Expect {
    admitted("hello", AdmitReason::Pass)
}

/// The redirect there, with this cookie.
fn redeemed(location: &str, cookie: String) -> Expect {
    Expect::Exactly {
        status: 303,
        headers: vec![
            ("location", location.to_owned()),
            ("set-cookie", cookie),
            ("cache-control", "no-store".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
            ("content-length", "0".to_owned()),
            ("x-decision", "admit (pass)".to_owned()),
        ],
        body: String::new(),
    }
}

fn session(secret: &PassSecret) -> String {
    format!("{NAME}={secret}; Path=/; HttpOnly; SameSite=Lax")
}

async fn issued(stage: &Stage) -> Checked<PassSecret> {
    Ok(stage.issue_pass(None).await?.1)
}

async fn a_link_becomes_a_cookie(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let expect = redeemed("/", session(&secret));
    stage.expect(&link(&secret), &expect).await?;
    stage.expect(&carrying(&secret), &by_pass()).await
}

async fn a_link_is_redeemed_by_head(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let head = Request::new("HEAD", format!("/?{NAME}={secret}"));
    let expect = redeemed("/", session(&secret));
    stage.expect(&head, &expect).await
}

async fn the_rest_of_the_address_stays_as_it_was(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let pass = format!("{NAME}={secret}");
    for (target, location) in [
        (format!("/a%2Fb//c/?{pass}"), "/a%2Fb//c/".to_owned()),
        (
            format!("/orders?page=2&{pass}&sort=%41+b"),
            "/orders?page=2&sort=%41+b".to_owned(),
        ),
        (format!("/?a=1&{pass}"), "/?a=1".to_owned()),
        (format!("/?{pass}&a"), "/?a".to_owned()),
        (format!("/?a&&{pass}&=&b=%26"), "/?a&&=&b=%26".to_owned()),
        (format!("/?{pass}&b=2&{pass}"), "/?b=2".to_owned()),
        (format!("/?x-{pass}&{pass}"), format!("/?x-{pass}")),
        (format!("/nested/page?{pass}"), "/nested/page".to_owned()),
        (format!("/nothing?{pass}"), "/nothing".to_owned()),
        (
            format!("//evil.example/?{pass}"),
            "/.//evil.example/".to_owned(),
        ),
        (format!("//?{pass}&x"), "/.//?x".to_owned()),
        (format!("http://site.example/a?{pass}"), "/a".to_owned()),
    ] {
        let expect = redeemed(&location, session(&secret));
        stage.expect(&get(target), &expect).await?;
    }
    Ok(())
}

async fn a_link_with_another_method_passes_by_itself(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let upload = post(format!("/items?{NAME}={secret}")).body("four");
    let created = Expect::Admitted {
        status: 201,
        body: "4",
        reason: Some(AdmitReason::Pass),
    };
    stage.expect(&upload, &created).await
}

async fn a_link_to_an_open_route_is_redeemed(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    for path in ["/health", "/nested/health"] {
        let target = format!("{path}?{NAME}={secret}");
        let expect = redeemed(path, session(&secret));
        stage.expect(&get(target), &expect).await?;
    }
    let without = admitted("ok", AdmitReason::RouteAlways);
    stage.expect(&get("/health"), &without).await
}

/// What is like a pass and is none.
fn no_passes(secret: &PassSecret) -> Checked<Vec<String>> {
    let secret = secret.to_string();
    let foreign = Pass::issue("eve", None)?.1;
    let (short, _) = secret.split_at_checked(31).unwrap_or_default();
    Ok(vec![
        String::new(),
        "x".to_owned(),
        short.to_owned(),
        format!("{secret}0"),
        format!(" {secret}"),
        format!("0x{secret}"),
        foreign.to_string(),
        "%00".repeat(10),
        "é".to_owned(),
    ])
}

async fn a_bad_link_is_refused(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    for value in no_passes(&secret)? {
        let value = value.replace(' ', "%20").replace('é', "%C3%A9");
        let request = get(format!("/?{NAME}={value}"));
        stage.expect(&request, &refused()).await?;
    }
    for target in [
        format!("/?Intermission-Pass={secret}"),
        format!("/?intermission%2dpass={secret}"),
        format!("/?x={NAME}={secret}"),
        format!("/{NAME}={secret}"),
        format!("/?{secret}"),
        format!("/?{NAME}%3d{secret}"),
    ] {
        stage.expect(&get(target), &refused()).await?;
    }
    Ok(())
}

async fn a_pass_may_have_another_name(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let other = session(&secret).replace(NAME, "key");
    let request = get(format!("/?key={secret}"));
    stage.expect(&request, &redeemed("/", other)).await?;
    let request = cookie(format!("key={secret}"));
    stage.expect(&request, &by_pass()).await?;
    stage.expect(&link(&secret), &refused()).await?;
    stage.expect(&carrying(&secret), &refused()).await
}

async fn nothing_is_redeemed_while_open(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    stage.open().await?;
    stage.expect(&link(&secret), &open("hello")).await?;
    stage.expect(&carrying(&secret), &open("hello")).await
}

async fn a_cookie_lets_in(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    for value in [
        format!("{NAME}={secret}"),
        format!("{NAME}=\"{secret}\""),
        format!("theme=dark; {NAME}={secret}; x"),
        format!("theme=dark;{NAME}={secret};x=1"),
    ] {
        stage.expect(&cookie(value), &by_pass()).await?;
    }
    // `refused` derives `Vary` from the record, which has a pass now; this says so to the letter.
    let received = stage.ask(&get("/")).await?;
    ensure_eq("`Vary`", &received.one("vary")?, &"Accept, Cookie")
}

async fn a_bad_cookie_is_refused(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    for value in no_passes(&secret)? {
        // A space before the value belongs to nobody.
        let value = value.replace(' ', "+");
        let request = cookie(format!("{NAME}={value}"));
        stage.expect(&request, &refused()).await?;
    }
    for value in [
        format!("INTERMISSION-PASS={secret}"),
        format!("x{NAME}={secret}"),
        format!("x={NAME}={secret}"),
        format!("{secret}"),
        format!("{NAME} {secret}"),
    ] {
        stage.expect(&cookie(value), &refused()).await?;
    }
    let header = get("/").with(NAME, secret.to_string());
    stage.expect(&header, &refused()).await
}

async fn of_several_cookies_any_may_open(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let right = format!("{NAME}={secret}");
    for request in [
        cookie(format!("{WRONG}; {right}")),
        cookie(format!("{right}; {WRONG}")),
        cookie(WRONG).with("cookie", right.clone()),
        cookie(right.clone()).with("cookie", WRONG),
        get(format!("/items?{WRONG}")).with("cookie", right.clone()),
    ] {
        let expect = if request.target.starts_with("/items") {
            Expect::Admitted {
                status: 201,
                body: "0",
                reason: Some(AdmitReason::Pass),
            }
        } else {
            by_pass()
        };
        stage.expect(&request, &expect).await?;
    }
    // The link is redeemed whatever the cookies are.
    let request = link(&secret).with("cookie", WRONG);
    let expect = redeemed("/", session(&secret));
    stage.expect(&request, &expect).await
}

async fn not_any_number_of_cookies_is_tried(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let flood = format!("{}{NAME}={secret}", format!("{WRONG}; ").repeat(100));
    stage.expect(&cookie(flood), &refused()).await
}

async fn a_refused_visitors_cookies_are_left_alone(stage: &Stage) -> Checked {
    issued(stage).await?;
    // That no `Set-Cookie` and no `Clear-Site-Data` comes is compared with every refusal; these have what could be ended.
    for value in ["session=abc", "session=abc; remember=1", WRONG] {
        let request = cookie(value).with("authorization", "Bearer abc");
        stage.expect(&request, &refused()).await?;
        let received = stage.ask(&request).await?;
        for name in ["clear-site-data", "www-authenticate", "set-cookie"] {
            let found = received.values(name);
            ensure(found.is_empty(), || format!("`{name}` is {found:?}"))?;
        }
    }
    Ok(())
}

async fn a_pass_starts_executions_in_a_drain(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let job = post("/jobs");
    let activating = refused_by(RefuseReason::Activating);
    stage.expect(&job, &activating).await?;
    let job = job.with("cookie", format!("{NAME}={secret}"));
    let expect = Expect::Admitted {
        status: 202,
        body: "done",
        reason: Some(AdmitReason::Pass),
    };
    stage.expect(&job, &expect).await
}

async fn a_pass_ends_at_its_time(stage: &Stage) -> Checked {
    let (_, secret) = stage.issue_pass(Some(DAY)).await?;
    let received = stage.ask(&link(&secret)).await?;
    let cookie = received.one("set-cookie")?;
    let end = cookie.strip_prefix(&format!("{}; Expires=", session(&secret)));
    ensure(
        end.is_some_and(|end| end.len() == 29 && end.ends_with(" GMT")),
        || format!("the cookie {cookie:?} does not end with the pass"),
    )?;
    stage.clock.advance(DAY - Duration::from_millis(1));
    stage.expect(&carrying(&secret), &by_pass()).await?;
    stage.clock.advance(Duration::from_millis(1));
    stage.expect(&carrying(&secret), &refused()).await?;
    stage.expect(&link(&secret), &refused()).await
}

async fn a_revoked_pass_opens_nothing(stage: &Stage) -> Checked {
    let (id, revoked) = stage.issue_pass(None).await?;
    let (_, kept) = stage.issue_pass(None).await?;
    stage.expect(&carrying(&revoked), &by_pass()).await?;
    stage.change(Change::RevokePass(id)).await?;
    stage.expect(&carrying(&revoked), &refused()).await?;
    stage.expect(&link(&revoked), &refused()).await?;
    stage.expect(&carrying(&kept), &by_pass()).await?;
    stage.change(Change::RevokeAllPasses).await?;
    stage.expect(&carrying(&kept), &refused()).await
}

async fn all_passes_end_with_the_mode(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    stage.open().await?;
    stage.close().await?;
    stage.expect(&carrying(&secret), &refused()).await?;
    stage.expect(&link(&secret), &refused()).await
}

async fn no_pass_opens_an_exclusive_site(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let exclusive = refused_by(RefuseReason::Exclusive);
    stage.expect(&link(&secret), &exclusive).await?;
    stage.expect(&carrying(&secret), &exclusive).await
}

/// Whether the cookie that a link becomes is `Secure`.
async fn expect_secure(stage: &Stage, request: &Request, is_secure: bool) -> Checked {
    let received = stage.ask(request).await?;
    let cookie = received.one("set-cookie")?;
    let found = cookie.split("; ").any(|attribute| attribute == "Secure");
    ensure_eq(&format!("`Secure` in {cookie:?}"), &found, &is_secure)
}

async fn the_cookie_is_secure_behind_a_proxy_that_says_https(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    for (said, is_secure) in [
        ("https", true),
        ("HTTPS", true),
        ("https, http", true),
        (" https ", true),
        ("http", false),
        ("http, https", false),
        ("", false),
        ("httpsx", false),
    ] {
        let request = link(&secret).with("x-forwarded-proto", said);
        expect_secure(stage, &request, is_secure).await?;
    }
    expect_secure(stage, &link(&secret), false).await
}

async fn an_untrusted_peer_does_not_say_https(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let request = link(&secret).with("x-forwarded-proto", "https");
    expect_secure(stage, &request, false).await
}

async fn the_cookie_is_secure_where_the_address_says_https(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    for (scheme, is_secure) in [("https", true), ("http", false)] {
        let request = get(format!("{scheme}://site.example/?{NAME}={secret}"));
        expect_secure(stage, &request, is_secure).await?;
    }
    Ok(())
}

async fn https_is_read_whatever_header_names_the_visitor(stage: &Stage) -> Checked {
    let secret = issued(stage).await?;
    let request = link(&secret)
        .with("forwarded", "for=192.0.2.1")
        .with("x-forwarded-proto", "https");
    expect_secure(stage, &request, true).await
}
