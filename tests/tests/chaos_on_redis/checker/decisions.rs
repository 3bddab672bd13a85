//! Decisions agree with what they were based on.
//!
//! Before and after every question to a gate its status was written down. If both are the same, the answer must be what
//! the core's own rules make of that record, hold and suspension. On a node with one thread nothing else can happen in
//! between, so this is exact. On one with more threads, the gate may be just then being moved, which takes two steps (the
//! snapshot first, so that who finds the door closed finds the reason, and the door last). An answer that fits what it was
//! moved from or to within [`NEAR`] is accepted, and counted as `decided while the gate was moved`.
//!
//! A node that fences itself refuses executions by the time, not by a snapshot, since its timer may be late. Such a
//! refusal is right if its newest answer is older than its lease less the margin.

use intermission::{
    Decision, Hold, Policy, Record, RefuseReason, RouteAccess, Snapshot, Timestamp, decide,
};

use super::Report;
use super::facts::{About, Facts, Life, Look, Question, Span};
use crate::log::{MILLI, Nanos, Sample, nanos};
use crate::setting::{Lost, timing};
use crate::visitors::visitor;

const RULE: &str = "decisions agree with what they were based on";

/// How far away a change of the gate may be written down, since that is done after it.
const NEAR: Nanos = 500 * MILLI;

pub(super) fn check(facts: &Facts, report: &mut Report) {
    for life in &facts.lives {
        for question in &life.questions {
            report.numbers.decisions += 1;
            let Look {
                span,
                before,
                after,
            } = question.look;
            let fits = |sample: &Sample| fits(facts, life, question, sample);
            let (by_before, by_after) = (fits(&before), fits(&after));
            if by_before == Some(true) && before.is_like(&after) {
                continue;
            }
            if by_before.is_none() && by_after.is_none() {
                report.except("decided by a record that nobody could write down");
                continue;
            }
            let is_moved = || {
                life.threads > 1
                    && moved_between(life, span).any(|sample| {
                        fits(sample) == Some(true) || is_at_the_door(question, sample)
                    })
            };
            if by_before == Some(true) || by_after == Some(true) || is_moved() {
                report.except("decided while the gate was moved");
                continue;
            }
            report.violate(
                RULE,
                span.to,
                format!(
                    "node {} ({} threads) said {:?} and went by {before} before and {after} after",
                    life.name, life.threads, question.about
                ),
            );
        }
    }
}

/// What the gate was moved from and to about then.
fn moved_between(life: &Life, span: Span) -> impl Iterator<Item = &Sample> {
    let is_near =
        move |at: Nanos| span.from.saturating_sub(NEAR) <= at && at <= span.to.saturating_add(NEAR);
    life.changes
        .windows(2)
        .filter(move |moves| is_near(moves[1].0))
        .flat_map(|moves| [&moves[0].1, &moves[1].1])
}

/// Whether the answer is what this sample makes it; `None` if nobody knows the record.
fn fits(facts: &Facts, life: &Life, question: &Question, sample: &Sample) -> Option<bool> {
    let snapshot = snapshot(facts, sample)?;
    let refusal = snapshot.execution_refusal();
    let by_time = is_fenced_by_time(life, &question.look);
    Some(match &question.about {
        About::Request(kind, said) => {
            let visitor = visitor(kind).expect("a kind of the list");
            let decision = decide(
                &snapshot,
                &Policy::default(),
                &visitor,
                Timestamp::default(),
            );
            let starts = visitor.access == RouteAccess::StartsExecution;
            // Whoever passes a closed door passes no fence.
            let is_fenced_out = starts && by_time && decision.is_admit();
            let late = Decision::Refuse(RefuseReason::OutOfContact);
            *said == decision.to_string() || (is_fenced_out && *said == late.to_string())
        }
        About::Began => refusal.is_none(),
        About::Denied(reason) => {
            let by_time = by_time.then_some(RefuseReason::OutOfContact);
            refusal
                .or(by_time)
                .is_some_and(|refusal| refusal.as_str() == reason)
        }
    })
}

/// Somebody who found the door closed, and then the snapshot of a gate that opens.
fn is_at_the_door(question: &Question, sample: &Sample) -> bool {
    let said = match &question.about {
        About::Request(_, said) => said.as_str(),
        About::Denied(reason) => reason.as_str(),
        About::Began => return false,
    };
    sample.is_open() && said.contains(RefuseReason::Activating.as_str())
}

fn snapshot(facts: &Facts, sample: &Sample) -> Option<Snapshot> {
    let record = match sample.revision {
        0 => std::sync::Arc::new(Record::default()),
        revision => facts
            .records
            .get(&revision)?
            .records
            .iter()
            .find(|record| record.phase() == sample.phase)?
            .clone(),
    };
    let mut snapshot = Snapshot::new(record);
    snapshot.hold = sample.held.then_some(Hold::StateUnreachable);
    snapshot.executions_suspended = sample.suspended;
    Some(snapshot)
}

fn is_fenced_by_time(life: &Life, look: &Look) -> bool {
    let timing = timing();
    let fence = nanos(timing.lease - timing.margin);
    let oldest = look
        .before
        .age
        .saturating_add(look.span.length())
        .max(look.after.age);
    life.lost == Some(Lost::Fence) && oldest >= fence
}
