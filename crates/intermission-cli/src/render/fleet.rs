//! The nodes of a view, counted and put into words.

use std::time::Duration;

use intermission::{
    Contacts, ExecutionView, LostContact, NodeId, NodeView, Phase, Revision, Timestamp,
    Unconfirmed, UnconfirmedCause, View,
};

use crate::render::text::printable;
use crate::time::{ago, brief};

/// `12 (all at revision 7)`, or who is not.
pub(crate) fn contacts_in_words(contacts: Contacts, revision: Revision) -> String {
    let all = contacts.live + contacts.out_of_contact;
    let current = contacts.live - contacts.behind - contacts.ahead;
    if all == 0 {
        return "0 (no service reports to this state)".to_owned();
    }
    if current == all {
        return format!("{all} (all at revision {revision})");
    }
    let mut parts = vec![format!("{current} at revision {revision}")];
    let others = [
        (contacts.behind, "behind"),
        (contacts.ahead, "ahead of the state"),
        (contacts.out_of_contact, "out of contact"),
    ];
    parts.extend(
        others
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}")),
    );
    format!("{all} ({})", parts.join(", "))
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

/// `2 running on 1 of 3 nodes`, with another word for `running`. Without the nodes if not all are listed.
pub(crate) fn load_in_words(view: &View, what: &str) -> String {
    let running = view.count.running;
    if !is_whole(view) {
        return format!("{running} {what}");
    }
    // Those that were given up are not among the running ones either.
    let busy = holdups(view).filter(|node| node.facts.running > 0).count();
    format!(
        "{running} {what} on {busy} of {}",
        count(view.node_count, "node")
    )
}

/// Whether the view lists all nodes.
fn is_whole(view: &View) -> bool {
    u64::try_from(view.nodes.len()).is_ok_and(|listed| listed >= view.node_count)
}

/// The listed nodes for which a drain waits. A node that was given up is none of them.
pub(crate) fn holdups(view: &View) -> impl Iterator<Item = &NodeView> {
    // They come first, and the counts are of the nodes that were not given up.
    let waited_for = usize::try_from(holdup_count(view)).unwrap_or(usize::MAX);
    view.nodes.iter().take(waited_for)
}

/// How many nodes were given up: silent for so long that no drain waits for them any more.
pub(crate) const fn given_up_count(view: &View) -> u64 {
    view.node_count.saturating_sub(view.count.nodes)
}

/// For how many nodes a drain waits, listed or not.
fn holdup_count(view: &View) -> u64 {
    view.count.nodes.saturating_sub(view.count.drained)
}

/// Why a drain still waits for this node.
pub(crate) fn holdup_in_words(node: &NodeView, now: Timestamp) -> String {
    let why = if node.out_of_contact {
        let patience = match node.lost_contact {
            LostContact::Hold => "until it is back".to_owned(),
            LostContact::Leave => "until its lease is over".to_owned(),
            LostContact::Wait(more) | LostContact::Fence(more) => {
                format!("{} longer than its lease", brief(more))
            }
        };
        format!("{}, waited for {patience}", silence_in_words(node, now))
    } else if node.facts.running > 0 {
        count(node.facts.running, "execution")
    } else {
        "has not answered yet".to_owned()
    };
    format!("{} ({why})", name(&node.facts.label, node.node))
}

/// `out of contact, last heard 40 s ago`.
pub(crate) fn silence_in_words(node: &NodeView, now: Timestamp) -> String {
    let heard = ago(now.saturating_since(node.heard_at));
    format!("out of contact, last heard {heard}")
}

/// `reconciling, 9 s left: …`
pub(crate) fn reconciling_in_words(left: Duration) -> String {
    format!("reconciling, {}", grace_in_words(left))
}

/// `9 s left: …`
fn grace_in_words(left: Duration) -> String {
    let seconds = left.as_millis().div_ceil(1_000);
    format!("{seconds} s left: the state may have lost data, or is new, and hears its nodes first")
}

/// Why nothing completes, and why nobody may edit, although all else looks well.
pub(crate) fn pause_in_words(view: &View) -> String {
    if view.is_behind() {
        let lost = view.newest_seen;
        format!("the state has lost revision {lost}, and waits for a node that has seen it")
    } else {
        grace_in_words(view.grace)
    }
}

/// How far an activation is, on one line: what still runs, where, for how long.
pub(crate) fn progress_in_words(view: &View, now: Timestamp) -> String {
    if view.is_reconciling() {
        let separator = if view.is_behind() { ":" } else { "," };
        return format!("reconciling{separator} {}", pause_in_words(view));
    }
    let nodes = count(view.node_count, "node");
    if view.record.phase() == Phase::Activated {
        return format!("quiescing: {}", quiescing_in_words(view));
    }
    let (what, detail) = if view.count.running > 0 {
        let oldest = view
            .executions()
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
        let first = holdups(view).next().map(|node| holdup_in_words(node, now));
        (
            format!(
                "no executions, waiting for {} of {nodes}",
                holdup_count(view)
            ),
            first,
        )
    };
    match detail {
        Some(detail) => format!("draining: {what} · {detail}"),
        None => format!("draining: {what}"),
    }
}

/// What requests still run, as far as the nodes say.
fn quiescing_in_words(view: &View) -> String {
    let silent = given_up_count(view);
    if silent > 0 {
        return format!(
            "nobody knows what visitors do on {}, out of contact",
            count(silent, "node")
        );
    }
    let nodes = count(view.node_count, "node");
    if !is_whole(view) {
        return format!("waiting until no visitor's request runs on any of {nodes}");
    }
    let requests: u64 = view.nodes.iter().map(|node| node.facts.requests).sum();
    let busy = view
        .nodes
        .iter()
        .filter(|node| node.facts.requests > 0)
        .count();
    if requests == 0 {
        return format!("no requests, waiting for {nodes} to say so");
    }
    format!("{} on {busy} of {nodes}", count(requests, "request"))
}

/// `web-3 (out of contact since …, when it ran 2 executions)`.
pub(crate) fn unconfirmed_in_words(unconfirmed: &Unconfirmed) -> String {
    let since = unconfirmed.last_heard_at;
    let why = match unconfirmed.cause {
        UnconfirmedCause::OutOfContact => format!("out of contact since {since}"),
        UnconfirmedCause::StillRunning => format!("not done at {since}"),
        _ => format!("last heard of at {since}"),
    };
    let ran = count(unconfirmed.running, "execution");
    format!(
        "{} ({why}, when it ran {ran})",
        name(&unconfirmed.label, unconfirmed.node)
    )
}

/// What to type when a node is dead, and the fleet does not know.
pub(crate) fn way_out(node: NodeId, invocation: &str) -> String {
    format!(
        "if it is dead, take it off the list: `{invocation} nodes forget {}`",
        short(node)
    )
}

/// What to do about nodes in doubt, for each kind of doubt.
pub(crate) fn ways_out(unconfirmed: &[Unconfirmed], invocation: &str) -> Vec<String> {
    let are_silent = |silent: bool| {
        unconfirmed
            .iter()
            .filter(move |node| (node.cause == UnconfirmedCause::OutOfContact) == silent)
    };
    let mut ways = Vec::new();
    let silent: Vec<String> = are_silent(true).map(|node| short(node.node)).collect();
    if !silent.is_empty() {
        ways.push(format!(
            "make sure that nothing runs there any more, then: `{invocation} nodes forget {}`; until then each activation \
             names it",
            silent.join(" ")
        ));
    }
    let busy: Vec<String> = are_silent(false)
        .map(|node| name(&node.label, node.node))
        .collect();
    if !busy.is_empty() {
        ways.push(format!(
            "{} will be confirmed when the work there has ended: `{invocation} executions` shows it",
            busy.join(", ")
        ));
    }
    ways
}

/// What being out of contact means for a node: `wait 2m`, `hold`, `fence 30s` or `leave`.
pub(crate) fn policy_in_words(policy: LostContact) -> String {
    match policy {
        LostContact::Wait(more) => format!("wait {}", brief(more)),
        LostContact::Hold => "hold".to_owned(),
        LostContact::Fence(more) => format!("fence {}", brief(more)),
        LostContact::Leave => "leave".to_owned(),
    }
}

/// `1 node`, `3 nodes`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
