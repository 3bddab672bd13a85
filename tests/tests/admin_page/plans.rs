//! A planned maintenance, by the page.

use intermission_tests::app::App;
use intermission_tests::browser::{Browser, View};
use intermission_tests::command::intermission;
use serde_json::{Value, json};

use crate::{headline, open, press};

/// What is there to be changed is folded away.
const UNFOLD: &str = "document.getElementById('edit').open = true";

/// Waits until the dialog is gone, and what came of it is shown.
async fn is_done(browser: &Browser) {
    let script = "return !document.querySelector('dialog').open || null";
    browser
        .wait_for("the dialog is gone", script, Vec::new())
        .await;
}

/// In the night in which clocks are set back, half past two comes twice: the page keeps the two apart, and what nobody has
/// touched is sent as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_shown_in_the_zone_of_who_looks_and_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = App::start(folder.path(), "web-1", &[]).await;
    let browser = open(&app, View::WIDE).await;
    browser.live_in("Europe/Berlin").await;
    let (start, end) = ("2098-10-26T00:30:00.000Z", "2098-10-26T01:30:00.000Z");
    let line = ["activate", "--starts", start, "--ends", end, "--auto-end"];
    let said = ["--message", "New disks", "--retry-after", "90s"];
    intermission(folder.path(), &[&line[..], &said].concat())
        .await
        .done();
    headline(&browser, "Open, maintenance planned").await;
    browser.execute(UNFOLD, Vec::new()).await;
    let shown = "return [...document.querySelectorAll('[data-key=facts-planned] time')]\
                 .map((time) => `${time.dateTime} ${time.title}`)";
    let times = browser.execute(shown, Vec::new()).await;
    let times = times.to_string();
    for time in [start, end] {
        assert!(times.contains(time), "{times}");
    }
    browser.read("2:30:00").await;

    let message = browser.find("textbox", "Message for visitors").await;
    message.fill("").await;
    let untouched = || async {
        let status = intermission(folder.path(), &["status", "--json"]).await;
        let json = status.done().json();
        (json["window"].clone(), json["revision"].clone())
    };
    let (_, before) = untouched().await;
    press(&browser, "Change the plan…").await;
    headline(&browser, "Plan this maintenance?").await;
    browser.read("which is 2098-10-26 00:30 UTC").await;
    browser
        .read("Visitors will read the site's own message.")
        .await;
    press(&browser, "Plan").await;
    is_done(&browser).await;
    let (window, after) = untouched().await;
    assert_ne!(before, after);
    let as_it_was = json!({"starts_at": start, "ends_at": end, "auto_end": true});
    assert_eq!(window, as_it_was);

    // The end is taken out, and with it what the site would have done then.
    let empty = "document.getElementById('ends_at').value = ''";
    browser.execute(empty, Vec::new()).await;
    press(&browser, "Change the plan…").await;
    browser.read("No end is announced").await;
    press(&browser, "Plan").await;
    is_done(&browser).await;
    let (window, _) = untouched().await;
    let endless = json!({"starts_at": start, "ends_at": Value::Null, "auto_end": false});
    assert_eq!(window, endless);

    press(&browser, "Cancel the plan…").await;
    press(&browser, "Cancel the plan").await;
    headline(&browser, "Open").await;
    browser.close().await;
}

/// What was announced of a maintenance that is on is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn an_announced_end_is_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = App::start(folder.path(), "web-1", &[]).await;
    let browser = open(&app, View::WIDE).await;
    let line = [
        "activate",
        "--ends",
        "+1h",
        "--auto-end",
        "--retry-after",
        "90s",
    ];
    intermission(folder.path(), &line).await.done();
    headline(&browser, "Closed").await;
    browser.execute(UNFOLD, Vec::new()).await;
    let empty = "document.getElementById('ends_at').value = '';\
                 document.getElementById('retry_after_s').value = ''";
    browser.execute(empty, Vec::new()).await;
    press(&browser, "Change…").await;
    browser.read("The announced end is taken back.").await;
    press(&browser, "Change").await;
    is_done(&browser).await;
    let status = intermission(folder.path(), &["status", "--json"]).await;
    let status = status.done().json();
    assert_eq!(
        (&status["window"], &status["retry_after_s"]),
        (&Value::Null, &Value::Null)
    );
    browser.close().await;
}
