//! The backend suite on the state in Redis: a single server, Sentinel, and a Cluster.
//!
//! Every case gets a site of its own on servers that all share. The ledger's clock is a key, so that a case does not wait
//! for time to pass. Only the single server stands behind a proxy that can break: how the others break is the business
//! of the fault tests.
#![expect(
    clippy::print_stderr,
    reason = "without a runtime there is no other way to say so"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use intermission::{MaintenanceState, StateUrl, Timing};
use intermission_conformance::{Capabilities, Fixture, FixtureError, trials};
use intermission_redis::{RedisOptions, RedisState};
use intermission_tests::redis::{Cluster, Mode, Proxy, RedisServer, Sentinels};
use libtest_mimic::Arguments;

/// The servers that all cases share. They end with `main`.
struct Servers {
    single: RedisServer,
    sentinels: Sentinels,
    cluster: Cluster,
}

static SERVERS: Mutex<Option<Arc<Servers>>> = Mutex::new(None);
static SITES: AtomicU64 = AtomicU64::new(0);

fn servers() -> Result<Arc<Servers>, FixtureError> {
    let servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    servers
        .clone()
        .ok_or_else(|| "the servers have ended".into())
}

/// One site, and the connection of the test's own hand.
struct Site {
    name: String,
    url: StateUrl,
    hand: redis::aio::MultiplexedConnection,
    state: RedisState,
}

impl Site {
    /// A site whose grace is over. `server` is where its keys are, if the site's name does not matter for that.
    async fn new(url: &str, server: &RedisServer, name: String) -> Result<Self, FixtureError> {
        let url: StateUrl = url.parse()?;
        let mut site = Self {
            state: handle(&url, &name)?,
            hand: server.connect().await,
            url,
            name,
        };
        site.set_clock(1_800_000_000_000).await?;
        while !site.state.inspect(0).await?.grace.is_zero() {
            site.advance(Timing::default().step).await?;
        }
        Ok(site)
    }

    fn fresh_name() -> String {
        format!("case-{}", SITES.fetch_add(1, Ordering::Relaxed))
    }

    fn key(&self, suffix: &str) -> String {
        key(&self.name, suffix)
    }

    async fn set_clock(&mut self, millis: u64) -> Result<(), FixtureError> {
        let clock = self.key("clock");
        Ok(redis::cmd("SET")
            .arg(clock)
            .arg(millis)
            .exec_async(&mut self.hand)
            .await?)
    }

    async fn advance(&self, by: Duration) -> Result<(), FixtureError> {
        let (mut hand, clock) = (self.hand.clone(), self.key("clock"));
        let millis = u64::try_from(by.as_millis())?;
        Ok(redis::cmd("INCRBY")
            .arg(clock)
            .arg(millis)
            .exec_async(&mut hand)
            .await?)
    }

    async fn corrupt(&self) -> Result<(), FixtureError> {
        let (mut hand, record) = (self.hand.clone(), self.key("record"));
        let torn = r#"{"v":1,"revi"#;
        Ok(redis::cmd("SET")
            .arg(record)
            .arg(torn)
            .exec_async(&mut hand)
            .await?)
    }

    fn handle(&self) -> Result<RedisState, FixtureError> {
        handle(&self.url, &self.name)
    }
}

fn key(site: &str, suffix: &str) -> String {
    format!("{{intermission:{site}}}:{suffix}")
}

fn handle(url: &StateUrl, site: &str) -> Result<RedisState, FixtureError> {
    let options = RedisOptions::from_url(url)?.with_site(site)?;
    Ok(options
        .with_timing(Timing::default())?
        .with_manual_clock()
        .build())
}

/// What all three have.
fn capabilities() -> Capabilities {
    Capabilities::none()
        .with_can_corrupt()
        .with_durable()
        .with_moves_clock()
        .with_pushes_record()
        .with_shared_between_handles()
}

macro_rules! site_methods {
    () => {
        type State = RedisState;

        fn state(&self) -> RedisState {
            self.site.state.clone()
        }

        fn timing(&self) -> Timing {
            Timing::default()
        }

        async fn advance(&self, by: Duration) -> Result<(), FixtureError> {
            self.site.advance(by).await
        }

        async fn second_handle(&self) -> Result<RedisState, FixtureError> {
            self.site.handle()
        }

        async fn reopen(&mut self) -> Result<(), FixtureError> {
            self.site.state = self.site.handle()?;
            Ok(())
        }

        async fn corrupt(&self) -> Result<(), FixtureError> {
            self.site.corrupt().await
        }
    };
}

struct Single {
    site: Site,
    proxy: Proxy,
}

impl Fixture for Single {
    site_methods!();

    fn capabilities() -> Capabilities {
        capabilities().with_can_break()
    }

    async fn fresh() -> Result<Self, FixtureError> {
        let servers = servers()?;
        let proxy = Proxy::start(servers.single.address()).await;
        let site = Site::new(&proxy.url(), &servers.single, Site::fresh_name()).await?;
        Ok(Self { site, proxy })
    }

    async fn break_link(&self) -> Result<(), FixtureError> {
        self.proxy.set(Mode::Cut).await;
        Ok(())
    }

    async fn heal(&self) -> Result<(), FixtureError> {
        self.proxy.set(Mode::Pass).await;
        Ok(())
    }
}

struct BehindSentinel {
    site: Site,
}

impl Fixture for BehindSentinel {
    site_methods!();

    fn capabilities() -> Capabilities {
        capabilities()
    }

    async fn fresh() -> Result<Self, FixtureError> {
        let servers = servers()?;
        let master = servers.sentinels.master().await;
        let site = Site::new(&servers.sentinels.url(), master, Site::fresh_name()).await?;
        Ok(Self { site })
    }
}

struct InCluster {
    site: Site,
}

impl Fixture for InCluster {
    site_methods!();

    fn capabilities() -> Capabilities {
        capabilities()
    }

    async fn fresh() -> Result<Self, FixtureError> {
        let servers = servers()?;
        let name = Site::fresh_name();
        let slot = servers.cluster.slot_of(&key(&name, "record")).await;
        let owner = servers.cluster.owner_of(slot).await;
        let site = Site::new(&servers.cluster.url(), owner, name).await?;
        Ok(Self { site })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut all = trials::<Single>("redis");
    all.extend(trials::<BehindSentinel>("redis+sentinel"));
    all.extend(trials::<InCluster>("redis+cluster"));
    if !arguments.list {
        let runtime = match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("error: no runtime starts: {error}");
                return ExitCode::FAILURE;
            }
        };
        let servers = runtime.block_on(async {
            let (single, sentinels, cluster) =
                tokio::join!(RedisServer::start(), Sentinels::start(), Cluster::start());
            Servers {
                single,
                sentinels,
                cluster,
            }
        });
        *SERVERS.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(servers));
    }
    let code = libtest_mimic::run(&arguments, all).exit_code();
    drop(
        SERVERS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(),
    );
    code
}
