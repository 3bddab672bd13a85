//! Several people at once: two with a browser, on applications of different frameworks, and one with the command.

use intermission_tests::app::{App, Framework};
use intermission_tests::browser::{Browser, View};
use intermission_tests::command::intermission;
use intermission_tests::redis::RedisServer;
use serde_json::json;

use crate::new_site::new_site;
use crate::{headline, open, press};

/// So many addresses each of them lets in.
const EACH: u8 = 4;

/// Lets an address in, and does it again each time that somebody else was faster, as the page asks for.
async fn let_in(browser: &Browser, address: &str) {
    let field = browser.find("textbox", "Another address or network").await;
    loop {
        field.fill(address).await;
        press(browser, "Add").await;
        let script = "const form = document.getElementById('address-form');
            if (form.querySelector('button').hasAttribute('aria-busy')) return null;
            const listed = document.querySelector(`[data-remove='${arguments[0]}/32']`);
            const error = document.getElementById('address-error').textContent;
            return listed ? 'listed' : error.startsWith('It was changed meanwhile') ? 'again' : null";
        let answer = browser
            .wait_for("the change is answered", script, vec![json!(address)])
            .await;
        if answer == json!("listed") {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_browsers_and_a_command_neither_lose_nor_double_a_change() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    new_site(&url).await;
    let first = App::start_on(Framework::Axum, url.as_str(), "web-1", &[]).await;
    let second = App::start_on(Framework::Actix, url.as_str(), "web-2", &[]).await;
    let (ben, cleo) = tokio::join!(open(&first, View::WIDE), open(&second, View::WIDE));
    for browser in [&ben, &cleo] {
        // Somebody else was faster.
        browser.expect_on_console("status of 409");
    }

    let by_page = async |browser: &Browser, network: &str| {
        for host in 1..=EACH {
            let_in(browser, &format!("{network}.{host}")).await;
        }
    };
    let by_command = async {
        for host in 1..=EACH {
            let address = format!("203.0.113.{host}");
            let add = ["allow-ips", "--add", &address];
            intermission(url.as_str(), &add).await.done();
        }
    };
    tokio::join!(
        by_page(&ben, "192.0.2"),
        by_page(&cleo, "198.51.100"),
        by_command
    );

    let all = ["192.0.2", "198.51.100", "203.0.113"]
        .iter()
        .flat_map(|network| (1..=EACH).map(move |host| format!("{network}.{host}")));
    for address in all.clone() {
        for browser in [&ben, &cleo] {
            browser.find("button", &format!("Remove {address}")).await;
        }
    }
    let status = intermission(url.as_str(), &["status", "--json"])
        .await
        .json();
    let mut expected: Vec<String> = all.map(|address| format!("{address}/32")).collect();
    expected.sort();
    assert_eq!(status["allow"], json!(expected));
    let history = intermission(url.as_str(), &["history", "-n", "100", "--json"]).await;
    let history = history.json();
    let lines = history["history"].as_array().expect("a history");
    let updates = lines
        .iter()
        .filter(|line| line["event"] == json!("updated"));
    assert_eq!(updates.count(), expected.len(), "{history}");

    // What one of them does, all see, each in a tab that nobody has touched since.
    intermission(url.as_str(), &["activate", "--message", "By the command"])
        .await
        .done();
    for browser in [&ben, &cleo] {
        headline(browser, "Closed").await;
        browser.read("By the command").await;
    }
    press(&ben, "Deactivate maintenance…").await;
    press(&ben, "Deactivate").await;
    headline(&cleo, "Open").await;
    let status = intermission(url.as_str(), &["status", "--json"])
        .await
        .json();
    assert_eq!(status["phase"], json!("deactivated"));
    ben.close().await;
    cleo.close().await;
}
