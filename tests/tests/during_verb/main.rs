//! `intermission during`, as a deployment uses it: a service that is closed for as long as a command runs, whatever ends
//! it, and a status that says who holds it closed and how to get out.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod each_state;
mod ends;
#[path = "../new_site/mod.rs"]
mod new_site;
#[path = "../states/mod.rs"]
mod states;
mod together;

use intermission_tests::command::{command, intermission};
use intermission_tests::running::Running;
use intermission_tests::wait::until;
use serde_json::Value;

/// Says that it has started, and ends with the code that it is told.
const WORK: &[&str] = &["/bin/sh", "-c", "echo started; read code; exit $code"];

/// Starts the work with these options, and does not wait for it.
fn begin(state: &str, options: &[&str]) -> Running {
    Running::of(command(
        state,
        &[&["during"], options, &["--"], WORK].concat(),
    ))
}

/// Starts the work with these options, and waits until it runs.
async fn start(state: &str, options: &[&str]) -> Running {
    let mut running = begin(state, options);
    running.has_started().await;
    running
}

async fn status(state: &str) -> Value {
    let status = intermission(state, &["status", "--json"]).await.done();
    status.json()
}

async fn phase(state: &str) -> String {
    status(state).await["phase"]
        .as_str()
        .expect("a phase")
        .to_owned()
}

/// Who holds the site: label, whether its process is in contact, and how it has failed.
async fn holders(state: &str) -> Vec<(String, Option<bool>, Option<String>)> {
    let status = status(state).await;
    let listed = status["holding"]["holders"].as_array();
    let holder = |holder: &Value| {
        (
            holder["label"].as_str().expect("a label").to_owned(),
            holder["in_contact"].as_bool(),
            holder["failure"]["reason"].as_str().map(ToOwned::to_owned),
        )
    };
    listed.map_or_else(Vec::new, |listed| listed.iter().map(holder).collect())
}

/// Waits until the site is in this phase.
async fn reach(state: &str, wanted: &str) {
    until(&format!("the site is {wanted}"), || async {
        (phase(state).await == wanted).then_some(())
    })
    .await;
}

/// What `status` says of the holders, as a person sees it.
async fn told(state: &str) -> String {
    let status = intermission(state, &["status"]).await.done();
    let lines = status
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("  Held by:"));
    let more = |line: &&str| line.starts_with("  Held by:") || line.starts_with("     ");
    lines.take_while(more).collect::<Vec<_>>().join("\n")
}
