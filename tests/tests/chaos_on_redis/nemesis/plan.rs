//! Which faults a round has, and when. A seed gives the same plan every time.

use std::time::Duration;

use intermission_tests::redis::{Direction, Mode};

use crate::fleet::OPERATOR;
use crate::random::Random;
use crate::setting::{NODES, timing};

/// The faults of a round, in lanes. The faults of a lane come one after the other, those of different lanes at the same
/// time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) servers: Vec<Planned<ServerFault>>,
    pub(crate) networks: Vec<Vec<Planned<NetworkFault>>>,
    pub(crate) processes: Vec<Vec<Planned<ProcessFault>>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned<F> {
    /// Since the start of the round.
    pub(crate) at: Duration,
    pub(crate) fault: F,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ServerFault {
    /// `kill -9`, and a start after that long.
    Restart { down: Duration, empty: bool },
    /// `FLUSHALL`.
    Flush,
    /// `FLUSHALL` while that share of the nodes is cut off, or after they were killed: what only they knew may be lost
    /// for good, and nodes that hold may be forgotten.
    Blackout {
        percent: usize,
        kill: bool,
        lasts: Duration,
    },
    /// `DEL` of one of the site's keys.
    Delete { key: &'static str },
    /// Something else under the record's key, and `DEL` after that long.
    Foreign { lasts: Duration },
    /// `SIGSTOP`, and `SIGCONT` after that long.
    Pause { lasts: Duration },
    /// `CLIENT KILL` of everybody.
    KillClients,
    /// `SCRIPT FLUSH`.
    FlushScripts,
    /// The nodes' user may not run scripts.
    Forbid { lasts: Duration },
    /// The nodes' user has another password, and all connections are closed.
    LockOut { lasts: Duration },
    /// The server's wall clock jumps.
    Clock { shift_ms: i64 },
    /// The master is killed and its replica takes over, which has not got what was written for that long.
    Failover { cut_off_for: Duration },
    /// The server is a replica of nobody: it answers `-READONLY`, or `-MASTERDOWN`.
    ReadOnly { lasts: Duration, stale: bool },
    /// The server's memory is full.
    Full { lasts: Duration },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkFault {
    /// Numbers of nodes, and [`OPERATOR`].
    pub(crate) places: Vec<usize>,
    pub(crate) mode: Mode,
    pub(crate) lasts: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ProcessFault {
    pub(crate) node: usize,
    pub(crate) deed: Deed,
    pub(crate) lasts: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Deed {
    /// `kill -9`, and another one in its place.
    Kill,
    /// `SIGSTOP`, and `SIGCONT`.
    Pause,
    /// An end in order, and another one in its place.
    Retire,
}

/// How many kinds there are, in [`server_fault`]; it draws others for some of them.
const SERVER_FAULTS: usize = 14;

const KEYS: [&str; 7] = [
    "record", "meta", "nodes", "gone", "reports", "history", "departed",
];

/// Lanes of single nodes: lane `i` has the nodes whose number leaves `i` when divided by this.
const LANES: usize = 4;

impl Plan {
    pub(crate) fn new(seed: u64, length: Duration) -> Self {
        let mut random = Random::branch(seed, "plan");
        // A round in which the faults come less often lets more drains end, one in which they come fast meets them in
        // more states; and not all lanes in every round, since one fault may hide what another brings about.
        let mut pace = || random.pick(&[1_u32, 2, 4]);
        let (servers_pace, networks_pace, processes_pace) = (pace(), pace(), pace());
        let left_out = random.below(8);
        let lanes = |lane: usize| if left_out == lane { 0..1 } else { 0..LANES };
        let singles = lanes(0).map(|lane| singles(seed, lane, networks_pace, length));
        let mut networks: Vec<_> = singles.collect();
        if left_out != 1 {
            networks.push(groups(seed, networks_pace, length));
        }
        Self {
            servers: if left_out == 2 {
                Vec::new()
            } else {
                servers(seed, servers_pace, length)
            },
            networks,
            processes: lanes(3)
                .map(|lane| processes(seed, lane, processes_pace, length))
                .collect(),
        }
    }
}

/// Fills a lane: `draw` gives a pause, a fault, and how long that takes.
fn lane<F>(length: Duration, mut draw: impl FnMut() -> (Duration, F, Duration)) -> Vec<Planned<F>> {
    let mut lane = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        let (pause, fault, lasts) = draw();
        at += pause;
        if at + lasts > length {
            return lane;
        }
        lane.push(Planned { at, fault });
        at += lasts;
    }
}

fn servers(seed: u64, pace: u32, length: Duration) -> Vec<Planned<ServerFault>> {
    let mut random = Random::branch(seed, "servers");
    // Not all kinds in every round, so that some are seen without the others.
    let mut kinds: Vec<usize> = (0..SERVER_FAULTS).filter(|_| random.chance(60)).collect();
    if kinds.is_empty() {
        kinds.push(random.below(SERVER_FAULTS));
    }
    let mut jumped_at = None;
    let mut at = Duration::ZERO;
    lane(length, || {
        let pause = random.millis(2_000..=7_000) * pace;
        at += pause;
        let mut kind = random.pick(&kinds);
        // The protocol bears one undetected step of the clock in a lease, not two (assumption A2).
        let is_soon = jumped_at.is_some_and(|jumped_at| at < jumped_at + timing().lease * 3);
        if kind == 9 && is_soon {
            kind = 6;
        }
        let fault = server_fault(kind, &mut random);
        let lasts = match fault {
            ServerFault::Restart { down: lasts, .. }
            | ServerFault::Foreign { lasts }
            | ServerFault::Pause { lasts }
            | ServerFault::Forbid { lasts }
            | ServerFault::LockOut { lasts }
            | ServerFault::Failover { cut_off_for: lasts }
            | ServerFault::Blackout { lasts, .. }
            | ServerFault::ReadOnly { lasts, .. }
            | ServerFault::Full { lasts } => lasts,
            ServerFault::Clock { .. } => {
                jumped_at = Some(at);
                Duration::ZERO
            }
            ServerFault::Flush
            | ServerFault::Delete { .. }
            | ServerFault::KillClients
            | ServerFault::FlushScripts => Duration::ZERO,
        };
        at += lasts;
        (pause, fault, lasts)
    })
}

fn server_fault(kind: usize, random: &mut Random) -> ServerFault {
    let lasts = random.millis(200..=2_500);
    match kind {
        0 => ServerFault::Restart {
            down: random.millis(0..=2_000),
            empty: false,
        },
        1 => ServerFault::Restart {
            down: random.millis(0..=2_000),
            empty: true,
        },
        2 => ServerFault::Flush,
        3 => ServerFault::Delete {
            key: random.pick(&KEYS),
        },
        4 => ServerFault::Foreign { lasts },
        5 => ServerFault::Pause {
            lasts: random.millis(200..=4_000),
        },
        6 => ServerFault::KillClients,
        7 => ServerFault::FlushScripts,
        8 if random.chance(50) => ServerFault::Forbid { lasts },
        8 => ServerFault::LockOut { lasts },
        9 => ServerFault::Clock {
            shift_ms: random.pick(&[3_600_000, -7_200_000, 10_000, 250, 0, -500, -30_000]),
        },
        10 | 11 => ServerFault::Failover {
            cut_off_for: random.pick(&[
                Duration::ZERO,
                random.clone().millis(100..=600),
                random.clone().millis(600..=2_000),
            ]),
        },
        12 if random.chance(50) => ServerFault::Full { lasts },
        12 => ServerFault::ReadOnly {
            lasts,
            stale: random.chance(50),
        },
        _ => ServerFault::Blackout {
            percent: random.pick(&[50, 80, 95, 100]),
            kill: random.chance(30),
            lasts: random.millis(500..=5_000),
        },
    }
}

fn singles(
    seed: u64,
    lane_number: usize,
    pace: u32,
    length: Duration,
) -> Vec<Planned<NetworkFault>> {
    let mut random = Random::branch(seed, &format!("network {lane_number}"));
    lane(length, || {
        let pause = random.millis(200..=2_500) * pace;
        let place = |random: &mut Random| random.below(NODES / LANES) * LANES + lane_number;
        let mut places: Vec<usize> = (0..=random.below(3)).map(|_| place(&mut random)).collect();
        if lane_number == 0 && random.chance(10) {
            places.push(OPERATOR);
        }
        let fault = network_fault(places, &mut random);
        let lasts = fault.lasts;
        (pause, fault, lasts)
    })
}

/// What hits many at once: all of them, or one side of a partition.
fn groups(seed: u64, pace: u32, length: Duration) -> Vec<Planned<NetworkFault>> {
    let mut random = Random::branch(seed, "groups");
    lane(length, || {
        let pause = random.millis(4_000..=12_000) * pace;
        let percent = random.pick(&[30, 60, 90, 100]);
        let places = (0..=NODES).filter(|_| random.chance(percent)).collect();
        let fault = network_fault(places, &mut random);
        let lasts = fault.lasts;
        (pause, fault, lasts)
    })
}

fn network_fault(places: Vec<usize>, random: &mut Random) -> NetworkFault {
    let direction = random.pick(&[Direction::ToServer, Direction::ToClient]);
    let mode = match random.below(6) {
        0 => Mode::Cut,
        1 => Mode::Stall,
        2 => Mode::Delay(random.millis(10..=300)),
        3 => Mode::HalfClose(direction),
        4 => Mode::CutDuringReply(random.below(600)),
        _ => Mode::Trickle(Duration::from_micros(200)),
    };
    NetworkFault {
        places,
        mode,
        lasts: lasts(random),
    }
}

/// Some for so long that the node is given up: where leases end is where they are wrong, if they are.
fn lasts(random: &mut Random) -> Duration {
    match random.below(3) {
        0 => random.millis(3_000..=9_000),
        _ => random.millis(100..=2_500),
    }
}

fn processes(
    seed: u64,
    lane_number: usize,
    pace: u32,
    length: Duration,
) -> Vec<Planned<ProcessFault>> {
    let mut random = Random::branch(seed, &format!("processes {lane_number}"));
    lane(length, || {
        let pause = random.millis(500..=4_000) * pace;
        let deed = random.pick(&[
            Deed::Kill,
            Deed::Kill,
            Deed::Pause,
            Deed::Pause,
            Deed::Retire,
        ]);
        let lasts = match deed {
            Deed::Pause => lasts(&mut random),
            Deed::Kill | Deed::Retire => random.millis(0..=3_000),
        };
        let node = random.below(NODES / LANES) * LANES + lane_number;
        (pause, ProcessFault { node, deed, lasts }, lasts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_plan() {
        let length = Duration::from_secs(60);
        assert_eq!(Plan::new(7, length), Plan::new(7, length));
        assert_ne!(Plan::new(7, length), Plan::new(8, length));
    }

    #[test]
    fn seeds_reach_every_kind_of_fault() {
        let kind = |fault: &ServerFault| format!("{fault:?}").split(' ').next().map(str::to_owned);
        let plans = (0..40).map(|seed| Plan::new(seed, Duration::from_secs(60)));
        let faults: Vec<_> = plans.flat_map(|plan| plan.servers).collect();
        let kinds: std::collections::BTreeSet<_> =
            faults.iter().map(|planned| kind(&planned.fault)).collect();
        assert_eq!(kinds.len(), SERVER_FAULTS, "{kinds:?}");
    }
}
