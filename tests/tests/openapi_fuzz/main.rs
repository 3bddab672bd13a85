//! Requests made from the admin API's own OpenAPI document, as it promises them and as it forbids them, against the example
//! application on each framework: nothing may fail on the server's side, and every answer must be as documented.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test, helpers included"
)]

use std::process::Stdio;
use std::time::Duration;

use intermission_tests::app::{App, Framework};
use intermission_tests::python;
use tokio::process::Command;

/// Requests for each operation that are drawn by lot; those that each limit of the document asks for come on top.
const EXAMPLES: &str = "20";

/// When a run is given up. Nothing is judged by it: it ends what would hang.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn the_api_on_axum_is_as_documented() {
    as_documented(Framework::Axum).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_on_actix_is_as_documented() {
    as_documented(Framework::Actix).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_on_warp_is_as_documented() {
    as_documented(Framework::Warp).await;
}

async fn as_documented(framework: Framework) {
    let app = App::start_on(framework, "memory:", "web-1", &[]).await;
    // It writes what it remembers into the current folder.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/openapi_fuzz/schemathesis.toml"
    );
    let run = Command::new(python::program("schemathesis"))
        .current_dir(folder.path())
        .args(["--config-file", settings, "run"])
        .arg(app.url("/admin/maintenance/openapi.json"))
        // admin:admin-demo
        .args(["--header", "Authorization: Basic YWRtaW46YWRtaW4tZGVtbw=="])
        // The stream of changes never ends; it has tests of its own.
        .args(["--exclude-path", "/api/events"])
        .args(["--checks", "all"])
        // It needs somebody else's things: all administrators see the same.
        .args(["--exclude-checks", "object_level_authorization"])
        .args(["--max-examples", EXAMPLES, "--seed", "1"])
        // What was found in another run would make this one another.
        .args(["--generation-database", "none"])
        .args(["--request-timeout", "20", "--continue-on-failure"])
        .args(["--workers", "1", "--no-color"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, run)
        .await
        .unwrap_or_else(|_| panic!("on {framework}: not done after {PATIENCE:?}"))
        .expect("schemathesis starts");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "on {framework}: {}\n{report}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    // A document with nothing in it would pass, too.
    assert!(
        !report.contains(" 0 generated") && report.contains("generated"),
        "nothing was asked:\n{report}"
    );
}
