//! What runs, and what a drain waits for.

use intermission::{Phase, Timestamp, View};

use super::lines::{Lines, NAMED, list};
use crate::render::fleet;

pub(super) fn say_what_runs(lines: &mut Lines, view: &View, now: Timestamp, invocation: &str) {
    let bypass: u64 = view
        .nodes
        .iter()
        .map(|node| node.facts.bypass_running)
        .sum();
    if view.count.running > 0 || bypass > 0 {
        let more = if bypass > 0 {
            format!(", and {bypass} of bypassed visitors")
        } else {
            String::new()
        };
        lines.add(
            "Executions",
            format!("{}{more}", fleet::load_in_words(view, "running")),
        );
    }
    if view.record.phase() != Phase::Activating {
        return;
    }
    let running = view
        .executions()
        .into_iter()
        .filter(|(_, execution)| !execution.bypass);
    let running: Vec<String> = running
        .map(|(node, execution)| fleet::execution_in_words(node, execution, now))
        .collect();
    for execution in running.iter().take(NAMED) {
        lines.add("", execution.clone());
    }
    let named = u64::try_from(running.len().min(NAMED)).unwrap_or(u64::MAX);
    if view.count.running > named && named > 0 {
        lines.add("", format!("and {} more", view.count.running - named));
    }
    lines.add_list(
        "Waiting for",
        &list(fleet::holdups(view).map(|node| fleet::holdup_in_words(node, now))),
    );
    let silent = fleet::holdups(view).filter(|node| node.out_of_contact);
    for node in silent.take(NAMED) {
        lines.add("", fleet::way_out(node.node, invocation));
    }
}
