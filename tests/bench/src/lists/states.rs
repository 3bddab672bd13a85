//! Another message, from an operator's call until a node goes by it, with the list in a state that both share.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use intermission::{
    Activate, Actor, AllowChange, Change, Gate, MemoryState, Operator, OperatorError, Phase,
    SharedState, StateUrl,
};
use intermission_file::FileState;
use intermission_redis::{RedisOptions, RedisState};
use intermission_tests::redis::RedisServer;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::{Families, columns};
use crate::clock::{now, since};
use crate::figures::{grouped, time};
use crate::report::Table;
use crate::statistics::Sample;

const SIZES: [u32; 2] = [1, 1_000_000];
const MESSAGES: usize = 5;
/// No change takes as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often an operator tries again who has to wait for the grace of a new site.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// One state with one list.
pub(super) struct Through {
    state: &'static str,
    size: u32,
    /// How long the operator's call takes, in seconds.
    called: Sample,
    /// How long it takes from the call until the node goes by it.
    enforced: Sample,
    /// Whether the node goes on using the list that it has.
    pub(super) is_shared: bool,
}

/// A node and an operator, each with a handle of its own, as in two processes.
struct Site {
    state: &'static str,
    size: u32,
    gate: Gate,
    operator: Operator,
}

pub(super) fn measure() -> Result<Vec<Through>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let folder = tempfile::tempdir()?;
    let server = runtime.block_on(RedisServer::start());
    runtime.block_on(async {
        let mut sites = Vec::new();
        for size in SIZES {
            for state in ["memory", "file", "Redis"] {
                let site = site(state, size, &folder, &server).await;
                sites.push(site.with_context(|| format!("{state}, {size} networks"))?);
            }
        }
        let mut measured = Vec::new();
        for site in sites {
            let (state, size) = (site.state, site.size);
            let through = site.messages().await;
            measured.push(through.with_context(|| format!("{state}, {size} networks"))?);
        }
        Ok(measured)
    })
}

pub(super) fn table(measured: &[Through]) -> Table {
    let row = |one: &Through| {
        let shared = if one.is_shared { "the same" } else { "ANEW" };
        vec![
            format!("{}, list of {}", one.state, grouped(one.size)),
            time(one.called.median()),
            time(one.enforced.median()),
            shared.to_owned(),
        ]
    };
    Table {
        title: format!(
            "Another message through a state, IPv4, median of {MESSAGES}: the operator's call, and until a node goes by it"
        ),
        columns: columns(["state", "call", "node goes by it after", "list of the node"]),
        rows: measured.iter().map(row).collect(),
    }
}

async fn site(
    state: &'static str,
    size: u32,
    folder: &TempDir,
    server: &RedisServer,
) -> Result<Site> {
    let (for_gate, for_operator) = match state {
        "file" => {
            let folder = folder.path().join(size.to_string());
            let node = FileState::open_or_create(&folder)?;
            (
                SharedState::new(node),
                SharedState::new(FileState::open(&folder)?),
            )
        }
        "Redis" => {
            let url = format!("{}?site=of-{size}", server.url()).parse::<StateUrl>()?;
            // Who sends a list of a million has to wait longer than for a message.
            let patient = RedisOptions::from_url(&url)?.with_timeout(PATIENCE);
            (
                SharedState::new(RedisState::new(&url)?),
                SharedState::new(patient.build()),
            )
        }
        _ => {
            let memory = SharedState::new(MemoryState::new());
            (memory.clone(), memory)
        }
    };
    let gate = Gate::builder(for_gate).start().await?;
    let operator = Operator::new(for_operator, Actor::new("bench", "bench"));
    let list = AllowChange::Replace(Families::V4.list(size));
    let activate = Activate::by("bench").with_allow(list);
    operator.change(Change::Activate(activate)).await?;
    let wanted = usize::try_from(size)?;
    let reached =
        gate.reached(|record| record.phase() == Phase::Activated && record.allow().len() == wanted);
    timeout(PATIENCE, reached)
        .await
        .context("the node does not hear of the list")?;
    Ok(Site {
        state,
        size,
        gate,
        operator,
    })
}

impl Site {
    async fn messages(self) -> Result<Through> {
        let (mut called, mut enforced) = (Vec::new(), Vec::new());
        let mut is_shared = true;
        for number in 0..MESSAGES {
            let message = format!("Back at {number}");
            let before = self.gate.record();
            let began = self.say(&message).await?;
            called.push(since(began).as_secs_f64());
            let reached = self
                .gate
                .reached(|record| record.message() == Some(message.as_str()));
            timeout(PATIENCE, reached)
                .await
                .context("the node does not hear of a message")?;
            enforced.push(since(began).as_secs_f64());
            is_shared &= self.gate.record().allow().is_shared_with(before.allow());
        }
        self.gate.shutdown().await;
        Ok(Through {
            state: self.state,
            size: self.size,
            called: Sample::new(called),
            enforced: Sample::new(enforced),
            is_shared,
        })
    }

    /// Says when the call began that was heard.
    async fn say(&self, message: &str) -> Result<Duration> {
        let first = now();
        loop {
            let change = Change::Activate(Activate::by("bench").with_message(message));
            let began = now();
            match self.operator.change(change).await {
                Ok(_) => return Ok(began),
                Err(OperatorError::Reconciling { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            ensure!(
                since(first) < PATIENCE,
                "the grace of a new site does not end"
            );
            sleep(TRY_AGAIN).await;
        }
    }
}
