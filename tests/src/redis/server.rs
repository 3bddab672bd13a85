//! One Redis server.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, RedisResult, Value, from_redis_value};
use tempfile::TempDir;

use super::ask_for;
use super::options::{Kind, ServerOptions};
use crate::port::Port;
use crate::process::{Process, mortal};
use crate::wait::PATIENCE;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(10);

/// How long a server may take to end in order. Redis itself gives its replicas ten seconds to catch up.
const STOP: Duration = Duration::from_secs(20);

/// The user as whom this module talks to a server: whatever a test does to the others, it stays able to.
const USER: &str = "support";
const PASSWORD: &str = "support";

/// Until when a start is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ready {
    Answers,
    Listens,
}

/// Why a server did not start.
enum StartError {
    PortTaken,
    Other(String),
}

/// A running `redis-server`, or one that was killed and may be started again. It ends when this is dropped.
///
/// # Examples
///
/// ```no_run
/// # async fn example() {
/// use intermission_tests::redis::ServerOptions;
///
/// let server = ServerOptions::new().with_append_only().start().await;
/// server.command(&["SET", "colour", "green"]).await;
/// server.kill();
/// server.start_again().await;
/// assert_eq!(server.ask::<String>(&["GET", "colour"]).await, "green");
/// server.kill();
/// server.start_again_empty().await;
/// assert_eq!(server.ask::<usize>(&["DBSIZE"]).await, 0);
/// # }
/// ```
#[derive(Debug)]
pub struct RedisServer {
    // Before the folder, since it writes there until it ends.
    state: Mutex<State>,
    options: ServerOptions,
    port: Port,
    bus: Option<Port>,
    folder: TempDir,
}

#[derive(Debug, Default)]
struct State {
    process: Option<Process>,
    paused: bool,
}

impl RedisServer {
    /// Starts one without options, and waits until it answers.
    ///
    /// # Panics
    ///
    /// It does not start, or does not answer for 10 s.
    pub async fn start() -> Self {
        ServerOptions::new().start().await
    }

    /// Where it listens. The same for as long as this lives, also while the server is down.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The port of 127.0.0.1 where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its URL, with the default user's password if there was one from the start.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The same, for one who reaches it at another address, such as a [`Proxy`](super::Proxy)'s.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!(
            "redis://{}{address}/0",
            credentials(self.options.password())
        )
    }

    /// Its URL for that user.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!(
            "redis://{}:{}@{}/0",
            url_encoded(user),
            url_encoded(password),
            self.address()
        )
    }

    /// Its process id, `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.state().process.as_ref().map(Process::id)
    }

    /// Whether it can answer: it was started, and neither killed, stopped nor paused since, and it has not died.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let mut state = self.state();
        !state.paused
            && state
                .process
                .as_mut()
                .is_some_and(|process| process.ended().is_none())
    }

    /// The folder with its files: `redis.conf`, `log`, and its data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has said so far, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Kills it as a power cut would, and keeps its folder. Nothing happens if it is down already.
    pub fn kill(&self) {
        let process = {
            let mut state = self.state();
            state.paused = false;
            state.process.take()
        };
        drop(process);
    }

    /// Asks it to end in order, and waits until it has.
    ///
    /// # Panics
    ///
    /// It is down, or paused, or fails to end.
    pub async fn stop(&self) {
        self.with_process("be stopped", Process::terminate);
        let ended = ask_for(STOP, || async {
            let mut state = self.state();
            state.process.as_mut()?.ended()
        })
        .await;
        match ended {
            Some(status) if status.success() => self.kill(),
            outcome => panic!("{self} was asked to end: {outcome:?}\n{}", self.log()),
        }
    }

    /// Lets it stand still: it keeps its connections and answers nothing. The kernel still accepts what is sent.
    ///
    /// # Panics
    ///
    /// It is down.
    pub fn pause(&self) {
        self.with_process("be paused", Process::pause);
        self.state().paused = true;
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Panics
    ///
    /// It is down.
    pub fn resume(&self) {
        self.with_process("go on", Process::resume);
        self.state().paused = false;
    }

    /// Starts it on the same port with the same folder, and waits until it answers.
    ///
    /// # Panics
    ///
    /// It runs already, or does not start, or does not answer for 10 s.
    pub async fn start_again(&self) {
        self.launch_again(Ready::Answers).await;
    }

    /// The same, but waits only until it listens. What is loading its data answers with `-LOADING`.
    ///
    /// # Panics
    ///
    /// It runs already, or does not start.
    pub async fn start_again_listening(&self) {
        self.launch_again(Ready::Listens).await;
    }

    /// Starts it on the same port without its data. Its configuration stays, and so does a cluster node's identity.
    ///
    /// # Panics
    ///
    /// It runs already, or does not start, or does not answer for 10 s.
    pub async fn start_again_empty(&self) {
        assert_eq!(self.pid(), None, "{self} runs already");
        for data in ["dump.rdb", "appendonlydir"] {
            let path = self.folder().join(data);
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else if path.exists() {
                fs::remove_file(&path)
            } else {
                Ok(())
            };
            removed.expect("data of a server that is down can be removed");
        }
        self.start_again().await;
    }

    /// A connection of one's own, as a user who may do everything, by the older protocol (RESP2).
    ///
    /// # Panics
    ///
    /// The server does not answer.
    pub async fn connect(&self) -> MultiplexedConnection {
        match self.dial(PATIENCE).await {
            Ok(connection) => connection,
            Err(error) => panic!("{self} cannot be reached: {error}\n{}", self.log()),
        }
    }

    /// Sends one command by a connection of its own, as a user who may do everything.
    ///
    /// # Errors
    ///
    /// The server does not answer within 30 s, or with an error.
    pub async fn try_command(&self, words: &[&str]) -> RedisResult<Value> {
        self.send(words, PATIENCE).await
    }

    /// The same, for a command that succeeds.
    ///
    /// # Panics
    ///
    /// The server does not answer, or with an error.
    pub async fn command(&self, words: &[&str]) -> Value {
        match self.try_command(words).await {
            Ok(value) => value,
            Err(error) => panic!("{self}: {}: {error}\n{}", words.join(" "), self.log()),
        }
    }

    /// Puts another value, as JSON, into a field of the JSON object that is kept under a key.
    ///
    /// # Panics
    ///
    /// The server does not answer, or with an error, or has no such object.
    pub async fn set_field(&self, key: &str, field: &str, json: &str) {
        // In one step, since scripts write the same key all the time.
        let script = "local text=redis.call('GET',KEYS[1]) \
             local start=string.find(text,'\"'..ARGV[1]..'\":',1,true) \
             if not start then return redis.call('SET',KEYS[1],'{\"'..ARGV[1]..'\":'..ARGV[2]..','..string.sub(text,2)) end \
             start=start+#ARGV[1]+3 \
             local _,last=string.find(text,'^[^,}]*',start) \
             return redis.call('SET',KEYS[1],string.sub(text,1,start-1)..ARGV[2]..string.sub(text,last+1))";
        self.command(&["EVAL", script, "1", key, field, json]).await;
    }

    /// A field of the JSON object that is kept under a key, `None` if there is none.
    ///
    /// # Panics
    ///
    /// The server does not answer, or with an error, or has no such object.
    pub async fn field(&self, key: &str, field: &str) -> Option<String> {
        let script = "local value=cjson.decode(redis.call('GET',KEYS[1]))[ARGV[1]] \
             return value and (type(value)=='number' and string.format('%.0f',value) or value)";
        self.ask(&["EVAL", script, "1", key, field]).await
    }

    /// The same, for an answer of a certain type.
    ///
    /// # Panics
    ///
    /// The server does not answer, or with an error, or with something else.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let value = self.command(words).await;
        match from_redis_value(value.clone()) {
            Ok(answer) => answer,
            Err(error) => panic!("{self}: {}: {value:?}: {error}", words.join(" ")),
        }
    }

    /// A field of `INFO`, `None` if there is none.
    ///
    /// # Panics
    ///
    /// The server does not answer.
    pub async fn info(&self, field: &str) -> Option<String> {
        let text: String = self.ask(&["INFO", "everything"]).await;
        info_field(&text, field)
    }

    /// Waits until that many replicas get its writes.
    ///
    /// # Panics
    ///
    /// They do not for 30 s.
    pub async fn wait_for_replicas(&self, count: usize) {
        let waited = ask_for(PATIENCE, || async {
            let text: String = self.ask(&["INFO", "replication"]).await;
            let online = text.lines().filter(|line| line.contains("state=online"));
            (online.count() >= count).then_some(())
        });
        assert!(
            waited.await.is_some(),
            "{self} has no {count} replicas\n{}",
            self.log()
        );
    }

    /// Pauses those replicas and cuts their connections, so that no write gets to them any more.
    ///
    /// Pausing alone would not do: the kernel accepts for them what the master sends, also if the master is killed
    /// thereafter, and they read it when they go on. A failover with lost writes is this, a write, [`kill`](Self::kill),
    /// and [`resume`](Self::resume) of the replicas. Replicas that are not named are cut off, too, but come back.
    ///
    /// # Panics
    ///
    /// One of the servers is down or does not answer.
    pub async fn cut_off(&self, replicas: &[&Self]) {
        for replica in replicas {
            replica.pause();
        }
        self.command(&["CLIENT", "KILL", "TYPE", "replica"]).await;
    }

    pub(super) async fn start_with(options: &ServerOptions) -> Self {
        for _ in 0..50 {
            let server = Self::prepare(options.clone());
            match server.launch(Ready::Answers).await {
                Ok(()) => return server,
                Err(StartError::PortTaken) => {}
                Err(StartError::Other(story)) => panic!("{story}"),
            }
        }
        panic!("redis-server found 50 ports in a row taken by others");
    }

    fn prepare(options: ServerOptions) -> Self {
        let port = Port::claim();
        let bus = (options.kind == Kind::ClusterNode).then(Port::claim);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let server = Self {
            state: Mutex::default(),
            options,
            port,
            bus,
            folder,
        };
        fs::write(server.folder().join("redis.conf"), server.configuration())
            .expect("a file can be written in a new folder");
        server
    }

    fn configuration(&self) -> String {
        let mut lines = format!(
            "bind 127.0.0.1\nport {}\ndir ./\nenable-debug-command yes\nuser {USER} on >{PASSWORD} ~* &* +@all\n",
            self.port()
        );
        if self.options.kind != Kind::Sentinel {
            // Replicas get their copy at once, not after five seconds in which others might want one, too.
            lines.push_str("save \"\"\nrepl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n");
        }
        if let Some(bus) = &self.bus {
            let bus = bus.number();
            writeln!(lines, "cluster-enabled yes\ncluster-port {bus}")
                .expect("memory can be written");
        }
        for line in &self.options.lines {
            lines.push_str(line);
            lines.push('\n');
        }
        lines
    }

    async fn launch_again(&self, ready: Ready) {
        assert_eq!(self.pid(), None, "{self} runs already");
        match self.launch(ready).await {
            Ok(()) => {}
            Err(StartError::PortTaken) => panic!("the port of {self} was taken meanwhile"),
            Err(StartError::Other(story)) => panic!("{story}"),
        }
    }

    async fn launch(&self, ready: Ready) -> Result<(), StartError> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder().join("log"))
            .expect("a file can be made in one's folder");
        let said_before = self.log().len();
        let mut command = mortal("redis-server");
        command
            .arg("redis.conf")
            .args((self.options.kind == Kind::Sentinel).then_some("--sentinel"))
            .current_dir(self.folder())
            .envs(self.options.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log);
        let process = Process::start(command).map_err(|error| {
            StartError::Other(format!(
                "setpriv, which starts redis-server, cannot be started: {error} (Debian's package is `util-linux`)"
            ))
        })?;
        *self.state() = State {
            process: Some(process),
            paused: false,
        };
        let started = ask_for(START, || self.is_started(ready)).await;
        let story = match started {
            Some(None) => {
                for words in &self.options.after_start {
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    self.command(&words).await;
                }
                return Ok(());
            }
            Some(Some(status)) => format!("ended at once with {status}"),
            None => format!("did not answer for {START:?}"),
        };
        self.kill();
        let log = self.log();
        let said = log.get(said_before..).unwrap_or_default();
        if said.contains("Address already in use") {
            return Err(StartError::PortTaken);
        }
        Err(StartError::Other(format!(
            "{self} {story} (Debian's package is `redis-server`); it said:\n{said}"
        )))
    }

    /// `None` for "not yet", `Some(None)` if it is there, `Some(Some(status))` if it has ended.
    async fn is_started(&self, ready: Ready) -> Option<Option<std::process::ExitStatus>> {
        let (ended, pid) = {
            let mut state = self.state();
            let process = state.process.as_mut()?;
            (process.ended(), process.id())
        };
        if ended.is_some() {
            return Some(ended);
        }
        let brief = Duration::from_secs(1);
        // Somebody else may listen there, and answer.
        let text = self.send(&["INFO", "server"], brief).await.ok()?;
        let text: String = from_redis_value(text).ok()?;
        if info_field(&text, "process_id")? != pid.to_string() {
            return None;
        }
        if ready == Ready::Answers {
            self.send(&["PING"], brief).await.ok()?;
        }
        Some(None)
    }

    pub(super) async fn send(&self, words: &[&str], limit: Duration) -> RedisResult<Value> {
        let mut connection = self.dial(limit).await?;
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut connection).await
    }

    async fn dial(&self, limit: Duration) -> RedisResult<MultiplexedConnection> {
        let client = redis::Client::open(self.url_as(USER, PASSWORD))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(limit));
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    fn with_process(&self, wish: &str, action: impl FnOnce(&Process)) {
        let state = self.state();
        let process = state.process.as_ref();
        action(process.unwrap_or_else(|| panic!("{self} is down and cannot {wish}")));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bus_port(&self) -> Option<u16> {
        self.bus.as_ref().map(Port::number)
    }

    /// The user and the password with which one server may move keys to another.
    pub(super) const fn support_user() -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }
}

impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.options.kind {
            Kind::Single => "the Redis server",
            Kind::ClusterNode => "the cluster's node",
            Kind::Sentinel => "the sentinel",
        };
        write!(f, "{name} on port {}", self.port())
    }
}

/// The URL of several servers, as the name of a state has it.
pub(super) fn url(
    scheme: &str,
    password: Option<&str>,
    servers: &[RedisServer],
    path: &str,
) -> String {
    let addresses: Vec<String> = servers
        .iter()
        .map(|server| server.address().to_string())
        .collect();
    let slash = if path.is_empty() { "" } else { "/" };
    format!(
        "{scheme}://{}{}{slash}{path}",
        credentials(password),
        addresses.join(",")
    )
}

fn credentials(password: Option<&str>) -> String {
    password
        .map(|password| format!(":{}@", url_encoded(password)))
        .unwrap_or_default()
}

/// A field of what `INFO` says.
pub(super) fn info_field(text: &str, field: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| *name == field)
        .map(|(_, value)| value.to_owned())
}

fn url_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("memory can be written");
        }
    }
    encoded
}
