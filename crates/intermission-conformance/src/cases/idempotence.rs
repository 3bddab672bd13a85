//! What is repeated, and must count once.

use intermission_core::{
    Activate, Change, Deactivate, HistoryEvent, MaintenanceState, OperateReply, Operation, Phase,
    Record, SharedState,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure_eq, expect_variant};
use crate::site::{Node, Site, activation, allow, ana, bob, fresh_operation_id, operation};

case_table! { Idempotence:
    /// An operation that is repeated with the same id is done once.
    a_repeated_operation_is_done_once;
    /// The same when it is repeated through another handle.
    an_operation_repeated_through_another_handle_is_done_once needs SharedBetweenHandles;
    /// The same when the process restarts in between.
    an_operation_repeated_after_a_restart_is_done_once needs Durable;
    /// The completion of the drain in between does not make a repeated activation a new one.
    an_activation_repeated_after_its_completion_is_done_once;
    /// A repeated operation that somebody has undone meanwhile stays undone.
    an_operation_repeated_after_it_was_undone_is_a_conflict;
    /// A proposal of what is already so is a success that changes nothing: no revision, no line.
    a_proposal_of_what_is_already_so_changes_nothing;
    /// A report that is repeated with the same sequence counts once.
    a_repeated_report_counts_once;
    /// A report that is older than the last is ignored, and the answer names the newest that was heard.
    an_older_report_is_ignored;
    /// An older report cannot take back what a newer one acknowledged.
    an_older_report_takes_nothing_back;
}

async fn a_repeated_operation_is_done_once(site: Site) -> Checked {
    let asked = operation(
        &*site.record().await?,
        &Change::Activate(Activate::by("ana")),
        &ana(),
    )?;
    let stored = site.stored(asked.clone()).await?;
    site.pass(site.timing.step).await?;
    repeat(&site, &site.state, asked, &stored).await
}

async fn an_operation_repeated_through_another_handle_is_done_once(site: Site) -> Checked {
    let other = site.second_handle().await?;
    let asked = operation(&*site.record().await?, &allow(1, 1)?, &ana())?;
    let stored = site.stored(asked.clone()).await?;
    repeat(&site, &other, asked, &stored).await
}

async fn an_operation_repeated_after_a_restart_is_done_once(site: Site) -> Checked {
    let asked = operation(&*site.record().await?, &allow(1, 1)?, &ana())?;
    let stored = site.stored(asked.clone()).await?;
    let site = site.reopened().await?;
    repeat(&site, &site.state, asked, &stored).await
}

async fn repeat(site: &Site, through: &SharedState, asked: Operation, stored: &Record) -> Checked {
    let history = site.history().await?;
    for _ in 0..2 {
        let reply = through.operate(asked.clone()).await?;
        let told = expect_variant!("the answer to a repetition", reply, OperateReply::Duplicate(record) => record);
        ensure_eq("the record in the answer to a repetition", &*told, stored)?;
    }
    site.ensure_unchanged(stored, &history).await
}

async fn an_activation_repeated_after_its_completion_is_done_once(site: Site) -> Checked {
    let mut node = Node::new("drains").with_running(1);
    node.sync(&site.state).await?;
    let asked = operation(
        &*site.record().await?,
        &Change::Activate(Activate::by("ana")),
        &ana(),
    )?;
    let stored = site.stored(asked.clone()).await?;
    ensure_eq(
        "the phase while a node runs something",
        &stored.phase(),
        &Phase::Activating,
    )?;
    node.say_drained(&site.state, activation(&stored)?.id)
        .await?;
    let completed = site.record().await?;
    ensure_eq(
        "the phase after the node has drained",
        &completed.phase(),
        &Phase::Activated,
    )?;
    repeat(&site, &site.state, asked, &completed).await
}

async fn an_operation_repeated_after_it_was_undone_is_a_conflict(site: Site) -> Checked {
    let asked = operation(
        &*site.record().await?,
        &Change::Activate(Activate::by("ana")),
        &ana(),
    )?;
    site.stored(asked.clone()).await?;
    let undone = site.change(Change::Deactivate(Deactivate::new())).await?;
    let history = site.history().await?;
    let reply = site.state.operate(asked).await?;
    let told = expect_variant!("the answer to the repetition", reply, OperateReply::Conflict(record) => record);
    ensure_eq("the record in the answer", &told, &undone)?;
    site.ensure_unchanged(&undone, &history).await
}

async fn a_proposal_of_what_is_already_so_changes_nothing(site: Site) -> Checked {
    let stored = site.change(Change::Activate(Activate::by("ana"))).await?;
    let history = site.history().await?;
    let asked = Operation::replace(fresh_operation_id(), &stored, (*stored).clone(), bob());
    let reply = site.state.operate(asked).await?;
    let told = expect_variant!("the answer", reply, OperateReply::Unchanged(record) => record);
    ensure_eq("the record in the answer", &told, &stored)?;
    site.ensure_unchanged(&stored, &history).await
}

async fn a_repeated_report_counts_once(site: Site) -> Checked {
    let mut node = Node::new("repeats").with_running(3);
    node.report.sequence = 4;
    node.sync(&site.state).await?;
    let mut repeated = node.report.clone();
    repeated.facts.running = 9;
    let reply = site.state.sync(repeated).await?;
    ensure_eq("the newest sequence", &reply.sequence, &5)?;
    ensure_eq("what runs", &reply.count.running, &3)?;
    let view = site.view().await?;
    ensure_eq("the number of nodes", &view.node_count, &1)?;
    ensure_eq("what runs, for people", &view.count.running, &3)
}

async fn an_older_report_is_ignored(site: Site) -> Checked {
    let mut node = Node::new("overtakes itself").with_running(3);
    node.report.sequence = 40;
    node.sync(&site.state).await?;
    let stored = site.change(allow(1, 1)?).await?;
    let mut older = node.report.clone();
    older.sequence = 7;
    older.facts.running = 9;
    let reply = site.state.sync(older).await?;
    ensure_eq("the newest sequence", &reply.sequence, &41)?;
    ensure_eq(
        "the record, which every answer brings",
        &reply.record,
        &Some(stored),
    )?;
    ensure_eq("what runs", &site.view().await?.count.running, &3)
}

async fn an_older_report_takes_nothing_back(site: Site) -> Checked {
    let mut fast = Node::new("fast");
    let mut slow = Node::new("slow").with_running(1);
    fast.sync(&site.state).await?;
    slow.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let late = fast.report.clone();
    fast.say_drained(&site.state, activation(&on)?.id).await?;
    site.state.sync(late).await?;
    ensure_eq(
        "the number of drained nodes",
        &site.view().await?.count.drained,
        &1,
    )?;
    slow.say_drained(&site.state, activation(&on)?.id).await?;
    ensure_eq(
        "the newest event",
        &site.events().await?.first(),
        &Some(&HistoryEvent::Activated),
    )
}
