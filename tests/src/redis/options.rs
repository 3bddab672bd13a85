//! How a Redis server is to be.

use std::ffi::OsString;

use super::clock::ClockShim;
use super::server::RedisServer;

/// How a server is to be.
///
/// Without options: nothing is kept on disk, no password, databases and commands as Redis has them by default, the
/// `DEBUG` command included. There is always a user `support` beside the default one, for this module's own commands.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    pub(super) kind: Kind,
    pub(super) lines: Vec<String>,
    password: Option<String>,
    pub(super) environment: Vec<(OsString, OsString)>,
    // Keeps the file alive that the process reads.
    clock: Option<ClockShim>,
    pub(super) after_start: Vec<Vec<String>>,
}

/// What the process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Single,
    ClusterNode,
    Sentinel,
}

impl ServerOptions {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every write is in a file before it is answered, so that it survives [`RedisServer::kill`].
    #[must_use]
    pub fn with_append_only(self) -> Self {
        self.with_config("appendonly yes")
    }

    /// The default user's password, without quotes and backslashes; replicas know it, too.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.with_config(&format!("requirepass \"{password}\""))
            .with_config(&format!("masterauth \"{password}\""))
    }

    /// A user, in the words of `ACL SETUSER`: `ops on >secret ~{app:* &{app:* +@read`.
    #[must_use]
    pub fn with_user(self, rule: &str) -> Self {
        self.with_config(&format!("user {rule}"))
    }

    /// A line of `redis.conf`. A later one wins over an earlier one, and over what this module sets.
    #[must_use]
    pub fn with_config(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// A variable of the server's environment.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The server runs on that clock.
    #[must_use]
    pub fn with_clock(mut self, clock: &ClockShim) -> Self {
        self.environment.extend(clock.environment());
        self.clock = Some(clock.clone());
        self
    }

    /// Starts a server, and waits until it answers.
    ///
    /// # Panics
    ///
    /// It does not start, or does not answer for 10 s.
    pub async fn start(&self) -> RedisServer {
        RedisServer::start_with(self).await
    }

    pub(super) fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// A command to be sent after every start.
    pub(super) fn with_command_after_start(mut self, words: &[&str]) -> Self {
        self.after_start
            .push(words.iter().map(|&word| word.to_owned()).collect());
        self
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }
}
