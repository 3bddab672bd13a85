//! Who did what, when, from where.

use intermission_core::{
    Activate, Change, Deactivate, Departure, HistoryEvent, Ledger, Level, MaintenanceState, Phase,
    Timestamp,
};

use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq};
use crate::site::{Node, Site, activation, allow, ana, bob, completion, operation};

case_table! { History:
    /// Each line says who did what and by which way; what the ledger does by itself was done by nobody.
    the_history_says_who_what_and_from_where;
    /// Each line says when, by the store's clock, and which revision and phase came of it.
    the_history_says_when_and_what_came_of_it;
    /// The newest lines come first, and no more than were asked for.
    the_newest_lines_come_first_and_no_more_than_asked_for;
    /// A change names the parts that it touched, without showing what is in them.
    an_edit_names_what_it_touched;
    /// Refused and repeated operations leave no line, and neither do reports.
    what_changed_nothing_leaves_no_line;
    /// The history keeps its newest lines and does not grow for ever.
    the_history_does_not_grow_for_ever;
}

async fn the_history_says_who_what_and_from_where(site: Site) -> Checked {
    site.change(Change::Activate(Activate::by("ana"))).await?;
    let before = site.record().await?;
    site.stored(operation(
        &before,
        &Change::Activate(Activate::by("bob").with_message("longer")),
        &bob(),
    )?)
    .await?;
    let before = site.record().await?;
    site.stored(operation(
        &before,
        &Change::Deactivate(Deactivate::new()),
        &bob(),
    )?)
    .await?;
    let history = site.history().await?;
    let lines: Vec<_> = history
        .iter()
        .map(|entry| (entry.event, entry.by.as_deref(), entry.origin.as_deref()))
        .collect();
    ensure_eq(
        "the history",
        &lines,
        &[
            (
                HistoryEvent::Deactivated,
                Some("bob"),
                Some("another terminal"),
            ),
            (HistoryEvent::Updated, Some("bob"), Some("another terminal")),
            (HistoryEvent::Activated, None, None),
            (
                HistoryEvent::Requested,
                Some("ana"),
                Some("conformance suite"),
            ),
        ],
    )
}

async fn the_history_says_when_and_what_came_of_it(site: Site) -> Checked {
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    site.pass(site.timing.step).await?;
    let off = site.change(Change::Deactivate(Deactivate::new())).await?;
    let history = site.history().await?;
    let lines: Vec<_> = history
        .iter()
        .map(|entry| (entry.phase, entry.revision))
        .collect();
    let began = activation(&on)?.id.began();
    ensure_eq(
        "the phases and revisions",
        &lines,
        &[
            (Phase::Deactivated, off.revision()),
            (Phase::Activated, on.revision()),
            (Phase::Activating, began),
        ],
    )?;
    let times: Vec<Timestamp> = history.iter().rev().map(|entry| entry.at).collect();
    let step = site.timing.step;
    ensure(
        matches!(times.as_slice(), [requested, completed, off] if *requested > Timestamp::default()
            && requested <= completed && off.saturating_since(*completed) >= step),
        || format!("the times are {times:?}, with a step of {step:?} between the last two"),
    )?;
    ensure_eq(
        "when the drain was complete",
        &Some(completion(&on)?.at),
        &times.get(1).copied(),
    )
}

async fn the_newest_lines_come_first_and_no_more_than_asked_for(site: Site) -> Checked {
    let mut expected = Vec::new();
    for number in 0..5 {
        expected.insert(0, site.change(allow(1, number)?).await?.revision());
    }
    for limit in [0, 1, 3, 5, 6, usize::MAX] {
        let lines = site.state.history(limit).await?;
        let revisions: Vec<_> = lines.iter().map(|entry| entry.revision).collect();
        let newest: Vec<_> = expected.iter().take(limit).copied().collect();
        ensure_eq(
            &format!("the history with at most {limit} lines"),
            &revisions,
            &newest,
        )?;
    }
    Ok(())
}

async fn an_edit_names_what_it_touched(site: Site) -> Checked {
    site.change(Change::Activate(Activate::by("ana"))).await?;
    let edit = Activate::by("ana")
        .with_level(Level::Exclusive)
        .with_message("not for the history");
    site.change(Change::Activate(edit)).await?;
    let newest = site.state.history(1).await?;
    let note = newest
        .first()
        .and_then(|entry| entry.note.clone())
        .unwrap_or_default();
    ensure(
        note.contains("level") && note.contains("message") && !note.contains("not for the history"),
        || format!("the note of a change of level and message is {note:?}"),
    )
}

async fn what_changed_nothing_leaves_no_line(site: Site) -> Checked {
    let before = site.record().await?;
    let done = operation(&before, &allow(1, 1)?, &ana())?;
    let late = operation(&before, &allow(2, 2)?, &bob())?;
    let stored = site.stored(done.clone()).await?;
    let history = site.history().await?;
    ensure_eq("the number of lines", &history.len(), &1)?;
    site.state.operate(done).await?;
    site.state.operate(late).await?;
    let mut node = Node::new("joins and leaves");
    node.sync(&site.state).await?;
    site.state.leave(node.id(), Departure::Goodbye).await?;
    site.ensure_unchanged(&stored, &history).await
}

async fn the_history_does_not_grow_for_ever(site: Site) -> Checked {
    let mut newest = Vec::new();
    for number in 0..Ledger::HISTORY_KEPT + 4 {
        newest.insert(
            0,
            site.change(allow(number / 256, number % 256)?)
                .await?
                .revision(),
        );
    }
    let revisions: Vec<_> = site
        .history()
        .await?
        .iter()
        .map(|entry| entry.revision)
        .collect();
    newest.truncate(Ledger::HISTORY_KEPT);
    ensure_eq(
        "the history after more changes than it keeps",
        &revisions,
        &newest,
    )
}
