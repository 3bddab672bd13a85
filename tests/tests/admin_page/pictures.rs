//! How the page looks in each state, and that nothing keeps anybody from using it.

use intermission_tests::app::App;
use intermission_tests::browser::{Browser, View};
use intermission_tests::command::intermission;

use crate::{ask_to_activate, headline, open, press};

/// Takes a picture in each size and colour, and checks what can be checked of it.
async fn look(browser: &Browser, state: &str) {
    for view in View::ALL {
        browser.show_as(view).await;
        let sideways = "return document.documentElement.scrollWidth > innerWidth";
        let scrolls = browser.execute(sideways, Vec::new()).await;
        assert_eq!(scrolls, false, "{state}, {view}: it fits");
        browser.screenshot(&format!("admin-{state}-{view}")).await;
        browser.assert_accessible().await;
    }
    browser.show_as(View::WIDE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_looks_well_and_can_be_used_by_everybody() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = ["--site", "shop.example"];
    let mut app = App::start(folder.path(), "web-1", &site).await;
    let mut worker = App::start(folder.path(), "web-2", &site).await;
    let browser = open(&app, View::WIDE).await;
    look(&browser, "open").await;

    let command = async |arguments: &[&str]| {
        let arguments = [&site, arguments].concat();
        intermission(folder.path(), &arguments).await.done();
    };
    command(&["activate", "--starts", "+5h", "--ends", "+6h", "--auto-end"]).await;
    headline(&browser, "Open, maintenance planned").await;
    look(&browser, "planned").await;
    command(&["deactivate"]).await;
    headline(&browser, "Open").await;

    worker.start_job(3_600_000).await.expect("the site is open");
    browser.read("1 execution, ").await;
    ask_to_activate(&browser, "Upgrading the database.\nBack at half past ten.").await;
    look(&browser, "confirm").await;
    press(&browser, "Activate").await;
    headline(&browser, "Closing: work drains").await;
    look(&browser, "draining").await;

    worker.kill().await;
    headline(&browser, "Closed").await;
    browser
        .find("textbox", "Whom it is for")
        .await
        .fill("Chris")
        .await;
    press(&browser, "Create a pass").await;
    browser.find("textbox", "Link for Chris").await;
    press(&browser, "Add it").await;
    browser.find("button", "Remove 127.0.0.1").await;
    press(&browser, "Explain").await;
    browser.read("by the rule").await;
    look(&browser, "closed").await;

    browser.expect_on_console("status of 422");
    let address = browser.find("textbox", "Another address or network").await;
    address.fill("nowhere").await;
    press(&browser, "Add").await;
    browser.read("“nowhere”").await;
    look(&browser, "error").await;

    browser.expect_on_console("net::ERR_");
    app.kill().await;
    browser.read("Connection lost").await;
    look(&browser, "lost").await;
    browser.close().await;
}
