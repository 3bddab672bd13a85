//! Whom maintenance does not keep out.

use intermission::{Record, Timestamp};

use super::lines::Lines;

pub(super) fn say_who_gets_in(lines: &mut Lines, record: &Record, now: Timestamp) {
    let allowed: Vec<String> = record
        .allow()
        .networks()
        .map(|network| network.to_string())
        .collect();
    lines.add_list("Allowed", &allowed.join(", "));
    let passes = record
        .passes()
        .iter()
        .filter(|pass| pass.is_current(now))
        .count();
    if passes > 0 {
        lines.add("Passes", passes.to_string());
    }
}
