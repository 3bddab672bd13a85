//! Dropped futures.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use intermission_core::{
    Activate, Change, Departure, MaintenanceState, OperateReply, Phase, Revision,
};
use tokio::task::yield_now;

use crate::case::case_table;
use crate::failure::{Checked, Failure, ensure, ensure_eq};
use crate::site::{Node, Site, activation, allow, ana, operation};

case_table! { Cancellation:
    /// The step of an operation that is dropped, at whatever point, is taken at most once; repeated with the same
    /// id, it is done exactly once.
    a_dropped_operation_is_done_at_most_once;
    /// The step of a report that is dropped is taken at most once; repeated with the same sequence, it counts.
    a_dropped_report_counts_when_it_is_repeated;
    /// Reads, watches and departures that are dropped leave the state usable and the record alone.
    dropped_reads_leave_no_trace;
}

/// How many polls a dropped future gets at most: enough to be dropped before, within and after the step.
const POLLS: usize = 24;

async fn a_dropped_operation_is_done_at_most_once(site: Site) -> Checked {
    for polls in 0..POLLS {
        let asked = operation(&*site.record().await?, &allow(1, polls)?, &ana())?;
        drop_after(polls, site.state.operate(asked.clone())).await;
        match site.state.operate(asked.clone()).await? {
            OperateReply::Stored(record) | OperateReply::Duplicate(record) => {
                ensure_eq(
                    "the operation that made the record",
                    &record.operation(),
                    &Some(asked.id),
                )?;
            }
            other => {
                return Err(Failure::new(format!(
                    "the answer to a repetition after {polls} polls is {other:?}"
                )));
            }
        }
    }
    let history = site.history().await?;
    ensure_eq(
        "the number of lines, one for each operation",
        &history.len(),
        &POLLS,
    )?;
    ensure_eq(
        "the number of networks, one for each operation",
        &site.record().await?.allow().len(),
        &POLLS,
    )
}

async fn a_dropped_report_counts_when_it_is_repeated(site: Site) -> Checked {
    let mut node = Node::new("dropped");
    node.sync(&site.state).await?;
    for polls in 0..POLLS {
        node.report.sequence += 1;
        node.report.facts.running += 1;
        drop_after(polls, site.state.sync(node.report.clone())).await;
        let reply = site.state.sync(node.report.clone()).await?;
        ensure_eq(
            "the newest sequence",
            &reply.sequence,
            &node.report.sequence,
        )?;
        ensure_eq(
            "what runs",
            &reply.count.running,
            &node.report.facts.running,
        )?;
        ensure_eq("the number of nodes", &reply.count.nodes, &1)?;
    }
    Ok(())
}

async fn dropped_reads_leave_no_trace(site: Site) -> Checked {
    let mut node = Node::new("runs").with_running(1);
    node.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let history = site.history().await?;
    let stranger = crate::site::fresh_node_id();
    for polls in 0..POLLS {
        drop_after(polls, site.state.inspect(usize::MAX)).await;
        drop_after(polls, site.state.history(usize::MAX)).await;
        drop_after(polls, site.state.watch(on.revision())).await;
        drop_after(polls, site.state.watch(Revision::ZERO)).await;
        drop_after(polls, site.state.leave(stranger, Departure::Goodbye)).await;
    }
    site.ensure_unchanged(&on, &history).await?;
    let last = node.say_drained(&site.state, activation(&on)?.id).await?;
    ensure(
        last.record
            .is_some_and(|record| record.phase() == Phase::Activated),
        || "the drain did not complete after futures had been dropped".to_owned(),
    )
}

/// Polls the future so many times, unless it is ready before, and drops it.
async fn drop_after(polls: usize, future: impl Future + Send) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await {
            return;
        }
        yield_now().await;
    }
}
