//! The budgets.

use super::{Measured, nodes_of, per_second_and_node};
use crate::budgets::FleetBudgets;
use crate::figures::grouped;
use crate::fleet::costs::QUESTIONS;
use crate::report::Verdict;

impl Measured {
    pub(super) fn verdicts(&self, budgets: &FleetBudgets) -> Vec<Verdict> {
        // Of the most nodes: of one, a heartbeat more or less is a third.
        let rate = self.idle.last().map_or(0.0, per_second_and_node);
        let at_most = budgets.commands_per_second_and_node;
        let bytes = self.bytes.activated.max(self.bytes.deactivated);
        let mut verdicts = vec![
            verdict(
                "an idle node's commands",
                format!("at most {at_most} per second"),
                format!("{rate:.3} per second"),
                rate <= at_most,
                true,
            ),
            verdict(
                &format!(
                    "commands caused by {} requests and executions, open and closed",
                    grouped(QUESTIONS)
                ),
                match budgets.commands_of_requests {
                    0 => "none".to_owned(),
                    at_most => format!("at most {at_most}"),
                },
                match self.asked {
                    0 => "none".to_owned(),
                    asked => asked.to_string(),
                },
                self.asked <= budgets.commands_of_requests,
                true,
            ),
            verdict(
                "a node's keys in Redis",
                format!("at most {} bytes", budgets.bytes_per_node),
                format!("{bytes} bytes"),
                bytes <= budgets.bytes_per_node,
                true,
            ),
        ];
        if let Some(largest) = self.flips.last() {
            let (ours, bare) = (&largest.closing.from_return, &largest.clients.from_return);
            let mut compare = |name: &str, ours: f64, bare: f64, at_most: f64| {
                // Either may be below zero, and then their ratio says nothing.
                let measured = if ours > 0.0 && bare > 0.0 {
                    format!("{:.2} times ({ours:.2} ms to {bare:.2} ms)", ours / bare)
                } else {
                    format!("{ours:.2} ms to {bare:.2} ms")
                };
                verdicts.push(verdict(
                    &format!(
                        "the last of {} closes, to a bare PUBLISH: {name}",
                        nodes_of(largest.nodes)
                    ),
                    format!("at most {at_most} times"),
                    measured,
                    ours <= bare || ours <= at_most * bare,
                    false,
                ));
            };
            compare(
                "median",
                ours.median(),
                bare.median(),
                budgets.median_of_bare_publish,
            );
            compare("p99", ours.at(99), bare.at(99), budgets.p99_of_bare_publish);
        }
        let mut file = |name: &str, millis: f64, at_most: f64| {
            verdicts.push(verdict(
                &format!("a change reaches another process, file state: {name}"),
                format!("at most {at_most} ms"),
                format!("{millis:.1} ms"),
                millis <= at_most,
                false,
            ));
        };
        let took = &self.one_machine;
        file("median", took.median(), budgets.file_median_millis);
        file("longest", took.at(100), budgets.file_longest_millis);
        verdicts
    }
}

fn verdict(
    what: &str,
    budget: String,
    measured: String,
    is_kept: bool,
    is_stable: bool,
) -> Verdict {
    Verdict {
        what: what.to_owned(),
        budget,
        measured,
        is_kept,
        is_stable,
    }
}
