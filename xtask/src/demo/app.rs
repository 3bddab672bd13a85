//! One of the example services, as a process.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::http::{self, Request, Response};
use super::interrupt::Interrupt;
use super::process::EndsWithUs;
use crate::patience::Seconds;

/// How long it may take to start and to listen.
const START: Duration = Duration::from_secs(30);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How much of its log is shown when something went wrong.
const LOG_LINES: usize = 15;

/// One of the example services, as a process. It ends with its owner.
pub(super) struct App {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    process: EndsWithUs,
    log: PathBuf,
}

impl App {
    /// Starts it and waits until it listens.
    pub(super) fn start(
        name: &'static str,
        command: &mut Command,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let stderr =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut process = EndsWithUs::spawn(command)?;
        let first_line = first_line(process.stdout().context("a process without stdout")?);
        let line = interrupt.wait(START, || match first_line.try_recv() {
            Ok(line) => Ok(Some(line)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => {
                bail!("{name} ended before it listened:\n{}", tail(&log))
            }
        })?;
        let Some(line) = line else {
            bail!(
                "{name} did not say within {} where it listens:\n{}",
                Seconds(START),
                tail(&log)
            );
        };
        Ok(Self {
            name,
            address: address(&line)?,
            process,
            log,
        })
    }

    /// Sends a request and waits for the answer.
    pub(super) fn ask(&self, request: &Request) -> anyhow::Result<Response> {
        http::send(self.address, request, ANSWER).with_context(|| {
            format!(
                "{} did not answer {} {}",
                self.name, request.method, request.target
            )
        })
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// The end of what it wrote to stderr.
    pub(super) fn log(&self) -> String {
        tail(&self.log)
    }
}

/// The first line; the rest is read too, so that the process is never stopped by a full pipe.
fn first_line(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens after the first line.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// The address in `listening on http://127.0.0.1:40123`.
fn address(line: &str) -> anyhow::Result<SocketAddr> {
    line.strip_prefix("listening on http://")
        .and_then(|address| address.trim().parse().ok())
        .with_context(|| {
            format!("the first line should be `listening on http://ADDRESS`, but is `{line}`")
        })
}

/// The end of a log.
pub(super) fn tail(log: &Path) -> String {
    let text = match std::fs::read_to_string(log) {
        Ok(text) if text.is_empty() => return "(it has logged nothing)".to_owned(),
        Ok(text) => text,
        Err(error) => return format!("(its log cannot be read: {error})"),
    };
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines
        .get(lines.len().saturating_sub(LOG_LINES)..)
        .unwrap_or_default();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> anyhow::Result<App> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        App::start("web-1", &mut command, folder.path(), &Interrupt::never())
    }

    #[test]
    fn the_first_line_says_where() {
        let app =
            start("echo listening on http://127.0.0.1:40123; echo more; exec sleep 600").unwrap();
        assert_eq!(app.address, "127.0.0.1:40123".parse().unwrap());
    }

    #[test]
    fn an_app_that_cannot_start_shows_its_log() {
        let error = start("echo no such state >&2; exit 1")
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("ended before it listened") && error.contains("no such state"),
            "{error}"
        );
    }

    #[test]
    fn another_first_line_is_an_error_that_shows_it() {
        for line in [
            "hello",
            "listening on 127.0.0.1:1",
            "listening on http://localhost:1",
            "listening on http://",
        ] {
            let error = address(line).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
