//! How many nodes there are, and which of them are silent.

use intermission::{NodeId, NodeView, Phase, Timestamp, View};

use super::lines::{Lines, NAMED, list};
use crate::render::fleet;
use crate::time::ago;

pub(super) fn say_how_many(lines: &mut Lines, view: &View) {
    let quiescent = view
        .quiescent_at
        .map(|at| format!(", quiescent since {at}"))
        .unwrap_or_default();
    lines.add(
        "Nodes",
        format!(
            "{}{quiescent}",
            fleet::contacts_in_words(view.contacts(), view.record.revision())
        ),
    );
}

/// The nodes that are out of contact and that no other line names: nobody waits for them.
pub(super) fn say_who_is_silent(lines: &mut Lines, view: &View, now: Timestamp, invocation: &str) {
    let waited_for: Vec<NodeId> = match view.record.phase() {
        Phase::Activating => fleet::holdups(view).map(|node| node.node).collect(),
        Phase::Activated | Phase::Deactivated => Vec::new(),
    };
    let silent = || {
        view.nodes
            .iter()
            .filter(|node| node.out_of_contact && !waited_for.contains(&node.node))
            .filter(|node| !view.is_unconfirmed(node.node))
    };
    let heard = |node: &NodeView| {
        let name = fleet::name(&node.facts.label, node.node);
        format!(
            "{name} (last heard {})",
            ago(now.saturating_since(node.heard_at))
        )
    };
    lines.add_list("Lost contact", &list(silent().map(heard)));
    let dead: Vec<String> = silent()
        .take(NAMED)
        .map(|node| fleet::short(node.node))
        .collect();
    if !dead.is_empty() {
        let dead = dead.join(" ");
        lines.add(
            "",
            format!("if dead, take off the list: `{invocation} nodes forget {dead}`"),
        );
    }
}
