//! One start of a process, and what is seen of it from outside.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use intermission::StartPolicy;
use serde::{Deserialize, Serialize};

use super::CHILD;
use crate::clock::{now, since};

/// How long it is looked away for between two looks at a port where nobody listens yet.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// The same between two requests to who has refused one.
const ASK_AGAIN: Duration = Duration::from_millis(5);
/// How long a process may take to end once it has been told.
const TO_END: Duration = Duration::from_secs(3);

/// What a process is to start with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) address: SocketAddr,
    pub(super) state: State,
    pub(super) policy: Policy,
    pub(super) last_known: Option<PathBuf>,
}

/// Where its state is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum State {
    /// There is no Intermission in it at all.
    Bare,
    Memory,
    File(PathBuf),
    Redis(String),
}

/// A start policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Policy {
    Refuse,
    Closed,
    Open,
}

impl From<Policy> for StartPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Refuse => Self::RefuseToStart,
            Policy::Closed => Self::StartClosed,
            Policy::Open => Self::StartOpen,
        }
    }
}

/// What was seen of a start, times in seconds since just before the process was made.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The first answer to a request.
    pub(super) first: Option<(f64, Answer)>,
    /// When the first request was admitted.
    pub(super) admitted: Option<f64>,
    /// When the process ended by itself, and what it said.
    pub(super) ended: Option<(f64, String)>,
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    marker: Option<String>,
    retry_after: Option<String>,
}

/// Starts a process and asks it for a page until that is given, or until it has ended, or for that long; no further than
/// the first answer if that is not awaited.
pub(super) fn observe(start: &Start, awaits_admission: bool, limit: Duration) -> Result<Seen> {
    let argument = serde_json::to_string(start)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([CHILD, &argument])
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let began = now();
    let mut process = Process(command.spawn().context("the bench cannot start itself")?);
    let mut seen = Seen::default();
    while since(began) < limit {
        if let Some(answer) = ask(start.address)? {
            let after = since(began).as_secs_f64();
            let is_admitted = answer.status == 200;
            seen.first.get_or_insert((after, answer));
            if is_admitted {
                seen.admitted = Some(after);
            }
            if is_admitted || !awaits_admission {
                break;
            }
            std::thread::sleep(ASK_AGAIN);
            continue;
        }
        if process.0.try_wait()?.is_some() {
            let after = since(began).as_secs_f64();
            seen.ended = Some((after, process.said()?));
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    process.end()?;
    Ok(seen)
}

/// What is answered there to a request for a page; `None` if nobody listens.
fn ask(address: SocketAddr) -> Result<Option<Answer>> {
    let mut stream = match TcpStream::connect(address) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => return Err(error).context("a new process cannot be connected to"),
    };
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(
        b"GET /hello HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nconnection: close\r\n\r\n",
    )?;
    let mut text = Vec::new();
    stream
        .read_to_end(&mut text)
        .context("a new process does not answer")?;
    Answer::read(&String::from_utf8_lossy(&text)).map(Some)
}

impl Answer {
    fn read(text: &str) -> Result<Self> {
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let Some(status) = status.and_then(|status| status.parse().ok()) else {
            bail!("that is no response: {text:.80}");
        };
        let mut answer = Self {
            status,
            marker: None,
            retry_after: None,
        };
        for line in lines.take_while(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = || Some(value.trim().to_owned());
            match name.to_ascii_lowercase().as_str() {
                "maintenance-mode" => answer.marker = value(),
                "retry-after" => answer.retry_after = value(),
                _ => {}
            }
        }
        Ok(answer)
    }

    /// As people read it.
    pub(super) fn text(&self) -> String {
        let mut text = self.status.to_string();
        if let Some(marker) = &self.marker {
            text.push_str(", Maintenance-Mode: ");
            text.push_str(marker);
        }
        if let Some(after) = &self.retry_after {
            text.push_str(", Retry-After: ");
            text.push_str(after);
        }
        text
    }
}

/// A process that does not outlive this.
struct Process(Child);

impl Process {
    /// What it has said of its end.
    fn said(&mut self) -> Result<String> {
        let mut said = String::new();
        if let Some(mut errors) = self.0.stderr.take() {
            errors.read_to_string(&mut said)?;
        }
        Ok(said)
    }

    /// Tells it to end, and waits.
    fn end(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let told = now();
        while self.0.try_wait()?.is_none() && since(told) < TO_END {
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, unless something has gone wrong.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_an_answer_is_what_is_shown() {
        let text = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 300\r\nMaintenance-mode: activated\r\n\r\nretry-after: 1";
        let answer = Answer::read(text).unwrap();
        assert_eq!(
            answer.text(),
            "503, Maintenance-Mode: activated, Retry-After: 300"
        );
        assert_eq!(
            Answer::read("HTTP/1.1 200 OK\r\n\r\n").unwrap().text(),
            "200"
        );
        assert!(Answer::read("").is_err());
    }
}
