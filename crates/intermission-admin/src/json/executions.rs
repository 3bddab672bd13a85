//! What runs.

use intermission::{ScopeName, Timestamp, View};
use serde::Serialize;
use utoipa::ToSchema;

use super::VERSION;

/// What runs: what `intermission executions --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub struct Executions<'a> {
    v: u32,
    /// How many are waited for, listed or not.
    running: u64,
    /// How many somebody who passes has started. Nobody waits for them.
    bypass_running: u64,
    executions: Vec<Execution<'a>>,
}

/// One execution.
#[derive(Debug, Serialize, ToSchema)]
struct Execution<'a> {
    node: String,
    node_label: &'a str,
    /// Unique on its node.
    id: u64,
    kind: &'a str,
    label: Option<&'a str>,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    bypass: bool,
    /// The parts of the site for which it is done; none for the whole.
    #[schema(value_type = Vec<String>)]
    scopes: &'a [ScopeName],
}

impl<'a> Executions<'a> {
    /// The executions of a view, the oldest first. Each node lists its first few.
    #[must_use]
    pub fn of(view: &'a View) -> Self {
        let executions = view
            .executions()
            .into_iter()
            .map(|(node, execution)| Execution {
                node: node.node.to_string(),
                node_label: &node.facts.label,
                id: execution.id,
                kind: &execution.kind,
                label: execution.label.as_deref(),
                started_at: execution.started_at,
                bypass: execution.bypass,
                scopes: &execution.scopes,
            });
        Self {
            v: VERSION,
            running: view.count.running,
            bypass_running: view
                .nodes
                .iter()
                .map(|node| node.facts.bypass_running)
                .sum(),
            executions: executions.collect(),
        }
    }
}
