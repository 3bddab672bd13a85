//! What is printed.

use super::flips::{Flips, Spread};
use super::{Bytes, Idle, QUESTIONS};
use intermission_bench::statistics::{Sample, growth};

/// How long the last node may take, as a multiple of the last bare subscriber of the same client library.
const MEDIAN_AT_MOST: f64 = 1.5;
const P99_AT_MOST: f64 = 2.0;
const COMMANDS_PER_SECOND_AT_MOST: f64 = 0.5;
const BYTES_PER_NODE_AT_MOST: u64 = 1024;

/// One of the kinds of measurements.
type Kind = (&'static str, fn(&Flips) -> &Spread);

const KINDS: [Kind; 4] = [
    ("closing flip", |flips| &flips.closing),
    ("bare PUBLISH, same client", |flips| &flips.clients),
    ("bare PUBLISH, bare sockets", |flips| &flips.sockets),
    ("opening flip", |flips| &flips.opening),
];

/// The times, and how they compare.
pub(super) fn flips(measured: &[Flips], times: usize, payload: usize) {
    let Some(largest) = measured.last() else {
        return;
    };
    println!(
        "{times} flips each way for each number of nodes, a bare publish of {payload} bytes between any two"
    );
    times_of("return", measured, |spread| &spread.from_return);
    times_of("start", measured, |spread| &spread.from_call);
    let drained = measured.iter().map(|flips| {
        format!(
            "{:>9.1} {:>9.1}",
            flips.drained.median(),
            flips.drained.at(99)
        )
    });
    println!(
        "{:<30} {}",
        "all drained",
        drained.collect::<Vec<_>>().join(" ")
    );
    println!(
        "\nat {} nodes, from the return, closing flip to bare PUBLISH with the same client",
        largest.nodes
    );
    let (ours, bare) = (&largest.closing.from_return, &largest.clients.from_return);
    let compare = |name: &str, ours: f64, bare: f64, at_most: f64| {
        let ratio = ours / bare;
        println!(
            "  {name:<6} {ours:>7.2} ms to {bare:>7.2} ms: {ratio:.2}   at most {at_most}: {}",
            verdict(ratio <= at_most)
        );
    };
    compare("median", ours.median(), bare.median(), MEDIAN_AT_MOST);
    compare("p99", ours.at(99), bare.at(99), P99_AT_MOST);
    println!("  (times depend on what else the machine does; nothing fails by them)");
}

fn times_of(from: &str, measured: &[Flips], of: fn(&Spread) -> &Sample) {
    let heads = measured
        .iter()
        .map(|flips| format!("{:>19}", format!("{} nodes", flips.nodes)));
    println!(
        "\nms from the {from} of the call until the last one knows: median and p99\n{:<30} {} growth",
        "",
        heads.collect::<Vec<_>>().join(" ")
    );
    for (name, kind) in KINDS {
        let sample = |flips| of(kind(flips));
        let figures = measured.iter().map(|flips| {
            format!(
                "{:>9.2} {:>9.2}",
                sample(flips).median(),
                sample(flips).at(99)
            )
        });
        let points: Vec<(f64, f64)> = measured
            .iter()
            .map(|flips| (number(flips.nodes), sample(flips).median()))
            .collect();
        println!(
            "{name:<30} {} {}",
            figures.collect::<Vec<_>>().join(" "),
            growth(&points).map_or_else(String::new, |exponent| format!("N^{exponent:.2}"))
        );
    }
}

/// What the fleet costs Redis. Says whether the budgets are kept.
pub(super) fn costs(idle: &Idle, bytes: &Bytes, asked: u64) -> bool {
    let per_second = number(idle.work.scripts) / idle.seconds / number(idle.nodes);
    let is_quiet = per_second <= COMMANDS_PER_SECOND_AT_MOST;
    let is_small = bytes.activated.max(bytes.deactivated) <= BYTES_PER_NODE_AT_MOST;
    println!("\nwhat {} nodes cost Redis", idle.nodes);
    println!(
        "  idle: {per_second:.3} commands per second and node   at most {COMMANDS_PER_SECOND_AT_MOST}: {}",
        verdict(is_quiet)
    );
    println!(
        "  {QUESTIONS} requests and executions, open and closed: {asked} commands   none: {}",
        verdict(asked == 0)
    );
    println!(
        "  memory of the keys: {} bytes per node deactivated, {} activated   at most {BYTES_PER_NODE_AT_MOST}: {}",
        bytes.deactivated,
        bytes.activated,
        verdict(is_small)
    );
    println!("  memory of a connection: {} bytes", bytes.connection);
    println!(
        "  a report: {:.1} µs of Redis' processor, so {:.2} % of one for this fleet when idle",
        number(idle.work.micros) / number(idle.work.scripts).max(1.0),
        number(idle.work.micros) / idle.seconds / 10_000.0
    );
    is_quiet && is_small && asked == 0
}

/// On what this was measured, and how busy that is.
pub(super) fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = read("/proc/cpuinfo");
    let model = cpu_info
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == "model name")
        .map_or("unknown processor", |(_, model)| model.trim());
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    format!(
        "Intermission {}; {model}, {processors} processors; {} {}; load of the last minutes {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        read("/proc/sys/kernel/osrelease").trim(),
        load.join(" ")
    )
}

const fn verdict(is_kept: bool) -> &'static str {
    if is_kept { "kept" } else { "MISSED" }
}

/// A count as a number to calculate with. Counts of this size have no rounding.
fn number(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::NAN, f64::from)
}
