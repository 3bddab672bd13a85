//! The page that visitors get instead of the site.

use intermission_tests::app::App;
use intermission_tests::browser::{Browser, View};
use intermission_tests::command::intermission;
use intermission_tests::wait::until;

/// Whoever reads it is told the end by the clock on the wall, in the language of the page; without a script, in UTC. In the
/// night in which clocks are set back, half past two comes twice, and the name of the zone tells which is meant.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_told_in_the_zone_of_who_reads() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(folder.path(), "web-1", &[]).await;
    let browser = Browser::open(View::NARROW).await;
    browser.expect_on_console("the server responded with a status of 503");
    for (end, utc, zone, told) in [
        (
            "2098-10-26T00:30:00Z",
            "2098-10-26 00:30 UTC",
            "Europe/Berlin",
            "Oct 26, 2098, 02:30 AM GMT+2",
        ),
        (
            "2098-10-26T01:29:30Z",
            "2098-10-26 01:30 UTC",
            "Europe/Berlin",
            "Oct 26, 2098, 02:30 AM GMT+1",
        ),
        (
            "2098-10-26T01:30:00Z",
            "2098-10-26 01:30 UTC",
            "America/New_York",
            "Oct 25, 2098, 09:30 PM EDT",
        ),
    ] {
        intermission(folder.path(), &["activate", "--ends", end])
            .await
            .done();
        until("the site is closed until then", || async {
            let body = app.get("/").await.body;
            body.contains(utc).then_some(())
        })
        .await;
        browser.live_in(zone).await;
        browser.goto(&app.url("/")).await;
        browser.read(told).await;
    }
    browser.close().await;
}

/// It reads well in each size and colour, and nothing keeps anybody from reading it.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_site_says_so_to_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(folder.path(), "web-1", &[]).await;
    let message = "The shop is being moved to new machines.\nOrders placed before are safe.";
    let activate = ["activate", "--message", message, "--ends", "+30m"];
    intermission(folder.path(), &activate).await.done();
    until("the site is closed", || async {
        (app.get("/").await.status == 503).then_some(())
    })
    .await;

    let browser = Browser::open(View::WIDE).await;
    // The refusal itself, and that of the icon that browsers ask for.
    browser.expect_on_console("the server responded with a status of 503");
    browser.goto(&app.url("/")).await;
    browser
        .read("The shop is being moved to new machines.")
        .await;
    browser.read("Orders placed before are safe.").await;
    for view in View::ALL {
        browser.show_as(view).await;
        let sideways = "return document.documentElement.scrollWidth > innerWidth";
        let scrolls = browser.execute(sideways, Vec::new()).await;
        assert_eq!(scrolls, false, "{view}: it fits");
        browser.screenshot(&format!("notice-{view}")).await;
        browser.assert_accessible().await;
    }
    browser.close().await;
}
