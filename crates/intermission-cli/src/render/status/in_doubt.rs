//! Nodes of which nobody knows whether they are closed, and nodes that are closed on their own account.

use intermission::View;

use super::lines::Lines;
use super::lost_data::MAY_BE_MISSING;
use crate::render::fleet;
use crate::render::text::printable;

pub(super) fn say_who_is_in_doubt(lines: &mut Lines, view: &View, invocation: &str) {
    if let Some(completion) = view
        .record
        .activation()
        .and_then(|on| on.completion.as_ref())
    {
        let unconfirmed: Vec<String> = completion
            .unconfirmed
            .iter()
            .map(fleet::unconfirmed_in_words)
            .collect();
        lines.add_list("Unconfirmed", &unconfirmed.join(", "));
        for way_out in fleet::ways_out(&completion.unconfirmed, invocation) {
            lines.add("", way_out);
        }
        if let Some(lost_at) = completion.state_lost_at {
            lines.add(
                "State lost",
                format!("{lost_at}, before it was activated: {MAY_BE_MISSING}"),
            );
        }
    }
    let held: Vec<String> = view
        .nodes
        .iter()
        .filter_map(|node| {
            let hold = node.facts.hold.as_deref()?;
            Some(format!(
                "{} ({})",
                fleet::name(&node.facts.label, node.node),
                printable(hold)
            ))
        })
        .collect();
    lines.add_list("Held", &held.join(", "));
}
