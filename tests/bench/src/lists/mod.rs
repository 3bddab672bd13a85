//! What an allow list costs: to read, to change, to keep, to look into; and that another message leaves it alone.
//!
//! Bytes are those that are asked of the allocator, counted by a [`Meter`] on the thread that asks. So they are exact, and
//! the same in each run. Only a program of its own can count them, `intermission-bench-counted`: whoever counts replaces
//! the allocator of all that it does.

mod lookup;
mod states;
mod steps;

use std::path::Path;

use anyhow::{Context, Result};
use intermission::{AllowList, Network};

use crate::budgets::Budgets;
use crate::figures::{grouped, time};
use crate::machine::version_of;
use crate::report::{Axis, Chart, Curve, Section, Table, Verdict};
use steps::Steps;

/// Does something, and says what of the allocator that took.
pub type Meter = fn(&mut dyn FnMut()) -> Allocated;

/// What was asked of the allocator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocated {
    /// How often.
    pub times: u64,
    /// How many bytes in all.
    pub bytes: u64,
    /// How many of them are still in use.
    pub kept: i64,
    /// How many were in use at the same time.
    pub peak: u64,
}

/// The name of the section, and of its bench.
pub const NAME: &str = "lists";

const SIZES: [u32; 4] = [1, 100, 10_000, 1_000_000];

/// Of which families the networks of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Families {
    V4,
    /// Every other one is IPv6.
    Mixed,
}

/// Measures. In about a minute.
///
/// # Errors
/// If a list, a record or a gate cannot be made.
pub fn measure(meter: Meter) -> Result<Section> {
    let budgets = Budgets::load()?.lists;
    let mut section = Section::new(
        NAME,
        "Decision cost on state change",
        "What does a list of a million networks cost when it comes, while it is there, and when something else changes?",
    );
    let mut measured = Vec::new();
    for families in [Families::V4, Families::Mixed] {
        for size in SIZES {
            measured.push(steps::measure(size, families, meter)?);
        }
    }
    let lookups = lookup::measure(&SIZES)?;
    let through = states::measure()?;
    section.tables = vec![
        memory(&measured),
        another_list(&measured),
        another_message(&measured),
        states::table(&through),
        lookup::table(&lookups),
    ];
    section.charts = vec![curves(&measured)];
    let largest = |families| {
        let of = measured.iter().filter(|one| one.families == families);
        of.max_by_key(|one| one.size).context("there are sizes")
    };
    let smallest = measured.first().context("there are sizes")?;
    for families in [Families::V4, Families::Mixed] {
        let largest = largest(families)?;
        section.verdicts.push(Verdict {
            what: format!(
                "held for {} networks, {}",
                grouped(largest.size),
                families.name()
            ),
            budget: format!("at most {} MiB", budgets.held_mib),
            measured: mebibytes(largest.held.kept),
            is_kept: largest.held.kept <= i64::from(budgets.held_mib) << 20,
            is_stable: true,
        });
    }
    let largest = largest(Families::Mixed)?;
    for (what, of) in [
        (
            "another message, applied and installed",
            (|one| one.applied.1) as fn(&Steps) -> Allocated,
        ),
        ("another message, read from a state's bytes", |one| {
            one.heard.1
        }),
    ] {
        let grown = of(largest).bytes.saturating_sub(of(smallest).bytes);
        section.verdicts.push(Verdict {
            what: what.to_owned(),
            budget: format!(
                "at most {} bytes more than with a list of 1",
                budgets.message_grows_by_bytes
            ),
            measured: format!("{grown} bytes"),
            is_kept: grown <= budgets.message_grows_by_bytes,
            is_stable: true,
        });
    }
    let anew = through.iter().filter(|one| !one.is_shared).count();
    section.verdicts.push(Verdict {
        what: "another message through memory, files and Redis: the node's list is the one that it had".to_owned(),
        budget: "everywhere".to_owned(),
        measured: if anew == 0 {
            "everywhere".to_owned()
        } else {
            format!("built anew in {anew} of {}", through.len())
        },
        is_kept: anew == 0,
        is_stable: true,
    });
    section.versions = vec![version_of(Path::new("redis-server"), "--version")];
    section.reading = READING.map(str::to_owned).into();
    Ok(section)
}

const READING: [&str; 9] = [
    "Bytes are counted at the allocator and are the same in each run. Times are medians of a few repetitions and depend on what else the machine does; the counting makes them slower by some nanoseconds for each allocation.",
    "Held is what a gate on a state in memory has more with the list than without: the list as it is shown, sorted, and the same as disjoint ranges that are searched. Record, snapshot, state and gate share one list. Below some hundred bytes it is what two gates differ by in any case.",
    "Another list is built anew: each entry is parsed, all are sorted and merged. The peak is what is in use at the same time while that is done, the text not among it.",
    "Another message builds no list. Where the record is passed on in memory, it shares the list by a pointer, and the time does not depend on the size.",
    "Files and Redis hand over the whole record as bytes at each change. From 64 KiB on, the text of its list is hashed (SHA-256); if the known list was read from the same text, it goes on being used, and nothing of the text is read but its end. Any other text is parsed entry by entry and compared with the known list; nothing is allocated before they differ, and if they do not, the known list goes on being used as well. So the time grows with the length of the text, and the memory does not.",
    "The text itself comes with each change, too: it is in use until it is read, and the file state keeps it to see by comparing that nothing has changed. Redis sends it once to each node for each change, and not at all with a heartbeat.",
    "Through a state, the operator and the node have handles of their own, as in two processes. What takes the time with a million networks is the text: the operator writes it, a disk syncs it or Redis keeps it and sends it, and the node reads it. That the node goes on using its list is seen by the pointer.",
    "A lookup is a binary search of the ranges of one family. The ratio is the median of interleaved rounds over 4,096 addresses, half of which are listed; it contains what the larger list loses by not fitting into the processor's caches. How many instructions it takes is in the section on instructions, as decide-address.",
    "The first column is the number of networks; none of them overlap, so that nothing is saved by merging.",
];

impl Families {
    const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::Mixed => "IPv4 and IPv6",
        }
    }

    /// The how-manieth network.
    fn network(self, at: u32) -> Option<Network> {
        if self == Self::Mixed && at % 2 == 1 {
            let bits = (0x2001_0db8_u128 << 96) | (u128::from(at) << 64);
            Network::new(std::net::Ipv6Addr::from_bits(bits).into(), 64).ok()
        } else {
            let bits = (10_u32 << 24) + at * 32;
            Network::new(std::net::Ipv4Addr::from_bits(bits).into(), 28).ok()
        }
    }

    fn list(self, size: u32) -> AllowList {
        (0..size).filter_map(|at| self.network(at)).collect()
    }
}

fn memory(measured: &[Steps]) -> Table {
    let row = |one: &Steps| {
        let per = f64::from(u32::try_from(one.held.kept).unwrap_or(u32::MAX)) / f64::from(one.size);
        vec![
            one.name(),
            bytes(one.held.kept.max(0)),
            if one.size < 100 {
                String::new()
            } else {
                format!("{per:.1}")
            },
            bytes(one.text),
        ]
    };
    Table {
        title: "Memory of a gate with the list, and the text that a store has of it".to_owned(),
        columns: columns(["networks", "held", "bytes each", "as JSON"]),
        rows: measured.iter().map(row).collect(),
    }
}

fn another_list(measured: &[Steps]) -> Table {
    let row = |one: &Steps| {
        vec![
            one.name(),
            time(one.read.0),
            bytes(one.read.1.peak),
            time(one.added.0),
            bytes(one.added.1.peak),
            time(one.written.0),
            bytes(one.written.1.peak),
        ]
    };
    Table {
        title:
            "Another list: the record is read from JSON, one network is added to it, it is written"
                .to_owned(),
        columns: columns([
            "networks",
            "read",
            "peak",
            "one added",
            "peak",
            "written",
            "peak",
        ]),
        rows: measured.iter().map(row).collect(),
    }
}

fn another_message(measured: &[Steps]) -> Table {
    let row = |one: &Steps| {
        let shared = if one.is_shared { "the same" } else { "ANEW" };
        vec![
            one.name(),
            time(one.applied.0),
            bytes(one.applied.1.bytes),
            time(one.heard.0),
            bytes(one.heard.1.bytes),
            time(one.read.0),
            bytes(one.read.1.bytes),
            shared.to_owned(),
        ]
    };
    Table {
        title: "Another message, the list as it was: applied and installed in memory; read from bytes by who knows the \
                record before; read by who knows nothing"
            .to_owned(),
        columns: columns([
            "networks",
            "in memory",
            "allocated",
            "from bytes",
            "allocated",
            "by a newcomer",
            "allocated",
            "list",
        ]),
        rows: measured.iter().map(row).collect(),
    }
}

fn curves(measured: &[Steps]) -> Chart {
    let curve = |label: &str, of: fn(&Steps) -> f64| Curve {
        label: label.to_owned(),
        points: measured
            .iter()
            .filter(|one| one.families == Families::Mixed)
            .map(|one| (f64::from(one.size), of(one) * 1e6))
            .collect(),
    };
    Chart::Curves {
        title: "What a change takes by the length of the list, IPv4 and IPv6".to_owned(),
        x: Axis {
            label: "networks".to_owned(),
            is_logarithmic: true,
        },
        y: Axis {
            label: "microseconds".to_owned(),
            is_logarithmic: true,
        },
        curves: vec![
            curve("another list, from bytes", |one| one.read.0),
            curve("another message, from bytes", |one| one.heard.0),
            curve("another message, in memory", |one| one.applied.0),
        ],
    }
}

fn columns<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).into()
}

fn bytes(bytes: impl TryInto<i64>) -> String {
    match bytes.try_into() {
        Ok(bytes) if bytes < 10_000 => format!("{bytes} B"),
        Ok(bytes) if bytes < 1 << 20 => format!("{:.1} KiB", float(bytes) / 1024.0),
        Ok(bytes) => mebibytes(bytes),
        Err(_) => "too many".to_owned(),
    }
}

fn mebibytes(bytes: i64) -> String {
    format!("{:.1} MiB", float(bytes) / 1024.0 / 1024.0)
}

/// Exact for less than two gigabytes.
fn float(bytes: i64) -> f64 {
    u32::try_from(bytes).map_or(f64::NAN, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(bytes(9_999), "9999 B");
        assert_eq!(bytes(10_240), "10.0 KiB");
        assert_eq!(bytes(64_i64 << 20), "64.0 MiB");
    }

    #[test]
    fn no_network_lies_in_another() {
        for families in [Families::V4, Families::Mixed] {
            let list = families.list(1_000);
            assert_eq!(list.len(), 1_000);
            let alone = |network: Network| {
                let others = list.networks().filter(|other| *other != network);
                !others
                    .into_iter()
                    .any(|other| other.contains(network.address()))
            };
            assert!(list.networks().all(alone), "{}", families.name());
        }
    }
}
