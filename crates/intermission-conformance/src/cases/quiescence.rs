//! When the last request has ended.

use intermission_core::{Activate, Change, Deactivate, DrainPolicy, Level, Phase, Revision};

use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq};
use crate::site::{Node, Site, activation, completion};

case_table! { Quiescence:
    /// Without nodes nothing runs, so quiescence is there with the activation.
    without_nodes_quiescence_is_there_at_once;
    /// Quiescence is known when every node has said so, and not before the drain is complete.
    quiescence_is_known_when_every_node_has_said_so;
    /// Another level closes out other requests, so quiescence is counted anew; what was said of the old level
    /// does not count.
    another_level_is_counted_anew;
    /// Where nobody knows whether a node still runs something, quiescence is not claimed.
    quiescence_is_not_claimed_with_unconfirmed_nodes;
    /// Quiescence ends with the activation.
    quiescence_ends_with_the_activation;
}

async fn say_quiet(node: &mut Node, site: &Site, since: Revision) -> Checked {
    node.report.quiet = Some(since);
    node.sync(&site.state).await?;
    Ok(())
}

async fn without_nodes_quiescence_is_there_at_once(site: Site) -> Checked {
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let quiescent_at = site.view().await?.quiescent_at;
    ensure_eq(
        "the time of quiescence",
        &quiescent_at,
        &Some(completion(&on)?.at),
    )
}

async fn quiescence_is_known_when_every_node_has_said_so(site: Site) -> Checked {
    let (mut one, mut other) = (
        Node::new("one").with_running(1),
        Node::new("other").with_running(1),
    );
    one.sync(&site.state).await?;
    other.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let (id, since) = (activation(&on)?.id, activation(&on)?.level_since);
    say_quiet(&mut one, &site, since).await?;
    say_quiet(&mut other, &site, since).await?;
    ensure_eq(
        "quiescence before the drain is complete",
        &site.view().await?.quiescent_at,
        &None,
    )?;
    other.report.quiet = None;
    one.say_drained(&site.state, id).await?;
    other.say_drained(&site.state, id).await?;
    let view = site.view().await?;
    ensure_eq("the phase", &view.record.phase(), &Phase::Activated)?;
    ensure_eq("quiescence while a request runs", &view.quiescent_at, &None)?;
    say_quiet(&mut other, &site, since).await?;
    let view = site.view().await?;
    let completed_at = completion(&view.record)?.at;
    ensure(view.quiescent_at >= Some(completed_at), || {
        format!(
            "quiescence is at {:?}, and the drain was complete at {completed_at}",
            view.quiescent_at
        )
    })?;
    // It is a moment, not a state: what is said later does not move it.
    site.pass(site.timing.step).await?;
    one.sync(&site.state).await?;
    ensure_eq(
        "the time of quiescence later",
        &site.view().await?.quiescent_at,
        &view.quiescent_at,
    )
}

async fn another_level_is_counted_anew(site: Site) -> Checked {
    let mut node = Node::new("backs up");
    node.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let first = activation(&on)?.level_since;
    node.report.quiet = Some(first);
    node.say_drained(&site.state, activation(&on)?.id).await?;
    ensure(site.view().await?.quiescent_at.is_some(), || {
        "no quiescence though every node said so".to_owned()
    })?;
    let closer = site
        .change(Change::Activate(
            Activate::by("ana").with_level(Level::Exclusive),
        ))
        .await?;
    ensure_eq(
        "the phase after another level",
        &closer.phase(),
        &Phase::Activated,
    )?;
    ensure_eq(
        "quiescence after another level",
        &site.view().await?.quiescent_at,
        &None,
    )?;
    say_quiet(&mut node, &site, first).await?;
    ensure_eq(
        "quiescence for the old level",
        &site.view().await?.quiescent_at,
        &None,
    )?;
    say_quiet(&mut node, &site, activation(&closer)?.level_since).await?;
    ensure(site.view().await?.quiescent_at.is_some(), || {
        "no quiescence for the new level".to_owned()
    })
}

async fn quiescence_is_not_claimed_with_unconfirmed_nodes(site: Site) -> Checked {
    let limit = site.timing.step * 4;
    let mut node = Node::new("busy").with_running(1);
    node.sync(&site.state).await?;
    site.change(Change::Activate(
        Activate::by("ana").with_drain(DrainPolicy::Force(limit)),
    ))
    .await?;
    let forced = site
        .pass_until("the forced end", limit * 4, |view| {
            view.record.phase() == Phase::Activated
        })
        .await?;
    ensure_eq(
        "the number of unconfirmed nodes",
        &completion(&forced.record)?.unconfirmed.len(),
        &1,
    )?;
    say_quiet(&mut node, &site, activation(&forced.record)?.level_since).await?;
    ensure_eq(
        "quiescence with an unconfirmed node",
        &site.view().await?.quiescent_at,
        &None,
    )
}

async fn quiescence_ends_with_the_activation(site: Site) -> Checked {
    site.change(Change::Activate(Activate::by("ana"))).await?;
    site.change(Change::Deactivate(Deactivate::new())).await?;
    ensure_eq(
        "quiescence while the site is open",
        &site.view().await?.quiescent_at,
        &None,
    )?;
    let mut node = Node::new("serves again");
    node.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    node.say_drained(&site.state, activation(&on)?.id).await?;
    ensure_eq(
        "quiescence of the next activation",
        &site.view().await?.quiescent_at,
        &None,
    )
}
