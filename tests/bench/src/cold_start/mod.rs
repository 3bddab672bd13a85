//! How long a process takes from its start until it admits a visitor, with Intermission and without; and what it does
//! when its state is away.
//!
//! Each start is one of a new process, this program's own, which serves by hyper. The clock runs from just before it is
//! made until a page has come over a socket. Starts of all kinds take turns, those without Intermission among them.

mod child;
mod scenarios;
mod start;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::budgets::Budgets;
use crate::figures::time;
use crate::machine::version_of;
use crate::report::{Bar, Chart, Section, Table, Verdict};
use crate::statistics::Sample;
pub use child::child;
use scenarios::{Kind, Scenario, Stores};
use start::{Seen, observe};

/// The name of the section, and of its bench.
pub const NAME: &str = "cold-start";
/// What this program is called with to be the process that starts.
pub const CHILD: &str = "cold-start-child";

/// How often each is started that takes no longer than a process does.
const ROUNDS: usize = 20;
/// How often each is started that waits.
const WAITING_ROUNDS: usize = 2;
/// How much is shown of an error, in characters.
const SHOWN: usize = 100;
/// No start is waited for longer.
const LIMIT: Duration = Duration::from_secs(60);

/// All starts of one kind.
struct Measured {
    scenario: Scenario,
    seen: Vec<Seen>,
    /// How much later than the bare process of the same round a visitor was admitted, in seconds.
    added: Sample,
}

/// Measures. In about a minute.
///
/// # Errors
/// If a store or a process cannot be started, or somebody answers who should not.
pub fn measure() -> Result<Section> {
    let budgets = Budgets::load()?.cold_start;
    let stores = Stores::start()?;
    // Those that wait do so at the same time, and while a new site becomes sure that it is one.
    let waiting = std::thread::scope(|scope| {
        let preparing = scope.spawn(|| stores.prepare());
        let starts: Vec<_> = scenarios::waiting(&stores)
            .into_iter()
            .map(|scenario| {
                let stores = &stores;
                scope.spawn(move || waited(stores, scenario))
            })
            .collect();
        let waited: Result<Vec<Measured>> = starts.into_iter().map(joined).collect();
        joined(preparing)?;
        waited
    })?;
    let measured = in_turns(&stores, scenarios::quick(&stores))?;

    let mut section = Section::new(
        NAME,
        "Cold start",
        "How long does a process take from its start until it admits a visitor, and what does it do if its state is away?",
    );
    let (away, there): (Vec<_>, Vec<_>) = measured
        .into_iter()
        .chain(waiting)
        .partition(|one| one.scenario.kind == Kind::Away);
    section.tables = vec![
        table("The state is there", &there),
        table("The state is away", &away),
    ];
    section.charts = vec![bars(&there)];
    for (what, budget) in [
        (scenarios::MEMORY, budgets.memory_adds_ms),
        (scenarios::FILE, budgets.file_adds_ms),
        (scenarios::REDIS, budgets.redis_adds_ms),
    ] {
        let one = there
            .iter()
            .find(|one| one.scenario.is(what))
            .with_context(|| format!("{what:?} is measured"))?;
        let name = format!("added to the start: {}, {}", what.0, what.1);
        section.verdicts.push(verdict(name, &one.added, budget));
    }
    section.versions = vec![version_of(Path::new("redis-server"), "--version")];
    section.reading = READING.map(str::to_owned).into();
    Ok(section)
}

const READING: [&str; 8] = [
    "Times are medians from just before the process is made until a response has been read from its socket. Added is the median of the differences to the process without Intermission that was started in the same round; what is below a millisecond there is noise.",
    "A program asks its gate to start before it listens, as the documentation shows it: so nobody is answered by a node that does not know yet whether the site is open.",
    "A site that is new on Redis, or whose Redis came back empty, is held for the grace of 15 s, and that is by design: an empty store cannot tell a new site from one that has lost everything, and a node elsewhere may still know that it is closed. Once there is a record, no start waits. Who starts open does not wait either, and says so by its start policy.",
    "Where the state is away at the start, the start policy decides. To refuse, the default, ends the process with an error, so that the old version goes on where a rollout waits for the new one. To start closed answers 503, to start open answers as if there were no maintenance, and both follow the state as soon as it is reached.",
    "A port where nobody listens says so at once. A Redis that takes the connection and says nothing is given up after its time-out, 1 s by default, and nothing is answered before: a node does not guess while it may soon know.",
    "With the last known record kept on disk, a node that finds a closed one there starts by it, whatever the start policy: it shows the operator's message, and lets those pass who may.",
    "A directory that is not there is an error where the state is opened, before there is a gate; a record that cannot be understood is a state that cannot be used, and never means that the site is open.",
    "The reason of a hold is told to operators and in the log; visitors get the same page as during maintenance.",
];

/// Whoever is not admitted has no time, and must not make the others' look good.
fn verdict(what: String, added: &Sample, budget: f64) -> Verdict {
    let median = added.median();
    let measured = match added.len() {
        ROUNDS => time(median),
        0 => "never admitted".to_owned(),
        admitted => format!("{}, admitted {admitted} times of {ROUNDS}", time(median)),
    };
    Verdict {
        what,
        budget: format!("at most {budget} ms"),
        measured,
        is_kept: added.len() == ROUNDS && median * 1_000.0 <= budget,
        is_stable: false,
    }
}

/// Each kind once in each round.
fn in_turns(stores: &Stores, scenarios: Vec<Scenario>) -> Result<Vec<Measured>> {
    let mut seen: Vec<Vec<Seen>> = scenarios.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for (scenario, seen) in scenarios.iter().zip(&mut seen) {
            seen.push(once(stores, scenario, round)?);
        }
    }
    let bare: Vec<Option<f64>> = seen
        .first()
        .context("the bare process is the first")?
        .iter()
        .map(|seen| seen.admitted)
        .collect();
    let measured = scenarios.into_iter().zip(seen);
    Ok(measured
        .map(|(scenario, seen)| {
            let pairs = seen.iter().zip(&bare);
            let added = pairs.filter_map(|(seen, bare)| Some(seen.admitted? - (*bare)?));
            Measured {
                added: Sample::new(added.collect()),
                scenario,
                seen,
            }
        })
        .collect())
}

fn waited(stores: &Stores, scenario: Scenario) -> Result<Measured> {
    let seen = (0..WAITING_ROUNDS).map(|round| once(stores, &scenario, round));
    Ok(Measured {
        seen: seen.collect::<Result<_>>()?,
        added: Sample::default(),
        scenario,
    })
}

fn once(stores: &Stores, scenario: &Scenario, round: usize) -> Result<Seen> {
    let (start, _port) = scenario.start(stores, round)?;
    let seen = observe(&start, scenario.awaits_admission, LIMIT);
    let (state, from, policy) = (scenario.state, scenario.from, scenario.policy);
    seen.with_context(|| format!("a start failed: {state}, {from}, {policy:?}"))
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn table(title: &str, measured: &[Measured]) -> Table {
    let row = |one: &Measured| {
        let Scenario { state, from, .. } = one.scenario;
        let middle = |of: fn(&Seen) -> Option<f64>| {
            let spread = Sample::new(one.seen.iter().filter_map(of).collect());
            (!spread.is_empty()).then(|| time(spread.median()))
        };
        let ended = middle(|seen| seen.ended.as_ref().map(|(after, _)| *after));
        let first = middle(|seen| seen.first.as_ref().map(|(after, _)| *after));
        let admitted = middle(|seen| seen.admitted);
        let never = || match ended {
            Some(_) => "never".to_owned(),
            None => "not while the state is away".to_owned(),
        };
        let what = one.seen.iter().find_map(|seen| {
            let answer = seen.first.as_ref().map(|(_, answer)| answer.text());
            answer.or_else(|| {
                seen.ended
                    .as_ref()
                    .map(|(_, said)| format!("ends: {}", cause(said)))
            })
        });
        let added = one.added.median();
        vec![
            format!("{state}, {from}"),
            one.scenario.policy_name().to_owned(),
            first.or_else(|| ended.clone()).unwrap_or_default(),
            what.unwrap_or_else(|| "nothing".to_owned()),
            admitted.unwrap_or_else(never),
            if added.is_nan() || one.scenario.is_bare() {
                String::new()
            } else {
                time(added)
            },
        ]
    };
    let columns = [
        "state, and what is there",
        "start policy",
        "first answer, or end, after",
        "which is",
        "first admitted after",
        "added to bare",
    ];
    Table {
        title: format!(
            "{title}: medians of {ROUNDS} interleaved starts, of {WAITING_ROUNDS} where it takes seconds"
        ),
        columns: columns.map(str::to_owned).into(),
        rows: measured.iter().map(row).collect(),
    }
}

/// What a program says of its end, without what it says around that, cut to fit into a table.
fn cause(said: &str) -> String {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("without a word");
    let first = first.strip_prefix("Error: ").unwrap_or(first);
    // That is the same whatever is wrong, and its first cause is the state's own word.
    let is_general = first.starts_with("the maintenance state cannot be used");
    let cause = lines.skip_while(|line| *line != "Caused by:").nth(1);
    let cause = cause.filter(|_| is_general);
    let line = cause.map_or(first, |cause| cause.strip_prefix("0: ").unwrap_or(cause));
    let mut text: String = line.chars().take(SHOWN).collect();
    if line.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}

fn bars(measured: &[Measured]) -> Chart {
    let bar = |one: &Measured| {
        let took = one.seen.iter().filter_map(|seen| seen.admitted);
        let took = Sample::new(took.map(|after| after * 1_000.0).collect());
        let is_quick = took.len() >= ROUNDS;
        is_quick.then(|| Bar {
            label: format!("{}, {}", one.scenario.state, one.scenario.from),
            value: took.median(),
            spread: Some((took.at(10), took.at(90))),
            budget: None,
        })
    };
    Chart::Bars {
        title: "From the start of the process until the first visitor is admitted".to_owned(),
        unit: "ms".to_owned(),
        bars: measured.iter().filter_map(bar).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_by_starts_that_all_end_well() {
        let of = |count: usize| verdict(String::new(), &Sample::new(vec![0.001; count]), 5.0);
        assert!(of(ROUNDS).is_kept);
        for (count, said) in [(ROUNDS - 1, "admitted 19 times of 20"), (0, "never")] {
            let verdict = of(count);
            assert!(!verdict.is_kept && verdict.measured.contains(said));
        }
        let slow = Sample::new(vec![0.006; ROUNDS]);
        assert!(!verdict(String::new(), &slow, 5.0).is_kept);
    }

    #[test]
    fn the_word_of_the_state_is_shown() {
        let refused = "Error: the maintenance state cannot be used, and so on\n\nCaused by:\n";
        let two = format!("{refused}    0: no answer\n    1: refused (os error 111)\n");
        let one = format!("{refused}    no answer\n");
        assert_eq!([two, one].map(|said| cause(&said)), ["no answer"; 2]);
        let said = "Error: no such directory: make it\n\nCaused by:\n    (os error 2)\n";
        assert_eq!(cause(said), "no such directory: make it");
        assert_eq!(cause("Error: no such directory\n"), "no such directory");
        assert_eq!(cause(""), "without a word");
        assert_eq!(cause(&"x".repeat(SHOWN + 1)).chars().count(), SHOWN + 1);
    }
}
