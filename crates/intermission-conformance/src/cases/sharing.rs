//! What several handles have in common.

use intermission_core::{
    Activate, Change, Deactivate, Departure, MaintenanceState, NodeId, NodeReport, OperateReply,
    Operation, Phase, Revision, SharedState,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure_eq, expect_variant};
use crate::site::{Node, Site, activation, allow, ana, operation};

case_table! { Sharing:
    /// What one handle stores, every other reads at once: record, history and nodes.
    handles_share_one_ledger needs SharedBetweenHandles;
    /// A drain that one handle began completes by what nodes say through another.
    a_drain_completes_across_handles needs SharedBetweenHandles;
    /// Dropping a handle changes nothing, and ends nobody else's access.
    dropping_a_handle_changes_nothing needs SharedBetweenHandles;
    /// A state behind `Arc` and `SharedState` answers every method as the state itself does.
    every_method_answers_through_the_wrappers;
}

/// The futures of every backend can go to any thread: this does not compile otherwise.
const _: fn(&SharedState, NodeReport, Operation) = |state, report, operation| {
    fn is_send(_: impl Send) {}
    is_send(state.sync(report));
    is_send(state.operate(operation));
    is_send(state.leave(NodeId::from_bits(0), Departure::Goodbye));
    is_send(state.inspect(0));
    is_send(state.history(0));
    is_send(state.watch(Revision::ZERO));
};

async fn handles_share_one_ledger(site: Site) -> Checked {
    let other = site.second_handle().await?;
    let mut node = Node::new("speaks to one").with_running(2);
    for number in 0..4 {
        let (writer, reader) = if number % 2 == 0 {
            (&site.state, &other)
        } else {
            (&other, &site.state)
        };
        let before = writer.inspect(0).await?.record;
        let reply = writer
            .operate(operation(&before, &allow(1, number)?, &ana())?)
            .await?;
        let stored = expect_variant!("the answer to a change", reply, OperateReply::Stored(record) => record);
        node.sync(writer).await?;
        let view = reader.inspect(usize::MAX).await?;
        ensure_eq("the record through another handle", &view.record, &stored)?;
        ensure_eq(
            "the number of nodes through another handle",
            &view.node_count,
            &1,
        )?;
        ensure_eq("what runs, through another handle", &view.count.running, &2)?;
        let lines = reader.history(1).await?;
        let newest = lines.first().map(|entry| entry.revision);
        ensure_eq(
            "the newest line through another handle",
            &newest,
            &Some(stored.revision()),
        )?;
    }
    Ok(())
}

async fn a_drain_completes_across_handles(site: Site) -> Checked {
    let other = site.second_handle().await?;
    let mut here = Node::new("here").with_running(1);
    let mut there = Node::new("there").with_running(1);
    here.sync(&site.state).await?;
    there.sync(&other).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let id = activation(&on)?.id;
    let told = here.sync(&other).await?;
    ensure_eq(
        "the record for a node that speaks through another handle",
        &told.record,
        &Some(on),
    )?;
    here.say_drained(&site.state, id).await?;
    let last = there.say_drained(&other, id).await?;
    ensure_eq(
        "the phase in the last answer",
        &last.record.map(|record| record.phase()),
        &Some(Phase::Activated),
    )?;
    ensure_eq(
        "the phase through the first handle",
        &site.record().await?.phase(),
        &Phase::Activated,
    )
}

async fn dropping_a_handle_changes_nothing(site: Site) -> Checked {
    let other = site.second_handle().await?;
    let mut node = Node::new("stays").with_running(1);
    node.sync(&other).await?;
    let before = site.change(Change::Activate(Activate::by("ana"))).await?;
    let history = site.history().await?;
    drop(other);
    site.ensure_unchanged(&before, &history).await?;
    ensure_eq("the number of nodes", &site.view().await?.node_count, &1)?;
    node.say_drained(&site.state, activation(&before)?.id)
        .await?;
    ensure_eq(
        "the phase after the drain",
        &site.record().await?.phase(),
        &Phase::Activated,
    )
}

async fn every_method_answers_through_the_wrappers(site: Site) -> Checked {
    let wrapped = site.wrapped_state();
    let mut node = Node::new("wrapped").with_running(1);
    node.sync(&wrapped).await?;
    ensure_eq("the number of nodes", &site.view().await?.node_count, &1)?;
    let before = wrapped.inspect(0).await?.record;
    let reply = wrapped
        .operate(operation(
            &before,
            &Change::Activate(Activate::by("ana")),
            &ana(),
        )?)
        .await?;
    let on =
        expect_variant!("the answer to a change", reply, OperateReply::Stored(record) => record);
    ensure_eq("the record", &site.record().await?, &on)?;
    site.in_time("a watcher's answer", async {
        Ok(wrapped.watch(Revision::ZERO).await?)
    })
    .await?;
    ensure_eq(
        "the history",
        &wrapped.history(usize::MAX).await?,
        &site.history().await?,
    )?;
    wrapped.leave(node.id(), Departure::Goodbye).await?;
    let view = wrapped.inspect(usize::MAX).await?;
    ensure_eq(
        "the number of nodes after one has left",
        &view.node_count,
        &0,
    )?;
    ensure_eq(
        "the phase after the last node has left",
        &view.record.phase(),
        &Phase::Activated,
    )?;
    let off = operation(&view.record, &Change::Deactivate(Deactivate::new()), &ana())?;
    expect_variant!("the answer to another change", wrapped.operate(off).await?, OperateReply::Stored(_) => ());
    Ok(())
}
