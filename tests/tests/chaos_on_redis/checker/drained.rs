//! Drained means drained.
//!
//! **The claim.** A record says of an activation that its drain is complete. That is a claim about every node that it
//! does not name as unconfirmed: nothing runs there. Without names, not forced, and without lost data it is one about
//! all, *without reserve*; with lost data it excepts nodes that the loss may have hidden.
//!
//! The state has made that record some time before anybody saw it; so the claim holds *at the latest* from the moment at
//! which anybody wrote down that they had seen one that does not name the node. It holds until somebody opens the site,
//! which cannot be *earlier* than the moment at which an operator sent a change that proposes an open site, that the
//! state has accepted (it said so, or somebody saw its record), and that led to a greater revision. (A drain that is
//! given up opens before there is a claim; [`changes`](super::changes) sees to that.) Between these two moments, which
//! make the span shorter than it was, nothing may have run.
//!
//! **An execution** certainly ran from the moment at which it was written down as begun, by the one who held it, until
//! the moment at which it was written down that it is about to end, or shortly before its process was killed.
//!
//! So what overlaps is a violation, but for:
//!
//! - executions of bypassed visitors, past a closed door: nobody waits for them until their node has been open again.
//!   Not counted, since it is no exception but the rule;
//! - `forgotten by the operator`: somebody took the living node off the list, and it had begun this before it was heard
//!   again. Its activation must have been asked for by then, too: a later drain knows the node;
//! - `cut off at a loss`: the state lost who is there while the node was cut off, and has not heard it since. The loss
//!   must be told (by this completion or by one that was seen since the loss), or nobody who was there before the loss
//!   was heard after it. Nodes that fence themselves are excepted only if none of them was heard in the grace: otherwise
//!   the grace outlasts their fence. If only the newest writes were lost, a node that was known before is not excepted;
//! - `stood still`: a node that fences itself drops what it runs by its clock, but not while its process is stopped or
//!   gets no processor. Until a moment after it goes on ([`UNTIL_TIMERS_RUN`]);
//! - what is `forgotten` (see [`answers`](super::answers)): a claim ends with the loss that everybody forgot it by.

use std::collections::{BTreeMap, BTreeSet};

use intermission::{Completion, Record};

use super::Report;
use super::answers::Forgetting;
use super::facts::{Execution, Facts, Life, Span, without};
use crate::log::{MILLI, Nanos, Sample, nanos};
use crate::setting::{Lost, timing};

const RULE: &str = "drained means drained";

/// From the moment at which a process goes on until all of its timers that are over have run.
const UNTIL_TIMERS_RUN: Nanos = 300 * MILLI;

/// What was said of an activation that is drained.
#[derive(Clone, Debug)]
struct Claims {
    activation: u64,
    /// When it was asked for, at the earliest.
    asked_at: Nanos,
    /// When each record that says so was seen first, and whom that names.
    said: Vec<Said>,
    /// When the site was opened, at the earliest.
    until: Nanos,
}

#[derive(Clone, Debug)]
struct Said {
    at: Nanos,
    names: BTreeSet<String>,
    forced: bool,
    lost: bool,
}

/// What was said of one node.
#[derive(Clone, Copy, Debug)]
struct Claim {
    activation: u64,
    asked_at: Nanos,
    /// When it certainly was said to run nothing.
    held: Span,
    lost: bool,
}

impl Claims {
    fn of(&self, node: &str) -> Option<Claim> {
        let first = self
            .said
            .iter()
            .filter(|said| !said.names.contains(node))
            .min_by_key(|said| said.at)?;
        let held = Span {
            from: first.at,
            to: self.until,
        };
        (held.from < held.to).then_some(Claim {
            activation: self.activation,
            asked_at: self.asked_at,
            held,
            lost: first.lost,
        })
    }
}

pub(super) fn check(facts: &Facts, forgettings: &[Forgetting], report: &mut Report) {
    for claims in claims(facts, forgettings) {
        count(&claims, report);
        for life in &facts.lives {
            if let Some(claim) = claims.of(&life.node) {
                check_life(facts, life, claim, report);
            }
        }
    }
}

fn count(claims: &Claims, report: &mut Report) {
    let of_all = claims
        .said
        .iter()
        .filter(|said| said.names.is_empty() && !said.forced && said.at < claims.until);
    match of_all.min_by_key(|said| said.at) {
        Some(said) if !said.lost => {
            report.numbers.drained += 1;
            report.numbers.drained_for += claims.until - said.at;
        }
        _ => report.numbers.drained_with_reserve += 1,
    }
}

fn check_life(facts: &Facts, life: &Life, claim: Claim, report: &mut Report) {
    for (number, execution) in &life.executions {
        let Some(overlap) = execution.ran.common(claim.held) else {
            continue;
        };
        if is_awaited_by_nobody(life, execution, overlap.from) {
            continue;
        }
        if let Some(exception) = exception(facts, life, execution, claim, overlap) {
            report.except(exception);
            continue;
        }
        let Claim {
            activation, held, ..
        } = claim;
        report.violate(
            RULE,
            overlap.from,
            format!(
                "execution {number} ({}) ran on node {} ({:?}) for {} ms of the {} ms for which activation {activation} \
                 was said to be drained there",
                execution.way,
                life.name,
                life.lost,
                overlap.length() / MILLI,
                held.length() / MILLI
            ),
        );
    }
}

fn claims(facts: &Facts, forgettings: &[Forgetting]) -> Vec<Claims> {
    let mut all: BTreeMap<u64, (u64, Vec<Said>)> = BTreeMap::new();
    for (&revision, known) in &facts.records {
        for record in &known.records {
            let Some((activation, done)) = completion(record) else {
                continue;
            };
            let names = done.unconfirmed.iter();
            let said = Said {
                at: known.seen_at,
                names: names
                    .map(|unconfirmed| unconfirmed.node.to_string())
                    .collect(),
                forced: done.forced,
                lost: done.state_lost_at.is_some(),
            };
            let (first, saids) = all.entry(activation).or_insert((revision, Vec::new()));
            *first = revision.min(*first);
            saids.push(said);
        }
    }
    let openings = openings(facts);
    let claims = all.into_iter().map(|(activation, (revision, said))| {
        let opened = openings
            .iter()
            .filter(|(_, opened)| *opened > revision)
            .map(|(sent, _)| *sent);
        let forgotten = forgettings
            .iter()
            .filter(|forgetting| forgetting.revision >= activation)
            .map(|forgetting| forgetting.lost_at);
        Claims {
            activation,
            asked_at: facts
                .records
                .get(&activation)
                .map_or(0, |known| known.made_after),
            said,
            until: opened.chain(forgotten).min().unwrap_or(facts.end),
        }
    });
    claims.collect()
}

fn completion(record: &Record) -> Option<(u64, &Completion)> {
    let activation = record.activation()?;
    Some((
        activation.id.began().number(),
        activation.completion.as_ref()?,
    ))
}

/// When an operator asked for what became an open site, and the revision that it became.
fn openings(facts: &Facts) -> Vec<(Nanos, u64)> {
    let mut openings = Vec::new();
    for operation in facts
        .operations
        .values()
        .filter(|operation| !operation.closes)
    {
        openings.extend(operation.stored.map(|revision| (operation.sent, revision)));
    }
    for (&revision, known) in &facts.records {
        for record in known
            .records
            .iter()
            .filter(|record| !record.phase().is_on())
        {
            let operation = record
                .operation()
                .and_then(|id| facts.operations.get(&id.to_string()));
            let opened = operation.filter(|operation| !operation.closes);
            openings.extend(opened.map(|operation| (operation.sent, revision)));
        }
    }
    openings
}

/// Past a closed door, and never since has the door been seen open.
fn is_awaited_by_nobody(life: &Life, execution: &Execution, by: Nanos) -> bool {
    let (at_first, at_last) = execution.bypass;
    if !at_first || at_last {
        return at_first;
    }
    let is_opening =
        |(at, sample): &(Nanos, Sample)| (execution.ran.from..by).contains(at) && sample.is_open();
    !life.changes.iter().any(is_opening)
}

fn exception(
    facts: &Facts,
    life: &Life,
    execution: &Execution,
    claim: Claim,
    overlap: Span,
) -> Option<&'static str> {
    if is_written_off(facts, life, execution, claim) {
        return Some("forgotten by the operator");
    }
    if is_cut_off_at_a_loss(facts, life, claim) {
        return Some("cut off at a loss");
    }
    if life.lost == Some(Lost::Fence) {
        let excused = life.stood_still.iter().map(|still| Span {
            from: still.from,
            to: still.to.saturating_add(UNTIL_TIMERS_RUN),
        });
        if without(overlap, excused).is_empty() {
            return Some("stood still");
        }
    }
    None
}

fn is_written_off(facts: &Facts, life: &Life, execution: &Execution, claim: Claim) -> bool {
    facts
        .forgotten
        .iter()
        .filter(|forgotten| forgotten.alive && forgotten.node == life.node)
        .filter(|forgotten| forgotten.span.from < claim.held.to)
        .any(|forgotten| {
            let back = life
                .syncs
                .iter()
                .find(|sync| sync.is_ok && sync.sent > forgotten.span.to)
                .map_or(Nanos::MAX, |sync| sync.at);
            execution.ran.from <= back && claim.asked_at <= back
        })
}

fn is_cut_off_at_a_loss(facts: &Facts, life: &Life, claim: Claim) -> bool {
    let seen_at = claim.held.from;
    let grace = nanos(timing().grace);
    facts
        .losses
        .iter()
        .filter(|loss| loss.members && loss.span.from < seen_at)
        .any(|loss| {
            let Span { from, to } = loss.span;
            let is_known = loss.tail && life.was_heard(0, from);
            if is_known || life.was_heard(to, seen_at) {
                return false;
            }
            let is_told = claim.lost
                || facts.records.values().any(|known| {
                    let tells = |record: &Record| {
                        completion(record).is_some_and(|(_, done)| done.state_lost_at.is_some())
                    };
                    (from..=seen_at).contains(&known.seen_at)
                        && known.records.iter().any(|record| tells(record))
                });
            let others = || facts.lives.iter().filter(|other| other.name != life.name);
            let is_alone =
                !others().any(|other| other.was_heard(0, from) && other.was_heard(to, seen_at));
            let is_outlasted = life.lost == Some(Lost::Fence)
                && others().any(|other| {
                    other.lost == Some(Lost::Fence) && other.was_heard(to, to + grace)
                });
            (is_told || is_alone) && !is_outlasted
        })
}
