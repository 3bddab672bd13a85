//! Who holds the maintenance on, whether each of them still works, and how to get out.

use intermission::{Holder, Timestamp, View};

use super::lines::Lines;
use crate::render::text::printable;
use crate::time::{ago, brief};

pub(super) fn say_who_holds(lines: &mut Lines, view: &View, now: Timestamp, invocation: &str) {
    let holders = view.record.holders();
    for (index, holder) in holders.iter().enumerate() {
        let label = if index == 0 { "Held by" } else { "" };
        lines.add(label, in_words(holder, view, now));
    }
    if holders.is_empty() {
        return;
    }
    let is_stuck = |holder: &Holder| {
        holder.failure.is_some() || view.is_in_contact(holder.node) == Some(false)
    };
    if holders.iter().all(is_stuck) {
        lines.add(
            "",
            format!("nobody will open it: `{invocation} deactivate` does"),
        );
    } else if holders.iter().any(is_stuck) {
        lines.add(
            "",
            format!("it will not open by itself: `{invocation} deactivate` opens it, also for those that still work"),
        );
    } else if opens_after(view) {
        lines.add("", "it opens when they are done");
    } else {
        lines.add("", "it stays on when they are done");
    }
}

fn opens_after(view: &View) -> bool {
    let holding = view.record.activation().and_then(|on| on.holding.as_ref());
    holding.is_some_and(|holding| holding.opens_after)
}

/// `migrate (during migrate pid 7, requested by ana): for 3m`.
fn in_words(holder: &Holder, view: &View, now: Timestamp) -> String {
    let held_for = brief(now.saturating_since(holder.since));
    let how = match (&holder.failure, view.is_in_contact(holder.node)) {
        (Some(failure), _) => format!(
            "failed {}: {}",
            ago(now.saturating_since(failure.at)),
            printable(&failure.reason)
        ),
        (None, Some(false)) => format!(
            "for {held_for}, but its process is gone or out of contact; what it has started may still run"
        ),
        (None, Some(true) | None) => format!("for {held_for}"),
    };
    format!(
        "{} ({}, requested by {}): {how}",
        printable(&holder.label),
        printable(&holder.node_label),
        printable(&holder.requested_by),
    )
}
