//! What the script has to know to say in words what a change would do.

use intermission::{HistoryEntry, Phase, RouteAccess};
use serde::Serialize;

use super::live::Live;
use super::markup::printable;

/// Facts of the same moment as everything else in the page.
#[derive(Serialize)]
pub(super) struct Facts {
    /// What a change is sent with, so that it changes what the person has looked at.
    revision: u64,
    phase: Phase,
    is_planned: bool,
    level: &'static str,
    /// The address of whoever looks, if it is known.
    you: Option<String>,
    is_listed: bool,
    addresses: usize,
    passes: usize,
    /// Whether this page is reached whatever is closed.
    is_always_reached: bool,
    running: u64,
    running_nodes: usize,
    nodes: u64,
    /// The nodes that are out of contact.
    silent: Vec<String>,
    /// What has happened last, as far as somebody did it.
    last: Option<Last>,
}

/// The newest line of the history.
#[derive(Serialize)]
struct Last {
    by: Option<String>,
    event: &'static str,
    at: String,
}

impl Facts {
    pub(super) fn of(live: &Live<'_>) -> Self {
        let record = live.record();
        let shown = |text: &str| -> String { printable(text).collect() };
        let silent = live.view.nodes.iter().filter(|node| node.out_of_contact);
        Self {
            revision: record.revision().number(),
            phase: record.phase(),
            is_planned: record.plan().is_some(),
            level: record.level().as_str(),
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
            nodes: live.view.node_count,
            silent: silent.map(|node| shown(&node.facts.label)).collect(),
            last: live.history.first().map(|entry: &HistoryEntry| Last {
                by: entry.by.as_deref().map(shown),
                event: entry.event.as_str(),
                at: entry.at.to_string(),
            }),
        }
    }

    pub(super) fn in_text(&self) -> String {
        // INVARIANT: it has string keys and no failing parts, so it never fails.
        serde_json::to_string(self).unwrap_or_default()
    }
}
