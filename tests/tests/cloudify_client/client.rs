//! The client, as a process.

use std::net::SocketAddr;
use std::process::Stdio;

use intermission_tests::python;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running Python that has loaded Cloudify's client. It is killed when this is dropped.
pub(crate) struct Python {
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

/// What a client is made with.
#[derive(Clone)]
pub(crate) struct Caller(Value);

/// What the client raised.
#[derive(Debug, PartialEq)]
pub(crate) struct Raised {
    /// The class.
    pub(crate) error: String,
    pub(crate) status: u64,
    pub(crate) code: String,
}

impl Caller {
    /// With the client's own default, v3.1, or another version.
    pub(crate) fn version(version: &str) -> Self {
        Self(json!({"api_version": version, "timeout": 30}))
    }

    pub(crate) fn password(self, name: &str, password: &str) -> Self {
        self.with("username", json!(name))
            .with("password", json!(password))
    }

    /// As the header `Authentication-Token`.
    pub(crate) fn token(self, token: &str) -> Self {
        self.with("token", json!(token))
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        self.with("headers", json!({name: value}))
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.0[key] = value;
        self
    }
}

impl Python {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/cloudify_client/client.py"
        );
        let mut child = Command::new(python::program("python"))
            .args(["-I", script, &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python starts");
        Self {
            orders: child.stdin.take().expect("it is piped"),
            answers: BufReader::new(child.stdout.take().expect("it is piped")).lines(),
            _child: child,
        }
    }

    /// Calls a method, and returns what it returned.
    pub(crate) async fn answer(&mut self, caller: &Caller, call: &str) -> Value {
        let said = self.call(caller, call, &[]).await;
        assert!(said.get("answer").is_some(), "{call}: {said}");
        println!("{call}: {}", said["answer"]);
        said["answer"].clone()
    }

    /// Calls a method that must fail.
    pub(crate) async fn raised(
        &mut self,
        caller: &Caller,
        call: &str,
        arguments: &[&str],
    ) -> Raised {
        let said = self.call(caller, call, arguments).await;
        println!("{call}: {said}");
        let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        assert!(!text("message").is_empty(), "{call}: {said}");
        // Cloudify's servers send theirs; nobody should.
        assert_eq!(text("traceback"), "", "{call}: {said}");
        Raised {
            error: text("error"),
            status: said["status"].as_u64().unwrap_or_default(),
            code: text("code"),
        }
    }

    async fn call(&mut self, caller: &Caller, call: &str, arguments: &[&str]) -> Value {
        let order = json!({"client": caller.0, "call": call, "arguments": arguments});
        let order = format!("{order}\n");
        self.orders
            .write_all(order.as_bytes())
            .await
            .expect("it listens");
        let line = self.answers.next_line().await.expect("it writes text");
        let line = line.unwrap_or_else(|| panic!("{call}: Python has ended, it says above why"));
        serde_json::from_str(&line).expect("it answers with JSON")
    }
}

/// As the tests write down what they expect.
pub(crate) fn raises(error: &str, status: u64, code: &str) -> Raised {
    Raised {
        error: error.to_owned(),
        status,
        code: code.to_owned(),
    }
}
