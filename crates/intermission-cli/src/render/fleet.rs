//! The nodes of a view, counted and put into words.

use intermission::{
    ExecutionView, LostContact, NodeId, NodeView, Phase, Revision, Timestamp, Unconfirmed,
    UnconfirmedCause, View,
};

use crate::render::text::printable;
use crate::time::brief;

/// How many nodes are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fleet {
    /// Heard of within their lease.
    pub(crate) live: u64,
    /// Of these: nodes that have not yet seen the record.
    pub(crate) behind: u64,
    /// Of these: nodes that have seen a newer record, which the state has lost.
    pub(crate) ahead: u64,
    /// Silent for longer than their lease.
    pub(crate) out_of_contact: u64,
}

impl Fleet {
    pub(crate) fn of(view: &View) -> Self {
        let revision = view.record.revision();
        let mut fleet = Self::default();
        for node in &view.nodes {
            if node.out_of_contact {
                fleet.out_of_contact += 1;
            } else {
                fleet.live += 1;
                fleet.behind += u64::from(node.seen < revision);
                fleet.ahead += u64::from(node.seen > revision);
            }
        }
        fleet
    }

    /// `12 (all at revision 7)`, or who is not.
    pub(crate) fn in_words(self, revision: Revision) -> String {
        let all = self.live + self.out_of_contact;
        let current = self.live - self.behind - self.ahead;
        if all == 0 {
            return "0 (no service reports to this state)".to_owned();
        }
        if current == all {
            return format!("{all} (all at revision {revision})");
        }
        let mut parts = vec![format!("{current} at revision {revision}")];
        let others = [
            (self.behind, "behind"),
            (self.ahead, "ahead of the state"),
            (self.out_of_contact, "out of contact"),
        ];
        parts.extend(
            others
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}")),
        );
        format!("{all} ({})", parts.join(", "))
    }
}

/// The node's name for people, or the beginning of its id if it has none.
pub(crate) fn name(label: &str, node: NodeId) -> String {
    if label.is_empty() {
        short(node)
    } else {
        printable(label).into_owned()
    }
}

/// The beginning of a node's id, which is enough to tell the nodes of a fleet apart.
pub(crate) fn short(node: NodeId) -> String {
    node.to_string().chars().take(8).collect()
}

/// All listed executions with their nodes, the oldest first.
pub(crate) fn executions(view: &View) -> Vec<(&NodeView, &ExecutionView)> {
    let mut all: Vec<_> = view
        .nodes
        .iter()
        .flat_map(|node| {
            node.facts
                .executions
                .iter()
                .map(move |execution| (node, execution))
        })
        .collect();
    all.sort_by_key(|(node, execution)| (execution.started_at, node.node, execution.id));
    all
}

/// `import prices.csv on web-2 for 1m 12s`.
pub(crate) fn execution_in_words(
    node: &NodeView,
    execution: &ExecutionView,
    now: Timestamp,
) -> String {
    let label = execution
        .label
        .as_deref()
        .map(|label| format!(" {}", printable(label)))
        .unwrap_or_default();
    let age = brief(now.saturating_since(execution.started_at));
    format!(
        "{}{label} on {} for {age}",
        printable(&execution.kind),
        name(&node.facts.label, node.node)
    )
}

/// `2 running on 1 of 3 nodes`, with another word for `running`.
pub(crate) fn load_in_words(view: &View, what: &str) -> String {
    let busy = view
        .nodes
        .iter()
        .filter(|node| node.facts.running > 0)
        .count();
    format!(
        "{} {what} on {busy} of {}",
        view.count.running,
        count(view.node_count, "node")
    )
}

/// Why a drain still waits for this node.
pub(crate) fn holdup_in_words(node: &NodeView, now: Timestamp) -> String {
    let why = if node.out_of_contact {
        format!(
            "out of contact for {}",
            brief(now.saturating_since(node.heard_at))
        )
    } else if node.facts.running > 0 {
        count(node.facts.running, "execution")
    } else {
        "has not answered yet".to_owned()
    };
    format!("{} ({why})", name(&node.facts.label, node.node))
}

/// How far an activation is, on one line: what still runs, where, for how long.
pub(crate) fn progress_in_words(view: &View, now: Timestamp) -> String {
    if !view.grace.is_zero() {
        return format!(
            "reconciling, {} left: the state asks its nodes what they know",
            brief(view.grace)
        );
    }
    if view.record.phase() == Phase::Activated {
        let requests: u64 = view.nodes.iter().map(|node| node.facts.requests).sum();
        let busy = view
            .nodes
            .iter()
            .filter(|node| node.facts.requests > 0)
            .count();
        let nodes = count(view.node_count, "node");
        if requests == 0 {
            return format!("quiescing: no requests, waiting for {nodes} to say so");
        }
        return format!(
            "quiescing: {} on {busy} of {nodes}",
            count(requests, "request")
        );
    }
    let (what, detail) = if view.count.running > 0 {
        let oldest = executions(view)
            .into_iter()
            .find(|(_, execution)| !execution.bypass);
        let executions = if view.count.running == 1 {
            "execution"
        } else {
            "executions"
        };
        (
            load_in_words(view, executions),
            oldest.map(|(node, execution)| execution_in_words(node, execution, now)),
        )
    } else {
        let mut waiting = view.nodes.iter().filter(|node| !node.drained);
        let first = waiting.next().map(|node| holdup_in_words(node, now));
        let others = waiting.count() + usize::from(first.is_some());
        (
            format!(
                "no executions, waiting for {others} of {}",
                count(view.node_count, "node")
            ),
            first,
        )
    };
    match detail {
        Some(detail) => format!("draining: {what} · {detail}"),
        None => format!("draining: {what}"),
    }
}

/// `web-3 (out of contact since …, ran 2 executions)`.
pub(crate) fn unconfirmed_in_words(unconfirmed: &Unconfirmed) -> String {
    let since = unconfirmed.last_heard_at;
    let why = match unconfirmed.cause {
        UnconfirmedCause::OutOfContact => format!("out of contact since {since}"),
        UnconfirmedCause::StillRunning => format!("not done at {since}"),
        _ => format!("last heard of at {since}"),
    };
    let ran = count(unconfirmed.running, "execution");
    format!(
        "{} ({why}, ran {ran})",
        name(&unconfirmed.label, unconfirmed.node)
    )
}

/// What being out of contact means for a node: `wait 2m`, `hold` or `fence 30s`.
pub(crate) fn policy_in_words(policy: LostContact) -> String {
    match policy {
        LostContact::Wait(more) => format!("wait {}", brief(more)),
        LostContact::Hold => "hold".to_owned(),
        LostContact::Fence(more) => format!("fence {}", brief(more)),
    }
}

/// `1 node`, `3 nodes`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
