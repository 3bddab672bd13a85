//! A store that cannot be reached.

use intermission_core::{
    Activate, Change, Departure, HistoryEvent, MaintenanceState, OperateReply, Operation, Record,
    SharedState, StateErrorKind,
};
use tokio::task::yield_now;

use crate::Capability;
use crate::case::case_table;
use crate::failure::{Checked, Failure, ensure_eq};
use crate::site::{Node, Site, allow, ana, fresh_node_id, operation};

case_table! { Outage:
    /// A store that cannot be reached is unavailable for every method and every handle, and says so in time.
    an_unreachable_store_is_unavailable needs CanBreak;
    /// An outage changes nothing, not even later: what was refused is not done when the store is back.
    an_outage_changes_nothing needs CanBreak;
    /// An operation whose outcome is unknown because the store was lost meanwhile is done once when it is repeated.
    an_operation_of_unknown_outcome_is_done_once_when_repeated needs CanBreak;
    /// A report that was refused counts when it is repeated with the same sequence.
    a_refused_report_counts_when_it_is_repeated needs CanBreak;
    /// A watcher either outlives an outage or is told that it cannot watch; then it watches again, and misses nothing.
    a_watcher_sees_what_follows_an_outage needs CanBreak;
}

async fn ensure_unavailable(site: &Site, state: &SharedState, asked: &Operation) -> Checked {
    let mut node = Node::new("cut off");
    node.report.sequence += 1;
    let answers = site
        .in_time("the refusal of five calls", async {
            Ok([
                ("sync", state.sync(node.report.clone()).await.err()),
                ("operate", state.operate(asked.clone()).await.err()),
                (
                    "leave",
                    state.leave(fresh_node_id(), Departure::Goodbye).await.err(),
                ),
                ("inspect", state.inspect(usize::MAX).await.err()),
                ("history", state.history(usize::MAX).await.err()),
            ])
        })
        .await?;
    for (method, error) in answers {
        let kind = error.as_ref().map(intermission_core::StateError::kind);
        ensure_eq(
            &format!("the error of `{method}`"),
            &kind,
            &Some(StateErrorKind::Unavailable),
        )?;
    }
    Ok(())
}

fn another_change(record: &Record) -> Checked<Operation> {
    operation(record, &allow(1, 1)?, &ana())
}

async fn an_unreachable_store_is_unavailable(site: Site) -> Checked {
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let mut handles = vec![site.state.clone()];
    if site.claims(Capability::SharedBetweenHandles) {
        handles.push(site.second_handle().await?);
    }
    site.break_link().await?;
    for handle in &handles {
        ensure_unavailable(&site, handle, &another_change(&on)?).await?;
    }
    site.heal().await?;
    ensure_eq("the record after the outage", &site.record().await?, &on)
}

async fn an_outage_changes_nothing(site: Site) -> Checked {
    let mut node = Node::new("runs").with_running(1);
    node.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let history = site.history().await?;
    let refused = another_change(&on)?;
    site.break_link().await?;
    ensure_unavailable(&site, &site.state, &refused).await?;
    site.heal().await?;
    site.ensure_unchanged(&on, &history).await?;
    let nodes: Vec<_> = site
        .view()
        .await?
        .nodes
        .iter()
        .map(|node| node.node)
        .collect();
    ensure_eq("the nodes after the outage", &nodes, &[node.id()])?;
    let stored = site.stored(refused.clone()).await?;
    ensure_eq(
        "the operation that made the record",
        &stored.operation(),
        &Some(refused.id),
    )
}

async fn an_operation_of_unknown_outcome_is_done_once_when_repeated(site: Site) -> Checked {
    const ROUNDS: usize = 12;
    for round in 0..ROUNDS {
        let asked = operation(&*site.record().await?, &allow(1, round)?, &ana())?;
        let (first, broken) = tokio::join!(site.state.operate(asked.clone()), async {
            for _ in 0..round {
                yield_now().await;
            }
            site.break_link().await
        });
        broken?;
        match first {
            Ok(OperateReply::Stored(_)) => {}
            Ok(other) => {
                return Err(Failure::new(format!(
                    "the answer while the link breaks is {other:?}"
                )));
            }
            Err(error) => {
                ensure_eq(
                    "the error while the link breaks",
                    &error.kind(),
                    &StateErrorKind::Unavailable,
                )?;
            }
        }
        site.heal().await?;
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
                    "the answer to the repetition is {other:?}"
                )));
            }
        }
    }
    ensure_eq(
        "the events, one for each operation",
        &site.events().await?,
        &vec![HistoryEvent::Updated; ROUNDS],
    )?;
    ensure_eq(
        "the number of networks",
        &site.record().await?.allow().len(),
        &ROUNDS,
    )
}

async fn a_refused_report_counts_when_it_is_repeated(site: Site) -> Checked {
    let mut node = Node::new("cut off");
    node.sync(&site.state).await?;
    site.break_link().await?;
    node.report.sequence += 1;
    node.report.facts.running = 4;
    let refused = site
        .in_time("a refusal", async {
            Ok(site.state.sync(node.report.clone()).await.err())
        })
        .await?;
    ensure_eq(
        "the error",
        &refused.map(|error| error.kind()),
        &Some(StateErrorKind::Unavailable),
    )?;
    site.heal().await?;
    let reply = site.state.sync(node.report.clone()).await?;
    ensure_eq(
        "the newest sequence",
        &reply.sequence,
        &node.report.sequence,
    )?;
    ensure_eq("what runs", &reply.count.running, &4)
}

async fn a_watcher_sees_what_follows_an_outage(site: Site) -> Checked {
    let seen = site.change(allow(1, 1)?).await?.revision();
    let state = site.state.clone();
    let watcher = tokio::spawn(async move {
        loop {
            let answer = match state.watch(seen).await {
                Ok(_) => state.inspect(0).await.map(|view| view.record.revision()),
                Err(error) => Err(error),
            };
            match answer {
                Ok(revision) if revision != seen => return Checked::Ok(()),
                Ok(_) => yield_now().await,
                Err(error) if error.kind() == StateErrorKind::Unavailable => yield_now().await,
                Err(error) => return Err(error.into()),
            }
        }
    });
    site.record().await?;
    site.break_link().await?;
    yield_now().await;
    site.heal().await?;
    site.change(allow(1, 2)?).await?;
    site.in_time("the wake-up after an outage", async { watcher.await? })
        .await
}
