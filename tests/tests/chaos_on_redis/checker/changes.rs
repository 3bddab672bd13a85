//! No activation is lost.
//!
//! - Whatever open record anybody ever saw has a reason why every activation before it is over. Either an operator said
//!   so after they had asked for that activation; or it is a drain that was to be given up, of that activation or of a
//!   later one; or it is an edit of an open record that has such a reason. An open record that was made from one before
//!   the activation has lost it. That may only happen after a fault that may have lost the activation, and if nobody who
//!   knew of it was heard since: the exception `activation lost with Redis and everybody who knew`.
//! - A drain is given up only if its policy says so.
//! - What was accepted, and after which no fault can have lost the history, is in the history.

use super::Report;
use super::facts::{Facts, Operation};
use crate::log::Nanos;
use intermission::{DrainPolicy, Record};

const RULE: &str = "no activation is lost";

/// The history keeps so many lines.
const KEPT: usize = 256;

pub(super) fn check(facts: &Facts, report: &mut Report) {
    let mut lost = 0;
    for (&revision, known) in &facts.records {
        for record in known
            .records
            .iter()
            .filter(|record| !record.phase().is_on())
        {
            let before = facts.records.range(..revision);
            let activations = before.filter_map(|(&begun, known)| {
                let is_beginning = known.records.iter().any(|record| {
                    record
                        .activation()
                        .is_some_and(|on| on.id.began().number() == begun)
                });
                is_beginning.then_some(begun)
            });
            for activation in activations {
                match why_over(facts, activation, revision, record) {
                    Ended::Well => {}
                    Ended::Lost => lost += 1,
                    Ended::Violation(why) => report.violate(
                        RULE,
                        known.seen_at,
                        format!("the site is open at {revision}, and activation {activation} is not over: {why}"),
                    ),
                }
            }
        }
    }
    for _ in 0..lost {
        report.except("activation lost with Redis and everybody who knew");
    }
    check_history(facts, report);
}

enum Ended {
    Well,
    Lost,
    Violation(&'static str),
}

/// Why that activation is over, by what this open record was made from.
fn why_over(facts: &Facts, activation: u64, revision: u64, record: &Record) -> Ended {
    let Some(id) = record.operation() else {
        return Ended::Violation("nobody has made that record");
    };
    let Some(operation) = facts.operations.get(&id.to_string()) else {
        return Ended::Violation("nobody knows the operation that made that record");
    };
    if operation.closes {
        return why_given_up(facts, activation, revision, &id.to_string(), operation);
    }
    let asked_at = facts.records[&activation].made_after;
    if facts.verb_at(operation.at) == Some("deactivate") && operation.sent >= asked_at {
        return Ended::Well;
    }
    // An edit of an open record. If that is newer than the activation, it has its own reason.
    if operation.expected > activation {
        return Ended::Well;
    }
    excuse(
        facts,
        activation,
        operation.sent,
        "it was made from an older record",
    )
}

/// The record is open, and the last that an operator asked for was a closed site.
fn why_given_up(
    facts: &Facts,
    activation: u64,
    revision: u64,
    id: &str,
    operation: &Operation,
) -> Ended {
    let made_by_it = facts.records.range(..revision).find_map(|(_, known)| {
        known.records.iter().find_map(|record| {
            let is_its = record
                .operation()
                .is_some_and(|other| other.to_string() == id);
            record.activation().filter(|_| is_its).cloned()
        })
    });
    let Some(on) = made_by_it else {
        // Nobody saw it closed: it was given up in the same step, or the one who saw it was killed.
        return if operation.expected >= activation {
            Ended::Well
        } else {
            excuse(
                facts,
                activation,
                operation.sent,
                "it was made from an older record",
            )
        };
    };
    if !matches!(on.settings.drain, DrainPolicy::Abort(_)) {
        return Ended::Violation("its drain was given up, and its policy is another");
    }
    if on.id.began().number() >= activation {
        return Ended::Well;
    }
    excuse(
        facts,
        activation,
        operation.sent,
        "an older drain was given up instead",
    )
}

fn excuse(facts: &Facts, activation: u64, by: Nanos, why: &'static str) -> Ended {
    let made_after = facts.records[&activation].made_after;
    if facts.loss_of_record(made_after, by).is_none() {
        return Ended::Violation(why);
    }
    let since = facts.forgets_until(by);
    if facts.was_told(activation, since, by) {
        return Ended::Violation(why);
    }
    Ended::Lost
}

fn check_history(facts: &Facts, report: &mut Report) {
    let Some(history) = &facts.history else {
        return;
    };
    let lost_until = facts
        .losses
        .iter()
        .filter(|loss| loss.history)
        .map(|loss| loss.span.to)
        .max()
        .unwrap_or(0);
    let oldest = history.first().map_or(0, |(revision, _)| *revision);
    for operation in facts.operations.values() {
        let Some(revision) = operation.stored.filter(|_| operation.sent > lost_until) else {
            continue;
        };
        let was_on = facts.activation(operation.expected).is_some();
        let line = match facts.activation(revision) {
            Some(activation) if !was_on => (activation, "requested"),
            None if was_on && !operation.closes => (revision, "deactivated"),
            _ => continue,
        };
        let is_kept = history.len() < KEPT || line.0 >= oldest;
        let is_there = history
            .iter()
            .any(|(revision, event)| (*revision, event.as_str()) == line);
        if is_kept && !is_there {
            report.violate(
                RULE,
                operation.at,
                format!(
                    "the history has no line `{} {}`, and nothing can have lost it",
                    line.0, line.1
                ),
            );
        }
    }
}
