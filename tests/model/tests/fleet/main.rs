//! Every state of a small fleet under faults: the protocol between nodes and ledger, explored exhaustively.
//!
//! Two nodes, one execution each, one or two decisions of operators, and time in ticks. What the random simulation in
//! `intermission-core` looks at in many long runs of the real code, this looks at in all runs of a model of it, nearest
//! first: [`ledger`] and [`node`] say the real rules again, in the fewest possible states. A story that breaks a promise
//! is printed move by move, and there is no shorter one. The model is evidence, and not a proof of the code; it leaves out
//! clocks that disagree about the order of two decisions, drift within a tick, levels, plans and visitors.
//!
//! The [table](configurations) has four kinds of rows. *Promises* hold. *Limits* say where the design's promises end:
//! there they must break. *Mutations* are rules that are broken on purpose: each must break a promise, and would not
//! without the mutation. *Redundant* rules are broken on purpose, too, and nothing comes of it; the table says why they
//! are kept. Where a row is not explored to its end, its line says so.
//!
//! `INTERMISSION_MODEL_STATES=N` looks at N states where the table has a lower bound. With ten million, every row is
//! explored to its end; that takes minutes, and less than a gigabyte for each of the two rows at a time.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "nodes are counted by the configuration, and what was explored is to be seen"
)]

mod configurations;
mod explorer;
mod invariants;
mod ledger;
mod moves;
mod node;
mod rules;
mod state;

use std::process::ExitCode;
use std::time::Instant;

use configurations::{Expected, Row};
use libtest_mimic::{Arguments, Failed, Trial};
use rules::Rules;

/// Each holds some million states, so there are no more than this at a time.
const AT_ONCE: usize = 2;

/// No row that is to be explored to its end has as many states. It is a bound for the memory, should a change of the rules
/// make them many more.
const TOO_MANY: usize = 12_000_000;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let at_once = arguments
        .test_threads
        .map_or(AT_ONCE, |threads| threads.min(AT_ONCE));
    arguments.test_threads = Some(at_once);
    let least = std::env::var("INTERMISSION_MODEL_STATES").ok();
    let least = least.and_then(|states| states.parse().ok()).unwrap_or(0);
    let trial = |row: Row| Trial::test(row.name.clone(), move || explore(&row, least));
    let trials = configurations::table().into_iter().map(trial).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it took is said, and decides nothing"
)]
fn explore(row: &Row, least: usize) -> Result<(), Failed> {
    let most = match row.expected {
        Expected::HoldsWithin(states) => states.max(least),
        Expected::Holds | Expected::Breaks(_) => TOO_MANY,
    };
    let began = Instant::now();
    let found = explorer::explore(&row.rules, most);
    let outcome = match &found.broken {
        Some((invariant, _)) => format!("breaks {invariant:?}"),
        None if found.is_whole => "holds".to_owned(),
        None => "none found, not explored to the end".to_owned(),
    };
    println!(
        "{:44} {:>9} states, {:>2} moves deep, {:>5.1} s: {outcome}",
        row.name,
        found.states,
        found.depth,
        began.elapsed().as_secs_f32(),
    );
    // It is the mutation, not the weather.
    if let (Some(_), Expected::Breaks(_)) = (row.rules.mutation, row.expected) {
        let rules = Rules {
            mutation: None,
            ..row.rules
        };
        if let Some((invariant, story)) = explorer::explore(&rules, found.states).broken {
            return Err(format!("{invariant:?} breaks without the mutation\n{story}").into());
        }
    }
    let is_expected = match row.expected {
        Expected::Holds => found.broken.is_none() && found.is_whole,
        Expected::HoldsWithin(_) => found.broken.is_none(),
        Expected::Breaks(expected) => found
            .broken
            .as_ref()
            .is_some_and(|(broken, _)| *broken == expected),
    };
    if is_expected {
        return Ok(());
    }
    let story = found.broken.map_or_else(String::new, |(_, story)| story);
    Err(format!("expected: {:?}; found: {outcome}\n{story}", row.expected).into())
}
