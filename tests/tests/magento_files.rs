//! Services and the command beside a Magento, which knows nothing of them: it is played by this test, which writes the
//! files as Magento's PHP does.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test, helpers included"
)]

use std::fs;
use std::path::PathBuf;

use http::{Method, StatusCode};
use intermission_tests::app::App;
use intermission_tests::command::{Outcome, State, intermission, typed};
use intermission_tests::wait::until;
use serde_json::Value;

/// Magento's `var` directory.
struct Shop(tempfile::TempDir);

impl State for Shop {
    fn url(&self) -> String {
        format!("magento:{}", self.0.path().display())
    }
}

impl Shop {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn flag(&self) -> PathBuf {
        self.0.path().join(".maintenance.flag")
    }

    fn addresses(&self) -> PathBuf {
        self.0.path().join(".maintenance.ip")
    }

    /// `maintenance:enable`.
    fn magento_enables(&self) {
        fs::write(self.flag(), "").expect("the flag can be put there");
    }

    /// `maintenance:disable`.
    fn magento_disables(&self) {
        fs::remove_file(self.flag()).expect("there is a flag");
    }

    /// `maintenance:allow-ips`.
    fn magento_allows(&self, addresses: &[&str]) {
        fs::write(self.addresses(), addresses.join(",")).expect("it can be written");
    }

    fn is_closed(&self) -> bool {
        self.flag().exists()
    }

    fn allowed(&self) -> Option<String> {
        fs::read_to_string(self.addresses()).ok()
    }

    async fn run(&self, arguments: &[&str]) -> Outcome {
        intermission(self, arguments).await
    }

    async fn status(&self) -> Value {
        self.run(&["status", "--json"]).await.done().json()
    }

    async fn history(&self) -> Vec<Value> {
        let history = self.run(&["history", "--json"]).await.done().json();
        history["history"].as_array().expect("a list").clone()
    }
}

async fn answers(app: &App, status: u16) {
    until(&format!("it answers {status}"), || async {
        (app.get("/").await.status == status).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_closes_the_services_and_magento() {
    let shop = Shop::new();
    let app = App::start(&shop, "one", &[]).await;
    let line = [
        "enable",
        "--message",
        "Upgrading",
        "--wait",
        "--timeout",
        "30s",
    ];
    shop.run(&line).await.done();
    assert_eq!(fs::read(shop.flag()).expect("a flag"), b"");
    answers(&app, 503).await;
    assert!(app.get("/").await.body.contains("Upgrading"));
    shop.run(&["disable"]).await.done();
    assert!(!shop.is_closed());
    answers(&app, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn magento_closes_and_opens_all_services_and_one_of_them_writes_it_down() {
    let shop = Shop::new();
    let apps = [
        App::start(&shop, "one", &[]).await,
        App::start(&shop, "two", &[]).await,
        App::start(&shop, "three", &[]).await,
    ];
    for _ in 0..3 {
        shop.magento_enables();
        for app in &apps {
            answers(app, 503).await;
        }
        shop.magento_disables();
        for app in &apps {
            answers(app, 200).await;
        }
    }
    let told: Vec<(Value, Value, Value)> = shop
        .history()
        .await
        .iter()
        .map(|line| {
            (
                line["event"].clone(),
                line["by"].clone(),
                line["origin"].clone(),
            )
        })
        .collect();
    let by_magento = |event: &str| (event.into(), "magento".into(), "flag file".into());
    let by_itself = ("activated".into(), Value::Null, Value::Null);
    let once = [
        by_magento("deactivated"),
        by_itself,
        by_magento("requested"),
    ];
    assert_eq!(told, [once.clone(), once.clone(), once].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_magento_closes_is_drained() {
    let shop = Shop::new();
    let app = App::start(&shop, "one", &[]).await;
    app.start_job(600_000).await.expect("it is open");
    shop.magento_enables();
    until("no job starts any more", || async {
        app.start_job(1).await.is_none().then_some(())
    })
    .await;
    assert_eq!(
        app.get("/").await.status,
        200,
        "pages are served while it drains"
    );
    let outcome = shop.run(&["status", "--exit-code"]).await;
    assert_eq!(outcome.code, 4, "{outcome:?}");
    assert!(
        outcome.stdout.contains("Requested by:  magento"),
        "{outcome:?}"
    );
    shop.magento_disables();
    until("jobs start again", || async { app.start_job(1).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn magento_lets_addresses_in_everywhere() {
    let shop = Shop::new();
    let app = App::start(&shop, "one", &["--trusted-proxy", "127.0.0.1"]).await;
    let from = async |address: &str| {
        let headers = [("x-forwarded-for", address)];
        app.send(Method::GET, "/", &headers).await.status
    };
    shop.magento_enables();
    answers(&app, 503).await;
    shop.magento_allows(&["192.0.2.10", "2001:db8::1/128"]);
    for address in ["192.0.2.10", "2001:db8::1"] {
        until("who is listed passes", || async {
            (from(address).await == StatusCode::OK).then_some(())
        })
        .await;
    }
    assert_eq!(from("192.0.2.11").await, StatusCode::SERVICE_UNAVAILABLE);
    fs::remove_file(shop.addresses()).expect("there is a list");
    until("nobody passes", || async {
        (from("192.0.2.10").await == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    assert!(shop.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_sees_what_magento_does_though_no_service_runs() {
    let shop = Shop::new();
    shop.magento_allows(&["192.0.2.10"]);
    shop.magento_enables();
    let outcome = shop.run(&["status", "--exit-code"]).await;
    assert_eq!(outcome.code, 3, "{outcome:?}");
    assert!(
        outcome.stdout.contains("Allowed:       192.0.2.10/32"),
        "{outcome:?}"
    );
    let outcome = shop.run(&["enable"]).await.done();
    assert_eq!(outcome.stderr, "already activated\n");
    shop.magento_disables();
    assert_eq!(shop.history().await[0]["event"], "deactivated");
    assert_eq!(
        shop.status().await["allow"][0],
        "192.0.2.10/32",
        "the list outlives it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_habits_of_magentos_command_work() {
    let shop = Shop::new();
    // As in Magento: the mode by itself leaves the list alone, and a list that is given replaces it.
    for (line, is_closed, allowed) in [
        (&["enable"][..], true, None),
        (&["enable", "--ip", "192.0.2.1"], true, Some("192.0.2.1")),
        (&["enable"], true, Some("192.0.2.1")),
        (
            &["enable", "--ip", "192.0.2.2", "--ip", "192.0.2.3"],
            true,
            Some("192.0.2.2,192.0.2.3"),
        ),
        (&["enable", "--ip=192.0.2.4"], true, Some("192.0.2.4")),
        (&["disable"], false, Some("192.0.2.4")),
        (&["disable", "--ip", "192.0.2.5"], false, Some("192.0.2.5")),
        (&["disable", "--ip", "none"], false, None),
        (
            &["disable", "--ip=192.0.2.6", "--ip=192.0.2.7"],
            false,
            Some("192.0.2.6,192.0.2.7"),
        ),
        (&["enable", "--ip", "none"], true, None),
        (
            &["allow-ips", "192.0.2.1", "192.0.2.2"],
            true,
            Some("192.0.2.1,192.0.2.2"),
        ),
        (&["allow-ips", "192.0.2.3"], true, Some("192.0.2.3")),
        (
            &["allow-ips", "192.0.2.4", "--add"],
            true,
            Some("192.0.2.3,192.0.2.4"),
        ),
        (
            &["allow-ips", "--add", "192.0.2.3"],
            true,
            Some("192.0.2.3,192.0.2.4"),
        ),
        (&["allow-ips", "--none"], true, None),
        (
            &["allow-ips", "10.0.0.0/8", "2001:DB8::1", "192.0.2.9/32"],
            true,
            Some("10.0.0.0/8,192.0.2.9,2001:db8::1"),
        ),
        (
            &["disable"],
            false,
            Some("10.0.0.0/8,192.0.2.9,2001:db8::1"),
        ),
    ] {
        shop.run(line).await.done();
        assert_eq!(shop.is_closed(), is_closed, "{line:?}");
        assert_eq!(shop.allowed().as_deref(), allowed, "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printed_list_can_be_given_back() {
    let shop = Shop::new();
    shop.run(&["enable", "--ip", "192.0.2.1,192.0.2.2,2001:db8::/64"])
        .await
        .done();
    let kept = shop.allowed().expect("a list");
    let status = shop.run(&["status"]).await.done().stdout;
    let printed = status
        .lines()
        .find_map(|line| line.trim().strip_prefix("Allowed:"))
        .expect("it is printed");
    let lines = shop.run(&["allow-ips"]).await.done().stdout;
    let state = format!("intermission --state {}", shop.url());
    for list in [
        // As our `status` prints it, and as `allow-ips` does.
        printed.to_owned(),
        format!("'{printed}'"),
        format!("'{lines}'"),
        lines.replace('\n', " "),
        // As Magento's `maintenance:status` prints it, of old and since 2.3.
        "192.0.2.1, 192.0.2.2, 2001:db8::/64".to_owned(),
        "'192.0.2.1 192.0.2.2 2001:db8::/64'".to_owned(),
        // As it is in the file.
        kept.clone(),
    ] {
        for verb in ["allow-ips", "enable --ip", "disable --ip"] {
            shop.run(&["allow-ips", "--none"]).await.done();
            typed(&format!("{state} {verb} {list}")).await.done();
            assert_eq!(shop.allowed().as_ref(), Some(&kept), "{verb} {list}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_address_is_told_and_nothing_is_changed_by_a_typing_error() {
    let shop = Shop::new();
    fs::write(
        shop.addresses(),
        "192.0.2.1, shop.example,\n192.0.2.1-192.0.2.9",
    )
    .expect("written");
    let outcome = shop.run(&["allow-ips"]).await.done();
    assert_eq!(outcome.stdout, "192.0.2.1/32\n");
    assert!(
        outcome
            .stderr
            .contains("`shop.example`, `192.0.2.1-192.0.2.9`"),
        "{outcome:?}"
    );
    let outcome = shop
        .run(&["allow-ips", "192.0.2.2", "shop.example", "192.0.2.300"])
        .await;
    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(outcome.stderr.contains("`shop.example`") && outcome.stderr.contains("`192.0.2.300`"));
    assert_eq!(
        shop.status().await["allow"],
        serde_json::json!(["192.0.2.1/32"])
    );
    shop.run(&["allow-ips", "192.0.2.2"]).await.done();
    assert_eq!(shop.allowed().as_deref(), Some("192.0.2.2"));
    let outcome = shop.run(&["status"]).await.done();
    assert_eq!(outcome.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_lost_opens_the_shop() {
    let shop = Shop::new();
    let mut app = App::start(&shop, "one", &[]).await;
    shop.run(&[
        "enable",
        "--message",
        "Upgrading",
        "--wait",
        "--timeout",
        "30s",
    ])
    .await
    .done();
    answers(&app, 503).await;
    // The node knows, and brings it back.
    let record = shop.0.path().join(".intermission.json");
    fs::remove_file(&record).expect("a record");
    until("it is back", || async {
        let answer = app.get("/").await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.body.contains("Upgrading"), "{answer:?}");
        let text = fs::read_to_string(&record).unwrap_or_default();
        text.contains("Upgrading").then_some(())
    })
    .await;
    for _ in 0..50 {
        assert_eq!(app.get("/").await.status, 503);
    }
    assert!(shop.is_closed());
    // Nobody knows any more, but the flag is there.
    app.kill().await;
    for entry in fs::read_dir(shop.0.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path != shop.flag() {
            fs::remove_file(path).expect("a file");
        }
    }
    let app = App::start(&shop, "two", &[]).await;
    assert_eq!(
        app.get("/").await.status,
        503,
        "closed from its first answer"
    );
    assert_eq!(shop.run(&["status", "--exit-code"]).await.code, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_not_there_and_a_site_are_refused() {
    let shop = Shop::new();
    let missing = format!("{}/missing", shop.url());
    for verb in ["status", "enable", "init"] {
        let outcome = intermission(missing.as_str(), &[verb]).await;
        assert_eq!(outcome.code, 6, "{outcome:?}");
        assert!(
            outcome.stderr.contains("Magento's `var` directory"),
            "{outcome:?}"
        );
    }
    assert!(!shop.0.path().join("missing").exists());
    for arguments in [
        &["status", "--site", "shop"][..],
        &["enable", "--site", "shop"],
    ] {
        let outcome = shop.run(arguments).await;
        assert_eq!(outcome.code, 2, "{outcome:?}");
        assert!(outcome.stderr.contains("has one flag"), "{outcome:?}");
    }
    assert!(!shop.is_closed());
}
