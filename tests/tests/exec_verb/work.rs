//! What the tests run under `exec`.

use intermission_tests::command::command;
use intermission_tests::running::{Ended, Running};

/// Says that it has started, hears one word, says that on both streams, and ends with 3. It ends, too, when the test does.
pub(crate) const WORK: &[&str] = &[
    "/bin/sh",
    "-c",
    "echo started; read word; echo \"heard $word\"; echo \"problem with $word\" >&2; exit 3",
];

/// Starts the work with these options, and does not wait for it.
pub(crate) fn begin(state: &str, options: &[&str]) -> Running {
    Running::of(command(
        state,
        &[&["exec"], options, &["--"], WORK].concat(),
    ))
}

/// Starts the work with these options, and waits until it runs.
pub(crate) async fn start(state: &str, options: &[&str]) -> Running {
    let mut running = begin(state, options);
    running.has_started().await;
    running
}

/// Lets the work end, and returns what came of it.
pub(crate) async fn finish(running: Running) -> Ended {
    running.told("go").await
}

/// What comes of work that was let go.
pub(crate) fn well() -> Ended {
    Ended {
        code: Some(3),
        stdout: "heard go\n".to_owned(),
        stderr: "problem with go\n".to_owned(),
    }
}
