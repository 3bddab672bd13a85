//! The state for people.

use std::time::Duration;

use intermission_core::{
    Activate, Change, ExecutionView, FleetCount, LostContact, MaintenanceState, NodeFacts, Phase,
    Revision, Timestamp,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq};
use crate::site::{Node, Site, activation};

case_table! { Inspection:
    /// A node is on the list with everything that it said of itself.
    a_node_is_listed_with_what_it_said;
    /// The list shows at most as many nodes as were asked for, and says how many there are.
    the_list_of_nodes_is_as_long_as_asked_for;
    /// The nodes that hold up a drain come first.
    nodes_that_hold_up_the_drain_come_first;
    /// The count says how many nodes there are, how many have closed and drained, and what runs.
    the_count_adds_up;
}

async fn a_node_is_listed_with_what_it_said(site: Site) -> Checked {
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let policies = [
        LostContact::Wait(Duration::from_millis(120_001)),
        LostContact::Hold,
        LostContact::Fence(Duration::from_millis(30_001)),
        LostContact::Leave,
    ];
    for (number, lost_contact) in policies.into_iter().enumerate() {
        let mut node = Node::new(&format!("web-{number}")).with_lost_contact(lost_contact);
        node.report.seen = on.revision();
        let mut facts = NodeFacts::labelled(format!("web-{number}"));
        facts.framework = Some("axum".to_owned());
        (facts.running, facts.bypass_running, facts.requests) = (3, 1, 7);
        facts.hold = Some("dependency `database`".to_owned());
        let began = Timestamp::from_millis(1_795_170_900_001);
        facts.executions = (0..20)
            .map(|id| ExecutionView::new(id, "job", None, began))
            .collect();
        node.report.facts = facts.clone();
        node.sync(&site.state).await?;
        let view = site.view().await?;
        let listed = view.nodes.iter().find(|listed| listed.node == node.id());
        ensure_eq(
            "the facts",
            &listed.map(|listed| &listed.facts),
            &Some(&facts),
        )?;
        ensure_eq(
            "what it has seen",
            &listed.map(|listed| listed.seen),
            &Some(on.revision()),
        )?;
        ensure_eq(
            "its policy",
            &listed.map(|listed| listed.lost_contact),
            &Some(lost_contact),
        )?;
        let heard_at = listed.map(|listed| listed.heard_at);
        ensure(heard_at >= Some(activation(&on)?.requested_at), || {
            format!("it was heard of at {heard_at:?}")
        })?;
    }
    Ok(())
}

async fn the_list_of_nodes_is_as_long_as_asked_for(site: Site) -> Checked {
    for number in 0..5 {
        Node::new(&format!("web-{number}"))
            .sync(&site.state)
            .await?;
    }
    for limit in [0, 1, 4, 5, 6, usize::MAX] {
        let view = site.state.inspect(limit).await?;
        ensure_eq(
            &format!("the list of at most {limit} nodes"),
            &view.nodes.len(),
            &limit.min(5),
        )?;
        ensure_eq("the number of nodes", &view.node_count, &5)?;
        ensure_eq("the number of nodes in the count", &view.count.nodes, &5)?;
        ensure_eq("the revision", &view.record.revision(), &Revision::ZERO)?;
    }
    Ok(())
}

async fn nodes_that_hold_up_the_drain_come_first(site: Site) -> Checked {
    let mut nodes = Vec::new();
    for number in 0..8 {
        let mut node = Node::new(&format!("web-{number}")).with_running(1);
        node.sync(&site.state).await?;
        nodes.push(node);
    }
    let id = activation(&*site.change(Change::Activate(Activate::by("ana"))).await?)?.id;
    let mut blockers = Vec::new();
    for (number, node) in nodes.iter_mut().enumerate() {
        // The first, the last and one between hold it up, so that no order of arrival is the right one by chance.
        if matches!(number, 0 | 4 | 7) {
            blockers.push(node.id());
        } else {
            node.say_drained(&site.state, id).await?;
        }
    }
    let view = site.state.inspect(4).await?;
    ensure_eq("the phase", &view.record.phase(), &Phase::Activating)?;
    let mut first: Vec<_> = view.nodes.iter().take(3).map(|node| node.node).collect();
    first.sort_unstable();
    blockers.sort_unstable();
    ensure_eq("the first nodes of the list", &first, &blockers)?;
    let drained: Vec<bool> = view.nodes.iter().map(|node| node.drained).collect();
    ensure_eq("who has drained", &drained, &[false, false, false, true])
}

async fn the_count_adds_up(site: Site) -> Checked {
    let mut nodes = [
        Node::new("a").with_running(2),
        Node::new("b").with_running(3),
        Node::new("c").with_running(4),
    ];
    for node in &mut nodes {
        node.report.facts.bypass_running = 5;
        node.sync(&site.state).await?;
    }
    let id = activation(&*site.change(Change::Activate(Activate::by("ana"))).await?)?.id;
    let [a, b, _] = &mut nodes;
    a.say_closed(&site.state, id).await?;
    let told = b.say_drained(&site.state, id).await?.count;
    let count = site.view().await?.count;
    ensure_eq("the count for nodes", &told, &count)?;
    let FleetCount {
        nodes,
        closed,
        drained,
        running,
        ..
    } = count;
    ensure_eq(
        "the nodes, the closed, the drained, and what runs",
        &(nodes, closed, drained, running),
        &(3, 2, 1, 6),
    )
}
