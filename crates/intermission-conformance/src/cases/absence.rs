//! What an empty state is, and the first change.

use std::time::Duration;

use intermission_core::{
    Activate, Change, FleetCount, HistoryEvent, MaintenanceState, OperateReply, Operation, Phase,
    Record, Revision,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq, expect_variant};
use crate::site::{Node, Site, activation, ana, bob, fresh_operation_id};

case_table! { Absence:
    /// A state that holds no record is that of a site that was never changed: deactivated, without nodes or history.
    an_empty_state_is_that_of_a_site_that_was_never_changed;
    /// A node of a site that was never changed gets no record, and may go on at once.
    a_node_of_an_empty_state_gets_no_record;
    /// Whoever only asks leaves an empty state empty.
    asking_leaves_an_empty_state_empty;
    /// The first change turns the empty state into one that everybody can read.
    the_first_change_is_seen_by_everybody;
    /// An operator may mark an empty state as a new site, once.
    init_marks_an_empty_state_once;
    /// Marking a state that holds a record as new changes nothing.
    init_of_a_changed_site_changes_nothing;
}

async fn an_empty_state_is_that_of_a_site_that_was_never_changed(site: Site) -> Checked {
    let view = site.view().await?;
    ensure_eq("the record", &*view.record, &Record::default())?;
    ensure_eq("the phase", &view.record.phase(), &Phase::Deactivated)?;
    ensure_eq("the revision", &view.record.revision(), &Revision::ZERO)?;
    ensure_eq("the list of nodes", &view.nodes, &[])?;
    ensure_eq("the number of nodes", &view.node_count, &0)?;
    ensure_eq("the fleet's count", &view.count, &FleetCount::default())?;
    ensure_eq("the time of quiescence", &view.quiescent_at, &None)?;
    ensure_eq("the grace of a fresh place", &view.grace, &Duration::ZERO)?;
    ensure_eq("the history", &site.history().await?, &[])
}

async fn a_node_of_an_empty_state_gets_no_record(site: Site) -> Checked {
    let reply = Node::new("first").sync(&site.state).await?;
    ensure_eq("the record", &reply.record, &None)?;
    ensure_eq("the grace", &reply.grace, &Duration::ZERO)?;
    ensure_eq("the number of nodes", &reply.count.nodes, &1)
}

async fn asking_leaves_an_empty_state_empty(site: Site) -> Checked {
    let mut node = Node::new("asks");
    for _ in 0..3 {
        site.view().await?;
        site.history().await?;
        let reply = node.sync(&site.state).await?;
        ensure_eq(
            "the record after having been asked for",
            &reply.record,
            &None,
        )?;
    }
    ensure_eq("the record", &*site.record().await?, &Record::default())?;
    ensure_eq("the history", &site.history().await?, &[])
}

async fn the_first_change_is_seen_by_everybody(site: Site) -> Checked {
    let stored = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure(stored.revision() > Revision::ZERO, || {
        format!("the first change got no revision: {stored:?}")
    })?;
    ensure(stored.phase().is_on(), || {
        format!("maintenance is not on after it was activated: {stored:?}")
    })?;
    ensure_eq(
        "who asked for it",
        &activation(&stored)?.requested_by.as_str(),
        &"ana",
    )?;
    ensure_eq("the record for people", &site.record().await?, &stored)?;
    let reply = Node::new("joins").sync(&site.state).await?;
    ensure_eq("the record for nodes", &reply.record, &Some(stored))
}

async fn init_marks_an_empty_state_once(site: Site) -> Checked {
    let marked = site
        .stored(Operation::init(fresh_operation_id(), ana()))
        .await?;
    ensure(marked.revision() > Revision::ZERO, || {
        format!("a marked site has no revision: {marked:?}")
    })?;
    ensure_eq(
        "the phase of a marked site",
        &marked.phase(),
        &Phase::Deactivated,
    )?;
    let again = site
        .state
        .operate(Operation::init(fresh_operation_id(), bob()))
        .await?;
    let record = expect_variant!("the answer to a second init", again, OperateReply::Unchanged(record) => record);
    ensure_eq("the record after a second init", &record, &marked)?;
    let history = site.history().await?;
    let lines: Vec<_> = history
        .iter()
        .map(|entry| (entry.event, entry.by.as_deref()))
        .collect();
    ensure_eq(
        "the history",
        &lines,
        &[(HistoryEvent::Initialised, Some("ana"))],
    )
}

async fn init_of_a_changed_site_changes_nothing(site: Site) -> Checked {
    let stored = site.change(Change::Activate(Activate::by("ana"))).await?;
    let history = site.history().await?;
    let reply = site
        .state
        .operate(Operation::init(fresh_operation_id(), bob()))
        .await?;
    let record =
        expect_variant!("the answer to an init", reply, OperateReply::Unchanged(record) => record);
    ensure_eq("the record in the answer", &record, &stored)?;
    site.ensure_unchanged(&stored, &history).await
}
