//! `intermission exec`, as cron starts it: commands that run only while the site is open, and for which a drain waits.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod new_site;

use std::path::Path;
use std::process::Stdio;

use intermission_tests::command::{State, command, intermission};
use intermission_tests::programs;
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use new_site::new_site;

/// Says that it has started, hears one word, says that on both streams, and ends with 3. It ends, too, when the test does.
const WORK: &[&str] = &[
    "/bin/sh",
    "-c",
    "echo started; read word; echo \"heard $word\"; echo \"problem with $word\" >&2; exit 3",
];

/// A command under `exec`, while it runs.
struct Running {
    exec: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn of(mut command: Command) -> Self {
        let mut exec = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // No key of the terminal from which the tests were started is meant for it.
            .process_group(0)
            .spawn()
            .expect("the command starts");
        let stdout = exec.stdout.take().expect("it is piped");
        let stderr = exec.stderr.take().expect("it is piped");
        Self {
            stdin: exec.stdin.take().expect("it is piped"),
            stdout: BufReader::new(stdout).lines(),
            stderr: BufReader::new(stderr).lines(),
            exec,
        }
    }

    /// Starts the work with these options, and does not wait for it.
    fn begin(state: &str, options: &[&str]) -> Self {
        Self::of(command(
            state,
            &[&["exec"], options, &["--"], WORK].concat(),
        ))
    }

    /// Starts the work with these options, and waits until it runs.
    async fn start(state: &str, options: &[&str]) -> Self {
        let mut running = Self::begin(state, options);
        running.has_started().await;
        running
    }

    async fn has_started(&mut self) {
        let line = self.stdout.next_line().await.expect("text");
        assert_eq!(line.as_deref(), Some("started"));
    }

    /// The next line that it says besides.
    async fn said(&mut self) -> String {
        let line = self.stderr.next_line().await.expect("text");
        line.expect("it says something")
    }

    fn signal(&self, signal: Signal) {
        let id = self.exec.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw).expect("it runs");
        kill_process(id, signal).expect("it can be signalled");
    }

    /// Lets the work end, and returns what came of it.
    async fn finish(mut self) -> Ended {
        self.stdin.write_all(b"go\n").await.expect("it listens");
        self.ended().await
    }

    /// Waits until it has ended.
    async fn ended(mut self) -> Ended {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout
            .get_mut()
            .read_to_string(&mut stdout)
            .await
            .expect("text");
        self.stderr
            .get_mut()
            .read_to_string(&mut stderr)
            .await
            .expect("text");
        let status = self.exec.wait().await.expect("it ends");
        Ended {
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

/// What came of it, without what was read before.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    /// `None` if a signal ended `exec` itself.
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// What comes of work that was let go.
    fn well() -> Self {
        Self {
            code: Some(3),
            stdout: "heard go\n".to_owned(),
            stderr: "problem with go\n".to_owned(),
        }
    }
}

/// A new site in a directory.
async fn site() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let state = Path::url(folder.path());
    intermission(state.as_str(), &["init"]).await.done();
    (folder, state)
}

async fn phase(state: &str) -> String {
    let status = intermission(state, &["status", "--json"]).await.done();
    status.json()["phase"].as_str().expect("a phase").to_owned()
}

/// How many nodes are listed.
async fn nodes(state: &str) -> usize {
    let nodes = intermission(state, &["nodes", "--json"]).await.done();
    nodes.json()["nodes"].as_array().expect("nodes").len()
}

/// Waits until the fleet knows that the work runs.
async fn is_listed(state: &str) -> serde_json::Value {
    until("the execution is listed", || async {
        let listed = intermission(state, &["executions", "--json"]).await.done();
        listed.json()["executions"]
            .as_array()
            .and_then(|executions| executions.first())
            .cloned()
    })
    .await
}

async fn drain_waits(state: &str) {
    let running = Running::start(state, &[]).await;
    intermission(state, &["activate"]).await.done();
    let timed_out = intermission(state, &["activate", "--wait", "--timeout", "1s"]).await;
    assert_eq!(timed_out.code, 5, "{timed_out:?}");
    assert_eq!(phase(state).await, "activating");
    let skipped = intermission(state, &["exec", "--", "/bin/sh", "-c", "echo ran"]).await;
    assert_eq!(
        (skipped.code, skipped.stdout.as_str()),
        (8, ""),
        "{skipped:?}"
    );
    assert_eq!(running.finish().await, Ended::well());
    intermission(state, &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
    assert_eq!(phase(state).await, "activated");
    assert_eq!(nodes(state).await, 0, "it has said goodbye");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_its_own_streams_and_code_and_is_listed_while_it_runs() {
    let (_folder, state) = site().await;
    let running = Running::start(&state, &["--kind", "import", "--json"]).await;
    let listed = is_listed(&state).await;
    assert_eq!(listed["kind"], "import");
    assert_eq!(listed["label"], "sh", "no arguments: they may be secret");
    let node = listed["node_label"].as_str().expect("a name");
    assert!(node.starts_with("exec sh pid "), "{node}");
    assert_eq!(running.finish().await, Ended::well());
    assert_eq!(nodes(&state).await, 0, "it has said goodbye");
    for (script, code) in [("exit 0", 0), ("exit 255", 255), ("kill -9 $$", 137)] {
        let outcome = intermission(state.as_str(), &["exec", "--", "/bin/sh", "-c", script]).await;
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (code, ""),
            "{script}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_site_is_closed_it_is_skipped() {
    let (_folder, state) = site().await;
    let line = ["activate", "--wait", "--message", "Upgrading"];
    intermission(state.as_str(), &line).await.done();
    let skipped = intermission(state.as_str(), &["exec", "--", "/bin/sh", "-c", "echo ran"]).await;
    assert_eq!(
        (skipped.code, skipped.stdout.as_str()),
        (8, ""),
        "{skipped:?}"
    );
    assert_eq!(
        skipped.stderr,
        "not run: maintenance is activated, requested by ana (\"Upgrading\"); run it again once the site is open, or \
         with --if-closed wait\n"
    );
    assert_eq!(nodes(&state).await, 0, "it has said goodbye");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_until_the_site_is_open() {
    let (_folder, state) = site().await;
    intermission(state.as_str(), &["activate", "--wait"])
        .await
        .done();
    let mut waiting = Running::begin(&state, &["--if-closed", "wait"]);
    assert_eq!(
        waiting.said().await,
        "waiting to run: maintenance is activated, requested by ana"
    );
    let interrupted = Running::begin(&state, &["--if-closed=wait"]);
    until("both wait", || async {
        (nodes(&state).await == 2).then_some(())
    })
    .await;
    interrupted.signal(Signal::TERM);
    let ended = interrupted.ended().await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(143), ""),
        "{ended:?}"
    );
    // Whoever waits runs nothing, so nothing waits for it.
    intermission(state.as_str(), &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
    intermission(state.as_str(), &["deactivate"]).await.done();
    waiting.has_started().await;
    assert_eq!(waiting.said().await, "the site is open: running");
    is_listed(&state).await;
    assert_eq!(waiting.finish().await, Ended::well());
}

/// The next drain waits for what began while the site was closed.
#[tokio::test(flavor = "multi_thread")]
async fn it_runs_although_the_site_is_closed() {
    let (_folder, state) = site().await;
    intermission(state.as_str(), &["activate", "--wait"])
        .await
        .done();
    let mut running = Running::start(&state, &["--if-closed", "run"]).await;
    assert_eq!(
        running.said().await,
        "running all the same: maintenance is activated, requested by ana; no drain waits for it until the site has \
         been open again"
    );
    intermission(state.as_str(), &["deactivate"]).await.done();
    is_listed(&state).await;
    intermission(state.as_str(), &["activate"]).await.done();
    assert_eq!(phase(&state).await, "activating");
    assert_eq!(running.finish().await, Ended::well());
    intermission(state.as_str(), &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_on_files_waits_for_it() {
    let (_folder, state) = site().await;
    drain_waits(&state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_on_redis_waits_for_it() {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    drain_waits(&server.url()).await;
}

/// Nobody can know more of a Redis that is empty: it may have lost that the site is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_have_lost_its_data_runs_nothing_yet() {
    let server = RedisServer::start().await;
    let state = server.url();
    let skipped = intermission(state.as_str(), &["exec", "--", "/bin/sh", "-c", "echo ran"]).await;
    assert_eq!(
        (skipped.code, skipped.stdout.as_str()),
        (8, ""),
        "{skipped:?}"
    );
    assert!(
        skipped
            .stderr
            .starts_with("not run: the state may have lost data, or is new, and hears its nodes"),
        "{skipped:?}"
    );
    let mut waiting = Running::start(&state, &["--if-closed", "wait"]).await;
    assert!(
        waiting
            .said()
            .await
            .starts_with("waiting to run: the state may")
    );
    assert_eq!(waiting.said().await, "the site is open: running");
    assert_eq!(waiting.finish().await, Ended::well());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_on_files_does_not_wait_for_one_that_was_killed() {
    let (_folder, state) = site().await;
    let mut running = Running::start(&state, &[]).await;
    is_listed(&state).await;
    running.signal(Signal::KILL);
    running.exec.wait().await.expect("it ends");
    // The command lives on, since its input is still open.
    intermission(state.as_str(), &["activate", "--wait", "--timeout", "30s"])
        .await
        .done();
    let ended = running.finish().await;
    assert_eq!(
        ended,
        Ended {
            code: None,
            ..Ended::well()
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_are_passed_on() {
    let (_folder, state) = site().await;
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let running = Running::start(&state, &[]).await;
        running.signal(signal);
        let ended = running.ended().await;
        let expected = Ended {
            code: Some(code),
            stdout: String::new(),
            stderr: String::new(),
        };
        assert_eq!(ended, expected, "{signal:?}");
        assert_eq!(nodes(&state).await, 0, "{signal:?}: it has said goodbye");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nohup_ignores_stays_ignored() {
    let (_folder, state) = site().await;
    let mut nohup = Command::new("/bin/sh");
    nohup
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(programs::intermission())
        .args(["--state", &state, "exec", "--"])
        .args(WORK)
        .kill_on_drop(true);
    let mut running = Running::of(nohup);
    running.has_started().await;
    running.signal(Signal::HUP);
    assert_eq!(running.finish().await, Ended::well());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_forced_asks_it_to_end() {
    let (_folder, state) = site().await;
    let mut running = Running::start(&state, &[]).await;
    intermission(state.as_str(), &["activate", "--drain", "force:1s"])
        .await
        .done();
    assert_eq!(
        running.said().await,
        "the limit of the drain has passed: the command is asked to end, by SIGTERM"
    );
    assert_eq!(running.ended().await.code, Some(143));
    assert_eq!(phase(&state).await, "activated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_reached_runs_nothing() {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    server.kill();
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("nowhere").url();
    for state in [server.url(), nowhere] {
        for option in [
            "--if-closed=skip",
            "--if-closed=wait",
            "--if-closed=run",
            "--only-in-maintenance",
        ] {
            let line = ["exec", option, "--", "/bin/sh", "-c", "echo ran"];
            let outcome = intermission(state.as_str(), &line).await;
            assert_eq!(
                (outcome.code, outcome.stdout.as_str()),
                (6, ""),
                "{outcome:?}"
            );
            assert!(outcome.stderr.starts_with("error: "), "{outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_for_maintenance_runs_only_then() {
    let (_folder, state) = site().await;
    let line = [
        "exec",
        "--only-in-maintenance",
        "--",
        "/bin/sh",
        "-c",
        "echo ran; exit 3",
    ];
    let refused = intermission(state.as_str(), &line).await;
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (8, ""),
        "{refused:?}"
    );
    assert!(
        refused.stderr.starts_with("not run: maintenance is off"),
        "{refused:?}"
    );
    intermission(state.as_str(), &["activate", "--wait"])
        .await
        .done();
    let ran = intermission(state.as_str(), &line).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (3, "ran\n"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_started_fails_as_in_a_shell() {
    let (folder, state) = site().await;
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "no program").expect("it can be written");
    let plain = plain.to_str().expect("text");
    for (program, code) in [("no-such-program", 127), (plain, 126)] {
        let outcome = intermission(state.as_str(), &["exec", "--", program]).await;
        assert_eq!(outcome.code, code, "{outcome:?}");
        let begins = format!("error: cannot run `{program}`: ");
        assert!(outcome.stderr.starts_with(&begins), "{outcome:?}");
        assert_eq!(nodes(&state).await, 0, "it has said goodbye");
    }
}
