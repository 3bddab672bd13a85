//! The example application, as a process.

use std::fmt;
use std::net::SocketAddr;
use std::process::Stdio;

use http::{Method, StatusCode};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::command::State;
use crate::http::{Answer, send};
use crate::programs;

/// What the example application is written with: there is one for each, and they answer alike.
#[expect(missing_docs, reason = "a name has nothing to explain")]
#[expect(clippy::exhaustive_enums, reason = "tests go through them all")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framework {
    Axum,
    Actix,
    Warp,
}

impl Framework {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Axum, Self::Actix, Self::Warp];
}

impl fmt::Display for Framework {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Warp => "warp",
        })
    }
}

/// One running application. It is killed when this is dropped.
#[derive(Debug)]
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl App {
    /// Starts the one on axum on that state, and waits until it listens. For tests in which the framework does not matter.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub async fn start(state: &(impl State + ?Sized), name: &str, flags: &[&str]) -> Self {
        Self::start_on(Framework::Axum, state, name, flags).await
    }

    /// Starts the one on that framework on that state, and waits until it listens.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub async fn start_on(
        framework: Framework,
        state: &(impl State + ?Sized),
        name: &str,
        flags: &[&str],
    ) -> Self {
        let mut child = Command::new(programs::app(framework))
            .arg("--state")
            .arg(state.url())
            .args(["--node", name])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the application starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = lines
            .next_line()
            .await
            .expect("its output is text")
            .expect("it says where it listens");
        let address = line
            .strip_prefix("listening on http://")
            .unwrap_or_else(|| panic!("unexpected: {line}"));
        // Whatever it says later must not block it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            address: address.parse().expect("an address"),
            child,
        }
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a request.
    ///
    /// # Panics
    ///
    /// It does not answer.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        send(self.address, method, path, headers)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error:#}"))
    }

    /// Gets a page.
    ///
    /// # Panics
    ///
    /// It does not answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[]).await
    }

    /// Starts a job of that many milliseconds. `None` if it is refused.
    ///
    /// # Panics
    ///
    /// It answers something else.
    pub async fn start_job(&self, millis: u64) -> Option<String> {
        let answer = self
            .send(Method::POST, &format!("/jobs?ms={millis}"), &[])
            .await;
        match answer.status {
            StatusCode::ACCEPTED => {
                let json: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
                Some(json["id"].as_str().expect("an id").to_owned())
            }
            StatusCode::SERVICE_UNAVAILABLE => None,
            status => panic!("unexpected: {status} {answer:?}"),
        }
    }

    /// Kills it as a power cut would.
    ///
    /// # Panics
    ///
    /// It is gone already.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().await.expect("it ends");
    }

    /// Asks it to end in order, and waits until it has.
    ///
    /// # Panics
    ///
    /// It fails to.
    pub async fn terminate(&mut self) {
        self.ask_to_end();
        self.ended().await;
    }

    /// Asks it to end in order, and does not wait.
    ///
    /// # Panics
    ///
    /// It is gone already.
    pub fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits until it has ended in order.
    ///
    /// # Panics
    ///
    /// It fails to.
    pub async fn ended(&mut self) {
        let status = self.child.wait().await.expect("it ends");
        assert!(status.success(), "it ended with {status}");
    }

    fn signal(&self, signal: Signal) {
        let id = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        rustix::process::kill_process(id.expect("it runs"), signal).expect("it can be signalled");
    }
}
