//! A Redis Cluster: masters that share 16,384 slots, with replicas that take over.

use std::fmt::Write as _;
use std::time::Duration;

use super::ask_for;
use super::options::{Kind, ServerOptions};
use super::server::{RedisServer, info_field, url};
use crate::wait::PATIENCE;

const SLOTS: u16 = 16_384;

/// How long a node may take for an answer that is asked for again.
const BRIEF: Duration = Duration::from_secs(1);

/// How a cluster is to be: by default three masters with one replica each, a node given up after one second.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    server: ServerOptions,
    masters: u16,
    replicas: u16,
    node_timeout: Duration,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            server: ServerOptions::new(),
            masters: 3,
            replicas: 1,
            node_timeout: Duration::from_secs(1),
        }
    }
}

impl ClusterOptions {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the nodes have in common.
    #[must_use]
    pub fn with_server(mut self, server: ServerOptions) -> Self {
        self.server = server;
        self
    }

    /// How many masters. A failover takes three: the others' majority decides.
    #[must_use]
    pub fn with_masters(mut self, count: u16) -> Self {
        self.masters = count;
        self
    }

    /// How many replicas each of them has.
    #[must_use]
    pub fn with_replicas(mut self, count: u16) -> Self {
        self.replicas = count;
        self
    }

    /// How long a node may be silent: `cluster-node-timeout`.
    #[must_use]
    pub fn with_node_timeout(mut self, time: Duration) -> Self {
        self.node_timeout = time;
        self
    }

    /// Starts all nodes, makes a cluster of them, and waits until each of them says that it is one.
    ///
    /// # Panics
    ///
    /// One does not start, or they do not come together.
    pub async fn start(&self) -> Cluster {
        let options = self
            .server
            .clone()
            .with_kind(Kind::ClusterNode)
            .with_config(&format!(
                "cluster-node-timeout {}",
                self.node_timeout.as_millis()
            ));
        let mut nodes = Vec::new();
        for _ in 0..self.masters * (1 + self.replicas) {
            nodes.push(options.start().await);
        }
        let cluster = Cluster {
            nodes,
            password: self.server.password().map(str::to_owned),
        };
        cluster.found(self.masters).await;
        cluster
    }
}

/// The nodes of a running cluster. All end when this is dropped.
///
/// # Examples
///
/// ```no_run
/// # async fn example() {
/// use intermission_tests::redis::Cluster;
///
/// let cluster = Cluster::start().await;
/// let slot = cluster.slot_of("colour").await;
/// let old = cluster.owner_of(slot).await;
/// old.kill();
/// let new = cluster.wait_for_new_owner(slot, old).await;
/// assert_ne!(new.port(), old.port());
/// # }
/// ```
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<RedisServer>,
    password: Option<String>,
}

impl Cluster {
    /// Starts one by the default options.
    ///
    /// # Panics
    ///
    /// A node does not start, or they do not come together.
    pub async fn start() -> Self {
        ClusterOptions::new().start().await
    }

    /// `redis+cluster://127.0.0.1:A,127.0.0.1:B,…` with all nodes, and with the password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        url("redis+cluster", self.password.as_deref(), &self.nodes, "")
    }

    /// All nodes: the first masters, then the first replicas, whatever they are now.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The slot of a key.
    ///
    /// # Panics
    ///
    /// No node runs.
    pub async fn slot_of(&self, key: &str) -> u16 {
        let node = self.running().next().expect("a node runs");
        node.ask(&["CLUSTER", "KEYSLOT", key]).await
    }

    /// The running node that owns the slot, by its own account.
    ///
    /// # Panics
    ///
    /// There is none, or there are two.
    pub async fn owner_of(&self, slot: u16) -> &RedisServer {
        self.wait(&format!("one node owns slot {slot}"), || self.owner(slot))
            .await
    }

    /// The running replicas of this master, by their own account.
    pub async fn replicas_of(&self, master: &RedisServer) -> Vec<&RedisServer> {
        let mut replicas = Vec::new();
        for node in self.running() {
            if follows(node, master).await == Some(true) {
                replicas.push(node);
            }
        }
        replicas
    }

    /// Waits until every running node says that the cluster is well, and all see the same owners.
    ///
    /// # Panics
    ///
    /// That does not happen.
    pub async fn wait_until_ok(&self) {
        self.wait("all nodes say that the cluster is well", || self.is_ok())
            .await;
    }

    /// Waits until another running node than this one owns the slot and all running nodes agree.
    ///
    /// # Panics
    ///
    /// That does not happen.
    pub async fn wait_for_new_owner(&self, slot: u16, old: &RedisServer) -> &RedisServer {
        self.wait(&format!("another node owns slot {slot}"), || async {
            self.is_ok().await?;
            self.owner(slot)
                .await
                .filter(|owner| owner.port() != old.port())
        })
        .await
    }

    /// Moves a slot with its keys to another master, and waits until all nodes know.
    ///
    /// # Panics
    ///
    /// The cluster is not well, or the target is not one of its masters.
    pub async fn move_slot(&self, slot: u16, to: &RedisServer) {
        let moving = self.begin_move(slot, to).await;
        moving.move_keys().await;
        moving.finish().await;
    }

    /// Begins to move a slot: from now on its owner answers for keys that it does not have with `-ASK`.
    ///
    /// # Panics
    ///
    /// The cluster is not well, or the target is not one of its masters.
    pub async fn begin_move<'a>(&'a self, slot: u16, to: &'a RedisServer) -> SlotMove<'a> {
        let from = self.owner_of(slot).await;
        let number = slot.to_string();
        let (from_id, to_id) = (id_of(from).await, id_of(to).await);
        to.command(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &from_id])
            .await;
        from.command(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &to_id])
            .await;
        SlotMove {
            cluster: self,
            slot,
            from,
            to,
        }
    }

    /// Makes strangers a cluster.
    async fn found(&self, masters: u16) {
        let (first, rest) = self.nodes.split_at(usize::from(masters));
        let mut begin = 0;
        for (index, master) in (1..=masters).zip(first) {
            let end = u16::try_from(u32::from(SLOTS) * u32::from(index) / u32::from(masters))
                .expect("a part of a number is no greater");
            master
                .command(&[
                    "CLUSTER",
                    "ADDSLOTSRANGE",
                    &begin.to_string(),
                    &(end - 1).to_string(),
                ])
                .await;
            begin = end;
        }
        for (epoch, node) in (1_u64..).zip(&self.nodes) {
            // With the same epoch they would have to settle a collision first.
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()])
                .await;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            // Each meets all that come later: hearing of each other would take seconds.
            for other in self.nodes.iter().skip(index + 1) {
                let bus = other.bus_port().expect("a node has a second port");
                let (port, bus) = (other.port().to_string(), bus.to_string());
                node.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
                    .await;
            }
        }
        self.wait("all nodes have met", || async {
            for node in &self.nodes {
                let known = Line::all(node).await?;
                let met = known.len() == self.nodes.len() && known.iter().all(|line| line.is_met());
                if !met {
                    return None;
                }
            }
            Some(())
        })
        .await;
        for (replica, master) in rest.iter().zip(first.iter().cycle()) {
            let id = id_of(master).await;
            replica.command(&["CLUSTER", "REPLICATE", &id]).await;
        }
        for master in first {
            master
                .wait_for_replicas(rest.len() / usize::from(masters))
                .await;
        }
        self.wait_until_ok().await;
    }

    async fn is_ok(&self) -> Option<()> {
        let mut seen = None;
        for node in self.running() {
            let info = node.send(&["CLUSTER", "INFO"], BRIEF).await.ok()?;
            let info: String = redis::from_redis_value(info).ok()?;
            if info_field(&info, "cluster_state")? != "ok" {
                return None;
            }
            let mut owners: Vec<(u16, Vec<String>)> = Line::all(node)
                .await?
                .into_iter()
                .filter(|line| line.is("master") && !line.slots.is_empty())
                .map(|line| (line.port, line.slots))
                .collect();
            owners.sort();
            if seen.as_ref().is_some_and(|other| *other != owners) {
                return None;
            }
            seen = Some(owners);
        }
        seen.map(drop)
    }

    async fn owner(&self, slot: u16) -> Option<&RedisServer> {
        let mut owner = None;
        for node in self.running() {
            let own = Line::own(node).await?;
            if own.is("master") && own.has(slot) && owner.replace(node).is_some() {
                return None;
            }
        }
        owner
    }

    fn running(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_running())
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
        for node in &self.nodes {
            write!(story, "\n== {node}\n{}", node.log()).expect("memory can be written");
        }
        story
    }
}

/// A slot on its way from one master to another.
#[derive(Debug)]
pub struct SlotMove<'a> {
    cluster: &'a Cluster,
    slot: u16,
    from: &'a RedisServer,
    to: &'a RedisServer,
}

impl SlotMove<'_> {
    /// Moves the keys that are in the slot now.
    ///
    /// # Panics
    ///
    /// A node does not answer.
    pub async fn move_keys(&self) {
        let slot = self.slot.to_string();
        let port = self.to.port().to_string();
        let (user, password) = RedisServer::support_user();
        loop {
            let keys: Vec<String> = self
                .from
                .ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"])
                .await;
            if keys.is_empty() {
                return;
            }
            let mut words = vec![
                "MIGRATE",
                "127.0.0.1",
                &port,
                "",
                "0",
                "5000",
                "AUTH2",
                user,
                password,
                "KEYS",
            ];
            words.extend(keys.iter().map(String::as_str));
            self.from.command(&words).await;
        }
    }

    /// Gives the slot to its new owner, and waits until all nodes know.
    ///
    /// # Panics
    ///
    /// Keys are left in the slot, or the nodes do not learn of it.
    pub async fn finish(self) {
        let slot = self.slot.to_string();
        let id = id_of(self.to).await;
        // The new owner first: it makes an epoch for it, by which the others believe it.
        let nodes = self.cluster.running();
        let rest = nodes.filter(|node| ![self.to.port(), self.from.port()].contains(&node.port()));
        for node in [self.to, self.from].into_iter().chain(rest) {
            let is_master = Line::own(node).await.is_some_and(|own| own.is("master"));
            if is_master {
                node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id])
                    .await;
            }
        }
        self.cluster.wait_for_new_owner(self.slot, self.from).await;
    }
}

/// A node, as another one or it itself sees it: a line of `CLUSTER NODES`.
struct Line {
    id: String,
    port: u16,
    flags: Vec<String>,
    master: String,
    slots: Vec<String>,
}

impl Line {
    async fn all(node: &RedisServer) -> Option<Vec<Self>> {
        let text = node.send(&["CLUSTER", "NODES"], BRIEF).await.ok()?;
        let text: String = redis::from_redis_value(text).ok()?;
        Some(text.lines().filter_map(Self::parse).collect())
    }

    async fn own(node: &RedisServer) -> Option<Self> {
        Self::all(node)
            .await?
            .into_iter()
            .find(|line| line.is("myself"))
    }

    /// `ID HOST:PORT@BUS[,NAME] FLAGS MASTER PING PONG EPOCH LINK SLOTS…`
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(str::to_owned);
        let id = words.next()?;
        let address = words.next()?;
        let (_, port) = address.split('@').next()?.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let flags = words.next()?.split(',').map(str::to_owned).collect();
        let master = words.next()?;
        Some(Self {
            id,
            port,
            flags,
            master,
            // A slot on its way, in brackets, is not the same on all nodes.
            slots: words
                .skip(4)
                .filter(|slots| !slots.starts_with('['))
                .collect(),
        })
    }

    fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    fn is_met(&self) -> bool {
        !self.is("handshake") && !self.is("noaddr")
    }

    fn has(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            match (first.parse::<u16>(), last.parse::<u16>()) {
                (Ok(first), Ok(last)) => (first..=last).contains(&slot),
                _ => false,
            }
        })
    }
}

async fn id_of(node: &RedisServer) -> String {
    node.ask(&["CLUSTER", "MYID"]).await
}

async fn follows(node: &RedisServer, master: &RedisServer) -> Option<bool> {
    let lines = Line::all(node).await?;
    let leader = lines.iter().find(|line| line.port == master.port())?;
    let own = lines.iter().find(|line| line.is("myself"))?;
    Some(own.is("slave") && own.master == leader.id)
}
