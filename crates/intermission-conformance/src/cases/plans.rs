//! Maintenance that begins and ends by itself.

use std::time::Duration;

use intermission_core::{Activate, Change, Deactivate, HistoryEvent, Level, Phase, Timestamp};

use crate::case::case_table;
use crate::failure::{Checked, ensure_eq};
use crate::site::{Node, Site, activation, allow};

case_table! { Plans:
    /// A planned maintenance is in the record, and the site stays open until its time.
    a_plan_is_kept_and_closes_nothing;
    /// A planned maintenance begins by itself at its time, as it was planned and in the planner's name.
    a_plan_begins_by_itself;
    /// A planned maintenance that begins by itself drains like any other.
    a_planned_maintenance_drains;
    /// A plan that is cancelled does not begin.
    a_cancelled_plan_does_not_begin;
    /// A maintenance with an automatic end opens by itself at the announced time.
    an_automatic_end_opens_the_site;
    /// An announced end alone opens nothing: the work may take longer.
    an_announced_end_alone_opens_nothing;
}

/// The store's calendar a few steps from now. On a slow machine that may have passed before the plan is stored,
/// which is as good.
async fn soon(site: &Site) -> Checked<Timestamp> {
    site.change(allow(9, 9)?).await?;
    Ok(site.calendar().await?.saturating_add(site.timing.step * 4))
}

async fn tomorrow(site: &Site) -> Checked<Timestamp> {
    Ok(soon(site)
        .await?
        .saturating_add(Duration::from_secs(86_400)))
}

async fn a_plan_is_kept_and_closes_nothing(site: Site) -> Checked {
    let starts_at = tomorrow(&site).await?;
    let plan = Activate::by("ana")
        .with_starts_at(starts_at)
        .with_message("planned")
        .with_level(Level::ReadOnly);
    let planned = site.change(Change::Activate(plan)).await?;
    ensure_eq("the phase", &planned.phase(), &Phase::Deactivated)?;
    site.pass(site.timing.step * 3).await?;
    let record = site.record().await?;
    ensure_eq("the record later", &record, &planned)?;
    let found = record.plan().map(|plan| {
        (
            plan.starts_at,
            plan.requested_by.as_str(),
            plan.settings.level,
        )
    });
    ensure_eq(
        "when, who and which level",
        &found,
        &Some((starts_at, "ana", Level::ReadOnly)),
    )?;
    ensure_eq(
        "the newest event",
        &site.events().await?.first(),
        &Some(&HistoryEvent::Planned),
    )
}

async fn a_plan_begins_by_itself(site: Site) -> Checked {
    let starts_at = soon(&site).await?;
    let plan = Activate::by("ana")
        .with_starts_at(starts_at)
        .with_message("planned")
        .with_level(Level::ReadOnly);
    site.change(Change::Activate(plan)).await?;
    let begun = |phase: Phase| phase == Phase::Activated;
    let view = site
        .pass_until("the planned start", site.timing.lease, |view| {
            begun(view.record.phase())
        })
        .await?;
    let record = view.record;
    ensure_eq("the plan after its start", &record.plan(), &None)?;
    ensure_eq("the message", &record.message(), &Some("planned"))?;
    ensure_eq("the level", &record.level(), &Level::ReadOnly)?;
    ensure_eq(
        "who asked for it",
        &activation(&record)?.requested_by.as_str(),
        &"ana",
    )?;
    let history = site.history().await?;
    let started = history
        .iter()
        .find(|entry| entry.event == HistoryEvent::PlanStarted);
    ensure_eq(
        "by whom it was begun",
        &started.map(|entry| entry.by.as_deref()),
        &Some(None),
    )
}

async fn a_planned_maintenance_drains(site: Site) -> Checked {
    let mut node = Node::new("runs").with_running(1);
    node.sync(&site.state).await?;
    let starts_at = soon(&site).await?;
    site.change(Change::Activate(
        Activate::by("ana").with_starts_at(starts_at),
    ))
    .await?;
    let view = site
        .pass_until("the planned start", site.timing.lease, |view| {
            view.record.phase().is_on()
        })
        .await?;
    ensure_eq(
        "the phase while a node runs something",
        &view.record.phase(),
        &Phase::Activating,
    )?;
    node.say_drained(&site.state, activation(&view.record)?.id)
        .await?;
    ensure_eq(
        "the phase after it has drained",
        &site.record().await?.phase(),
        &Phase::Activated,
    )
}

async fn a_cancelled_plan_does_not_begin(site: Site) -> Checked {
    let starts_at = tomorrow(&site).await?;
    site.change(Change::Activate(
        Activate::by("ana").with_starts_at(starts_at),
    ))
    .await?;
    let cancelled = site.change(Change::Deactivate(Deactivate::new())).await?;
    ensure_eq("the plan", &cancelled.plan(), &None)?;
    ensure_eq(
        "the newest event",
        &site.events().await?.first(),
        &Some(&HistoryEvent::PlanCancelled),
    )?;
    if site.claims(crate::Capability::MovesClock) {
        site.leap(Duration::from_secs(2 * 86_400)).await?;
        ensure_eq(
            "the phase after the planned time",
            &site.record().await?.phase(),
            &Phase::Deactivated,
        )?;
    }
    Ok(())
}

async fn an_automatic_end_opens_the_site(site: Site) -> Checked {
    let ends_at = soon(&site).await?;
    site.change(Change::Activate(
        Activate::by("ana")
            .with_ends_at(ends_at)
            .with_auto_end(true),
    ))
    .await?;
    let view = site
        .pass_until("the automatic end", site.timing.lease, |view| {
            view.record.phase() == Phase::Deactivated
        })
        .await?;
    ensure_eq(
        "the activation after its end",
        &view.record.activation(),
        &None,
    )?;
    let history = site.history().await?;
    let newest = history
        .first()
        .map(|entry| (entry.event, entry.by.as_deref()));
    ensure_eq(
        "the newest event, and by whom",
        &newest,
        &Some((HistoryEvent::Ended, None)),
    )
}

async fn an_announced_end_alone_opens_nothing(site: Site) -> Checked {
    let ends_at = soon(&site).await?;
    let on = site
        .change(Change::Activate(Activate::by("ana").with_ends_at(ends_at)))
        .await?;
    site.pass(site.timing.step * 8).await?;
    ensure_eq(
        "the record after the announced end",
        &site.record().await?,
        &on,
    )
}
