//! The master and its replica, and what happens to them.

use std::cell::Cell;
use std::time::Duration;

use intermission_tests::redis::{ClockShim, RedisServer, ServerOptions};
use tokio::time::sleep;

use super::plan::ServerFault;
use crate::fleet::Fleet;
use crate::random::Random;
use crate::setting::SITE;

/// What of the state a fault may lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loses {
    Nothing,
    /// The record, and not who is there.
    Record,
    /// Who is there, and not the record.
    Members,
    History,
    All,
    /// What was written since the fault began, or a moment before.
    Tail,
}

impl Loses {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Record => "record",
            Self::Members => "members",
            Self::History => "history",
            Self::All => "all",
            Self::Tail => "tail",
        }
    }
}

/// Two servers: one that the nodes talk to, and its replica.
#[derive(Debug)]
pub(crate) struct Servers {
    servers: [RedisServer; 2],
    master: Cell<usize>,
    clock: ClockShim,
    /// Whether everything is on disk before it is answered.
    always: bool,
}

impl Servers {
    pub(crate) async fn start(seed: u64) -> Self {
        let mut random = Random::branch(seed, "durability");
        let always = random.chance(50);
        let clock = ClockShim::new();
        let fsync = if always { "always" } else { "everysec" };
        let options = ServerOptions::new()
            .with_append_only()
            .with_config(&format!("appendfsync {fsync}"))
            // Replicas are not locked out with the nodes.
            .with_config("masteruser support")
            .with_config("masterauth support")
            // One clock for both, so that a failover is no jump of its own.
            .with_clock(&clock);
        let (first, second) = tokio::join!(options.start(), options.start());
        let servers = Self {
            servers: [first, second],
            master: Cell::new(0),
            clock,
            always,
        };
        servers.follow(servers.replica(), servers.master()).await;
        servers.master().wait_for_replicas(1).await;
        servers
    }

    pub(crate) fn master(&self) -> &RedisServer {
        &self.servers[self.master.get()]
    }

    fn replica(&self) -> &RedisServer {
        &self.servers[1 - self.master.get()]
    }

    /// That both are there, which they are between two faults.
    pub(crate) fn assert_running(&self) {
        for server in &self.servers {
            assert!(server.is_running(), "{server} has died: {}", server.log());
        }
    }

    async fn follow(&self, replica: &RedisServer, master: &RedisServer) {
        let port = master.port().to_string();
        replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    }

    fn key(name: &str) -> String {
        format!("{{intermission:{SITE}}}:{name}")
    }

    async fn close_connections(&self) {
        for kind in ["normal", "pubsub"] {
            self.master()
                .command(&["CLIENT", "KILL", "TYPE", kind])
                .await;
        }
    }

    /// Carries out a fault until it is over, and says what it may have lost.
    pub(super) async fn suffer(&self, fault: ServerFault, fleet: &Fleet) -> Loses {
        let master = self.master();
        match fault {
            ServerFault::Restart { down, empty } => {
                master.kill();
                sleep(down).await;
                if empty {
                    master.start_again_empty().await;
                    return Loses::All;
                }
                master.start_again().await;
                // While the disk is busy with an `fsync`, answers go out before the writes.
                if self.always {
                    Loses::Nothing
                } else {
                    Loses::Tail
                }
            }
            ServerFault::Flush | ServerFault::Blackout { .. } => {
                master.command(&["FLUSHALL"]).await;
                Loses::All
            }
            ServerFault::Delete { key } => {
                master.command(&["DEL", &Self::key(key)]).await;
                match key {
                    "record" => Loses::Record,
                    "history" => Loses::History,
                    // What it holds matters for a moment only, and closes rather than opens.
                    "departed" => Loses::Nothing,
                    _ => Loses::Members,
                }
            }
            ServerFault::Foreign { lasts } => {
                let key = Self::key("record");
                master.command(&["SET", &key, "something else"]).await;
                sleep(lasts).await;
                master.command(&["DEL", &key]).await;
                Loses::Record
            }
            ServerFault::Pause { lasts } => {
                master.pause();
                sleep(lasts).await;
                master.resume();
                Loses::Nothing
            }
            ServerFault::KillClients => {
                self.close_connections().await;
                Loses::Nothing
            }
            ServerFault::FlushScripts => {
                master.command(&["SCRIPT", "FLUSH"]).await;
                Loses::Nothing
            }
            ServerFault::Forbid { lasts } => {
                master
                    .command(&["ACL", "SETUSER", "default", "-@all", "+ping"])
                    .await;
                sleep(lasts).await;
                master
                    .command(&["ACL", "SETUSER", "default", "+@all"])
                    .await;
                Loses::Nothing
            }
            ServerFault::LockOut { lasts } => {
                master
                    .command(&["ACL", "SETUSER", "default", "resetpass", ">other"])
                    .await;
                self.close_connections().await;
                sleep(lasts).await;
                master
                    .command(&["ACL", "SETUSER", "default", "nopass"])
                    .await;
                Loses::Nothing
            }
            ServerFault::Clock { shift_ms } => {
                self.clock.shift(shift_ms);
                Loses::Nothing
            }
            ServerFault::Failover { cut_off_for } => {
                self.fail_over(cut_off_for, fleet).await;
                Loses::Tail
            }
            ServerFault::ReadOnly { lasts, stale } => {
                let stale = if stale { "yes" } else { "no" };
                master
                    .command(&["CONFIG", "SET", "replica-serve-stale-data", stale])
                    .await;
                master.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
                sleep(lasts).await;
                master.command(&["REPLICAOF", "NO", "ONE"]).await;
                Loses::Nothing
            }
            ServerFault::Full { lasts } => {
                master.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
                sleep(lasts).await;
                master.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
                Loses::Nothing
            }
        }
    }

    /// The replica takes over. The old master is down by then, and comes back as a replica without data.
    async fn fail_over(&self, cut_off_for: Duration, fleet: &Fleet) {
        let (old, new) = (self.master(), self.replica());
        old.wait_for_replicas(1).await;
        if !cut_off_for.is_zero() {
            old.cut_off(&[new]).await;
            sleep(cut_off_for).await;
        }
        old.kill();
        if !cut_off_for.is_zero() {
            new.resume();
        }
        new.command(&["REPLICAOF", "NO", "ONE"]).await;
        self.master.set(1 - self.master.get());
        fleet.move_to(new.address()).await;
    }

    /// After a failover: the other one comes back.
    pub(super) async fn recover(&self) {
        let replica = self.replica();
        if replica.pid().is_none() {
            replica.start_again_empty().await;
            self.follow(replica, self.master()).await;
        }
    }
}
