//! Which starts there are, and the stores that they find.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use intermission::{
    Activate, Actor, Change, Deactivate, MemoryState, Operator, OperatorError, Phase, StateUrl,
};
use intermission_file::FileState;
use intermission_redis::RedisState;
use intermission_tests::port::Port;
use intermission_tests::redis::RedisServer;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::start::{Policy, Start, State};
use crate::clock::{now, since};

/// The names of those that have budgets.
pub(super) const MEMORY: (&str, &str) = ("memory", "always new");
pub(super) const FILE: (&str, &str) = ("file", "a site that exists");
pub(super) const REDIS: (&str, &str) = ("Redis", "a site that exists");

/// The record of a closed site, as a node keeps it.
const LAST_KNOWN: &str = "last-known.json";

/// How long a site on an empty Redis may take until it is sure that it is new.
const TO_BE_SURE: Duration = Duration::from_secs(40);

/// How often it is asked.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Whether the state is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    There,
    Away,
}

/// What a process finds when it starts.
#[derive(Debug, Clone, Copy)]
enum Finds {
    Bare,
    Memory,
    NewFolder,
    Folder,
    NewSite,
    Site,
    ClosedPort,
    ClosedPortAndLastKnown,
    SilentPort,
    NoFolder,
    BadRecord,
}

/// One kind of start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) state: &'static str,
    pub(super) from: &'static str,
    pub(super) policy: Policy,
    pub(super) kind: Kind,
    /// Whether it is asked until it admits a visitor, or no further than for its first answer.
    pub(super) awaits_admission: bool,
    finds: Finds,
}

/// The stores.
pub(super) struct Stores {
    folder: TempDir,
    silent: TcpListener,
    closed: Port,
    // After what runs on it.
    runtime: Runtime,
    redis: RedisServer,
}

/// Those that wait for something.
pub(super) fn waiting(_: &Stores) -> Vec<Scenario> {
    let silent = |policy| Scenario {
        awaits_admission: policy == Policy::Open,
        ..away(
            "Redis",
            "takes connections and says nothing",
            policy,
            Finds::SilentPort,
        )
    };
    vec![
        there("Redis", "an empty store", Policy::Refuse, Finds::NewSite),
        silent(Policy::Refuse),
        silent(Policy::Closed),
        silent(Policy::Open),
    ]
}

/// The others. The first is the one without Intermission.
pub(super) fn quick(_: &Stores) -> Vec<Scenario> {
    let refuse = Policy::Refuse;
    let mut all = vec![
        there("none", "without Intermission", refuse, Finds::Bare),
        there(MEMORY.0, MEMORY.1, refuse, Finds::Memory),
        there("file", "an empty folder", refuse, Finds::NewFolder),
        there(FILE.0, FILE.1, refuse, Finds::Folder),
        there(REDIS.0, REDIS.1, refuse, Finds::Site),
        there("Redis", "an empty store", Policy::Open, Finds::NewSite),
    ];
    for policy in [Policy::Refuse, Policy::Closed, Policy::Open] {
        all.push(away("Redis", "nobody listens", policy, Finds::ClosedPort));
    }
    let remembered = Finds::ClosedPortAndLastKnown;
    all.push(away(
        "Redis",
        "nobody listens, last known closed",
        refuse,
        remembered,
    ));
    for policy in [Policy::Refuse, Policy::Closed, Policy::Open] {
        all.push(away(
            "file",
            "a record that is none",
            policy,
            Finds::BadRecord,
        ));
    }
    all.push(away("file", "no such folder", refuse, Finds::NoFolder));
    all
}

const fn there(state: &'static str, from: &'static str, policy: Policy, finds: Finds) -> Scenario {
    Scenario {
        state,
        from,
        policy,
        kind: Kind::There,
        awaits_admission: true,
        finds,
    }
}

fn away(state: &'static str, from: &'static str, policy: Policy, finds: Finds) -> Scenario {
    Scenario {
        kind: Kind::Away,
        // Nobody is admitted as long as it is away, but by who starts open.
        awaits_admission: policy == Policy::Open,
        ..there(state, from, policy, finds)
    }
}

impl Scenario {
    pub(super) fn is(&self, (state, from): (&str, &str)) -> bool {
        self.state == state && self.from == from
    }

    pub(super) const fn is_bare(&self) -> bool {
        matches!(self.finds, Finds::Bare)
    }

    pub(super) const fn policy_name(&self) -> &'static str {
        match (self.finds, self.policy) {
            (Finds::Bare, _) => "",
            (_, Policy::Refuse) => "refuse (default)",
            (_, Policy::Closed) => "closed",
            (_, Policy::Open) => "open",
        }
    }

    /// What the process is to start with, and the port that is its own meanwhile.
    pub(super) fn start(&self, stores: &Stores, round: usize) -> Result<(Start, Port)> {
        let port = Port::claim();
        let mut last_known = None;
        let redis = |address| format!("redis://{address}/0");
        let state = match self.finds {
            Finds::Bare => State::Bare,
            Finds::Memory => State::Memory,
            Finds::NewFolder => {
                let folder = stores.path(&format!("new-{round}"));
                fs::create_dir(&folder)?;
                State::File(folder)
            }
            Finds::Folder => State::File(stores.path("site")),
            Finds::NewSite => {
                let policy = format!("{:?}", self.policy).to_lowercase();
                State::Redis(format!("{}?site=new-{policy}-{round}", stores.redis.url()))
            }
            Finds::Site => State::Redis(stores.redis.url()),
            Finds::ClosedPort => State::Redis(redis(stores.closed.address())),
            Finds::ClosedPortAndLastKnown => {
                // It is written anew by each node that keeps it.
                let file = stores.path(&format!("last-known-{round}.json"));
                fs::copy(stores.path(LAST_KNOWN), &file)?;
                last_known = Some(file);
                State::Redis(redis(stores.closed.address()))
            }
            Finds::SilentPort => State::Redis(redis(stores.silent.local_addr()?)),
            Finds::NoFolder => State::File(stores.path("nowhere")),
            Finds::BadRecord => State::File(stores.path("bad")),
        };
        let start = Start {
            address: port.address(),
            state,
            policy: self.policy,
            last_known,
        };
        Ok((start, port))
    }
}

impl Stores {
    pub(super) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let redis = runtime.block_on(RedisServer::start());
        let stores = Self {
            folder: tempfile::tempdir()?,
            // Nobody ever takes a connection from its queue.
            silent: TcpListener::bind(("127.0.0.1", 0))?,
            closed: Port::claim(),
            runtime,
            redis,
        };
        fs::create_dir(stores.path("bad"))?;
        fs::write(stores.path("bad").join("record.json"), "off")?;
        Ok(stores)
    }

    /// Makes a site on each store that exists and is open.
    pub(super) fn prepare(&self) -> Result<()> {
        let actor = || Actor::new("bench", "bench");
        self.runtime.block_on(async {
            let file = FileState::open_or_create(self.path("site"))?;
            opened(&Operator::new(file, actor())).await?;
            let redis = RedisState::new(&self.redis.url().parse::<StateUrl>()?)?;
            opened(&Operator::new(redis, actor())).await?;
            // What a node of a closed site has kept.
            let closed = Operator::new(MemoryState::new(), actor());
            let closed = closed.change(closing()).await?.record;
            Ok(fs::write(self.path(LAST_KNOWN), closed.to_json())?)
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}

fn closing() -> Change {
    Change::Activate(Activate::by("bench").with_message("Back at nine"))
}

/// Closes and opens it, so that it has a record; and waits until nobody doubts that.
async fn opened(operator: &Operator) -> Result<()> {
    operator.change(closing()).await?;
    let began = now();
    loop {
        match operator.change(Change::Deactivate(Deactivate::new())).await {
            Ok(_) => {
                let view = operator.inspect(0).await?;
                if view.grace.is_zero() && view.record.phase() == Phase::Deactivated {
                    return Ok(());
                }
            }
            Err(OperatorError::Reconciling { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        ensure!(
            since(began) < TO_BE_SURE,
            "the grace of a new site does not end"
        );
        // A ledger believes no more than a second at once, so it is looked at more often than that.
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
