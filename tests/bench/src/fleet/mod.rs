//! How fast a change reaches a fleet, compared with a bare `PUBLISH`, and what the fleet costs Redis.
//!
//! All nodes are in this process, each with a state and a connection of its own; the redis-server and the thread that
//! makes the changes are others. So the nodes share this machine's processors, which a fleet does not: the times are
//! those of a machine that has all the work of N nodes to do. The bare subscribers, to which they are compared, are in
//! the same process and have to share in the same way, and flips and publishes take turns.

mod accounts;
mod caller;
mod flips;
mod listeners;
mod table;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use intermission::{
    Activate, Actor, Change, Clock, Deactivate, ExecutionInfo, Gate, Operator, StateUrl,
    SystemClock, Timing, Visitor,
};
use intermission_redis::{RedisOptions, RedisState};
use intermission_tests::redis::RedisServer;
use redis::AsyncConnectionConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use accounts::{Accounts, Work};
use caller::Caller;
use listeners::{Listener, connection};

/// What the operator tells the visitors.
const MESSAGE: &str = "We are moving to a new shelf. Back in half an hour.";

/// How many nodes join at the same time.
const JOIN_AT_ONCE: usize = 50;

/// For how many heartbeats the idle fleet is watched.
const IDLE_HEARTBEATS: u32 = 5;

/// How often a node is asked, to see whether that causes a command.
const QUESTIONS: usize = 100_000;

/// What is to be measured.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Numbers of nodes, ascending.
    pub(crate) sizes: Vec<usize>,
    /// How many flips in each direction.
    pub(crate) flips: usize,
}

/// The nodes, and those with whom they are compared.
struct Fleet {
    caller: Caller,
    inspector: Operator,
    gates: Vec<Gate>,
    clients: Vec<Listener>,
    sockets: Vec<Listener>,
    /// How many messages the clients got.
    published: u64,
    /// How long a record is that was pushed, in bytes.
    payload: usize,
    accounts: Accounts,
    url: String,
    // After all that runs on it.
    runtime: Runtime,
    // After those who talk to it.
    server: RedisServer,
}

/// What the fleet does while nothing happens.
struct Idle {
    nodes: usize,
    seconds: f64,
    work: Work,
}

/// What a node takes of Redis' memory, in bytes.
struct Bytes {
    deactivated: u64,
    activated: u64,
    connection: u64,
}

/// Measures, and prints tables. Says whether the budgets are kept that do not depend on what else the machine does.
pub(crate) fn run(plan: &Plan) -> Result<bool> {
    let largest = plan.sizes.last().copied().unwrap_or_default();
    ensure!(largest > 0, "a fleet has at least one node");
    allow_files(u64::try_from(largest)? * 3 + 200)?;
    let mut fleet = Fleet::start()?;
    fleet.grow(1)?;
    fleet.wait_out_the_grace()?;
    let asked = fleet.commands_of_requests()?;
    let mut measured = Vec::new();
    for &size in &plan.sizes {
        fleet.grow(size)?;
        if plan.flips > 0 {
            measured.push(flips::measure(&mut fleet, plan.flips)?);
        }
    }
    let idle = fleet.idle()?;
    let bytes = fleet.memory()?;
    let version = fleet.runtime.block_on(fleet.accounts.version())?;
    println!(
        "\nthe fleet on redis-server {version}; {}",
        table::machine()
    );
    table::flips(&measured, plan.flips, fleet.payload);
    Ok(table::costs(&idle, &bytes, asked))
}

impl Fleet {
    fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let server = runtime.block_on(RedisServer::start());
        let url = server.url();
        let accounts = runtime.block_on(connection(&url, AsyncConnectionConfig::new()))?;
        Ok(Self {
            caller: Caller::start(&url),
            inspector: Operator::new(patient_state(&url)?, Actor::new("bench", "bench")),
            gates: Vec::new(),
            clients: Vec::new(),
            sockets: Vec::new(),
            published: 0,
            payload: 0,
            accounts: Accounts::new(accounts),
            url,
            runtime,
            server,
        })
    }

    /// Has nodes join until there are so many, and as many subscribers of each kind.
    fn grow(&mut self, nodes: usize) -> Result<()> {
        if self.payload > 0 {
            self.subscribe(nodes)?;
        }
        while self.gates.len() < nodes {
            let first = self.gates.len();
            let joining = first..nodes.min(first + JOIN_AT_ONCE);
            let url = &self.url;
            let joined = self.runtime.block_on(all(joining.map(|number| {
                let url = url.clone();
                async move {
                    let name = format!("web-{number}.example.com");
                    let builder = Gate::builder(state(&url)?).with_node_name(name);
                    Ok(builder.with_framework("axum").start().await?)
                }
            })))?;
            self.gates.extend(joined);
        }
        Ok(())
    }

    fn subscribe(&mut self, count: usize) -> Result<()> {
        let Self {
            server,
            url,
            payload,
            ..
        } = self;
        while self.clients.len() < count {
            let first = self.clients.len();
            let joining = first..count.min(first + JOIN_AT_ONCE);
            let (clients, sockets) = self.runtime.block_on(async {
                let clients = all(joining.clone().map(|_| {
                    let url = url.clone();
                    async move { Listener::by_client(&url).await }
                }));
                let address = server.address();
                let payload = *payload;
                let sockets = all(joining.map(|_| Listener::by_socket(address, payload)));
                Ok::<_, anyhow::Error>((clients.await?, sockets.await?))
            })?;
            self.clients.extend(clients);
            self.sockets.extend(sockets);
        }
        Ok(())
    }

    /// A new site in an empty Redis is not sure for some seconds that it is new.
    fn wait_out_the_grace(&mut self) -> Result<()> {
        let limit = SystemClock.steady() + Timing::default().grace * 4;
        loop {
            let view = self.runtime.block_on(self.inspector.inspect(0))?;
            let is_suspended = |gate: &Gate| gate.status().executions_suspended;
            if view.grace.is_zero() && !self.gates.iter().any(is_suspended) {
                return Ok(());
            }
            ensure!(
                SystemClock.steady() < limit,
                "the grace of a new site does not end"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// How many commands are caused by [`QUESTIONS`] requests and as many executions, open and closed.
    fn commands_of_requests(&mut self) -> Result<u64> {
        let open = self.commands_of_questions()?;
        let activate = Change::Activate(Activate::by("bench").with_message(MESSAGE));
        self.runtime.block_on(self.inspector.change(activate))?;
        let view = self.settled(|view| view.quiescent_at.is_some())?;
        self.payload = view.record.to_json().len();
        let closed = self.commands_of_questions()?;
        let deactivate = Change::Deactivate(Deactivate::new());
        self.runtime.block_on(self.inspector.change(deactivate))?;
        Ok(open + closed)
    }

    fn commands_of_questions(&mut self) -> Result<u64> {
        let gate = self.gates.first().context("one has joined")?;
        let page = Visitor::new("POST", "/");
        let mut fewest = u64::MAX;
        // A heartbeat may come in between. Not each time.
        for _ in 0..10 {
            let before = self.runtime.block_on(self.accounts.work())?;
            for _ in 0..QUESTIONS {
                drop(gate.admit(&page));
                drop(gate.execution(ExecutionInfo::new("job")));
            }
            // What they have caused is sent now, if it was not at once.
            std::thread::sleep(Duration::from_millis(50));
            let work = self.runtime.block_on(self.accounts.work())?.since(before);
            // The first of the two questions to the server is counted by the second.
            fewest = fewest.min(work.commands.saturating_sub(1));
            if fewest == 0 {
                break;
            }
        }
        Ok(fewest)
    }

    fn idle(&mut self) -> Result<Idle> {
        std::thread::sleep(Timing::default().heartbeat);
        let from = SystemClock.steady();
        let before = self.runtime.block_on(self.accounts.work())?;
        std::thread::sleep(Timing::default().heartbeat * IDLE_HEARTBEATS);
        let work = self.runtime.block_on(self.accounts.work())?.since(before);
        Ok(Idle {
            nodes: self.gates.len(),
            seconds: (SystemClock.steady() - from).as_secs_f64(),
            work,
        })
    }

    fn memory(&mut self) -> Result<Bytes> {
        let nodes = u64::try_from(self.gates.len())?;
        let keys = "{intermission:";
        let deactivated = self.runtime.block_on(self.accounts.bytes_of_keys(keys))?;
        let activate = Change::Activate(Activate::by("bench").with_message(MESSAGE));
        self.runtime.block_on(self.inspector.change(activate))?;
        self.settled(|view| view.quiescent_at.is_some())?;
        let activated = self.runtime.block_on(self.accounts.bytes_of_keys(keys))?;
        let connection = self
            .runtime
            .block_on(self.accounts.bytes_of_a_connection())?;
        Ok(Bytes {
            deactivated: deactivated / nodes,
            activated: activated / nodes,
            connection,
        })
    }
}

fn state(url: &str) -> Result<RedisState> {
    Ok(RedisState::new(&url.parse::<StateUrl>()?)?)
}

/// For one who asks for all nodes of a fleet whose processors are busy.
fn patient_state(url: &str) -> Result<RedisState> {
    let options = RedisOptions::from_url(&url.parse::<StateUrl>()?)?;
    Ok(options.with_timeout(Duration::from_secs(20)).build())
}

/// All of them at the same time, in whatever order they are done.
async fn all<T: Send + 'static>(
    futures: impl Iterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let mut running: JoinSet<Result<T>> = futures.collect();
    let mut done = Vec::with_capacity(running.len());
    while let Some(outcome) = running.join_next().await {
        done.push(outcome??);
    }
    Ok(done)
}

/// Each connection is a file, in this process and in the server, which inherits the limit.
fn allow_files(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    ensure!(
        limit.maximum.is_none_or(|maximum| maximum >= needed),
        "so many nodes need {needed} open files, and the system allows {}: ask for fewer with --nodes",
        limit.maximum.unwrap_or_default()
    );
    let raised = Rlimit {
        current: Some(needed),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("the limit of open files cannot be raised")
}
