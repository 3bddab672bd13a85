//! The admin page in a real browser, on the real applications.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod at_once;
mod follow;
mod keyboard;
mod lockout;
#[path = "../new_site/mod.rs"]
mod new_site;
mod pictures;
mod plans;
mod story;

use intermission_tests::app::App;
use intermission_tests::browser::{Browser, View};

/// Where the page is.
const PAGE: &str = "/admin/maintenance/";

/// The page of that application, signed in, as it is first seen.
async fn open(app: &App, view: View) -> Browser {
    let browser = Browser::open(view).await;
    browser.sign_in(&app.url(PAGE), "admin", "admin-demo").await;
    browser.read("Live").await;
    browser
}

/// Waits until the page says so at its top.
async fn headline(browser: &Browser, text: &str) {
    browser.find("heading", text).await;
}

/// Fills in what visitors are told, and asks to activate.
async fn ask_to_activate(browser: &Browser, message: &str) {
    let field = browser.find("textbox", "Message for visitors").await;
    field.fill(message).await;
    let button = browser.find("button", "Activate maintenance…").await;
    button.click().await;
    headline(browser, "Activate maintenance?").await;
}

/// Presses a button, once it is there.
async fn press(browser: &Browser, name: &str) {
    browser.find("button", name).await.click().await;
}
