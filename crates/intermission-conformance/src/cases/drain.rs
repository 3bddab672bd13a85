//! How a drain completes.

use intermission_core::{
    Activate, Change, Deactivate, Departure, DrainPolicy, HistoryEvent, MaintenanceState, Phase,
    Record, UnconfirmedCause,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq};
use crate::site::{Node, Site, activation, completion};

case_table! { Drain:
    /// Without nodes there is nothing to drain: the activation is complete at once.
    without_nodes_an_activation_is_complete_at_once;
    /// Nodes may close and drain in any order; the drain is complete when the last has drained, and not before.
    nodes_may_close_and_drain_in_any_order;
    /// Closing is not draining: while a node that has closed still runs something, the drain goes on.
    closing_is_not_draining;
    /// What a node says of an older activation does not count for the present one.
    acknowledgements_of_an_older_activation_do_not_count;
    /// An edit of the message while the drain goes on takes back nothing that nodes have said.
    an_edit_keeps_acknowledgements;
    /// A node that joins while the drain goes on is waited for, too.
    a_node_that_joins_is_waited_for;
    /// A node that no longer says that it has drained is waited for again: only its newest report counts.
    only_the_newest_report_counts;
    /// A node that has applied nothing yet holds up the drain, even if it runs nothing.
    a_node_that_has_said_nothing_is_waited_for;
    /// Under `force` a drain that takes too long is ended, with those that still run something listed.
    force_ends_the_drain_and_lists_the_leftovers;
    /// Under `abort` a drain that takes too long opens the site again.
    abort_opens_the_site_again;
    /// A drain that is complete within its limit is neither forced nor aborted.
    a_drain_within_its_limit_is_an_ordinary_one;
    /// A deactivation ends the drain, and the next one begins anew.
    a_deactivation_ends_the_drain;
}

async fn begun(site: &Site, activate: Activate) -> Checked<Record> {
    let on = site.change(Change::Activate(activate)).await?;
    ensure_eq(
        "the phase while a node runs something",
        &on.phase(),
        &Phase::Activating,
    )?;
    Ok((*on).clone())
}

async fn phase(site: &Site) -> Checked<Phase> {
    Ok(site.record().await?.phase())
}

async fn without_nodes_an_activation_is_complete_at_once(site: Site) -> Checked {
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure_eq("the phase", &on.phase(), &Phase::Activated)?;
    let completion = completion(&on)?;
    ensure_eq("whether it was forced", &completion.forced, &false)?;
    ensure_eq("who is unconfirmed", &completion.unconfirmed, &[])?;
    ensure_eq(
        "when the state lost its data",
        &completion.state_lost_at,
        &None,
    )?;
    ensure_eq(
        "the events",
        &site.events().await?,
        &[HistoryEvent::Activated, HistoryEvent::Requested],
    )
}

async fn nodes_may_close_and_drain_in_any_order(site: Site) -> Checked {
    let mut nodes = [Node::new("a"), Node::new("b"), Node::new("c")];
    for (first, order) in [[0, 1, 2], [2, 0, 1], [1, 2, 0]].into_iter().enumerate() {
        for node in &mut nodes {
            node.report.facts.running = 1;
            node.sync(&site.state).await?;
        }
        let on = begun(&site, Activate::by("ana")).await?;
        let id = activation(&on)?.id;
        for (number, node) in nodes.iter_mut().enumerate() {
            // In each round another node says "closed" only together with "drained".
            if number != first {
                node.say_closed(&site.state, id).await?;
            }
        }
        let mut drained = 0;
        for which in order {
            ensure_eq(
                "the phase before the last has drained",
                &phase(&site).await?,
                &Phase::Activating,
            )?;
            ensure_eq(
                "the number of drained nodes",
                &site.view().await?.count.drained,
                &drained,
            )?;
            let [a, b, c] = &mut nodes;
            let node = match which {
                0 => a,
                1 => b,
                _ => c,
            };
            let reply = node.say_drained(&site.state, id).await?;
            drained += 1;
            let told = reply.record.map(|record| record.phase());
            let expected = if drained == 3 {
                Phase::Activated
            } else {
                Phase::Activating
            };
            ensure_eq(
                &format!("the phase in the answer to drained node {drained}"),
                &told,
                &Some(expected),
            )?;
        }
        ensure_eq(
            "the phase after the last has drained",
            &phase(&site).await?,
            &Phase::Activated,
        )?;
        site.change(Change::Deactivate(Deactivate::new())).await?;
    }
    Ok(())
}

async fn closing_is_not_draining(site: Site) -> Checked {
    let mut node = Node::new("closed").with_running(1);
    node.sync(&site.state).await?;
    let on = begun(&site, Activate::by("ana")).await?;
    let count = node
        .say_closed(&site.state, activation(&on)?.id)
        .await?
        .count;
    ensure_eq(
        "the closed and the drained",
        &(count.closed, count.drained),
        &(1, 0),
    )?;
    ensure_eq("the phase", &phase(&site).await?, &Phase::Activating)
}

async fn acknowledgements_of_an_older_activation_do_not_count(site: Site) -> Checked {
    let mut node = Node::new("late");
    node.sync(&site.state).await?;
    let first = begun(&site, Activate::by("ana")).await?;
    site.change(Change::Deactivate(Deactivate::new())).await?;
    let second = begun(&site, Activate::by("ana")).await?;
    let count = node
        .say_drained(&site.state, activation(&first)?.id)
        .await?
        .count;
    ensure_eq(
        "the closed and the drained",
        &(count.closed, count.drained),
        &(0, 0),
    )?;
    ensure_eq(
        "the phase after an old acknowledgement",
        &phase(&site).await?,
        &Phase::Activating,
    )?;
    node.say_drained(&site.state, activation(&second)?.id)
        .await?;
    ensure_eq(
        "the phase after one of this activation",
        &phase(&site).await?,
        &Phase::Activated,
    )
}

async fn an_edit_keeps_acknowledgements(site: Site) -> Checked {
    let (mut fast, mut slow) = (Node::new("fast"), Node::new("slow").with_running(1));
    fast.sync(&site.state).await?;
    slow.sync(&site.state).await?;
    let on = begun(&site, Activate::by("ana")).await?;
    fast.say_drained(&site.state, activation(&on)?.id).await?;
    let edited = begun(&site, Activate::by("ana").with_message("another message")).await?;
    let count = site.view().await?.count;
    ensure_eq(
        "the closed and the drained after an edit",
        &(count.closed, count.drained),
        &(1, 1),
    )?;
    slow.say_drained(&site.state, activation(&edited)?.id)
        .await?;
    ensure_eq(
        "the phase after the other has drained",
        &phase(&site).await?,
        &Phase::Activated,
    )
}

async fn a_node_that_joins_is_waited_for(site: Site) -> Checked {
    let (mut old, mut new) = (Node::new("old"), Node::new("new").with_running(1));
    old.sync(&site.state).await?;
    let on = begun(&site, Activate::by("ana")).await?;
    new.sync(&site.state).await?;
    old.say_drained(&site.state, activation(&on)?.id).await?;
    ensure_eq(
        "the phase while the new node runs something",
        &phase(&site).await?,
        &Phase::Activating,
    )?;
    new.say_drained(&site.state, activation(&on)?.id).await?;
    ensure_eq(
        "the phase after the new node has drained",
        &phase(&site).await?,
        &Phase::Activated,
    )
}

async fn only_the_newest_report_counts(site: Site) -> Checked {
    let (mut fickle, mut slow) = (Node::new("fickle"), Node::new("slow").with_running(1));
    fickle.sync(&site.state).await?;
    slow.sync(&site.state).await?;
    let on = begun(&site, Activate::by("ana")).await?;
    fickle.say_drained(&site.state, activation(&on)?.id).await?;
    fickle.report.drained = None;
    fickle.sync(&site.state).await?;
    slow.say_drained(&site.state, activation(&on)?.id).await?;
    ensure_eq(
        "the phase after one has taken back its word",
        &phase(&site).await?,
        &Phase::Activating,
    )?;
    ensure_eq(
        "the number of drained nodes",
        &site.view().await?.count.drained,
        &1,
    )
}

async fn a_node_that_has_said_nothing_is_waited_for(site: Site) -> Checked {
    let mut idle = Node::new("idle");
    idle.sync(&site.state).await?;
    begun(&site, Activate::by("ana")).await?;
    site.pass_with(site.timing.step * 3, &mut [&mut idle])
        .await?;
    ensure_eq("the phase", &phase(&site).await?, &Phase::Activating)
}

async fn force_ends_the_drain_and_lists_the_leftovers(site: Site) -> Checked {
    let limit = site.timing.step * 16;
    let (mut done, mut busy) = (Node::new("done"), Node::new("busy").with_running(2));
    done.sync(&site.state).await?;
    busy.sync(&site.state).await?;
    let on = begun(
        &site,
        Activate::by("ana").with_drain(DrainPolicy::Force(limit)),
    )
    .await?;
    done.say_drained(&site.state, activation(&on)?.id).await?;
    site.pass_with(site.timing.step * 3, &mut [&mut busy])
        .await?;
    ensure_eq(
        "the phase within the limit",
        &phase(&site).await?,
        &Phase::Activating,
    )?;
    let view = site
        .pass_until("the forced end", limit * 2, |view| {
            view.record.phase() == Phase::Activated
        })
        .await?;
    let completion = completion(&view.record)?;
    ensure(completion.forced, || {
        format!("the drain was not marked as forced: {completion:?}")
    })?;
    let leftovers: Vec<_> = completion
        .unconfirmed
        .iter()
        .map(|left| (left.node, left.label.as_str(), left.cause, left.running))
        .collect();
    ensure_eq(
        "the leftovers",
        &leftovers,
        &[(busy.id(), "busy", UnconfirmedCause::StillRunning, 2)],
    )?;
    ensure_eq(
        "the newest event",
        &site.events().await?.first(),
        &Some(&HistoryEvent::Forced),
    )
}

async fn abort_opens_the_site_again(site: Site) -> Checked {
    let limit = site.timing.step * 16;
    let mut busy = Node::new("busy").with_running(2);
    busy.sync(&site.state).await?;
    begun(
        &site,
        Activate::by("ana").with_drain(DrainPolicy::Abort(limit)),
    )
    .await?;
    site.pass_with(site.timing.step * 3, &mut [&mut busy])
        .await?;
    ensure_eq(
        "the phase within the limit",
        &phase(&site).await?,
        &Phase::Activating,
    )?;
    site.pass_until("the abort", limit * 2, |view| {
        view.record.phase() == Phase::Deactivated
    })
    .await?;
    let history = site.history().await?;
    let newest = history
        .first()
        .map(|entry| (entry.event, entry.by.as_deref()));
    ensure_eq(
        "the newest event, and by whom",
        &newest,
        &Some((HistoryEvent::Aborted, None)),
    )
}

async fn a_drain_within_its_limit_is_an_ordinary_one(site: Site) -> Checked {
    for policy in [DrainPolicy::Force, DrainPolicy::Abort] {
        let mut node = Node::new("quick").with_running(1);
        node.sync(&site.state).await?;
        let on = begun(
            &site,
            Activate::by("ana").with_drain(policy(site.timing.step * 1_000)),
        )
        .await?;
        node.say_drained(&site.state, activation(&on)?.id).await?;
        let forced = completion(&*site.record().await?)?.forced;
        ensure_eq("whether the completed drain was forced", &forced, &false)?;
        site.pass(site.timing.step * 3).await?;
        ensure_eq("the phase later", &phase(&site).await?, &Phase::Activated)?;
        ensure_eq(
            "the newest event",
            &site.events().await?.first(),
            &Some(&HistoryEvent::Activated),
        )?;
        site.state.leave(node.id(), Departure::Goodbye).await?;
        site.change(Change::Deactivate(Deactivate::new())).await?;
    }
    Ok(())
}

async fn a_deactivation_ends_the_drain(site: Site) -> Checked {
    let mut node = Node::new("runs on").with_running(1);
    node.sync(&site.state).await?;
    let on = begun(&site, Activate::by("ana")).await?;
    node.say_closed(&site.state, activation(&on)?.id).await?;
    let off = site.change(Change::Deactivate(Deactivate::new())).await?;
    ensure_eq("the phase", &off.phase(), &Phase::Deactivated)?;
    let count = node
        .say_drained(&site.state, activation(&on)?.id)
        .await?
        .count;
    ensure_eq(
        "the closed and the drained of no activation",
        &(count.closed, count.drained),
        &(0, 0),
    )?;
    ensure_eq(
        "the phase after a late acknowledgement",
        &phase(&site).await?,
        &Phase::Deactivated,
    )
}
