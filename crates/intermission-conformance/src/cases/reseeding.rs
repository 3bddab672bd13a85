//! What a node brings back after a loss.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Activate, Change, Deactivate, HistoryEvent, Ledger, MaintenanceState, Moment, NodeReport,
    OperateReply, Phase, Record, Timestamp,
};

use super::changes::with_revision;
use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq, expect_variant};
use crate::site::{Node, Site, activation, allow, ana, completion, fresh_node_id, operation};

case_table! { Reseeding:
    /// A newer record that a node offers is taken back, and the history says who brought it.
    a_newer_offer_is_taken_back;
    /// An older record that a node offers is not taken, and the node is told the newer.
    an_older_offer_is_not_taken;
    /// Of two records of the same revision the more restrictive stays.
    of_two_with_the_same_revision_the_more_restrictive_stays;
    /// A node that knows nothing cannot make a record of it.
    an_offer_of_nothing_is_not_taken;
    /// An empty state that is given a record has lost its data: it begins a grace, and says so.
    an_offer_to_an_empty_state_begins_a_grace;
    /// After a loss nobody may open or edit at once, and closing is always possible.
    after_a_loss_closing_is_possible_and_opening_waits;
    /// After a loss no drain completes within the grace; then it does, and says that the state had lost its data.
    after_a_loss_a_drain_completes_after_the_grace_and_says_so;
    /// What a node has brought back is there after a restart.
    what_was_brought_back_is_there_after_a_restart needs Durable;
}

/// A record as another life of the store made it at that time, before it lost it.
fn lost_record(
    site: &Site,
    at: Timestamp,
    changes: &[Change],
    draining: bool,
) -> Checked<Arc<Record>> {
    let mut ledger = Ledger::new(site.timing);
    let now = Moment::new(at, Duration::ZERO);
    if draining {
        ledger.sync(&NodeReport::new(fresh_node_id(), 1), now);
    }
    for change in changes {
        let reply = ledger.operate(&operation(&ledger.current(), change, &ana())?, now);
        expect_variant!("the answer of the store's other life", reply, OperateReply::Stored(_) => ());
    }
    Ok(ledger.current())
}

fn activate() -> Change {
    Change::Activate(Activate::by("eve").with_message("decided before the loss"))
}

/// Every store's clock shows less.
const LATER: Timestamp = Timestamp::from_millis(4_000_000_000_000);
/// Every store's clock shows more.
const EARLIER: Timestamp = Timestamp::from_millis(1_000_000);

fn who_offers(record: &Arc<Record>) -> Node {
    let mut node = Node::new("remembers");
    node.report.seen = record.revision();
    node.report.offer = Some(Arc::clone(record));
    node
}

async fn a_newer_offer_is_taken_back(site: Site) -> Checked {
    site.change(allow(1, 1)?).await?;
    let lost = lost_record(&site, LATER, &[activate()], false)?;
    let reply = who_offers(&lost).sync(&site.state).await?;
    ensure_eq(
        "the record for the node",
        &reply.record,
        &Some(lost.clone()),
    )?;
    ensure_eq("the record", &site.record().await?, &lost)?;
    let history = site.history().await?;
    let newest = history.first();
    let found = newest.map(|entry| {
        (
            entry.event,
            entry.revision,
            entry.phase,
            entry.by.as_deref(),
        )
    });
    let expected = (
        HistoryEvent::Restored,
        lost.revision(),
        Phase::Activated,
        None,
    );
    ensure_eq("the newest line", &found, &Some(expected))?;
    let note = newest
        .and_then(|entry| entry.note.clone())
        .unwrap_or_default();
    ensure(note.contains("remembers"), || {
        format!("the note does not say who brought it: {note:?}")
    })?;
    // What is decided from now on wins over it everywhere.
    site.pass(site.timing.reconcile + site.timing.step).await?;
    let next = site.change(Change::Deactivate(Deactivate::new())).await?;
    ensure(next.revision() > lost.revision(), || {
        "a later decision has an older revision".to_owned()
    })
}

async fn an_older_offer_is_not_taken(site: Site) -> Checked {
    let current = site.change(allow(1, 1)?).await?;
    let history = site.history().await?;
    let old = lost_record(&site, EARLIER, &[activate()], false)?;
    let reply = who_offers(&old).sync(&site.state).await?;
    ensure_eq(
        "the record for the node",
        &reply.record,
        &Some(current.clone()),
    )?;
    ensure_eq("the grace", &reply.grace, &Duration::ZERO)?;
    site.ensure_unchanged(&current, &history).await
}

async fn of_two_with_the_same_revision_the_more_restrictive_stays(site: Site) -> Checked {
    let open = site.change(allow(1, 1)?).await?;
    let closed = lost_record(&site, EARLIER, &[activate()], false)?;
    let closed = Arc::new(with_revision(&closed, open.revision())?);
    let reply = who_offers(&closed).sync(&site.state).await?;
    ensure_eq(
        "the record after a more restrictive offer",
        &reply.record,
        &Some(closed.clone()),
    )?;
    let history = site.history().await?;
    let reply = who_offers(&open).sync(&site.state).await?;
    ensure_eq(
        "the record after a less restrictive offer",
        &reply.record,
        &Some(closed.clone()),
    )?;
    site.ensure_unchanged(&closed, &history).await
}

async fn an_offer_of_nothing_is_not_taken(site: Site) -> Checked {
    let reply = who_offers(&Arc::new(Record::default()))
        .sync(&site.state)
        .await?;
    ensure_eq("the record", &reply.record, &None)?;
    ensure_eq("the grace", &reply.grace, &Duration::ZERO)?;
    ensure_eq("the history", &site.history().await?, &[])
}

async fn an_offer_to_an_empty_state_begins_a_grace(site: Site) -> Checked {
    let lost = lost_record(&site, EARLIER, &[activate()], false)?;
    let reply = who_offers(&lost).sync(&site.state).await?;
    ensure_eq(
        "the record for the node",
        &reply.record,
        &Some(lost.clone()),
    )?;
    ensure(reply.grace > Duration::ZERO, || {
        "the node is not told of the grace".to_owned()
    })?;
    let view = site.view().await?;
    ensure_eq("the record", &view.record, &lost)?;
    ensure(view.grace > Duration::ZERO, || {
        "people are not told of the grace".to_owned()
    })?;
    ensure_eq(
        "the events",
        &site.events().await?,
        &[HistoryEvent::Restored],
    )?;
    // As long as any lease that was running at the loss, and no longer.
    site.pass(site.timing.grace + site.timing.step).await?;
    ensure_eq(
        "the grace after it is over",
        &site.view().await?.grace,
        &Duration::ZERO,
    )
}

async fn after_a_loss_closing_is_possible_and_opening_waits(site: Site) -> Checked {
    let lost = lost_record(&site, EARLIER, &[allow(2, 2)?], false)?;
    let mut node = who_offers(&lost);
    node.sync(&site.state).await?;
    let edit = operation(&lost, &allow(1, 1)?, &ana())?;
    let reply = site.state.operate(edit).await?;
    let wait =
        expect_variant!("the answer to an edit", reply, OperateReply::Reconciling(wait) => wait);
    ensure(wait > Duration::ZERO, || {
        "the operator is told to try again after no time at all".to_owned()
    })?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure(on.phase().is_on(), || {
        format!("the site could not be closed: {on:?}")
    })?;
    let open = operation(&on, &Change::Deactivate(Deactivate::new()), &ana())?;
    let reply = site.state.operate(open).await?;
    expect_variant!("the answer to who opens", reply, OperateReply::Reconciling(_) => ());
    ensure_eq("the record after both", &site.record().await?, &on)?;
    site.pass_with(site.timing.reconcile + site.timing.step, &mut [&mut node])
        .await?;
    let off = site.change(Change::Deactivate(Deactivate::new())).await?;
    ensure_eq("the phase", &off.phase(), &Phase::Deactivated)
}

async fn after_a_loss_a_drain_completes_after_the_grace_and_says_so(site: Site) -> Checked {
    let lost = lost_record(&site, EARLIER, &[activate()], true)?;
    ensure_eq(
        "the phase of the lost record",
        &lost.phase(),
        &Phase::Activating,
    )?;
    let mut node = who_offers(&lost);
    node.sync(&site.state).await?;
    let id = activation(&lost)?.id;
    let count = node.say_drained(&site.state, id).await?.count;
    ensure_eq(
        "the number of drained nodes within the grace",
        &count.drained,
        &0,
    )?;
    ensure_eq(
        "the phase within the grace",
        &site.record().await?.phase(),
        &Phase::Activating,
    )?;
    site.pass_with(site.timing.grace + site.timing.step, &mut [&mut node])
        .await?;
    let record = site.record().await?;
    ensure_eq(
        "the phase after the grace",
        &record.phase(),
        &Phase::Activated,
    )?;
    let completion = completion(&record)?;
    ensure(completion.state_lost_at.is_some(), || {
        format!("the completion does not tell of the loss: {completion:?}")
    })
}

async fn what_was_brought_back_is_there_after_a_restart(site: Site) -> Checked {
    site.change(allow(1, 1)?).await?;
    let lost = lost_record(&site, LATER, &[activate()], false)?;
    who_offers(&lost).sync(&site.state).await?;
    let site = site.reopened().await?;
    ensure_eq("the record after a restart", &site.record().await?, &lost)?;
    ensure_eq(
        "the newest event",
        &site.events().await?.first(),
        &Some(&HistoryEvent::Restored),
    )
}
