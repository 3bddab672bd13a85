//! How revisions grow.

use std::time::Duration;

use intermission_core::{
    Activate, Change, Deactivate, MaintenanceState, OperateReply, Phase, Revision,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq, expect_variant};
use crate::site::{Node, Site, allow, ana, bob, far_ahead_of, operation};

case_table! { Revisions:
    /// Every accepted change has a greater revision than all before, and the history names it.
    every_change_has_a_greater_revision;
    /// A change that the ledger makes by itself has a revision of its own, too.
    a_completion_has_a_revision_of_its_own;
    /// Revisions go on growing after a restart.
    revisions_grow_after_a_restart needs Durable;
    /// A change has a greater revision than anything that any node claims to have seen, even if the state has lost it.
    a_change_exceeds_whatever_a_node_has_seen;
    /// While a node knows a newer record than the state, an edit of the older one is put off.
    an_edit_waits_while_a_node_knows_a_newer_record;
    /// While a node knows a newer record than the state, a drain does not complete.
    nothing_completes_while_a_node_knows_a_newer_record;
    /// An operator who has seen a newer record than the state holds is told so, and nothing is done.
    an_operator_who_has_seen_more_is_told_so;
}

async fn every_change_has_a_greater_revision(site: Site) -> Checked {
    let mut last = Revision::ZERO;
    for number in 0..20 {
        let revision = site.change(allow(1, number)?).await?.revision();
        ensure(revision > last, || {
            format!("the revision {revision} follows {last}")
        })?;
        ensure_eq(
            "the revision for people",
            &site.record().await?.revision(),
            &revision,
        )?;
        let newest = site.state.history(1).await?;
        ensure_eq(
            "the revision in the history",
            &newest.first().map(|entry| entry.revision),
            &Some(revision),
        )?;
        last = revision;
    }
    Ok(())
}

async fn a_completion_has_a_revision_of_its_own(site: Site) -> Checked {
    site.change(Change::Activate(Activate::by("ana"))).await?;
    let revisions: Vec<_> = site
        .history()
        .await?
        .iter()
        .map(|entry| (entry.phase, entry.revision))
        .collect();
    ensure(
        matches!(revisions.as_slice(), [(Phase::Activated, after), (Phase::Activating, before)] if after > before),
        || format!("the revisions of a completed activation are {revisions:?}"),
    )
}

async fn revisions_grow_after_a_restart(site: Site) -> Checked {
    let before = site.change(allow(1, 1)?).await?.revision();
    let site = site.reopened().await?;
    ensure_eq(
        "the revision after a restart",
        &site.record().await?.revision(),
        &before,
    )?;
    let after = site.change(allow(1, 2)?).await?.revision();
    ensure(after > before, || {
        format!("the revision {after} follows {before} after a restart")
    })
}

async fn a_change_exceeds_whatever_a_node_has_seen(site: Site) -> Checked {
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    let seen = far_ahead_of(on.revision());
    let mut node = Node::new("knows more");
    node.report.seen = seen;
    let reply = node.sync(&site.state).await?;
    ensure(reply.grace > Duration::ZERO, || {
        "the node is not told that the state has lost something".to_owned()
    })?;
    // Whoever opens after the nodes could say what they know decides anew, and must not be overruled later by what
    // was lost.
    site.pass(site.timing.reconcile + site.timing.step).await?;
    let off = site.change(Change::Deactivate(Deactivate::new())).await?;
    ensure(off.revision() > seen, || {
        format!("the revision {} does not exceed {seen}", off.revision())
    })?;
    ensure_eq(
        "the record for the node",
        &node.sync(&site.state).await?.record,
        &Some(off),
    )
}

async fn an_edit_waits_while_a_node_knows_a_newer_record(site: Site) -> Checked {
    let before = site.change(allow(1, 1)?).await?;
    let history = site.history().await?;
    let mut node = Node::new("knows more");
    node.report.seen = far_ahead_of(before.revision());
    node.sync(&site.state).await?;
    let reply = site
        .state
        .operate(operation(&before, &allow(1, 2)?, &ana())?)
        .await?;
    let wait =
        expect_variant!("the answer to an edit", reply, OperateReply::Reconciling(wait) => wait);
    ensure(wait > Duration::ZERO, || {
        "the operator is told to try again after no time at all".to_owned()
    })?;
    site.ensure_unchanged(&before, &history).await
}

async fn nothing_completes_while_a_node_knows_a_newer_record(site: Site) -> Checked {
    let mut node = Node::new("runs").with_running(1);
    node.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure_eq(
        "the phase while a node runs something",
        &on.phase(),
        &Phase::Activating,
    )?;
    node.report.seen = far_ahead_of(on.revision());
    node.say_drained(&site.state, crate::site::activation(&on)?.id)
        .await?;
    ensure_eq(
        "the phase while the newer record is lost",
        &site.record().await?.phase(),
        &Phase::Activating,
    )
}

async fn an_operator_who_has_seen_more_is_told_so(site: Site) -> Checked {
    let before = site.change(allow(1, 1)?).await?;
    let history = site.history().await?;
    let mut asked = operation(&before, &Change::Activate(Activate::by("bob")), &bob())?;
    asked.known = far_ahead_of(before.revision());
    asked.expected = None;
    let reply = site.state.operate(asked).await?;
    let told = expect_variant!("the answer to who has seen more", reply, OperateReply::Behind(record) => record);
    ensure_eq("the record in the answer", &told, &before)?;
    site.ensure_unchanged(&before, &history).await
}
