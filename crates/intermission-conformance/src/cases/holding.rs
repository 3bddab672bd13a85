//! Pieces of work that hold maintenance on.

use std::time::Duration;

use intermission_core::{
    Acquire, Activate, Change, HistoryEvent, HolderId, Level, NodeId, Phase, Record,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure_eq};
use crate::site::{Site, allow};

case_table! { Holding:
    /// The site stays closed until the last holder has released it, and opens then.
    the_last_holder_opens_the_site;
    /// What was on before the holders came is on afterwards, as it was.
    what_was_on_before_stays_on;
    /// Nothing opens a held site by itself: an automatic end waits for the holders.
    an_automatic_end_waits_for_holders;
    /// A plan whose time comes while the site is held begins when the holders are done.
    a_plan_waits_for_holders;
    /// Who holds, since when, and how its work failed comes back as it was stored.
    what_is_known_of_holders_comes_back;
    /// The history names who holds, who failed, and who has released.
    the_history_names_holders;
}

const MIGRATE: HolderId = HolderId::from_bits(1);
const BACKUP: HolderId = HolderId::from_bits(2);

fn acquire(id: HolderId, label: &str, activate: Activate) -> Change {
    let node = NodeId::from_bits(7);
    Change::Acquire(Acquire::new(id, node, "web / 1", label, activate))
}

fn deploy() -> Activate {
    Activate::by("deploy").with_level(Level::Full)
}

/// Waits until the site, on which nothing runs, is in the phase.
async fn reach(site: &Site, phase: Phase) -> Checked<Record> {
    let what = format!("the phase {phase}");
    let reached = site
        .pass_until(&what, site.timing.lease, |view| {
            view.record.phase() == phase
        })
        .await?;
    Ok((*reached.record).clone())
}

async fn the_last_holder_opens_the_site(site: Site) -> Checked {
    site.change(acquire(MIGRATE, "migrate", deploy())).await?;
    site.change(acquire(BACKUP, "backup", deploy())).await?;
    reach(&site, Phase::Activated).await?;
    let one = site.change(Change::Release(MIGRATE)).await?;
    ensure_eq("the phase with one holder", &one.phase(), &Phase::Activated)?;
    let none = site.change(Change::Release(BACKUP)).await?;
    ensure_eq("the phase with none", &none.phase(), &Phase::Deactivated)?;
    ensure_eq("the activation", &none.activation(), &None)
}

async fn what_was_on_before_stays_on(site: Site) -> Checked {
    let by_hand = Activate::by("ana").with_message("upgrading / slowly");
    site.change(Change::Activate(by_hand)).await?;
    let before = reach(&site, Phase::Activated).await?;
    let exclusive = deploy()
        .with_level(Level::Exclusive)
        .with_message("deploying");
    let held = site.change(acquire(MIGRATE, "migrate", exclusive)).await?;
    ensure_eq("the level while held", &held.level(), &Level::Exclusive)?;
    ensure_eq(
        "the message while held",
        &held.message(),
        &Some("deploying"),
    )?;
    let after = site.change(Change::Release(MIGRATE)).await?;
    let said = |record: &Record| {
        let activation = record.activation().cloned();
        activation.map(|on| (on.id, on.settings, on.requested_by, on.holding))
    };
    ensure_eq("the maintenance afterwards", &said(&after), &said(&before))
}

async fn an_automatic_end_waits_for_holders(site: Site) -> Checked {
    site.change(allow(9, 9)?).await?;
    let end = site.calendar().await?.saturating_add(site.timing.step * 4);
    let ending = Activate::by("ana").with_ends_at(end).with_auto_end(true);
    site.change(Change::Activate(ending)).await?;
    site.change(acquire(MIGRATE, "migrate", deploy())).await?;
    site.pass(site.timing.step * 8).await?;
    let held = site.record().await?;
    ensure_eq(
        "whether it is on after its end",
        &held.phase().is_on(),
        &true,
    )?;
    site.change(Change::Release(MIGRATE)).await?;
    reach(&site, Phase::Deactivated).await.map(drop)
}

async fn a_plan_waits_for_holders(site: Site) -> Checked {
    site.change(allow(9, 9)?).await?;
    let start = site.calendar().await?.saturating_add(site.timing.step * 4);
    let plan = Activate::by("ana")
        .with_starts_at(start)
        .with_message("planned");
    site.change(Change::Activate(plan)).await?;
    site.change(acquire(MIGRATE, "migrate", deploy())).await?;
    site.pass(site.timing.step * 8).await?;
    let held = site.record().await?;
    ensure_eq("the message while held", &held.message(), &None)?;
    site.change(Change::Release(MIGRATE)).await?;
    let begun = reach(&site, Phase::Activated).await?;
    ensure_eq("the message afterwards", &begun.message(), &Some("planned"))?;
    ensure_eq("the plan", &begun.plan(), &None)
}

async fn what_is_known_of_holders_comes_back(site: Site) -> Checked {
    let wishes = deploy()
        .with_message("a / \"b\" \u{e9}")
        .with_retry_after(Duration::from_secs(90));
    site.change(acquire(MIGRATE, "migrate / \"1\"", wishes))
        .await?;
    let failed = Change::NoteFailure(MIGRATE, "exit status 3 / \"why\"".to_owned());
    let stored = site.change(failed).await?;
    let read = reach(&site, Phase::Activated).await?;
    ensure_eq("the holders", &read.holders(), &stored.holders())?;
    let told = read.holders().first().map(|holder| {
        let reason = holder
            .failure
            .as_ref()
            .map(|failure| failure.reason.as_str());
        (holder.label.as_str(), holder.node_label.as_str(), reason)
    });
    let wanted = (
        "migrate / \"1\"",
        "web / 1",
        Some("exit status 3 / \"why\""),
    );
    ensure_eq("the holder", &told, &Some(wanted))
}

async fn the_history_names_holders(site: Site) -> Checked {
    site.change(acquire(MIGRATE, "migrate", deploy())).await?;
    reach(&site, Phase::Activated).await?;
    site.change(acquire(BACKUP, "backup", deploy())).await?;
    site.change(Change::NoteFailure(MIGRATE, "exit status 3".to_owned()))
        .await?;
    site.change(Change::Activate(Activate::by("ana"))).await?;
    site.change(Change::Release(BACKUP)).await?;
    let history = site.history().await?;
    let lines: Vec<_> = history
        .iter()
        .map(|entry| (entry.event, entry.note.as_deref()))
        .collect();
    ensure_eq(
        "the history",
        &lines,
        &[
            (HistoryEvent::Updated, Some("released by backup")),
            (HistoryEvent::Updated, Some("stays on after its holders")),
            (HistoryEvent::Updated, Some("migrate failed: exit status 3")),
            (HistoryEvent::Updated, Some("held by backup")),
            (HistoryEvent::Activated, None),
            (HistoryEvent::Requested, Some("held by migrate")),
        ],
    )
}
