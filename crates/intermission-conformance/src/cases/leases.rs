//! Nodes that fall silent.

use std::time::Duration;

use intermission_core::{
    Activate, Change, Deactivate, DrainPolicy, HistoryEvent, LostContact, Phase, Record,
    UnconfirmedCause,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq};
use crate::site::{Node, Site, activation, completion};

case_table! { Leases:
    /// A silent node under `wait` is waited for until its lease and its wait are over, and is then given up and
    /// listed as unconfirmed.
    a_silent_node_is_given_up_after_its_lease_and_its_wait;
    /// A silent node under `hold` is never given up.
    a_silent_node_on_hold_is_never_given_up;
    /// A silent node under `fence` counts as drained after its lease and its fence, and not before.
    a_silent_fenced_node_counts_as_drained;
    /// A silent node under `leave` is waited for until its lease is over; then it is off the list, and named nowhere.
    a_silent_node_that_leaves_is_gone_after_its_lease;
    /// A silent node under `leave` is gone although what it said was of an activation that is no more, and the next one
    /// has its quiescence.
    what_a_node_that_leaves_has_said_is_of_no_account;
    /// A node under `leave` has nothing that a forced drain would have to name.
    a_node_that_serves_nobody_is_never_named;
    /// A node that speaks is never given up, however long the drain takes.
    a_node_that_speaks_keeps_its_lease;
    /// A node that had drained before it fell silent is not listed as unconfirmed.
    a_drained_node_that_falls_silent_is_confirmed;
    /// An unconfirmed node that comes back is listed until it says that it has drained; then it is confirmed.
    a_node_that_comes_back_is_confirmed;
    /// A node that falls silent while no drain waits for it leaves no line; the next drain does not wait for it, but
    /// names it, for it may still run something.
    without_a_drain_a_silent_node_leaves_no_line;
    /// A node that has been silent for longer than its lease is shown as out of contact.
    silence_is_shown;
    /// A leap of the store's clock ends no lease.
    a_leap_of_the_clock_ends_no_lease needs MovesClock;
}

/// How long a silent node is waited for beyond its lease, in the cases.
fn beyond(site: &Site) -> Duration {
    site.timing.step * 16
}

/// So long before the end nobody may be given up yet. The distance leaves room for the suite's own calls, each of
/// which may move an unheld clock by a step.
fn just_before(site: &Site) -> Duration {
    site.timing.lease + beyond(site) - site.timing.step * 6
}

/// Added to [`just_before`], this is after the end.
fn over_the_end(site: &Site) -> Duration {
    site.timing.step * 8
}

async fn drained_by(site: &Site, node: &mut Node) -> Checked<Record> {
    node.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure_eq(
        "the phase while a node runs something",
        &on.phase(),
        &Phase::Activating,
    )?;
    Ok((*on).clone())
}

async fn a_silent_node_is_given_up_after_its_lease_and_its_wait(site: Site) -> Checked {
    let mut node = Node::new("silent")
        .with_running(2)
        .with_lost_contact(LostContact::Wait(beyond(&site)));
    drained_by(&site, &mut node).await?;
    site.pass(just_before(&site)).await?;
    let view = site.view().await?;
    ensure_eq(
        "the phase just before the end",
        &view.record.phase(),
        &Phase::Activating,
    )?;
    ensure_eq(
        "the number of nodes just before the end",
        &view.node_count,
        &1,
    )?;
    site.pass(over_the_end(&site)).await?;
    let record = site.record().await?;
    ensure_eq(
        "the phase after the end",
        &record.phase(),
        &Phase::Activated,
    )?;
    let completion = completion(&record)?;
    ensure_eq("whether it was forced", &completion.forced, &false)?;
    let lost: Vec<_> = completion
        .unconfirmed
        .iter()
        .map(|lost| (lost.node, lost.label.as_str(), lost.cause, lost.running))
        .collect();
    ensure_eq(
        "the unconfirmed nodes",
        &lost,
        &[(node.id(), "silent", UnconfirmedCause::OutOfContact, 2)],
    )?;
    let events = site.events().await?;
    let newest: Vec<_> = events.iter().take(2).copied().collect();
    ensure_eq(
        "the newest events",
        &newest,
        &[HistoryEvent::Activated, HistoryEvent::NodeUnconfirmed],
    )
}

async fn a_silent_node_on_hold_is_never_given_up(site: Site) -> Checked {
    let mut node = Node::new("held")
        .with_running(1)
        .with_lost_contact(LostContact::Hold);
    drained_by(&site, &mut node).await?;
    site.pass(site.timing.lease * 3 + beyond(&site)).await?;
    let view = site.view().await?;
    ensure_eq("the phase", &view.record.phase(), &Phase::Activating)?;
    ensure_eq("the number of nodes", &view.node_count, &1)
}

async fn a_silent_fenced_node_counts_as_drained(site: Site) -> Checked {
    let mut node = Node::new("fenced")
        .with_running(2)
        .with_lost_contact(LostContact::Fence(beyond(&site)));
    drained_by(&site, &mut node).await?;
    site.pass(just_before(&site)).await?;
    ensure_eq(
        "the phase just before the end",
        &site.record().await?.phase(),
        &Phase::Activating,
    )?;
    site.pass(over_the_end(&site)).await?;
    let record = site.record().await?;
    ensure_eq(
        "the phase after the end",
        &record.phase(),
        &Phase::Activated,
    )?;
    ensure_eq(
        "the unconfirmed nodes",
        &completion(&record)?.unconfirmed,
        &[],
    )
}

/// So long that any lease is over.
fn over_the_lease(site: &Site) -> Duration {
    site.timing.lease + site.timing.step * 2
}

async fn a_silent_node_that_leaves_is_gone_after_its_lease(site: Site) -> Checked {
    let mut node = Node::new("leaves").with_lost_contact(LostContact::Leave);
    drained_by(&site, &mut node).await?;
    site.pass(over_the_lease(&site)).await?;
    let view = site.view().await?;
    ensure_eq(
        "the phase after the lease",
        &view.record.phase(),
        &Phase::Activated,
    )?;
    ensure_eq(
        "the unconfirmed nodes",
        &completion(&view.record)?.unconfirmed,
        &[],
    )?;
    ensure_eq("the number of nodes", &view.node_count, &0)?;
    ensure_eq(
        "the events",
        &site.events().await?,
        &[HistoryEvent::Activated, HistoryEvent::Requested],
    )
}

async fn what_a_node_that_leaves_has_said_is_of_no_account(site: Site) -> Checked {
    let mut node = Node::new("leaves").with_lost_contact(LostContact::Leave);
    let on = drained_by(&site, &mut node).await?;
    node.say_drained(&site.state, activation(&on)?.id).await?;
    site.change(Change::Deactivate(Deactivate::new())).await?;
    site.pass(over_the_lease(&site)).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure_eq(
        "the phase of the next activation",
        &on.phase(),
        &Phase::Activated,
    )?;
    ensure_eq("the unconfirmed nodes", &completion(&on)?.unconfirmed, &[])?;
    let view = site.view().await?;
    ensure_eq("the number of nodes", &view.node_count, &0)?;
    ensure(view.quiescent_at.is_some(), || {
        "a node that has left holds up the quiescence".to_owned()
    })
}

async fn a_node_that_serves_nobody_is_never_named(site: Site) -> Checked {
    let limit = site.timing.step * 4;
    let mut node = Node::new("leaves").with_lost_contact(LostContact::Leave);
    node.sync(&site.state).await?;
    let drain = DrainPolicy::Force(limit);
    site.change(Change::Activate(Activate::by("ana").with_drain(drain)))
        .await?;
    site.pass_with(limit + site.timing.step * 2, &mut [&mut node])
        .await?;
    let record = site.record().await?;
    ensure_eq(
        "the phase after the limit",
        &record.phase(),
        &Phase::Activated,
    )?;
    let completion = completion(&record)?;
    ensure_eq("whether it was forced", &completion.forced, &true)?;
    ensure_eq("the unconfirmed nodes", &completion.unconfirmed, &[])
}

async fn a_node_that_speaks_keeps_its_lease(site: Site) -> Checked {
    let mut node = Node::new("speaks")
        .with_running(1)
        .with_lost_contact(LostContact::Wait(Duration::ZERO));
    drained_by(&site, &mut node).await?;
    site.pass_with(site.timing.lease * 2, &mut [&mut node])
        .await?;
    let view = site.view().await?;
    ensure_eq("the phase", &view.record.phase(), &Phase::Activating)?;
    ensure_eq("the number of nodes", &view.node_count, &1)
}

async fn a_drained_node_that_falls_silent_is_confirmed(site: Site) -> Checked {
    let mut silent = Node::new("silent").with_lost_contact(LostContact::Wait(Duration::ZERO));
    let mut slow = Node::new("slow").with_running(1);
    slow.sync(&site.state).await?;
    let on = drained_by(&site, &mut silent).await?;
    silent.say_drained(&site.state, activation(&on)?.id).await?;
    site.pass_with(site.timing.lease * 2, &mut [&mut slow])
        .await?;
    ensure_eq(
        "the phase while the other runs something",
        &site.record().await?.phase(),
        &Phase::Activating,
    )?;
    slow.say_drained(&site.state, activation(&on)?.id).await?;
    ensure_eq(
        "the unconfirmed nodes",
        &completion(&*site.record().await?)?.unconfirmed,
        &[],
    )
}

async fn a_node_that_comes_back_is_confirmed(site: Site) -> Checked {
    let mut node = Node::new("comes back")
        .with_running(1)
        .with_lost_contact(LostContact::Wait(Duration::ZERO));
    let on = drained_by(&site, &mut node).await?;
    site.pass(site.timing.lease * 2).await?;
    let given_up = site.record().await?;
    ensure_eq(
        "the number of unconfirmed nodes",
        &completion(&given_up)?.unconfirmed.len(),
        &1,
    )?;
    node.sync(&site.state).await?;
    ensure_eq(
        "the record when it is back and still runs something",
        &site.record().await?,
        &given_up,
    )?;
    let reply = node.say_drained(&site.state, activation(&on)?.id).await?;
    let record = site.record().await?;
    ensure_eq(
        "the unconfirmed nodes",
        &completion(&record)?.unconfirmed,
        &[],
    )?;
    ensure(record.revision() > given_up.revision(), || {
        "the confirmation got no revision of its own".to_owned()
    })?;
    ensure_eq("the record for the node", &reply.record, &Some(record))?;
    ensure_eq(
        "the newest event",
        &site.events().await?.first(),
        &Some(&HistoryEvent::NodeConfirmed),
    )
}

async fn without_a_drain_a_silent_node_leaves_no_line(site: Site) -> Checked {
    let mut node = Node::new("crashed")
        .with_running(1)
        .with_lost_contact(LostContact::Wait(Duration::ZERO));
    node.sync(&site.state).await?;
    site.pass(site.timing.lease * 2).await?;
    ensure_eq(
        "the number of nodes that count",
        &site.view().await?.count.nodes,
        &0,
    )?;
    ensure_eq("the history", &site.history().await?, &[])?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure_eq(
        "the phase of the next activation",
        &on.phase(),
        &Phase::Activated,
    )?;
    let named: Vec<_> = completion(&on)?
        .unconfirmed
        .iter()
        .map(|lost| (lost.node, lost.cause))
        .collect();
    ensure_eq(
        "the unconfirmed nodes",
        &named,
        &[(node.id(), UnconfirmedCause::OutOfContact)],
    )
}

async fn silence_is_shown(site: Site) -> Checked {
    let mut node = Node::new("silent").with_lost_contact(LostContact::Hold);
    node.sync(&site.state).await?;
    site.pass(site.timing.lease + site.timing.step * 2).await?;
    let shown = |view: &intermission_core::View| {
        view.nodes
            .iter()
            .map(|node| node.out_of_contact)
            .collect::<Vec<_>>()
    };
    ensure_eq(
        "whether the silent node is out of contact",
        &shown(&site.view().await?),
        &[true],
    )?;
    // On a clock that nobody holds, the next answer may itself come later than a short lease.
    if site.claims(crate::Capability::MovesClock) {
        node.sync(&site.state).await?;
        ensure_eq(
            "whether it is when it has spoken",
            &shown(&site.view().await?),
            &[false],
        )?;
    }
    Ok(())
}

async fn a_leap_of_the_clock_ends_no_lease(site: Site) -> Checked {
    let mut node = Node::new("innocent")
        .with_running(1)
        .with_lost_contact(LostContact::Wait(Duration::ZERO));
    drained_by(&site, &mut node).await?;
    site.leap(Duration::from_secs(3_600)).await?;
    let view = site.view().await?;
    ensure_eq(
        "the phase after a leap",
        &view.record.phase(),
        &Phase::Activating,
    )?;
    ensure_eq("the number of nodes after a leap", &view.node_count, &1)
}
