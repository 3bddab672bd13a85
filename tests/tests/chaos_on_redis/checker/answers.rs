//! In contact means up to date, and nothing that was known is forgotten in silence.
//!
//! Time is counted in answers, because the machine is shared: how late a process is says nothing about the protocol.
//!
//! - **Nothing is missing from an answer** that anybody had seen before the question was sent. A revision in the log was
//!   in the state by then; so an answer with an older one shows that the state went back, which it may only
//!   - after a fault that may have lost it: one that ended after the revision can have been made;
//!   - until a node has brought it back since: offered it, and was answered;
//!   - in a grace, unless nobody who knew better was heard since the latest loss of any kind. Then the revision is
//!     *forgotten*. That is assumption A5 of the design, and the exception `forgotten`.
//! - **A node goes by what it was answered** before it speaks again: the next report says at least that revision. So
//!   nobody in contact is behind for longer than one heartbeat that was answered.
//! - **Whoever can reach Redis is answered**: no time longer than two heartbeats, a time-out and generous slack passes
//!   without an answer while, by the log, neither the servers, nor this node's connection, nor its process, nor the
//!   process with the proxies had anything wrong.

use super::Report;
use super::facts::{Answer, Facts, Life, Loss, Span, without};
use crate::log::{MILLI, Nanos, SECOND, nanos};
use crate::setting::timing;

const RULE: &str = "in contact means up to date";

/// For processes that wait for their turn on a shared machine. What hangs does so for longer.
const SLACK: Nanos = 10 * SECOND;

/// Revisions up to this were forgotten by everybody, by a loss that began then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forgetting {
    pub(super) lost_at: Nanos,
    pub(super) revision: u64,
}

pub(super) fn check(facts: &Facts, report: &mut Report) -> Vec<Forgetting> {
    let mut forgettings = Vec::new();
    for answer in &facts.answers {
        for (&revision, known) in facts.records.range(answer.revision + 1..) {
            if known.seen_at > answer.sent {
                continue;
            }
            match why_missing(facts, revision, answer) {
                Missing::Excused => {}
                Missing::Forgotten(loss) => {
                    let forgetting = Forgetting {
                        lost_at: loss.span.from,
                        revision,
                    };
                    if !forgettings.contains(&forgetting) {
                        forgettings.push(forgetting);
                    }
                }
                Missing::Violation(why) => {
                    let Answer {
                        revision: answered,
                        grace,
                        source,
                        ..
                    } = answer;
                    report.violate(
                        RULE,
                        answer.at,
                        format!(
                            "the answer to source {source} has revision {answered} (grace {} ms) and lacks {revision}: {why}",
                            grace / MILLI
                        ),
                    );
                    break;
                }
            }
        }
    }
    let mut losses: Vec<Nanos> = forgettings.iter().map(|one| one.lost_at).collect();
    losses.dedup();
    for _ in losses {
        report.except("forgotten: everybody who knew was away for the whole grace after a loss");
    }
    for life in &facts.lives {
        check_obedience(life, report);
        check_silence(facts, life, report);
    }
    report.numbers.worst_behind = worst_behind(facts);
    forgettings
}

enum Missing<'a> {
    Excused,
    Forgotten(&'a Loss),
    Violation(&'static str),
}

/// Why this answer may lack a revision that was known before it was asked for.
fn why_missing<'a>(facts: &'a Facts, revision: u64, answer: &Answer) -> Missing<'a> {
    let made_after = facts.records[&revision].made_after;
    let Some(loss) = facts.loss_of_record(made_after, answer.at) else {
        return Missing::Violation("nothing can have lost it");
    };
    if facts.was_given(revision, loss.span.to, answer.sent) {
        return Missing::Violation("it was brought back since the loss");
    }
    if answer.grace > 0 {
        return Missing::Excused;
    }
    let since = facts.forgets_until(answer.at);
    if answer.seen >= revision && answer.sent > since {
        return Missing::Violation("whoever asked has said that there is a newer one");
    }
    if facts.was_told(revision, since, answer.sent) {
        return Missing::Violation("a node has said since the loss that there is a newer one");
    }
    Missing::Forgotten(loss)
}

fn check_obedience(life: &Life, report: &mut Report) {
    let mut newest = 0;
    for pair in life.syncs.windows(2) {
        let [before, after] = pair else { continue };
        if before.is_ok && before.echoed == before.sequence && before.at <= after.sent {
            newest = before.revision.max(newest);
        }
        if after.seen < newest {
            report.violate(
                RULE,
                after.sent,
                format!(
                    "node {} was answered revision {newest} and then says that it goes by {}",
                    life.name, after.seen
                ),
            );
            return;
        }
    }
}

/// The longest that a healthy node may be silent.
fn patience() -> Nanos {
    let timing = timing();
    nanos(timing.heartbeat * 12 / 5 + timing.timeout) + SLACK
}

fn check_silence(facts: &Facts, life: &Life, report: &mut Report) {
    let is_concerned =
        |scope: &str| scope == "servers" || scope.split(' ').any(|number| number == life.number);
    let ill: Vec<Span> = facts
        .faults
        .iter()
        .filter(|fault| is_concerned(&fault.scope))
        .map(|fault| fault.span)
        .chain(facts.stalls.iter().copied())
        .chain(life.stood_still.iter().copied())
        .collect();
    let answered = life
        .syncs
        .iter()
        .filter(|sync| sync.is_ok)
        .map(|sync| sync.at);
    let mut from = life.began;
    for to in answered.chain([life.ended]) {
        for healthy in without(Span { from, to }, ill.iter().copied()) {
            let silence = healthy.length();
            report.numbers.worst_silence = report.numbers.worst_silence.max(silence);
            if silence > patience() {
                report.violate(
                    RULE,
                    healthy.to,
                    format!(
                        "node {} could reach Redis and was not answered for {} ms",
                        life.name,
                        silence / MILLI
                    ),
                );
                return;
            }
        }
        from = from.max(to);
    }
}

/// The longest from the moment at which anybody saw a revision until a node in contact went by it. Nodes to which
/// something happened in between do not count.
fn worst_behind(facts: &Facts) -> Nanos {
    let mut worst = 0;
    for life in &facts.lives {
        for (&revision, known) in &facts.records {
            let was_there = life.began < known.seen_at && known.seen_at < life.ended;
            if !was_there {
                continue;
            }
            let reached = life
                .changes
                .iter()
                .find(|(_, sample)| sample.revision >= revision);
            let Some((at, _)) = reached else { continue };
            let span = Span {
                from: known.seen_at,
                to: *at,
            };
            let is_hit = |fault: &Span| fault.common(span).is_some();
            let failed = life.syncs.iter().any(|sync| {
                !sync.is_ok
                    && is_hit(&Span {
                        from: sync.sent,
                        to: sync.at,
                    })
            });
            let stood_still = life.stood_still.iter().any(is_hit);
            let lost = facts.losses.iter().any(|loss| is_hit(&loss.span));
            if !failed && !stood_still && !lost {
                worst = worst.max(span.length());
            }
        }
    }
    worst
}
