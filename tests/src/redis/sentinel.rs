//! A master with replicas, and sentinels that choose another master.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::ask_for;
use super::options::{Kind, ServerOptions};
use super::server::{RedisServer, url};
use crate::wait::PATIENCE;

/// The master's name, as sentinels know it.
const NAME: &str = "mymaster";

/// How long a server may take for an answer that is asked for again.
const BRIEF: Duration = Duration::from_secs(1);

/// How a group is to be: by default two replicas, three sentinels, a master given up after one second.
#[derive(Clone, Debug)]
pub struct SentinelOptions {
    server: ServerOptions,
    replicas: usize,
    sentinels: usize,
    down_after: Duration,
    failover_timeout: Duration,
}

impl Default for SentinelOptions {
    fn default() -> Self {
        Self {
            server: ServerOptions::new(),
            replicas: 2,
            sentinels: 3,
            down_after: Duration::from_secs(1),
            failover_timeout: Duration::from_secs(2),
        }
    }
}

impl SentinelOptions {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What master and replicas have in common, such as a password or `min-replicas-to-write 1`.
    #[must_use]
    pub fn with_server(mut self, server: ServerOptions) -> Self {
        self.server = server;
        self
    }

    /// How many replicas.
    #[must_use]
    pub fn with_replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// How many sentinels. More than half of them are needed to choose another master.
    #[must_use]
    pub fn with_sentinels(mut self, count: usize) -> Self {
        self.sentinels = count;
        self
    }

    /// How long a master may be silent: `down-after-milliseconds`. With less than half a second, every new master is
    /// given up again before it was first asked.
    #[must_use]
    pub fn with_down_after(mut self, time: Duration) -> Self {
        self.down_after = time;
        self
    }

    /// `failover-timeout`. A failed attempt is repeated after twice that time.
    #[must_use]
    pub fn with_failover_timeout(mut self, time: Duration) -> Self {
        self.failover_timeout = time;
        self
    }

    /// Starts all of them, and waits until every sentinel knows the replicas and the other sentinels.
    ///
    /// # Panics
    ///
    /// One does not start, or they do not find each other.
    pub async fn start(&self) -> Sentinels {
        let master = self.server.start().await;
        let port = master.port().to_string();
        let mut servers = vec![master];
        for _ in 0..self.replicas {
            let replica = self
                .server
                .clone()
                .with_config(&format!("replicaof 127.0.0.1 {port}"));
            servers.push(replica.start().await);
        }
        // A sentinel learns of the replicas from its first look at the master.
        for server in servers.iter().take(1) {
            server.wait_for_replicas(self.replicas).await;
        }
        let options = self.sentinel(&port);
        let mut sentinels = Vec::new();
        for _ in 0..self.sentinels {
            sentinels.push(options.start().await);
        }
        let group = Sentinels {
            sentinels,
            servers,
            password: self.server.password().map(str::to_owned),
        };
        group.wait_until_acquainted().await;
        group
    }

    fn sentinel(&self, master: &str) -> ServerOptions {
        let quorum = self.sentinels / 2 + 1;
        let mut options = ServerOptions::new()
            .with_kind(Kind::Sentinel)
            .with_config(&format!(
                "sentinel monitor {NAME} 127.0.0.1 {master} {quorum}"
            ))
            .with_config(&format!(
                "sentinel down-after-milliseconds {NAME} {}",
                self.down_after.as_millis()
            ))
            .with_config(&format!(
                "sentinel failover-timeout {NAME} {}",
                self.failover_timeout.as_millis()
            ));
        if let Some(password) = self.server.password() {
            options = options.with_config(&format!("sentinel auth-pass {NAME} \"{password}\""));
        }
        // What takes 1 to 30 s by default: finding each other, noticing a new role, and, after the machine was too
        // busy for two seconds, trusting one's own clock again. The ping period is bounded from both sides: a new
        // master is first pinged after that time, so it must be less than `down-after-milliseconds`, or it is given up
        // again at once; and a replica of a lost master, which is looked at once per second, counts as unknown after
        // five of them.
        options.with_command_after_start(&[
            "SENTINEL",
            "DEBUG",
            "ping-period",
            "300",
            "info-period",
            "200",
            "publish-period",
            "200",
            "ask-period",
            "100",
            "election-timeout",
            "1000",
            "slave-reconf-timeout",
            "1000",
            "min-link-reconnect-period",
            "1000",
            "tilt-period",
            "1000",
        ])
    }
}

/// Running servers with sentinels that watch them. All end when this is dropped.
///
/// # Examples
///
/// ```no_run
/// # async fn example() {
/// use intermission_tests::redis::Sentinels;
///
/// let group = Sentinels::start().await;
/// let old = group.master().await;
/// old.kill();
/// let new = group.wait_for_failover(old).await;
/// assert_ne!(new.port(), old.port());
/// # }
/// ```
#[derive(Debug)]
pub struct Sentinels {
    // They go first, so that they see nobody die.
    sentinels: Vec<RedisServer>,
    servers: Vec<RedisServer>,
    password: Option<String>,
}

impl Sentinels {
    /// Starts a group by the default options.
    ///
    /// # Panics
    ///
    /// One does not start, or they do not find each other.
    pub async fn start() -> Self {
        SentinelOptions::new().start().await
    }

    /// `redis+sentinel://127.0.0.1:A,127.0.0.1:B,127.0.0.1:C/mymaster`, with the servers' password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        url(
            "redis+sentinel",
            self.password.as_deref(),
            &self.sentinels,
            NAME,
        )
    }

    /// The first master and its replicas, whatever they are now.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The master that all running sentinels name. It may be down.
    ///
    /// # Panics
    ///
    /// They do not agree.
    pub async fn master(&self) -> &RedisServer {
        self.wait("the sentinels name one master", || self.named())
            .await
    }

    /// The running servers but this one.
    #[must_use]
    pub fn others(&self, master: &RedisServer) -> Vec<&RedisServer> {
        self.servers
            .iter()
            .filter(|server| server.port() != master.port() && server.is_running())
            .collect()
    }

    /// Waits until all running sentinels name another master than this one, and it says so itself.
    ///
    /// # Panics
    ///
    /// That does not happen.
    pub async fn wait_for_failover(&self, old: &RedisServer) -> &RedisServer {
        self.wait("the sentinels name another master", || async {
            let master = self.named().await?;
            let role = master.send(&["ROLE"], BRIEF).await.ok()?;
            let is_master = matches!(&role, redis::Value::Array(parts)
                if parts.first() == Some(&redis::Value::BulkString(b"master".to_vec())));
            (master.port() != old.port() && is_master).then_some(master)
        })
        .await
    }

    /// The one that they name, if they agree.
    async fn named(&self) -> Option<&RedisServer> {
        let mut named = None;
        for sentinel in self.sentinels.iter().filter(|one| one.is_running()) {
            let words = ["SENTINEL", "get-master-addr-by-name", NAME];
            let answer = sentinel.send(&words, BRIEF).await.ok()?;
            let (_, port): (String, u16) = redis::from_redis_value(answer).ok()?;
            if named.is_some_and(|other| other != port) {
                return None;
            }
            named = Some(port);
        }
        self.servers
            .iter()
            .find(|server| Some(server.port()) == named)
    }

    async fn wait_until_acquainted(&self) {
        self.wait("the sentinels know everybody", || async {
            for sentinel in &self.sentinels {
                let fields: HashMap<String, String> =
                    sentinel.ask(&["SENTINEL", "MASTER", NAME]).await;
                let count = |field: &str| fields.get(field)?.parse::<usize>().ok();
                let known = (count("num-slaves")?, count("num-other-sentinels")?);
                if known != (self.servers.len() - 1, self.sentinels.len() - 1) {
                    return None;
                }
                let replicas: Vec<HashMap<String, String>> =
                    sentinel.ask(&["SENTINEL", "REPLICAS", NAME]).await;
                let is_fit = |replica: &HashMap<String, String>| {
                    replica.get("flags").is_some_and(|flags| flags == "slave")
                        && replica
                            .get("master-link-status")
                            .is_some_and(|status| status == "ok")
                };
                if !replicas.iter().all(is_fit) {
                    return None;
                }
                // Who has just been found is connected to a moment later, and has no vote before.
                let quorum = ["SENTINEL", "CKQUORUM", NAME];
                sentinel.send(&quorum, BRIEF).await.ok()?;
            }
            Some(())
        })
        .await;
    }

    async fn wait<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        ask: impl FnMut() -> F,
    ) -> T {
        match ask_for(PATIENCE, ask).await {
            Some(answer) => answer,
            None => panic!("waited {PATIENCE:?} in vain until {what}{}", self.story()),
        }
    }

    fn story(&self) -> String {
        let mut story = String::new();
        for server in self.sentinels.iter().chain(&self.servers) {
            write!(story, "\n== {server}\n{}", server.log()).expect("memory can be written");
        }
        story
    }
}
