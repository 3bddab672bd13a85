//! The rules that a log must keep.
//!
//! 1. **Drained means drained** ([`drained`]): no execution ran while the record said activated, not forced, nobody
//!    unconfirmed, and not that the state had lost data.
//! 2. **In contact means up to date** ([`answers`]): an answer never lacks what was known before it was asked for, a node
//!    goes by what it was answered before it speaks again, and whoever can reach Redis is answered.
//! 3. **No activation is lost** ([`changes`]): every accepted one holds until somebody has ended it, and is in the
//!    history.
//! 4. **Decisions agree with what they were based on** ([`decisions`]), by the rules of the core, asked once more.
//! 5. **Revisions never go back** ([`revisions`]) on a node, and none stands for two records.
//!
//! Each module says how it reasons about moments that cannot be known exactly, and what is excepted. An exception is
//! taken only when its cause is in the log, and is counted. When something could be either, it is no violation: what is
//! reported has happened.

mod answers;
mod changes;
mod decisions;
mod drained;
mod facts;
mod revisions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::log::{Event, Log, MILLI, Nanos, SECOND};
use facts::Facts;

/// How many events around a violation are shown.
const SHOWN: usize = 40;

/// What the check of a log has come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) violations: Vec<Violation>,
    /// How often each exception was taken.
    pub(crate) exceptions: BTreeMap<&'static str, u64>,
    faults: BTreeMap<String, u64>,
    pub(crate) numbers: Numbers,
}

/// A rule was broken.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    at: Nanos,
    what: String,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    time: Nanos,
    nodes: u64,
    activations: u64,
    openings: u64,
    /// Activations that were said to be drained without reserve, for how long altogether, and the others.
    pub(crate) drained: u64,
    drained_for: Nanos,
    pub(crate) drained_with_reserve: u64,
    executions: u64,
    requests: u64,
    pub(crate) decisions: u64,
    answers: u64,
    /// The longest that a node in contact was behind.
    worst_behind: Nanos,
    /// The longest that a node that could reach Redis was not answered.
    worst_silence: Nanos,
}

/// Checks a log.
pub(crate) fn check(log: &Log) -> Report {
    let facts = Facts::of(log);
    let mut report = Report::default();
    report.count(log, &facts);
    for (at, what) in &facts.failures {
        report.violate("the run", *at, what.clone());
    }
    let forgettings = answers::check(&facts, &mut report);
    drained::check(&facts, &forgettings, &mut report);
    changes::check(&facts, &mut report);
    decisions::check(&facts, &mut report);
    revisions::check(&facts, &mut report);
    report
}

impl Report {
    fn violate(&mut self, rule: &'static str, at: Nanos, what: String) {
        self.violations.push(Violation { rule, at, what });
    }

    fn except(&mut self, exception: &'static str) {
        *self.exceptions.entry(exception).or_default() += 1;
    }

    fn count(&mut self, log: &Log, facts: &Facts) {
        for fault in &facts.faults {
            let name = fault.kind.split([' ', '(']).next().unwrap_or_default();
            *self.faults.entry(name.to_owned()).or_default() += 1;
        }
        let numbers = &mut self.numbers;
        numbers.time = facts.end - facts.start;
        numbers.answers = facts.answers.len() as u64;
        for entry in &log.entries {
            match &entry.event {
                Event::Started { .. } => numbers.nodes += 1,
                Event::Began { .. } => numbers.executions += 1,
                Event::Asked { .. } => numbers.requests += 1,
                Event::Operated {
                    outcome, closes, ..
                } if outcome == "stored" => match facts.verb_at(entry.at) {
                    Some("activate") if *closes => numbers.activations += 1,
                    Some("deactivate") => numbers.openings += 1,
                    _ => {}
                },
                _ => {}
            }
        }
    }

    /// Adds what another round has come to.
    pub(crate) fn add(&mut self, other: Self) {
        self.violations.extend(other.violations);
        for (name, count) in other.exceptions {
            *self.exceptions.entry(name).or_default() += count;
        }
        for (name, count) in other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        let (sum, more) = (&mut self.numbers, other.numbers);
        sum.time += more.time;
        sum.nodes += more.nodes;
        sum.activations += more.activations;
        sum.openings += more.openings;
        sum.drained += more.drained;
        sum.drained_for += more.drained_for;
        sum.drained_with_reserve += more.drained_with_reserve;
        sum.executions += more.executions;
        sum.requests += more.requests;
        sum.decisions += more.decisions;
        sum.answers += more.answers;
        sum.worst_behind = sum.worst_behind.max(more.worst_behind);
        sum.worst_silence = sum.worst_silence.max(more.worst_silence);
    }

    /// A run in which nothing happens would break no rule, either.
    ///
    /// # Panics
    ///
    /// Too little has happened.
    pub(crate) fn assert_that_much_happened(&self) {
        let Numbers {
            activations,
            openings,
            drained,
            drained_with_reserve,
            executions,
            requests,
            ..
        } = self.numbers;
        let few = [
            (activations, 2, "activations"),
            (openings, 2, "openings"),
            (drained + drained_with_reserve, 1, "drains"),
            (executions, 500, "executions"),
            (requests, 500, "requests"),
        ];
        for (count, least, what) in few {
            assert!(count >= least, "only {count} {what}: {self}");
        }
        assert!(!self.faults.is_empty(), "no faults: {self}");
    }

    /// The violations, and what happened around the first of them.
    pub(crate) fn story(&self, log: &Log) -> String {
        let mut lines = Vec::new();
        let start = log.entries.first().map_or(0, |entry| entry.at);
        for Violation { rule, at, what } in &self.violations {
            let seconds = (at - start) / SECOND;
            let micros = (at - start) % SECOND / 1_000;
            lines.push(format!(
                "VIOLATION at {seconds}.{micros:06} ({rule}): {what}"
            ));
        }
        if let Some(first) = self.violations.first() {
            lines.push(format!(
                "the {SHOWN} events around the first, requests left out:"
            ));
            let events: Vec<_> = log
                .entries
                .iter()
                .filter(|entry| !matches!(entry.event, Event::Asked { .. } | Event::Denied { .. }))
                .collect();
            let middle = events.partition_point(|entry| entry.at < first.at);
            let from = middle.saturating_sub(SHOWN / 2);
            let shown = events.iter().skip(from).take(SHOWN);
            lines.extend(shown.map(|entry| log.line_of(entry, start)));
        }
        lines.join("\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Numbers {
            time,
            nodes,
            activations,
            openings,
            drained,
            drained_for,
            drained_with_reserve,
            executions,
            requests,
            decisions,
            answers,
            worst_behind,
            worst_silence,
        } = self.numbers;
        let list = |counts: Vec<String>| {
            if counts.is_empty() {
                "none".to_owned()
            } else {
                counts.join(", ")
            }
        };
        let faults = self
            .faults
            .iter()
            .map(|(name, count)| format!("{name} {count}"));
        let faults = list(faults.collect());
        let exceptions = self
            .exceptions
            .iter()
            .map(|(name, count)| format!("{name} {count}"));
        let exceptions = list(exceptions.collect());
        let violations = self.violations.len();
        let (seconds, drained_s) = (time / SECOND, drained_for / SECOND);
        let (behind, silence) = (worst_behind / MILLI, worst_silence / MILLI);
        write!(
            f,
            "{seconds} s; {nodes} nodes; {activations} activations and {openings} openings; {drained} drains without \
             reserve, held for {drained_s} s, and {drained_with_reserve} with; {executions} executions; {requests} requests; {decisions} decisions \
             recomputed; {answers} answers\n  faults: {faults}\n  exceptions: {exceptions}\n  worst time behind in \
             contact: {behind} ms; worst silence while Redis was in reach: {silence} ms\n  violations: {violations}"
        )
    }
}
