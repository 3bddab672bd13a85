//! Chaos: twenty nodes on Redis, an operator who switches the mode, and random faults; afterwards everything that was
//! written down is checked.
//!
//! A run is made of rounds. Each has two servers (a master and its replica), twenty node processes, each behind a proxy
//! of its own, and a plan of faults that its seed decides:
//!
//! - [`nemesis`]: what goes wrong, with servers, networks and processes;
//! - [`operator`]: activates, waits, edits, opens, and takes nodes off the list;
//! - [`node`], [`work`]: this program once more, as a node with requests and executions;
//! - [`log`]: what all of them write down, on one clock;
//! - [`checker`]: the rules that the merged log must keep, and exactly what is excepted from them.
//!
//! ```text
//! cargo test -p intermission-tests --test chaos_on_redis -- --nocapture
//! ```
//!
//! | variable | means | default |
//! |---|---|---|
//! | `INTERMISSION_CHAOS_SECONDS` | how long faults happen, in all rounds together | 100 |
//! | `INTERMISSION_CHAOS_SEED` | which faults; printed by every run, and with a failure that of its round | random |
//! | `INTERMISSION_CHAOS_LOG` | a folder in which the merged logs of the rounds are left | none |
//!
//! The seed repeats the plan of faults and everybody's dice, not how the machine interleaves them.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    reason = "a test, helpers included"
)]

mod checker;
mod fleet;
mod log;
mod nemesis;
mod node;
mod operator;
mod random;
mod recorded;
mod scratch;
mod setting;
mod visitors;
mod work;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use intermission::NodeId;
use tokio::time::Instant;

use crate::checker::{Report, check};
use crate::fleet::Fleet;
use crate::log::{Event, Log, Writer};
use crate::nemesis::{Nemesis, Plan, Servers};
use crate::operator::Person;
use crate::scratch::Scratch;
use crate::setting::{Mix, NODES};

/// The test that is a node when it is told to be one.
const TEST: &str = "twenty_nodes_through_random_faults";

/// About how long one round lasts.
const ROUND: u64 = 34;

#[test]
fn twenty_nodes_through_random_faults() {
    if let Some(setup) = node::Setup::of_this_process() {
        node::run(setup);
        return;
    }
    let seconds = variable("INTERMISSION_CHAOS_SECONDS").unwrap_or(100);
    let seed = variable("INTERMISSION_CHAOS_SEED").unwrap_or_else(|| {
        let random = NodeId::random().expect("the system has randomness").bits();
        u64::try_from(random % 1_000_000).expect("it is less than a million")
    });
    let keep = std::env::var_os("INTERMISSION_CHAOS_LOG").map(PathBuf::from);
    println!("chaos: INTERMISSION_CHAOS_SEED={seed} INTERMISSION_CHAOS_SECONDS={seconds}");
    let rounds = seconds.div_ceil(ROUND).max(1);
    let length = Duration::from_secs(seconds) / u32::try_from(rounds).expect("a few rounds");
    let scratch = Scratch::new();
    let mut total = Report::default();
    // One thread, which is also the one that starts processes: the kernel kills them when it ends.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    for round in 0..rounds {
        let seed = seed.wrapping_add(round);
        let folder = scratch.path().join(format!("round-{round}"));
        fs::create_dir(&folder).expect("a folder can be made");
        runtime.block_on(play(seed, length, &folder));
        let log = Log::read(&folder);
        if let Some(keep) = &keep {
            leave(&log, keep, seed);
        }
        fs::remove_dir_all(&folder).expect("a folder can be removed");
        let report = check(&log);
        println!("chaos: seed {seed}, {:?}: {report}", Mix::of(seed));
        assert!(
            report.violations.is_empty(),
            "{}\nto see it again: INTERMISSION_CHAOS_SEED={seed} INTERMISSION_CHAOS_SECONDS={}",
            report.story(&log),
            length.as_secs(),
        );
        total.add(report);
    }
    println!("chaos: {rounds} rounds of {length:?} of faults: {total}");
    total.assert_that_much_happened();
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={value} is not a whole number")))
}

/// One round.
async fn play(seed: u64, length: Duration, folder: &Path) {
    let mix = Mix::of(seed);
    let plan = Plan::new(seed, length);
    let log = Writer::create(folder, "nemesis");
    let servers = Servers::start(seed).await;
    let fleet = Fleet::new(servers.master().address(), folder, (mix, seed), &log).await;
    for node in 0..NODES {
        fleet.start(node);
    }
    let operators_log = Writer::create(folder, "operator");
    let mut person = Person::new(&fleet, &operators_log, seed);
    let chaos = async {
        person.begin().await?;
        let start = Instant::now();
        let nemesis = Nemesis {
            servers: &servers,
            fleet: &fleet,
            log: std::sync::Arc::clone(&log),
            start,
        };
        tokio::join!(nemesis.run(&plan), person.switch(start + length));
        let settled = person.settle().await;
        for node in 0..NODES {
            fleet.ask_to_stop(node);
        }
        for node in 0..NODES {
            fleet.stop(node).await;
        }
        settled
    };
    let settled: Result<(), String> = tokio::select! {
        settled = chaos => settled,
        () = watch_over_ourselves(&log) => unreachable!("it has no end"),
    };
    if let Err(what) = settled {
        log.write(&Event::Failed { what });
    }
}

/// Proxies, operator and nemesis run here: when this process stands still, they do.
async fn watch_over_ourselves(log: &Writer) {
    let mut last = log::now();
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = log::now();
        if now - last > 200 * log::MILLI {
            log.write(&Event::Stalled { from: last });
        }
        last = now;
    }
}

/// Leaves the merged log for people.
fn leave(log: &Log, folder: &Path, seed: u64) {
    fs::create_dir_all(folder).expect("a folder can be made");
    let start = log.entries.first().map_or(0, |entry| entry.at);
    let lines: Vec<String> = log
        .entries
        .iter()
        .map(|entry| log.line_of(entry, start))
        .collect();
    fs::write(folder.join(format!("chaos-{seed}.log")), lines.join("\n"))
        .expect("a file can be written");
}
