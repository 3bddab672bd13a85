//! What the script has to know to say in words what a change would do.

use intermission::{Phase, RouteAccess};
use serde::Serialize;

use super::live::Live;
use super::markup::printable;

/// Facts of the same moment as everything else in the page.
#[derive(Serialize)]
pub(super) struct Facts {
    /// What a change is sent with, so that it changes what the person has looked at.
    revision: u64,
    phase: Phase,
    /// The address of whoever looks, if it is known.
    you: Option<String>,
    is_listed: bool,
    addresses: usize,
    passes: usize,
    /// Whether this page is reached whatever is closed.
    is_always_reached: bool,
    running: u64,
    running_nodes: usize,
    /// The nodes that are out of contact.
    silent: Vec<String>,
}

impl Facts {
    pub(super) fn of(live: &Live<'_>) -> Self {
        let record = live.record();
        let shown = |text: &str| -> String { printable(text).collect() };
        let silent = live.view.nodes.iter().filter(|node| node.out_of_contact);
        Self {
            revision: record.revision().number(),
            phase: record.phase(),
            you: live.client.ip().map(|address| address.to_string()),
            is_listed: live.is_listed(),
            addresses: record.allow().len(),
            passes: live.good_passes(),
            is_always_reached: live.access == RouteAccess::Always,
            running: live.view.count.running,
            running_nodes: live
                .view
                .nodes
                .iter()
                .filter(|node| node.facts.running > 0)
                .count(),
            silent: silent.map(|node| shown(&node.facts.label)).collect(),
        }
    }

    pub(super) fn in_text(&self) -> String {
        // INVARIANT: it has string keys and no failing parts, so it never fails.
        serde_json::to_string(self).unwrap_or_default()
    }
}
