//! The page without a mouse.

use intermission_tests::app::App;
use intermission_tests::browser::{Browser, Key, View};

use crate::{headline, open};

/// Goes on with the tabulator until this has the focus.
async fn tab_to(browser: &Browser, role: &str, name: &str) {
    for _ in 0..60 {
        browser.press(Key::Tab).await;
        if is_focused(browser, role, name).await {
            return;
        }
    }
    panic!(
        "no {role} `{name}` is reached, on a page with\n{}",
        browser.outline().await
    );
}

async fn is_focused(browser: &Browser, role: &str, name: &str) -> bool {
    browser.focused().await == (role.to_owned(), name.to_owned())
}

async fn focus_comes_to(browser: &Browser, role: &str, name: &str) {
    intermission_tests::wait::until("the focus has come there", || async {
        is_focused(browser, role, name).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_without_a_mouse() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = App::start(folder.path(), "web-1", &[]).await;
    let browser = open(&app, View::WIDE).await;

    tab_to(&browser, "link", "Skip to the state").await;
    tab_to(&browser, "textbox", "Message for visitors").await;
    tab_to(&browser, "radio", "Full").await;
    browser.press(Key::Down).await;
    focus_comes_to(&browser, "radio", "Read-only").await;
    tab_to(&browser, "button", "Activate maintenance…").await;
    browser.press(Key::Enter).await;
    focus_comes_to(&browser, "heading", "Activate maintenance?").await;
    browser.press(Key::Escape).await;
    focus_comes_to(&browser, "button", "Activate maintenance…").await;
    browser.press(Key::Enter).await;
    focus_comes_to(&browser, "heading", "Activate maintenance?").await;
    tab_to(&browser, "button", "Activate").await;
    browser.press(Key::Enter).await;
    headline(&browser, "Closed for changes").await;

    tab_to(&browser, "button", "Deactivate maintenance…").await;
    browser.press(Key::Enter).await;
    focus_comes_to(&browser, "heading", "Deactivate maintenance?").await;
    tab_to(&browser, "button", "Deactivate").await;
    browser.press(Key::Space).await;
    focus_comes_to(&browser, "heading", "Open").await;
    browser.close().await;
}
