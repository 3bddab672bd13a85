//! Revisions never go back on a node, and none stands for two records.
//!
//! Each look at a gate happened somewhere in a span. Of two looks whose spans do not touch, the later one must not show
//! an older revision; nor may what a node reports.
//!
//! A revision that was lost, and of which nobody told since, may be given again when the state's clock was set back: a
//! state that has lost its data cannot know better. That is the exception `revision given again`.

use super::Report;
use super::facts::{Facts, Life};

const RULE: &str = "revisions never go back";

pub(super) fn check(facts: &Facts, report: &mut Report) {
    for life in &facts.lives {
        check_gate(life, report);
        let reports = life.syncs.windows(2);
        for pair in reports {
            if pair[1].seen < pair[0].seen {
                report.violate(
                    RULE,
                    pair[1].sent,
                    format!(
                        "node {} reported revision {} after {}",
                        life.name, pair[1].seen, pair[0].seen
                    ),
                );
                break;
            }
        }
    }
    for (&revision, known) in &facts.records {
        for record in known.records.iter().skip(1) {
            let made_after = record
                .operation()
                .and_then(|id| facts.operations.get(&id.to_string()))
                .map_or(0, |operation| operation.at);
            let is_lost = facts.loss_of_record(known.made_after, made_after).is_some();
            let since = facts.forgets_until(made_after);
            if is_lost && !facts.was_told(revision, since, made_after) {
                report.except("revision given again");
            } else {
                report.violate(
                    RULE,
                    known.seen_at,
                    format!(
                        "{revision} stands for {:?} and for {record:?}",
                        known.records[0]
                    ),
                );
            }
        }
    }
}

fn check_gate(life: &Life, report: &mut Report) {
    let mut looks = life.looks.clone();
    looks.sort_by_key(|look| look.span.from);
    let mut over: Vec<_> = looks
        .iter()
        .map(|look| (look.span.to, look.after.revision))
        .collect();
    over.sort_unstable();
    let mut over = over.into_iter().peekable();
    let mut newest = 0;
    for look in &looks {
        while let Some((_, revision)) = over.next_if(|(to, _)| *to < look.span.from) {
            newest = newest.max(revision);
        }
        let (before, after) = (look.before.revision, look.after.revision);
        if before < newest || after < before {
            report.violate(
                RULE,
                look.span.to,
                format!(
                    "the gate of node {} went by {newest}, then by {before}, then by {after}",
                    life.name
                ),
            );
            return;
        }
    }
}
