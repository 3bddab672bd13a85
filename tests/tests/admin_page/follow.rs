//! The page shows what happens elsewhere, and says when it cannot.

use intermission_tests::app::App;
use intermission_tests::browser::View;
use intermission_tests::command::intermission;

use crate::{ask_to_activate, headline, open, press};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_elsewhere_appears_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = App::start(folder.path(), "web-1", &[]).await;
    let browser = open(&app, View::WIDE).await;
    let subject = browser.find("textbox", "Path").await;
    subject.fill("/being/typed").await;
    let activate = ["activate", "--message", "Moved", "--level", "read-only"];
    intermission(folder.path(), &activate).await.done();
    headline(&browser, "Closed for changes").await;
    browser.read("by ana").await;
    browser.read("Moved").await;
    intermission(folder.path(), &["allow-ips", "--add", "192.0.2.1"])
        .await
        .done();
    browser.find("button", "Remove 192.0.2.1").await;
    let title = browser.execute("return document.title", Vec::new()).await;
    assert_eq!(title, "Closed for changes · Maintenance");
    // What somebody is at is left alone.
    assert_eq!(subject.value().await, "/being/typed");
    assert_eq!(
        browser.focused().await,
        ("textbox".to_owned(), "Path".to_owned())
    );
    intermission(folder.path(), &["deactivate"]).await.done();
    headline(&browser, "Open").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_faster_is_told_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = App::start(folder.path(), "web-1", &[]).await;
    let browser = open(&app, View::WIDE).await;
    browser.expect_on_console("status of 409");
    ask_to_activate(&browser, "Mine").await;
    intermission(folder.path(), &["activate", "--message", "Theirs"])
        .await
        .done();
    press(&browser, "Activate").await;
    browser.read("It was changed meanwhile: ").await;
    browser.read("Nothing was changed by you.").await;
    assert!(!browser.find("button", "Activate").await.is_enabled().await);
    press(&browser, "Cancel").await;
    headline(&browser, "Closed").await;
    browser.read("Theirs").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_said_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut app = App::start(folder.path(), "web-1", &[]).await;
    let browser = open(&app, View::WIDE).await;
    let address = app.address.to_string();
    app.kill().await;
    browser.expect_on_console("net::ERR_");
    browser.read("Connection lost").await;
    browser.read("ago, trying again").await;
    intermission(folder.path(), &["activate"]).await.done();
    let _app = App::start(folder.path(), "web-1", &["--listen", &address]).await;
    browser.no_longer_read("Connection lost").await;
    headline(&browser, "Closed").await;
    browser.close().await;
}
