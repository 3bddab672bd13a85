//! Who is there.

use intermission::{LostContact, NodeView, Timestamp, View};
use serde::Serialize;
use utoipa::ToSchema;

use super::VERSION;

/// The nodes of a site: what `intermission nodes --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub struct Nodes<'a> {
    v: u32,
    revision: u64,
    nodes: Vec<Node<'a>>,
}

/// One node.
#[derive(Debug, Serialize, ToSchema)]
struct Node<'a> {
    id: String,
    label: &'a str,
    framework: Option<&'a str>,
    /// The newest revision that it has applied.
    revision: u64,
    #[schema(value_type = String, format = DateTime)]
    heard_at: Timestamp,
    out_of_contact: bool,
    closed: bool,
    drained: bool,
    running: u64,
    bypass_running: u64,
    requests: u64,
    hold: Option<&'a str>,
    lost_contact: Policy,
    unconfirmed: bool,
}

/// What being out of contact means for a node.
#[derive(Debug, Serialize, ToSchema)]
struct Policy {
    policy: &'static str,
    after_s: Option<u64>,
}

impl<'a> Nodes<'a> {
    /// The nodes of a view, those first that hold up the drain.
    #[must_use]
    pub fn of(view: &'a View) -> Self {
        let nodes = view.nodes.iter().map(|one| node(one, view)).collect();
        Self {
            v: VERSION,
            revision: view.record.revision().number(),
            nodes,
        }
    }
}

fn node<'a>(node: &'a NodeView, view: &View) -> Node<'a> {
    let (policy, after) = match node.lost_contact {
        LostContact::Wait(after) => ("wait", Some(after)),
        LostContact::Hold => ("hold", None),
        LostContact::Fence(after) => ("fence", Some(after)),
        LostContact::Leave => ("leave", None),
    };
    Node {
        id: node.node.to_string(),
        label: &node.facts.label,
        framework: node.facts.framework.as_deref(),
        revision: node.seen.number(),
        heard_at: node.heard_at,
        out_of_contact: node.out_of_contact,
        closed: node.closed,
        drained: node.drained,
        running: node.facts.running,
        bypass_running: node.facts.bypass_running,
        requests: node.facts.requests,
        hold: node.facts.hold.as_deref(),
        lost_contact: Policy {
            policy,
            after_s: after.map(|after| after.as_secs()),
        },
        unconfirmed: view.is_unconfirmed(node.node),
    }
}
