//! Faults: what the plan says, carried out and written down.

mod plan;
mod servers;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use intermission_tests::redis::Mode;
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) use self::plan::Plan;
use self::plan::{Deed, NetworkFault, Planned, ProcessFault, ServerFault};
use self::servers::Loses;
pub(crate) use self::servers::Servers;
use crate::fleet::{Fleet, OPERATOR};
use crate::log::{Event, Nanos, Writer, now};
use crate::setting::NODES;

/// The faults of one round, and those who suffer them.
#[derive(Debug)]
pub(crate) struct Nemesis<'a> {
    pub(crate) servers: &'a Servers,
    pub(crate) fleet: &'a Fleet,
    pub(crate) log: Arc<Writer>,
    pub(crate) start: Instant,
}

impl Nemesis<'_> {
    /// Carries out the plan, then heals everything.
    pub(crate) async fn run(&self, plan: &Plan) {
        let Plan {
            servers,
            networks,
            processes,
        } = plan;
        tokio::join!(
            self.hit_servers(servers),
            all(networks.iter().map(|lane| self.hit_network(lane))),
            all(processes.iter().map(|lane| self.hit_processes(lane))),
        );
        for place in 0..=NODES {
            self.fleet.set_mode(place, Mode::Pass).await;
        }
        for node in 0..NODES {
            self.fleet.resume(node);
            self.fleet.start(node);
        }
    }

    async fn hit_servers(&self, faults: &[Planned<ServerFault>]) {
        for Planned { at, fault } in faults {
            self.wait(*at).await;
            if let ServerFault::Blackout {
                percent,
                kill,
                lasts,
            } = *fault
            {
                self.black_out(percent, kill, lasts).await;
                continue;
            }
            let from = now();
            let loses = self.servers.suffer(*fault, self.fleet).await;
            self.note(from, &format!("{fault:?}"), "servers", loses);
            if let ServerFault::Failover { .. } = fault {
                sleep(Duration::from_millis(500)).await;
                self.servers.recover().await;
            }
            self.servers.assert_running();
        }
    }

    /// The first nodes are hit: those that are left know each other from one of these faults to the next.
    async fn black_out(&self, percent: usize, kill: bool, lasts: Duration) {
        let nodes = 0..NODES * percent / 100;
        let from = now();
        for node in nodes.clone() {
            if kill {
                self.fleet.kill(node);
            } else {
                self.fleet.set_mode(node, Mode::Cut).await;
            }
        }
        let flushed = now();
        let loses = self.servers.suffer(ServerFault::Flush, self.fleet).await;
        self.note(flushed, "Flush", "servers", loses);
        sleep(lasts).await;
        for node in nodes.clone() {
            self.fleet.set_mode(node, Mode::Pass).await;
            self.fleet.start(node);
        }
        let scope: Vec<_> = nodes.map(|node| node.to_string()).collect();
        self.note(from, "Blackout", &scope.join(" "), Loses::Nothing);
    }

    async fn hit_network(&self, faults: &[Planned<NetworkFault>]) {
        for Planned { at, fault } in faults {
            let NetworkFault {
                places,
                mode,
                lasts,
            } = fault;
            self.wait(*at).await;
            let from = now();
            for place in places {
                self.fleet.set_mode(*place, *mode).await;
            }
            sleep(*lasts).await;
            for place in places {
                self.fleet.set_mode(*place, Mode::Pass).await;
            }
            let nodes: BTreeSet<_> = places.iter().filter(|place| **place != OPERATOR).collect();
            let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
            self.note(from, &format!("{mode:?}"), &nodes.join(" "), Loses::Nothing);
        }
    }

    async fn hit_processes(&self, faults: &[Planned<ProcessFault>]) {
        for Planned { at, fault } in faults {
            let ProcessFault { node, deed, lasts } = *fault;
            self.wait(*at).await;
            let from = now();
            match deed {
                Deed::Kill => {
                    self.fleet.kill(node);
                    sleep(lasts).await;
                    self.fleet.start(node);
                }
                Deed::Retire => {
                    self.fleet.stop(node).await;
                    sleep(lasts).await;
                    self.fleet.start(node);
                }
                Deed::Pause => {
                    self.fleet.pause(node);
                    sleep(lasts).await;
                    self.fleet.resume(node);
                }
            }
            self.note(
                from,
                &format!("{deed:?}"),
                &node.to_string(),
                Loses::Nothing,
            );
        }
    }

    async fn wait(&self, at: Duration) {
        sleep_until(self.start + at).await;
    }

    fn note(&self, from: Nanos, kind: &str, scope: &str, loses: Loses) {
        self.log.write(&Event::Fault {
            from,
            kind: kind.to_owned(),
            scope: scope.to_owned(),
            loses: loses.as_str().to_owned(),
        });
    }
}

/// Waits for all of them, side by side.
async fn all(lanes: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut lanes: Vec<_> = lanes.map(|lane| (Box::pin(lane), false)).collect();
    std::future::poll_fn(|context| {
        for (lane, is_over) in &mut lanes {
            *is_over = *is_over || lane.as_mut().poll(context).is_ready();
        }
        if lanes.iter().all(|(_, is_over)| *is_over) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
