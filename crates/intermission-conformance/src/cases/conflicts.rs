//! Who wins when two ask at once.

use std::collections::BTreeSet;

use intermission_core::{
    Activate, Actor, Change, Deactivate, HistoryEvent, MaintenanceState, OperateReply, Outcome,
    Revision, SharedState, StateErrorKind, Timestamp,
};
use tokio::task::JoinSet;

use crate::case::case_table;
use crate::failure::{Checked, Failure, ensure, ensure_eq, expect_variant};
use crate::site::{Node, Site, allow, ana, bob, operation};

case_table! { Conflicts:
    /// Of two changes of the same record the first is taken; the other is told the winner's record, and nothing
    /// of it is done.
    operate_conflict_reports_the_winners_record;
    /// The same between two handles.
    two_handles_conflict_as_one needs SharedBetweenHandles;
    /// An operation that was computed on a record which was changed and changed back is a conflict all the same.
    a_change_and_back_is_a_conflict;
    /// An operation without an expected revision is taken whatever the record is.
    without_an_expectation_there_is_no_conflict;
    /// Of many operators who propose at once for the same record exactly one wins, and all others see its record.
    of_many_proposals_for_one_record_one_wins;
    /// Every change that was accepted from eight operators at once has its own revision, is in the record, and is in
    /// the history: none is lost.
    concurrent_operators_lose_no_change;
    /// The same when each operator has a handle of its own.
    concurrent_operators_on_their_own_handles_lose_no_change needs SharedBetweenHandles;
    /// Nodes that speak and operators who change things at the same time lose nothing of each other, and no node is
    /// ever told of an older record after a newer one.
    concurrent_reports_and_changes_lose_nothing_of_each_other;
}

const OPERATORS: usize = 8;
const CHANGES: usize = 8;

async fn operate_conflict_reports_the_winners_record(site: Site) -> Checked {
    conflict_between(&site, &site.state, &site.state).await
}

async fn two_handles_conflict_as_one(site: Site) -> Checked {
    let other = site.second_handle().await?;
    conflict_between(&site, &site.state, &other).await
}

async fn conflict_between(site: &Site, one: &SharedState, other: &SharedState) -> Checked {
    let before = site.change(allow(0, 0)?).await?;
    let faster = operation(&before, &allow(1, 1)?, &ana())?;
    let slower = operation(&before, &Change::Activate(Activate::by("bob")), &bob())?;
    let won = one.operate(faster).await?;
    let winner =
        expect_variant!("the answer to the faster", won, OperateReply::Stored(record) => record);
    let history = site.history().await?;
    let lost = other.operate(slower).await?;
    let told =
        expect_variant!("the answer to the slower", lost, OperateReply::Conflict(record) => record);
    ensure_eq("the record that the slower is told", &told, &winner)?;
    site.ensure_unchanged(&winner, &history).await?;
    // Computed anew on the winner's record, the change is taken.
    let again = other
        .operate(operation(
            &told,
            &Change::Activate(Activate::by("bob")),
            &bob(),
        )?)
        .await?;
    let both = expect_variant!("the answer to the slower's retry", again, OperateReply::Stored(record) => record);
    ensure(
        both.phase().is_on() && both.allow() == winner.allow(),
        || format!("a change was lost: {both:?}"),
    )
}

async fn a_change_and_back_is_a_conflict(site: Site) -> Checked {
    let before = site.change(allow(0, 0)?).await?;
    let late = operation(&before, &allow(1, 1)?, &bob())?;
    site.change(Change::Activate(Activate::by("ana"))).await?;
    let back = site.change(Change::Deactivate(Deactivate::new())).await?;
    let reply = site.state.operate(late).await?;
    let told = expect_variant!("the answer to the late one", reply, OperateReply::Conflict(record) => record);
    ensure_eq("the record that the late one is told", &told, &back)
}

async fn without_an_expectation_there_is_no_conflict(site: Site) -> Checked {
    let before = site.change(allow(0, 0)?).await?;
    let mut blind = operation(&before, &Change::Activate(Activate::by("bob")), &bob())?;
    blind.expected = None;
    let between = site.change(allow(1, 1)?).await?;
    let stored = site.stored(blind).await?;
    ensure(
        stored.phase().is_on() && stored.revision() > between.revision(),
        || format!("the operation was not taken: {stored:?}"),
    )
}

async fn of_many_proposals_for_one_record_one_wins(site: Site) -> Checked {
    let before = site.change(allow(0, 0)?).await?;
    let mut operators = JoinSet::new();
    for number in 1..=OPERATORS {
        let (state, proposal) = (
            site.state.clone(),
            operation(&before, &allow(number, 0)?, &ana())?,
        );
        operators.spawn(async move { state.operate(proposal).await });
    }
    let mut stored = Vec::new();
    let mut told = Vec::new();
    while let Some(reply) = operators.join_next().await {
        match reply?? {
            OperateReply::Stored(record) => stored.push(record),
            OperateReply::Conflict(record) => told.push(record),
            other => {
                return Err(Failure::new(format!(
                    "the answer to one of many is {other:?}"
                )));
            }
        }
    }
    ensure_eq("the number of those who won", &stored.len(), &1)?;
    let winner = site.record().await?;
    ensure_eq(
        "the record that was stored",
        &stored.first(),
        &Some(&winner),
    )?;
    ensure_eq(
        "the records that the others were told",
        &told,
        &vec![winner; OPERATORS - 1],
    )
}

async fn concurrent_operators_lose_no_change(site: Site) -> Checked {
    let handles = vec![site.state.clone(); OPERATORS];
    lose_no_change(site, handles).await
}

async fn concurrent_operators_on_their_own_handles_lose_no_change(site: Site) -> Checked {
    let mut handles = Vec::new();
    for _ in 0..OPERATORS {
        handles.push(site.second_handle().await?);
    }
    lose_no_change(site, handles).await
}

async fn lose_no_change(site: Site, handles: Vec<SharedState>) -> Checked {
    let mut operators = JoinSet::new();
    for (number, state) in handles.into_iter().enumerate() {
        operators.spawn(allow_networks(state, number));
    }
    let mut accepted = Vec::new();
    while let Some(revisions) = operators.join_next().await {
        accepted.extend(revisions??);
    }
    ensure_eq(
        "the number of accepted changes",
        &accepted.len(),
        &(OPERATORS * CHANGES),
    )?;
    let revisions: BTreeSet<Revision> = accepted.iter().copied().collect();
    ensure_eq(
        "the number of their revisions",
        &revisions.len(),
        &accepted.len(),
    )?;
    ensure_all_allowed(&site, OPERATORS).await?;
    let history = site.history().await?;
    let lines: BTreeSet<Revision> = history.iter().map(|entry| entry.revision).collect();
    ensure_eq("the revisions in the history", &lines, &revisions)?;
    for number in 0..OPERATORS {
        let name = operator(number).name;
        let count = history
            .iter()
            .filter(|entry| entry.by.as_ref() == Some(&name))
            .count();
        ensure_eq(&format!("the number of lines by {name}"), &count, &CHANGES)?;
    }
    ensure(
        history
            .iter()
            .all(|entry| entry.event == HistoryEvent::Updated),
        || format!("the history holds what nobody did: {history:?}"),
    )
}

async fn concurrent_reports_and_changes_lose_nothing_of_each_other(site: Site) -> Checked {
    const NODES: u64 = 4;
    const REPORTS: u64 = 16;
    let mut nodes = JoinSet::new();
    for number in 0..NODES {
        let state = site.state.clone();
        nodes.spawn(async move {
            let mut node = Node::new(&format!("node {number}"));
            let mut newest = Revision::ZERO;
            for running in 1..=REPORTS {
                node.report.facts.running = running;
                let reply = node.sync(&state).await?;
                let revision = reply
                    .record
                    .map_or(Revision::ZERO, |record| record.revision());
                ensure(revision >= newest, || {
                    format!("a node was told of {revision} after {newest}")
                })?;
                newest = revision;
            }
            Checked::Ok(())
        });
    }
    let mut operators = JoinSet::new();
    for number in 0..2 {
        operators.spawn(allow_networks(site.state.clone(), number));
    }
    while let Some(done) = nodes.join_next().await {
        done??;
    }
    while let Some(done) = operators.join_next().await {
        done??;
    }
    ensure_all_allowed(&site, 2).await?;
    let view = site.view().await?;
    ensure_eq("the number of nodes", &view.node_count, &NODES)?;
    let running: Vec<u64> = view.nodes.iter().map(|node| node.facts.running).collect();
    ensure_eq(
        "what the nodes said last",
        &running,
        &vec![REPORTS; view.nodes.len()],
    )
}

async fn ensure_all_allowed(site: &Site, operators: usize) -> Checked {
    let record = site.record().await?;
    for number in 0..operators {
        for round in 0..CHANGES {
            let is_there =
                record.apply(&allow(number, round)?, Timestamp::default())? == Outcome::Unchanged;
            ensure(is_there, || {
                format!(
                    "the change {round} of operator {number} was accepted and is lost: {record:?}"
                )
            })?;
        }
    }
    Ok(())
}

fn operator(number: usize) -> Actor {
    Actor::new(format!("operator {number}"), "conformance suite")
}

/// One operator of many, who tries again on each conflict as every operator must.
async fn allow_networks(state: SharedState, number: usize) -> Checked<Vec<Revision>> {
    let actor = operator(number);
    let mut accepted = Vec::new();
    for round in 0..CHANGES {
        let change = allow(number, round)?;
        let mut before = state.inspect(0).await?.record;
        loop {
            match state.operate(operation(&before, &change, &actor)?).await {
                Ok(OperateReply::Stored(record)) => {
                    accepted.push(record.revision());
                    break;
                }
                Ok(OperateReply::Conflict(winner)) => {
                    ensure(winner.revision() > before.revision(), || {
                        format!(
                            "a conflict on {} names {} as the winner",
                            before.revision(),
                            winner.revision()
                        )
                    })?;
                    before = winner;
                }
                Ok(other) => {
                    return Err(Failure::new(format!(
                        "the answer to an operator is {other:?}"
                    )));
                }
                Err(error) if error.kind() == StateErrorKind::Conflict => {
                    before = state.inspect(0).await?.record;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(accepted)
}
