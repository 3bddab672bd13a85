//! The page on a route that is closed with the rest of the site.

use std::net::SocketAddr;

use axum::Router;
use axum::http::request::Parts;
use intermission::{Gate, MemoryState};
use intermission_axum::admin::{self, Admin, Authorization};
use intermission_tests::browser::{Browser, View};
use intermission_tests::wait::until;
use tokio::net::TcpListener;

use crate::{PAGE, ask_to_activate, press};

/// Nobody is locked out who has not said twice that he wants that.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_would_lock_himself_out_is_asked_again() {
    let gate = Gate::builder(MemoryState::new()).start().await.unwrap();
    let authorize = |_: &Parts| Authorization::granted("ben");
    let routes = admin::routes(PAGE, Admin::new(gate.clone()), authorize);
    let app = Router::<()>::from(routes).into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let browser = Browser::open(View::NARROW).await;
    browser.goto(&format!("http://{address}{PAGE}")).await;
    browser.read("Live").await;
    browser.expect_on_console("status of 409");
    ask_to_activate(&browser, "Moving").await;
    browser
        .read("This page is closed with the rest of the site.")
        .await;
    press(&browser, "Activate").await;
    browser
        .read("This would leave nobody able to open the site again")
        .await;
    let yes = || browser.find("button", "Activate");
    assert!(!yes().await.is_enabled().await);
    assert!(!gate.record().phase().is_on());
    browser.screenshot("admin-lockout").await;
    browser.assert_accessible().await;
    let accept = "I can open the site with the command. Do it in spite of this.";
    browser.find("checkbox", accept).await.click().await;
    assert!(yes().await.is_enabled().await);
    yes().await.click().await;
    until("the site is closed", || async {
        gate.record().phase().is_on().then_some(())
    })
    .await;
    browser.find("heading", "Closed").await;
    browser.close().await;
}
