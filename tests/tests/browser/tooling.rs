//! What the other tests of this kind rely on: that complaints of a page fail them, and that things are found and used as
//! people do.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use intermission_tests::browser::{Browser, Key, View};
use intermission_tests::wait::until;
use serde_json::json;
use tokio::net::TcpListener;

/// Serves until the test ends.
async fn serve(router: Router) -> SocketAddr {
    let router = router.route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn page(html: &'static str) -> SocketAddr {
    serve(Router::new().route("/", get(move || async move { Html(html) }))).await
}

/// A page with a policy that allows scripts and styles from its own files only, as the pages of the project have.
async fn strict_page(html: &'static str) -> SocketAddr {
    let answer = move || async move {
        let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'";
        ([(CONTENT_SECURITY_POLICY, policy)], Html(html))
    };
    serve(Router::new().route("/", get(answer))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn things_are_found_and_used_as_people_do() {
    let address = page(
        "<!doctype html><html lang=en><title>Form</title><main><h1>Form</h1>
        <label for=m>Message</label> <input id=m>
        <label><input type=checkbox> End by itself</label>
        <label>Level <select><option>full<option>read-only</select></label>
        <button aria-label='Close dialog' hidden>x</button>
        <button onclick=\"setTimeout(() => document.querySelector('output').textContent =
            [...document.querySelectorAll('input, select')].map(e => e.checked || e.value).join('/'), 50)\">Activate</button>
        <output></output></main>",
    )
    .await;
    let browser = Browser::open(View::NARROW).await;
    browser.goto(&format!("http://{address}/")).await;
    let message = browser.find("textbox", "Message").await;
    message.type_text("old").await;
    message.fill("new").await;
    assert_eq!(message.value().await, "new");
    browser
        .find("combobox", "Level")
        .await
        .choose("read-only")
        .await;

    message.click().await;
    let focused = || async { browser.focused().await.1 };
    browser.press(Key::Tab).await;
    assert_eq!(focused().await, "End by itself");
    browser.press(Key::Space).await;
    assert!(
        browser
            .find("checkbox", "End by itself")
            .await
            .is_selected()
            .await
    );
    browser.press(Key::Tab).await;
    browser.press(Key::Tab).await;
    assert_eq!(
        browser.focused().await,
        ("button".to_owned(), "Activate".to_owned())
    );
    browser.press_with(&[Key::Shift], Key::Tab).await;
    assert_eq!(focused().await, "Level");
    browser.press(Key::Tab).await;
    browser.press(Key::Enter).await;
    browser.read("new/true/read-only").await;

    assert_eq!(
        browser.count("button", "Close dialog").await,
        0,
        "it is hidden"
    );
    let outline = browser.outline().await;
    assert!(outline.contains("  button `Activate`"), "{outline}");
    let dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
    assert_eq!(browser.execute(dark, Vec::new()).await, false);
    browser.show_as(View::WIDE.in_the_dark()).await;
    let look =
        "return [innerWidth, innerHeight, matchMedia('(prefers-color-scheme: dark)').matches]";
    assert_eq!(
        browser.execute(look, Vec::new()).await,
        json!([1280, 900, true])
    );
    browser.close().await;
}

/// As for somebody who types them into the dialog: they go with every request of the page that may carry any.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_with_what_the_page_asks_for() {
    fn guarded(headers: &HeaderMap, answer: impl IntoResponse) -> Response {
        match headers.get(AUTHORIZATION) {
            // admin:admin-demo
            Some(value) if value == "Basic YWRtaW46YWRtaW4tZGVtbw==" => answer.into_response(),
            Some(value) => panic!("{value:?}"),
            None => {
                let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"maintenance\"")];
                (StatusCode::UNAUTHORIZED, challenge).into_response()
            }
        }
    }
    let html = "<!doctype html><html lang=en><title>Status</title><p id=fetched><p id=told><p id=without>
        <script>
        fetch('api/status').then(r => r.text()).then(t => fetched.textContent = t);
        fetch('api/status', {credentials: 'omit'}).then(r => without.textContent = 'without: ' + r.status);
        new EventSource('api/events').onmessage = event => told.textContent = event.data;
        </script>";
    let router = Router::new()
        .route(
            "/admin/",
            get(async move |headers: HeaderMap| guarded(&headers, Html(html))),
        )
        .route(
            "/admin/api/status",
            get(async |headers: HeaderMap| guarded(&headers, "it is open")),
        )
        .route(
            "/admin/api/events",
            get(async |headers: HeaderMap| {
                // It stays open, as such streams do.
                let event = Ok::<_, Infallible>("data: it was told\n\n");
                let body = axum::body::Body::from_stream(futures_util::StreamExt::chain(
                    futures_util::stream::iter([event]),
                    futures_util::stream::pending(),
                ));
                guarded(&headers, ([("content-type", "text/event-stream")], body))
            }),
        );
    let address = serve(router).await;
    let browser = Browser::open(View::WIDE).await;
    browser
        .sign_in(&format!("http://{address}/admin/"), "admin", "admin-demo")
        .await;
    assert_eq!(browser.url().await, format!("http://{address}/admin/"));
    browser.read("it is open").await;
    browser.read("it was told").await;
    browser.read("without: 401").await;
    browser.expect_on_console("status of 401");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn complaints_of_a_page_are_noticed() {
    let browser = Browser::open(View::WIDE).await;
    for (html, complaint) in [
        (
            "<!doctype html><script>let x = 1</script>",
            "Content Security Policy",
        ),
        (
            "<!doctype html><p style='color: red'>red",
            "Content Security Policy",
        ),
        (
            "<!doctype html><img src=/missing.png>",
            "Content Security Policy",
        ),
    ] {
        let address = strict_page(html).await;
        noticed(&browser, address, complaint).await;
    }
    for (html, complaint) in [
        (
            "<!doctype html><script>console.error('oh no')</script>",
            "oh no",
        ),
        (
            "<!doctype html><script>nothing.at.all</script>",
            "ReferenceError",
        ),
        (
            "<!doctype html><script>Promise.reject(new Error('lost'))</script>",
            "lost",
        ),
        ("<!doctype html><img src=/missing.png>", "status of 404"),
        (
            "<!doctype html><img src=http://example.com/a.png>",
            "ERR_NAME_NOT_RESOLVED",
        ),
    ] {
        let address = page(html).await;
        noticed(&browser, address, complaint).await;
    }
    browser.expect_on_console(": ");
    browser.close().await;
}

async fn noticed(browser: &Browser, address: SocketAddr, complaint: &str) {
    let before = browser.complaints().await.len();
    browser.goto(&format!("http://{address}/")).await;
    // Errors of resources may be told a moment after the page has loaded.
    until(&format!("`{complaint}` is on the console"), || async {
        let complaints = browser.complaints().await;
        let mut new = complaints.iter().skip(before);
        new.any(|line| line.contains(complaint)).then_some(())
    })
    .await;
}

/// Under the strictest policy, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_people_out_is_found() {
    let address = strict_page(
        "<!doctype html><html><title>Bad</title><main><h1>Bad</h1><button></button><input></main>",
    )
    .await;
    let browser = Browser::open(View::WIDE).await;
    browser.goto(&format!("http://{address}/")).await;
    let violations = browser.violations().await;
    let rules: Vec<&str> = violations.iter().map(|found| found.rule.as_str()).collect();
    assert_eq!(rules, ["button-name", "html-has-lang", "label"]);
    let text = violations[0].to_string();
    for part in [
        "critical",
        "<button></button>",
        "https://dequeuniversity.com/",
    ] {
        assert!(text.contains(part), "{text}");
    }
    browser.close().await;
}
