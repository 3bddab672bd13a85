//! A state that has lost data, or may have.

use intermission::{Phase, Revision, View};

use super::lines::Lines;
use crate::render::fleet;

pub(super) fn say_what_was_lost(lines: &mut Lines, view: &View, invocation: &str) {
    if view.is_reconciling() {
        lines.add("Reconciling", fleet::pause_in_words(view));
    }
    if view.is_behind() {
        lines.add(
            "",
            format!("if it is gone, decide anew: `{invocation} deactivate`, and `activate` again if need be"),
        );
    }
    let is_empty = view.record.revision() == Revision::ZERO && !view.is_behind();
    if let Some(lost_at) = view.lost_at
        && !(is_empty && view.is_reconciling())
    {
        let more = if view.record.phase() == Phase::Activated {
            ", so quiescence cannot be known"
        } else {
            ""
        };
        lines.add("State lost", format!("{lost_at}: {MAY_BE_MISSING}{more}"));
    }
}

/// What a loss of data means for the list of nodes.
pub(super) const MAY_BE_MISSING: &str = "a node that was cut off then may be missing here";
