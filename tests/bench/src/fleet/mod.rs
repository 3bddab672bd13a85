//! How fast a change reaches a fleet, compared with a bare `PUBLISH`, and what the fleet costs Redis.
//!
//! All nodes are in this process, each with a state and a connection of its own; the redis-server and the thread that
//! makes the changes are others. So the nodes share this machine's processors, which a fleet does not: the times are
//! those of a machine that has all the work of N nodes to do. The bare subscribers, to which they are compared, are in
//! the same process and have to share in the same way, and flips and publishes take turns.

mod accounts;
mod caller;
mod costs;
mod drain;
mod flips;
mod listeners;
mod one_machine;
mod plan;
mod section;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use intermission::{Actor, Clock, Gate, Operator, StateUrl, SystemClock, Timing};
use intermission_redis::{RedisOptions, RedisState};
use intermission_tests::redis::RedisServer;
use redis::AsyncConnectionConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::budgets::Budgets;
use crate::machine::Machine;
use crate::report::Section;
use accounts::Accounts;
use caller::Caller;
use listeners::{Listener, connection};
use section::Measured;

pub use one_machine::child;
pub use plan::Plan;

/// What the operator tells the visitors.
const MESSAGE: &str = "We are moving to a new shelf. Back in half an hour.";

/// How many nodes join at the same time.
const JOIN_AT_ONCE: usize = 50;

/// For how long the flips of one size may go on, and then its drains: so all ends, however slow the machine is.
const FLIPS_AT_MOST: Duration = Duration::from_secs(75);
const DRAINS_AT_MOST: Duration = Duration::from_secs(15);

/// How many drains with something that runs there are for each size.
const DRAINS: usize = 20;

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

/// Measures the section `fleet`. Not to be called within a runtime.
///
/// # Errors
/// If the system does not allow so many files, if redis-server or the budgets cannot be used, or if the fleet does not do
/// what it should.
pub fn measure(plan: &Plan) -> Result<Section> {
    let budgets = Budgets::load()?.fleet;
    // Now: later, its load is that of the bench itself.
    let machine = Machine::this();
    allow_files(u64::try_from(plan.largest())? * 3 + 200)?;
    let one_machine = one_machine::measure()?;
    let mut fleet = Fleet::start()?;
    fleet.grow(1)?;
    fleet.wait_out_the_grace()?;
    let asked = fleet.commands_of_requests()?;
    let (mut flips, mut drains, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for &size in &plan.sizes {
        fleet.grow(size)?;
        flips.push(flips::measure(&mut fleet, plan.flips, FLIPS_AT_MOST)?);
        drains.push(drain::measure(
            &fleet,
            DRAINS.min(plan.flips),
            DRAINS_AT_MOST,
        )?);
        idle.push(fleet.idle()?);
    }
    let measured = Measured {
        flips,
        drains,
        idle,
        asked,
        bytes: fleet.memory()?,
        payload: fleet.payload,
        one_machine,
        machine,
        redis: fleet.runtime.block_on(fleet.accounts.version())?,
    };
    Ok(measured.section(&budgets))
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
