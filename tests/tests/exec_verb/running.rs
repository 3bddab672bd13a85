//! A command under `exec`, as the tests run it.

use std::process::Stdio;

use intermission_tests::command::command;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// Says that it has started, hears one word, says that on both streams, and ends with 3. It ends, too, when the test does.
pub(crate) const WORK: &[&str] = &[
    "/bin/sh",
    "-c",
    "echo started; read word; echo \"heard $word\"; echo \"problem with $word\" >&2; exit 3",
];

/// A command under `exec`, while it runs.
pub(crate) struct Running {
    pub(crate) exec: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Running {
    pub(crate) fn of(mut command: Command) -> Self {
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
    pub(crate) fn begin(state: &str, options: &[&str]) -> Self {
        Self::of(command(
            state,
            &[&["exec"], options, &["--"], WORK].concat(),
        ))
    }

    /// Starts the work with these options, and waits until it runs.
    pub(crate) async fn start(state: &str, options: &[&str]) -> Self {
        let mut running = Self::begin(state, options);
        running.has_started().await;
        running
    }

    pub(crate) async fn has_started(&mut self) {
        let line = self.stdout.next_line().await.expect("text");
        assert_eq!(line.as_deref(), Some("started"));
    }

    /// The next line that it says besides.
    pub(crate) async fn said(&mut self) -> String {
        let line = self.stderr.next_line().await.expect("text");
        line.expect("it says something")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.exec.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw).expect("it runs");
        kill_process(id, signal).expect("it can be signalled");
    }

    /// Lets the work end, and returns what came of it.
    pub(crate) async fn finish(mut self) -> Ended {
        self.stdin.write_all(b"go\n").await.expect("it listens");
        self.ended().await
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> Ended {
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
pub(crate) struct Ended {
    /// `None` if a signal ended `exec` itself.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// What comes of work that was let go.
    pub(crate) fn well() -> Self {
        Self {
            code: Some(3),
            stdout: "heard go\n".to_owned(),
            stderr: "problem with go\n".to_owned(),
        }
    }
}
