//! A command that runs under `exec` or `during`, with its streams piped: it says `started` first.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// A command under `exec` or `during`, while it runs.
#[derive(Debug)]
pub struct Running {
    /// `exec` or `during` itself.
    pub process: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// Starts it, in a process group of its own: no key of the terminal from which the tests were started is meant for it.
    ///
    /// # Panics
    ///
    /// It does not start.
    #[must_use]
    pub fn of(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("the command starts");
        let stdout = process.stdout.take().expect("it is piped");
        let stderr = process.stderr.take().expect("it is piped");
        Self {
            stdin: process.stdin.take().expect("it is piped"),
            stdout: BufReader::new(stdout).lines(),
            stderr: BufReader::new(stderr).lines(),
            process,
        }
    }

    /// Waits until the work has started.
    ///
    /// # Panics
    ///
    /// It says something else first.
    pub async fn has_started(&mut self) {
        let line = self.stdout.next_line().await.expect("text");
        assert_eq!(line.as_deref(), Some("started"));
    }

    /// The next line that it says besides.
    ///
    /// # Panics
    ///
    /// It says nothing more.
    pub async fn said(&mut self) -> String {
        let line = self.stderr.next_line().await.expect("text");
        line.expect("it says something")
    }

    /// The first line with these words that it says besides.
    ///
    /// # Panics
    ///
    /// It says nothing more.
    pub async fn said_until(&mut self, words: &str) -> String {
        loop {
            let line = self.said().await;
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Says one word to the work, and reads nothing of what is said to it.
    ///
    /// # Panics
    ///
    /// It does not do its part.
    pub async fn say(&mut self, word: &str) {
        let line = format!("{word}\n");
        let written = self.stdin.write_all(line.as_bytes()).await;
        written.expect("it listens");
    }

    /// Sends a signal to the process.
    ///
    /// # Panics
    ///
    /// It is gone already.
    pub fn signal(&self, signal: Signal) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw).expect("it runs");
        kill_process(id, signal).expect("it can be signalled");
    }

    /// Kills the process as a power cut would, and not what it has started.
    ///
    /// # Panics
    ///
    /// It is gone already.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.process.wait().await.expect("it ends");
    }

    /// Says one word to the work, and returns what came of it.
    ///
    /// # Panics
    ///
    /// It does not do its part.
    pub async fn told(mut self, word: &str) -> Ended {
        self.say(word).await;
        self.ended().await
    }

    /// Says one word to the work, closes all streams, and waits until it has ended.
    ///
    /// # Panics
    ///
    /// It does not do its part.
    pub async fn told_and_left(mut self, word: &str) -> Option<i32> {
        self.say(word).await;
        drop((self.stdout, self.stderr));
        self.process.wait().await.expect("it ends").code()
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// It does not do its part.
    pub async fn ended(mut self) -> Ended {
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
        let status = self.process.wait().await.expect("it ends");
        Ended {
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

/// What came of it, without what was read before.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// `None` if a signal ended the process itself.
    pub code: Option<i32>,
    /// What the work has printed.
    pub stdout: String,
    /// What was said besides.
    pub stderr: String,
}
