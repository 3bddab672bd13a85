//! Finds the server to talk to, and opens the connection.

mod cluster;
mod connection;
mod seeds;
mod sentinel;

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

pub(crate) use connection::{Connection, Entry, Terms};

use crate::address::{Address, Server, Topology};
use crate::error::Failure;
use crate::link::{Hearing, Line, Listener};
use seeds::Seeds;

/// Who listens on a connection that is only asked something.
const NOBODY: Option<Hearing> = None;

/// Finds the server to talk to, anew for each connection, for a failover may have been the reason to open one.
pub(crate) struct Dialer {
    terms: Arc<Terms>,
    hash_tag: String,
    seeds: Seeds,
}

impl Dialer {
    pub(crate) fn new(address: Address, hash_tag: String, timeout: Duration) -> Self {
        Self {
            hash_tag,
            seeds: Seeds::new(address.servers()),
            terms: Arc::new(Terms { address, timeout }),
        }
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Opens a connection to the server that has the keys. Each server that may know it is asked in turn, each step
    /// within the limit for one answer.
    ///
    /// # Cancel safety
    ///
    /// Safe: the next call goes on with the next server.
    pub(crate) async fn dial(&self, listener: &Arc<Listener>) -> Result<Line, Failure> {
        let tries = self.seeds.len();
        let mut failures = Vec::new();
        while failures.len() < tries
            && let Some(seed) = self.seeds.next()
        {
            match self.follow(&seed, listener).await {
                Ok(line) => {
                    self.seeds.prefer(&seed);
                    return Ok(line);
                }
                Err(failure) => failures.push(failure),
            }
        }
        Err(Failure::of_all(self.terms.address.to_string(), failures))
    }

    /// The server that the last connection led to was the wrong one.
    pub(crate) fn distrust(&self) {
        self.seeds.distrust();
    }

    async fn follow(&self, seed: &Server, listener: &Arc<Listener>) -> Result<Line, Failure> {
        match &self.terms.address.topology {
            Topology::Single(server) => Line::open(&self.terms, server, listener).await,
            Topology::Sentinel { master, .. } => {
                let master = sentinel::master_of(&self.terms, seed, master).await?;
                let mut line = Line::open(&self.terms, &master, listener).await?;
                sentinel::check_is_master(line.connection()).await?;
                Ok(line)
            }
            Topology::Cluster { .. } => {
                let slot = cluster::slot_of(&self.hash_tag);
                let map = cluster::map_of(&self.terms, seed, slot).await?;
                self.seeds.learn(&map.nodes);
                Line::open(&self.terms, &map.owner, listener).await
            }
        }
    }
}

/// The host in an answer. One that does not know under which name it is seen means the one that was asked.
fn announced(host: &Value, asked: &Server) -> String {
    match text(host) {
        None | Some("" | "?") => asked.host.clone(),
        Some(host) => host.to_owned(),
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
