//! A real browser without a window, used as a person uses it: by what can be read and reached.
//!
//! Chromium through chromedriver, one of each for every [`Browser`]; both end with it, or with the test. Nothing outside
//! the machine can be reached from it. What is looked for is waited for, as a person would.
//!
//! Whatever a page complains of on the console fails the test when the browser is [closed](Browser::close), violations of
//! its Content-Security-Policy among it.

mod axe;
mod command;
mod console;
mod driver;
mod element;
mod view;

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::{Client, ClientBuilder};
use serde_json::{Map, Value, json};

pub use axe::Violation;
pub use element::Element;
pub use fantoccini::key::Key;
pub use view::View;

use command::Extension;
use console::Console;
use driver::Driver;

use crate::programs;
use crate::wait::PATIENCE;

/// One browser with one tab.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    console: Mutex<Console>,
    view: Mutex<View>,
    closed: bool,
    // Below the client, so that it ends after it. Nothing else is asked of it here, outside its own tests.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "what counts is when it is dropped")
    )]
    driver: Driver,
}

impl Browser {
    /// Opens one, with an empty page.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub async fn open(view: View) -> Self {
        let driver = Driver::start().await;
        let url = format!("http://{}", driver.address());
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities(&driver))
            .connect(&url)
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}"));
        let browser = Self {
            client,
            console: Mutex::default(),
            view: Mutex::new(view),
            closed: false,
            driver,
        };
        browser.show_as(view).await;
        browser
    }

    /// Another size, or another preference of colours, as somebody turns the phone or the evening comes.
    ///
    /// # Panics
    ///
    /// The browser is gone; so it is with all that follows.
    pub async fn show_as(&self, view: View) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = view;
        for (name, parameters) in view.emulation() {
            self.devtools(name, &parameters).await;
        }
    }

    /// From now on, whoever looks lives there: `Europe/Berlin`.
    ///
    /// # Panics
    ///
    /// There is no such time zone.
    pub async fn live_in(&self, zone: &str) {
        let parameters = serde_json::json!({ "timezoneId": zone });
        self.devtools("Emulation.setTimezoneOverride", &parameters)
            .await;
    }

    /// Opens a page, and waits until it is loaded.
    ///
    /// # Panics
    ///
    /// Nobody answers there.
    pub async fn goto(&self, url: &str) {
        self.client
            .goto(url)
            .await
            .unwrap_or_else(|error| panic!("cannot open {url}: {error}"));
    }

    /// Opens a page that asks for a name and a password, as somebody does who types them into the browser's own dialog.
    ///
    /// The server must challenge, as for people: the browser sends nothing before. From then on it does, also with what
    /// the page fetches and with its event sources, unless the page asks it not to.
    ///
    /// # Panics
    ///
    /// The URL is none, or nobody answers there.
    pub async fn sign_in(&self, url: &str, name: &str, password: &str) {
        let mut with_credentials = url::Url::parse(url).expect("a URL");
        with_credentials
            .set_username(name)
            .and_then(|()| with_credentials.set_password(Some(password)))
            .expect("a URL with a host");
        self.goto(with_credentials.as_str()).await;
        // In a page whose own URL has credentials, scripts cannot fetch relative to it. Nobody sees such a page who typed
        // them into the dialog, so what it said does not count.
        self.goto("about:blank").await;
        self.read_console().await;
        self.console().forget();
        self.goto(url).await;
    }

    /// Presses a key, on what has the focus.
    ///
    /// # Panics
    ///
    /// The browser is gone.
    pub async fn press(&self, key: Key) {
        self.press_with(&[], key).await;
    }

    /// Presses a key while others are held.
    ///
    /// # Panics
    ///
    /// The browser is gone.
    pub async fn press_with(&self, held: &[Key], key: Key) {
        let mut keys = KeyActions::new("keyboard".to_owned());
        let held = held.iter().map(|key| char::from(*key));
        let key = char::from(key);
        for value in held.clone().chain([key]) {
            keys = keys.then(KeyAction::Down { value });
        }
        for value in [key].into_iter().chain(held.rev()) {
            keys = keys.then(KeyAction::Up { value });
        }
        let pressed = self.client.perform_actions(keys).await;
        pressed.unwrap_or_else(|error| panic!("cannot press {key:?}: {error}"));
    }

    /// Waits until that can be read on the page, wherever it stands. Spaces and line breaks count as one space.
    ///
    /// # Panics
    ///
    /// It cannot, for longer than [`PATIENCE`].
    pub async fn read(&self, text: &str) {
        self.wait_for(
            &format!("`{text}` can be read"),
            "return document.body.innerText.replace(/\\s+/g, ' ').includes(arguments[0]) || null",
            vec![json!(text)],
        )
        .await;
    }

    /// Waits until that can no longer be read on the page.
    ///
    /// # Panics
    ///
    /// It still can, for longer than [`PATIENCE`].
    pub async fn no_longer_read(&self, text: &str) {
        self.wait_for(
            &format!("`{text}` is gone"),
            "return !document.body.innerText.replace(/\\s+/g, ' ').includes(arguments[0]) || null",
            vec![json!(text)],
        )
        .await;
    }

    /// Runs a script in the page as often as it returns null, and then returns what it returned. The script is not
    /// subject to the page's Content-Security-Policy.
    ///
    /// # Panics
    ///
    /// It fails, or returns null for longer than [`PATIENCE`].
    pub async fn wait_for(&self, what: &str, script: &str, arguments: Vec<Value>) -> Value {
        let asking = async {
            loop {
                let answer = self.execute(script, arguments.clone()).await;
                if !answer.is_null() {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => panic!(
                "waited {PATIENCE:?} in vain until {what}, on a page with\n{}",
                self.outline().await
            ),
        }
    }

    /// Runs a script in the page, without waiting for anything.
    ///
    /// # Panics
    ///
    /// It fails.
    pub async fn execute(&self, script: &str, arguments: Vec<Value>) -> Value {
        let answer = self.client.execute(script, arguments).await;
        answer.unwrap_or_else(|error| panic!("a script failed: {error}\n{script}"))
    }

    /// Takes a picture of the whole page, as `screenshots/NAME.png` below cargo's target folder.
    ///
    /// # Panics
    ///
    /// It cannot be written.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let view = *self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let height = self
            .execute("return document.documentElement.scrollHeight", Vec::new())
            .await;
        let height = height.as_u64().unwrap_or_default();
        if height > u64::from(view.height) {
            let height = u32::try_from(height).expect("the height of a page");
            for (command, parameters) in (View { height, ..view }).emulation() {
                self.devtools(command, &parameters).await;
            }
        }
        let png = self.client.screenshot().await.expect("a picture");
        self.show_as(view).await;
        let folder = programs::target().join("screenshots");
        fs::create_dir_all(&folder).expect("a folder for the pictures");
        let file = folder.join(format!("{name}.png"));
        fs::write(&file, png).expect("a picture can be written");
        file
    }

    /// From now on, such a line on the console is no reason to fail.
    pub fn expect_on_console(&self, part: &str) {
        self.console().expect(part);
    }

    /// What the pages have complained of so far, and was not expected.
    ///
    /// # Panics
    ///
    /// The browser is gone.
    pub async fn complaints(&self) -> Vec<String> {
        self.read_console().await;
        self.console().complaints()
    }

    /// Ends the browser.
    ///
    /// # Panics
    ///
    /// A page has complained of something on the console.
    pub async fn close(mut self) {
        self.closed = true;
        let complaints = self.complaints().await;
        assert!(
            complaints.is_empty(),
            "on the console:\n{}",
            complaints.join("\n")
        );
    }

    #[cfg(test)]
    fn abandon(mut self) {
        self.closed = true;
    }

    async fn read_console(&self) {
        let lines = self.client.issue_cmd(Extension::console()).await;
        let lines = lines.unwrap_or_else(|error| panic!("cannot read the console: {error}"));
        self.console().add(&lines);
    }

    fn console(&self) -> std::sync::MutexGuard<'_, Console> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn devtools(&self, name: &str, parameters: &Value) -> Value {
        let answer = self
            .client
            .issue_cmd(Extension::devtools(name, parameters))
            .await;
        answer.unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Nobody has looked at the console.
        assert!(
            self.closed || std::thread::panicking(),
            "end a browser with `close`"
        );
    }
}

fn capabilities(driver: &Driver) -> Map<String, Value> {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        format!(
            "--user-data-dir={}",
            driver.folder().join("profile").display()
        ),
        // A pipe instead of a port: when it breaks, since chromedriver was killed with the test, the browser ends.
        "--remote-debugging-pipe".to_owned(),
        // The /dev/shm of a container is too small for it.
        "--disable-dev-shm-usage".to_owned(),
        "--force-color-profile=srgb".to_owned(),
        "--lang=en-US".to_owned(),
        // Only what the test has started can be reached.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1".to_owned(),
        // Element.computedRole and computedName, so that finding one is one question.
        "--enable-blink-features=ComputedAccessibilityInfo".to_owned(),
    ];
    if rustix::process::geteuid().is_root() {
        // As root it refuses to start with one. It is shown nothing but our own pages.
        arguments.push("--no-sandbox".to_owned());
    }
    let patience = PATIENCE.as_secs() * 1_000;
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": {"binary": driver::chromium(), "args": arguments},
        "goog:loggingPrefs": {"browser": "ALL"},
        "timeouts": {"script": patience, "pageLoad": patience},
    });
    match capabilities {
        Value::Object(capabilities) => capabilities,
        other => panic!("not an object: {other}"),
    }
}
