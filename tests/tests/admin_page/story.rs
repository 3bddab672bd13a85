//! A maintenance from its beginning to its end, by the page alone.

use intermission_tests::app::{App, Framework};
use intermission_tests::browser::{Browser, View};
use intermission_tests::wait::until;

use crate::{ask_to_activate, headline, open, press};

/// Waits until a visitor gets that status.
async fn visitors_get(app: &App, status: u16) {
    until("visitors are answered so", || async {
        (app.get("/").await.status == status).then_some(())
    })
    .await;
}

async fn story(framework: Framework) {
    let folder = tempfile::tempdir().expect("a folder");
    let site = ["--site", "shop.example"];
    let app = App::start_on(framework, folder.path(), "web-1", &site).await;
    let mut worker = App::start_on(framework, folder.path(), "web-2", &site).await;
    let browser = open(&app, View::WIDE).await;
    headline(&browser, "Open").await;
    browser.read("shop.example").await;
    browser.read("Your address is 127.0.0.1").await;

    // A job runs, and is waited for.
    worker.start_job(3_600_000).await.expect("the site is open");
    browser.read("1 execution, ").await;
    ask_to_activate(&browser, "New machines.\nBack at ten.").await;
    browser
        .read("1 execution runs on 1 node. New ones will be refused; the site is closed when they have ended.")
        .await;
    browser.read("New machines. Back at ten.").await;
    browser.read("Your address 127.0.0.1 is not listed").await;
    press(&browser, "Activate").await;
    headline(&browser, "Closing: work drains").await;
    assert_eq!(
        browser.focused().await,
        ("heading".to_owned(), "Closing: work drains".to_owned())
    );
    browser.read("POST /jobs on web-2").await;
    browser.read("Held up by web-2").await;
    assert_eq!(worker.start_job(1).await, None);
    assert_eq!(app.get("/").await.status, 200);

    // Its process dies: nothing runs any more.
    worker.kill().await;
    headline(&browser, "Closed").await;
    browser
        .read("found dead while the drain waited for it")
        .await;
    visitors_get(&app, 503).await;

    // Somebody is let in by a pass, in a browser that knows nothing else.
    let subject = browser.find("textbox", "Whom it is for").await;
    subject.fill("Chris").await;
    press(&browser, "Create a pass").await;
    let link = browser
        .find("textbox", "Link for Chris")
        .await
        .value()
        .await;
    let guest = Browser::open(View::NARROW).await;
    guest.expect_on_console("favicon.ico");
    guest.goto(&link).await;
    guest.read("hello").await;
    assert!(!guest.url().await.contains("intermission-pass"));
    guest.close().await;
    press(&browser, "Done").await;
    browser.find("button", "Revoke the pass of Chris").await;

    // An address is let in.
    browser
        .find("textbox", "Another address or network")
        .await
        .fill("192.0.2.0/33")
        .await;
    press(&browser, "Add").await;
    browser
        .read("“192.0.2.0/33” has no prefix length from 0 to 32")
        .await;
    press(&browser, "Add it").await;
    browser
        .read("Your address is 127.0.0.1: it is listed")
        .await;
    visitors_get(&app, 200).await;
    press(&browser, "Remove 127.0.0.1").await;
    browser.read("Your own address is in it").await;
    press(&browser, "Remove").await;
    browser.no_longer_read("it is listed").await;
    visitors_get(&app, 503).await;

    browser.find("textbox", "Path").await.fill("/orders").await;
    press(&browser, "Explain").await;
    browser
        .read("GET /orders: is refused by the rule maintenance.")
        .await;

    press(&browser, "Deactivate maintenance…").await;
    browser.read("Everybody is let in at once.").await;
    browser.read("1 pass ends with it.").await;
    press(&browser, "Deactivate").await;
    headline(&browser, "Open").await;
    browser.read("admin deactivated maintenance").await;
    visitors_get(&app, 200).await;
    // What was complained of above.
    browser.expect_on_console("status of 422");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_by_the_page_on_axum() {
    story(Framework::Axum).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_by_the_page_on_actix() {
    story(Framework::Actix).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_by_the_page_on_warp() {
    story(Framework::Warp).await;
}
