//! Nodes that leave.

use std::time::Duration;

use intermission_core::{
    Activate, Change, Deactivate, Departure, HistoryEvent, LostContact, MaintenanceState, Phase,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq};
use crate::site::{Node, Site, allow, bob, completion, fresh_node_id};

case_table! { Leaving:
    /// A node that says goodbye is no longer waited for, and leaves no line in the history.
    goodbye_ends_the_wait_and_leaves_no_line;
    /// A node that an operator takes off the list is no longer waited for, and the history says who did it.
    a_forgotten_node_is_in_the_history;
    /// A node that was proved dead while a drain waited for it is no longer waited for, and is in the history.
    a_dead_node_that_was_waited_for_is_in_the_history;
    /// A node that was proved dead while nobody waited for it leaves no line.
    a_dead_node_that_nobody_waited_for_leaves_no_line;
    /// Only the node that leaves is taken off the list; the others are still waited for.
    the_others_are_still_waited_for;
    /// A node that was given up and named as unconfirmed is no longer named when it has left.
    an_unconfirmed_node_that_leaves_is_no_longer_named;
    /// A node that is not on the list may leave as often as it likes.
    leaving_again_changes_nothing;
    /// A node that has left and speaks again is on the list again, whatever its sequence.
    a_node_that_speaks_again_is_back;
}

/// A drain that only waits for this node.
async fn waiting_for(site: &Site, label: &str) -> Checked<Node> {
    let mut node = Node::new(label).with_running(3);
    node.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure_eq(
        "the phase while a node runs something",
        &on.phase(),
        &Phase::Activating,
    )?;
    Ok(node)
}

async fn ensure_ended(site: &Site, events: &[HistoryEvent]) -> Checked {
    let view = site.view().await?;
    ensure_eq("the number of nodes", &view.node_count, &0)?;
    ensure_eq(
        "the phase after the last node has left",
        &view.record.phase(),
        &Phase::Activated,
    )?;
    ensure_eq("the events", &site.events().await?.as_slice(), &events)
}

async fn goodbye_ends_the_wait_and_leaves_no_line(site: Site) -> Checked {
    let node = waiting_for(&site, "polite").await?;
    site.state.leave(node.id(), Departure::Goodbye).await?;
    ensure_ended(&site, &[HistoryEvent::Activated, HistoryEvent::Requested]).await
}

async fn a_forgotten_node_is_in_the_history(site: Site) -> Checked {
    let node = waiting_for(&site, "lost in the datacentre").await?;
    site.state
        .leave(node.id(), Departure::Forgotten(bob()))
        .await?;
    ensure_ended(
        &site,
        &[
            HistoryEvent::Activated,
            HistoryEvent::NodeForgotten,
            HistoryEvent::Requested,
        ],
    )
    .await?;
    let history = site.history().await?;
    let line = history
        .iter()
        .find(|entry| entry.event == HistoryEvent::NodeForgotten);
    let who = line.map(|entry| (entry.by.as_deref(), entry.origin.as_deref()));
    ensure_eq(
        "who forgot it",
        &who,
        &Some((Some("bob"), Some("another terminal"))),
    )?;
    let note = line
        .and_then(|entry| entry.note.clone())
        .unwrap_or_default();
    ensure(
        note.contains("lost in the datacentre") && note.contains(&node.id().to_string()),
        || format!("the note does not say which node was forgotten: {note:?}"),
    )
}

async fn a_dead_node_that_was_waited_for_is_in_the_history(site: Site) -> Checked {
    let node = waiting_for(&site, "killed").await?;
    site.state.leave(node.id(), Departure::Died).await?;
    ensure_ended(
        &site,
        &[
            HistoryEvent::Activated,
            HistoryEvent::NodeDied,
            HistoryEvent::Requested,
        ],
    )
    .await
}

async fn a_dead_node_that_nobody_waited_for_leaves_no_line(site: Site) -> Checked {
    let mut node = Node::new("killed");
    node.sync(&site.state).await?;
    site.state.leave(node.id(), Departure::Died).await?;
    ensure_eq("the number of nodes", &site.view().await?.node_count, &0)?;
    ensure_eq("the history", &site.history().await?, &[])
}

async fn the_others_are_still_waited_for(site: Site) -> Checked {
    let mut other = Node::new("stays").with_running(1);
    other.sync(&site.state).await?;
    let node = waiting_for(&site, "leaves").await?;
    site.state
        .leave(node.id(), Departure::Forgotten(bob()))
        .await?;
    let view = site.view().await?;
    let left: Vec<_> = view.nodes.iter().map(|node| node.node).collect();
    ensure_eq("the nodes that are left", &left, &[other.id()])?;
    ensure_eq(
        "the phase while the other runs something",
        &view.record.phase(),
        &Phase::Activating,
    )
}

async fn an_unconfirmed_node_that_leaves_is_no_longer_named(site: Site) -> Checked {
    for departure in [Departure::Goodbye, Departure::Forgotten(bob())] {
        let mut node = Node::new("given up")
            .with_running(1)
            .with_lost_contact(LostContact::Wait(Duration::ZERO));
        node.sync(&site.state).await?;
        site.change(Change::Activate(Activate::by("ana"))).await?;
        site.pass(site.timing.lease * 2).await?;
        let given_up = site.record().await?;
        ensure_eq(
            "the number of unconfirmed nodes",
            &completion(&given_up)?.unconfirmed.len(),
            &1,
        )?;
        site.state.leave(node.id(), departure.clone()).await?;
        let record = site.record().await?;
        ensure_eq(
            "the unconfirmed nodes after it has left",
            &completion(&record)?.unconfirmed,
            &[],
        )?;
        ensure(record.revision() > given_up.revision(), || {
            "the change got no revision of its own".to_owned()
        })?;
        let expected = match departure {
            Departure::Forgotten(_) => HistoryEvent::NodeForgotten,
            _ => HistoryEvent::NodeConfirmed,
        };
        ensure_eq(
            "the newest event",
            &site.events().await?.first(),
            &Some(&expected),
        )?;
        site.change(Change::Deactivate(Deactivate::new())).await?;
    }
    Ok(())
}

async fn leaving_again_changes_nothing(site: Site) -> Checked {
    let mut node = Node::new("leaves twice");
    node.sync(&site.state).await?;
    let record = site.change(allow(1, 1)?).await?;
    let history = site.history().await?;
    for _ in 0..2 {
        site.state.leave(node.id(), Departure::Goodbye).await?;
    }
    for departure in [
        Departure::Goodbye,
        Departure::Died,
        Departure::Forgotten(bob()),
    ] {
        site.state.leave(fresh_node_id(), departure).await?;
    }
    site.ensure_unchanged(&record, &history).await
}

async fn a_node_that_speaks_again_is_back(site: Site) -> Checked {
    let mut node = Node::new("comes back").with_running(1);
    node.report.sequence = 40;
    node.sync(&site.state).await?;
    site.state
        .leave(node.id(), Departure::Forgotten(bob()))
        .await?;
    node.report.sequence = 0;
    let count = node.sync(&site.state).await?.count;
    ensure_eq(
        "the nodes and what runs there",
        &(count.nodes, count.running),
        &(1, 1),
    )
}
