//! What a restart leaves.

use std::sync::Arc;

use intermission_core::{
    Activate, AllowChange, AllowList, Change, Intent, Level, MaintenanceState, OperateReply, Pass,
    Phase, Record, Revision, Timestamp,
};

use super::changes::with_revision;
use crate::case::case_table;
use crate::failure::{Checked, Failure, ensure, ensure_eq, expect_variant};
use crate::site::{Node, Site, activation, allow, ana, completion, far_ahead_of, operation};

case_table! { Durability:
    /// The record is there after a restart, to the last field.
    the_record_is_there_after_a_restart needs Durable;
    /// The history is there after a restart.
    the_history_is_there_after_a_restart needs Durable;
    /// An empty state is empty after a restart, and open to the first change.
    an_empty_state_is_empty_after_a_restart needs Durable;
    /// A restart in the middle of a drain does not complete it: the nodes that run something are not forgotten.
    a_restart_does_not_complete_a_drain needs Durable;
    /// A drain goes on after a restart, and completes with nobody unconfirmed when the nodes have drained.
    a_drain_goes_on_after_a_restart needs Durable;
    /// Fields that a newer writer has put into the record survive changes by an older one.
    unknown_fields_survive_a_change;
    /// The same across a restart.
    unknown_fields_survive_a_restart needs Durable;
    /// A record of a newer version keeps its version and all that is in it.
    a_record_of_a_newer_version_is_kept_as_it_is;
}

const UNKNOWN: &str = r#""colour":{"deep":[1,{"er":"\"x\""}]}"#;

async fn the_record_is_there_after_a_restart(site: Site) -> Checked {
    let on = Activate::by("ana")
        .with_level(Level::ReadOnly)
        .with_message("Upgrading the database")
        .with_ends_at(Timestamp::from_millis(4_000_000_000_123))
        .with_allow(AllowChange::Replace(AllowList::parse([
            "192.0.2.10",
            "2001:db8::/64",
        ])?));
    site.change(Change::Activate(on)).await?;
    let (pass, _) = Pass::issue("auditor", None)?;
    let before = site.change(Change::IssuePass(pass)).await?;
    let site = site.reopened().await?;
    ensure_eq("the record after a restart", &site.record().await?, &before)?;
    let reply = Node::new("restarted, too").sync(&site.state).await?;
    ensure_eq(
        "the record for nodes after a restart",
        &reply.record,
        &Some(before),
    )
}

async fn the_history_is_there_after_a_restart(site: Site) -> Checked {
    site.change(allow(1, 1)?).await?;
    site.change(Change::Activate(Activate::by("ana"))).await?;
    let before = site.history().await?;
    ensure_eq("the number of lines", &before.len(), &3)?;
    let site = site.reopened().await?;
    ensure_eq(
        "the history after a restart",
        &site.history().await?,
        &before,
    )
}

async fn an_empty_state_is_empty_after_a_restart(site: Site) -> Checked {
    let site = site.reopened().await?;
    ensure_eq(
        "the record after a restart",
        &*site.record().await?,
        &Record::default(),
    )?;
    site.change(allow(1, 1)?).await?;
    Ok(())
}

async fn a_restart_does_not_complete_a_drain(site: Site) -> Checked {
    let mut node = Node::new("runs on").with_running(1);
    node.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure_eq(
        "the phase while a node runs something",
        &on.phase(),
        &Phase::Activating,
    )?;
    let site = site.reopened().await?;
    site.pass_with(site.timing.grace + site.timing.lease, &mut [&mut node])
        .await?;
    ensure_eq(
        "the phase after a restart",
        &site.record().await?.phase(),
        &Phase::Activating,
    )
}

async fn a_drain_goes_on_after_a_restart(site: Site) -> Checked {
    let (mut runs, mut done) = (Node::new("runs on").with_running(1), Node::new("done"));
    runs.sync(&site.state).await?;
    done.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    done.say_drained(&site.state, activation(&on)?.id).await?;
    let site = site.reopened().await?;
    // A backend that keeps no nodes has to hear them first, and counts nothing before its grace is over.
    runs.say_drained(&site.state, activation(&on)?.id).await?;
    site.pass_with(
        site.timing.grace + site.timing.step,
        &mut [&mut runs, &mut done],
    )
    .await?;
    ensure_eq(
        "the unconfirmed nodes",
        &completion(&*site.record().await?)?.unconfirmed,
        &[],
    )
}

async fn unknown_fields_survive_a_change(site: Site) -> Checked {
    put_unknown_fields(&site).await?;
    let edited = site.change(allow(1, 1)?).await?;
    ensure_unknown_fields(&edited)?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure_unknown_fields(&on)?;
    ensure_unknown_fields(&*site.record().await?)
}

async fn unknown_fields_survive_a_restart(site: Site) -> Checked {
    put_unknown_fields(&site).await?;
    let site = site.reopened().await?;
    ensure_unknown_fields(&*site.record().await?)?;
    ensure_unknown_fields(&*site.change(allow(1, 1)?).await?)
}

async fn a_record_of_a_newer_version_is_kept_as_it_is(site: Site) -> Checked {
    let newest = with_revision(&*site.record().await?, far_ahead_of(Revision::ZERO))?;
    let json = String::from_utf8(newest.to_json())?;
    let json = with_unknown_fields(&json).replacen("\"v\":1", "\"v\":2", 1);
    let newer = Arc::new(Record::from_json(json.as_bytes())?);
    // It gets there by a node of that version, and stays whatever this version is asked.
    let mut node = Node::new("newer");
    node.report.seen = newer.revision();
    node.report.offer = Some(Arc::clone(&newer));
    node.sync(&site.state).await?;
    let mut blind = operation(&newest, &allow(9, 9)?, &ana())?;
    blind.expected = None;
    let reply = site.state.operate(blind).await?;
    expect_variant!("the answer to an older writer", reply, OperateReply::Conflict(_) => ());
    let record = site.record().await?;
    ensure_eq(
        "the text of the record",
        &record.to_json(),
        &newer.to_json(),
    )?;
    ensure_unknown_fields(&record)
}

async fn put_unknown_fields(site: &Site) -> Checked {
    put(site, with_unknown_fields).await
}

fn with_unknown_fields(json: &str) -> String {
    json.replacen('{', &format!("{{{UNKNOWN},"), 1)
}

/// Stores a record as another version of Intermission writes it.
async fn put(site: &Site, rewrite: impl Fn(&str) -> String + Send) -> Checked {
    let before = site.record().await?;
    let mut asked = operation(&before, &allow(9, 9)?, &ana())?;
    let Intent::Put(next) = &asked.intent else {
        return Err(Failure::new(format!("a change is to be put: {asked:?}")));
    };
    let json = String::from_utf8(next.to_json())?;
    asked.intent = Intent::Put(Box::new(Record::from_json(rewrite(&json).as_bytes())?));
    site.stored(asked).await?;
    Ok(())
}

fn ensure_unknown_fields(record: &Record) -> Checked {
    let json = String::from_utf8(record.to_json())?;
    ensure(json.contains(UNKNOWN), || {
        format!("the fields of a newer writer are lost: {json}")
    })
}
