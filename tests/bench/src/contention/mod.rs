//! Whether threads that ask one gate at the same time get in each other's way.
//!
//! Rounds are short and take turns, each thread is pinned to a processor of its own, and what two threads get done is
//! compared with what one gets done in the same round. Beside Intermission's operations run those that show what the
//! machine can give, and how it looks when threads do share a cache line.

mod crew;
mod shards;
mod work;

use anyhow::{Context, Result, ensure};

use crate::budgets::Budgets;
use crate::figures::time;
use crate::report::{Axis, Bar, Chart, Curve, Section, Table, Verdict};
use crate::statistics::Sample;
use crew::{Crew, Work};

/// The name of the section, and of its bench.
pub const NAME: &str = "contention";

/// Rounds with one and two threads.
const ROUNDS: usize = 150;
/// Rounds with more threads.
const ROUNDS_BEYOND: usize = 15;
/// How long one thread works in a round, in seconds.
const STINT: f64 = 0.004;
/// Numbers of threads.
const BEYOND: [usize; 3] = [4, 8, 16];

/// One operation, measured.
struct Measured {
    name: &'static str,
    /// Seconds that it takes where one thread does it.
    alone: f64,
    /// How much two threads get done, compared with one.
    two: Sample,
    /// The same if only the time counts in which they are on a processor.
    two_by_processor: Sample,
    /// The same for more threads.
    beyond: Vec<(usize, Sample)>,
}

/// Measures. In about half a minute.
///
/// # Errors
/// If there are no two processors, or a gate or a thread cannot be started.
pub fn measure() -> Result<Section> {
    let budget = Budgets::load()?
        .contention
        .two_threads_on_execution_at_least;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let works = runtime.block_on(work::all())?;
    let crew = Crew::start(BEYOND.iter().copied().max().unwrap_or(2), &works)?;
    let measured = rounds(&crew, &works)?;
    let of = |name| {
        let found = measured.iter().find(|one| one.name == name);
        found.with_context(|| format!("there is no operation `{name}`"))
    };
    let ceiling = of(work::CEILING)?.two.median();
    let execution = of(work::EXECUTION)?;
    let (execution, by_processor) = (execution.two.median(), execution.two_by_processor.median());

    let mut section = Section::new(
        NAME,
        "Contention",
        "Do two threads that ask one gate at the same time get twice as much done as one?",
    );
    section.tables = vec![
        two_threads(&measured, ceiling),
        more_threads(&measured),
        lines(),
        shards::table(),
    ];
    section.charts = vec![bars(&measured, budget), curves(&measured)];
    section.verdicts = vec![Verdict {
        what: "two threads on execution begin and end".to_owned(),
        budget: format!("at least {budget} times one thread"),
        measured: format!(
            "{execution:.2} times, where the machine gives {ceiling:.2}; by processor time {by_processor:.2}"
        ),
        is_kept: execution >= budget,
        is_stable: false,
    }];
    section.reading = READING.map(str::to_owned).into();
    Ok(section)
}

const READING: [&str; 8] = [
    "Ratios are medians over interleaved rounds: in each, one thread works on the first processor, one on the second, and then both begin at the same time; what two get done is divided by the mean of what each gets done alone. A shared machine takes time away from single rounds, so look at the median and at the line of the pure calculation, which shares nothing: that is all that this machine gives to two threads.",
    "By processor time, only that counts in which the threads were on a processor. What else the machine does is not among it, and waiting for a cache line is: whoever shares nothing is at 2.00 on a busy machine, too, and only a lock that puts its waiters to sleep looks better by it than it is.",
    "A counter of one line that all write, and a lock that all take, show how it looks when threads do get in each other's way. What lies near the first line shares nothing that is written.",
    "With more threads than processors nothing is gained or lost but by the system's scheduling: 4, 8 and 16 threads on two processors are to get as much done as two. A lock whose holder is interrupted would show there.",
    "Beyond two processors the reasoning is by cache lines. A decision writes nothing that another thread reads, and a count writes the lines of its thread's shard alone. There is one shard for each processor, up to 64, padded so that no two share a line, nor a pair of lines that the processor fetches together; a test of the crate holds the distance. Threads are numbered as they first count, and numbers are dealt to shards in turns.",
    "So as many threads as processors, begun one after the other as runtimes begin their workers, share no shard. Where others count in between, such as the pool for blocking work, the workers' shards are as if drawn by lot, and the table shows how often two meet. Who meets shares a line or a lock for some nanoseconds; nobody waits for all.",
    "A refusal writes a line that all threads share: the count of references of the rendered reply. So refusals alone are not twice as fast on two threads. Each is followed by the writing of a response, next to which these nanoseconds are little.",
    "The numbers of the two processors may belong to one core of the machine below this virtual one; then even pure calculation is not twice as fast.",
];

/// All operations take turns in each round.
fn rounds(crew: &Crew, works: &[Work]) -> Result<Vec<Measured>> {
    let mut operations = Vec::new();
    for work in works {
        let times = crew.times_for(work, STINT)?;
        operations.push((&work.run, times, Vec::new(), Vec::new(), Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (work, times, alone, two, by_processor) in &mut operations {
            let first = crew.work(work, *times, &[0])?;
            let second = crew.work(work, *times, &[1])?;
            let both = crew.work(work, *times, &[0, 1])?;
            // What is done in a second: of one thread, the mean of what each gets done.
            let one = (1.0 / first.all + 1.0 / second.all) / 2.0;
            two.push(2.0 / both.all / one);
            let one = (1.0 / first.processor + 1.0 / second.processor) / 2.0;
            alone.push(1.0 / one / times_as_float(*times));
            by_processor.push(2.0 / both.processor / one);
        }
    }
    let mut beyond = vec![Vec::new(); works.len()];
    for threads in BEYOND {
        let members: Vec<usize> = (0..threads).collect();
        let mut ratios = vec![Vec::new(); works.len()];
        for _ in 0..ROUNDS_BEYOND {
            for ((work, times, ..), ratios) in operations.iter().zip(&mut ratios) {
                let one = crew.work(work, *times, &[0])?.all;
                let all = crew.work(work, *times, &members)?.all;
                ratios.push(times_as_float(u64::try_from(threads)?) * one / all);
            }
        }
        for (beyond, ratios) in beyond.iter_mut().zip(ratios) {
            beyond.push((threads, Sample::new(ratios)));
        }
    }
    let named = works.iter().zip(operations).zip(beyond);
    let measured: Vec<Measured> = named
        .map(
            |((work, (_, _, alone, two, by_processor)), beyond)| Measured {
                name: work.name,
                alone: Sample::new(alone).median(),
                two: Sample::new(two),
                two_by_processor: Sample::new(by_processor),
                beyond,
            },
        )
        .collect();
    ensure!(!measured.is_empty(), "there are operations");
    Ok(measured)
}

fn two_threads(measured: &[Measured], ceiling: f64) -> Table {
    let row = |one: &Measured| {
        let two = one.two.median();
        vec![
            one.name.to_owned(),
            time(one.alone),
            format!("{two:.2}"),
            format!("{:.2} to {:.2}", one.two.at(10), one.two.at(90)),
            format!("{:.0} %", two / ceiling * 100.0),
            format!("{:.2}", one.two_by_processor.median()),
        ]
    };
    Table {
        title: format!(
            "Two threads on two processors, median of {} interleaved rounds",
            measured.first().map_or(0, |one| one.two.len())
        ),
        columns: columns([
            "operation",
            "one thread, each",
            "two threads get done",
            "p10 to p90",
            "of what the machine gives",
            "by processor time",
        ]),
        rows: measured.iter().map(row).collect(),
    }
}

fn more_threads(measured: &[Measured]) -> Table {
    let row = |one: &Measured| {
        let figures = one
            .beyond
            .iter()
            .map(|(_, ratio)| format!("{:.2}", ratio.median()));
        let figures = std::iter::once(format!("{:.2}", one.two.median())).chain(figures);
        std::iter::once(one.name.to_owned())
            .chain(figures)
            .collect()
    };
    let heads = BEYOND.iter().map(|threads| format!("{threads} threads"));
    let first = ["operation", "2 threads"].map(str::to_owned);
    Table {
        title: "What threads get done, compared with one, on two processors: beyond two threads this is the system's \
                scheduling"
            .to_owned(),
        columns: first.into_iter().chain(heads).collect(),
        rows: measured.iter().map(row).collect(),
    }
}

/// Which cache lines an operation writes. By reading `in_flight` and `gate`; a test there holds the padding.
fn lines() -> Table {
    let row = |cells: [&str; 3]| cells.map(str::to_owned).into();
    Table {
        title: "What an operation reads and writes of what threads share".to_owned(),
        columns: columns(["operation", "reads", "writes"]),
        rows: [
            ["decide, off", "the flag of the open door", "nothing"],
            [
                "decide, by address",
                "that flag, the snapshot, the list",
                "a slot of its thread that guards the snapshot",
            ],
            [
                "request in and out",
                "the table of shards",
                "its shard: one word twice, and the count of who holds the shard",
            ],
            [
                "execution begin and end",
                "the fence, the table of shards",
                "its shard: a lock in one byte twice, the list behind it, and the count of who holds the shard",
            ],
            [
                "refusal",
                "the snapshot, the rendered reply",
                "its shard as a request; and what all share: the count of who holds the reply, and the spread of Retry-After",
            ],
        ]
        .map(row)
        .into(),
    }
}

fn bars(measured: &[Measured], budget: f64) -> Chart {
    let bar = |one: &Measured| Bar {
        label: one.name.to_owned(),
        value: one.two.median(),
        spread: Some((one.two.at(10), one.two.at(90))),
        budget: (one.name == work::EXECUTION).then_some(budget),
    };
    Chart::Bars {
        title: "What two threads get done, compared with one".to_owned(),
        unit: "times one thread".to_owned(),
        bars: measured.iter().map(bar).collect(),
    }
}

fn curves(measured: &[Measured]) -> Chart {
    let point = |(threads, ratio): (usize, &Sample)| {
        (
            u32::try_from(threads).map_or(f64::NAN, f64::from),
            ratio.median(),
        )
    };
    let curve = |one: &Measured| {
        let beyond = one.beyond.iter().map(|(threads, ratio)| (*threads, ratio));
        let points = std::iter::once((2, &one.two)).chain(beyond).map(point);
        Curve {
            label: one.name.to_owned(),
            points: std::iter::once((1.0, 1.0)).chain(points).collect(),
        }
    };
    Chart::Curves {
        title: "What threads get done on two processors, compared with one".to_owned(),
        x: Axis {
            label: "threads".to_owned(),
            is_logarithmic: true,
        },
        y: Axis {
            label: "times one thread".to_owned(),
            is_logarithmic: false,
        },
        curves: measured.iter().map(curve).collect(),
    }
}

fn columns<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).into()
}

/// Exact up to four thousand million.
fn times_as_float(times: u64) -> f64 {
    u32::try_from(times).map_or(f64::NAN, f64::from)
}
