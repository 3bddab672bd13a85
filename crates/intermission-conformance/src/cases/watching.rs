//! How watchers are woken.

use intermission_core::{
    Activate, Change, Deactivate, MaintenanceState, OperateReply, Phase, Revision, SharedState,
};
use tokio::task::{JoinHandle, JoinSet, yield_now};

use crate::case::case_table;
use crate::failure::{Checked, ensure, ensure_eq, expect_variant};
use crate::site::{Node, Site, activation, allow, ana, far_ahead_of, operation};

case_table! { Watching:
    /// A watcher is answered at once if the record is already another one: a change before the call is not missed.
    a_change_before_the_call_is_not_missed;
    /// The same if the record is older than the one that the watcher has seen, as after a loss.
    an_older_record_is_another_one;
    /// A watcher is woken by a change.
    a_change_wakes_a_watcher;
    /// A watcher is woken by a change through another handle.
    a_change_through_another_handle_wakes_a_watcher needs SharedBetweenHandles;
    /// However a change and the call race, the watcher is woken.
    no_change_is_missed_however_they_race;
    /// The same when the change comes through another handle.
    no_change_through_another_handle_is_missed needs SharedBetweenHandles;
    /// Every watcher is woken, however many there are.
    every_watcher_is_woken;
    /// A watcher that lags behind is told of the newest record, and need not catch up one by one.
    a_watcher_that_lags_is_told_of_the_newest;
    /// The completion of a drain wakes watchers like an operator's change.
    a_completion_wakes_a_watcher;
    /// What the time brings wakes watchers, too.
    what_time_brings_wakes_a_watcher;
    /// A watcher that is dropped takes no wake-up away from another.
    a_dropped_watcher_takes_no_wake_up_away;
    /// The new record comes along with the wake-up.
    the_record_comes_with_the_wake_up needs PushesRecord;
}

/// As a node does: watches until a record of this revision is there.
fn watches_for(state: &SharedState, seen: Revision, wanted: Revision) -> JoinHandle<Checked> {
    let state = state.clone();
    tokio::spawn(async move {
        let mut seen = seen;
        while seen < wanted {
            let pushed = state.watch(seen).await?;
            let record = state.inspect(0).await?.record;
            if let Some(pushed) = pushed {
                ensure(
                    pushed.revision() != seen && pushed.revision() <= record.revision(),
                    || {
                        let (pushed, held) = (pushed.revision(), record.revision());
                        format!(
                            "a watcher of {seen} was brought {pushed}, and the state holds {held}"
                        )
                    },
                )?;
            }
            seen = record.revision();
        }
        Ok(())
    })
}

async fn is_woken(site: &Site, what: &str, watcher: JoinHandle<Checked>) -> Checked {
    site.in_time(what, async { watcher.await? }).await
}

async fn a_change_before_the_call_is_not_missed(site: Site) -> Checked {
    let seen = site.record().await?.revision();
    let first = site.change(allow(1, 1)?).await?.revision();
    site.in_time("an answer to a watcher who has seen nothing", async {
        Ok(site.state.watch(seen).await?)
    })
    .await?;
    site.change(allow(1, 2)?).await?;
    site.in_time("an answer to a watcher who is one behind", async {
        Ok(site.state.watch(first).await?)
    })
    .await?;
    Ok(())
}

async fn an_older_record_is_another_one(site: Site) -> Checked {
    let stored = site.change(allow(1, 1)?).await?;
    let seen = far_ahead_of(stored.revision());
    site.in_time("an answer to a watcher who has seen more", async {
        Ok(site.state.watch(seen).await?)
    })
    .await?;
    Ok(())
}

async fn a_change_wakes_a_watcher(site: Site) -> Checked {
    wakes(&site, &site.state).await
}

async fn a_change_through_another_handle_wakes_a_watcher(site: Site) -> Checked {
    let other = site.second_handle().await?;
    wakes(&site, &other).await
}

/// More and more time between the watcher's begin and the change, so that it is caught in every stage of waiting.
async fn wakes(site: &Site, writer: &SharedState) -> Checked {
    let mut before = site.record().await?;
    for round in 0..6 {
        let asked = operation(&before, &allow(1, round)?, &ana())?;
        let seen = before.revision();
        // Whoever is woken must see a record that is not the seen one; the least greater revision stands for it.
        let watcher = watches_for(&site.state, seen, seen.next());
        for _ in 0..(1 << round) {
            // Reading takes real time of the store, which `yield_now` alone does not.
            site.record().await?;
            yield_now().await;
        }
        let reply = writer.operate(asked).await?;
        before = expect_variant!("the answer to a change", reply, OperateReply::Stored(record) => record);
        is_woken(site, "a watcher's wake-up", watcher).await?;
    }
    Ok(())
}

async fn no_change_is_missed_however_they_race(site: Site) -> Checked {
    races(&site, &site.state).await
}

async fn no_change_through_another_handle_is_missed(site: Site) -> Checked {
    let other = site.second_handle().await?;
    races(&site, &other).await
}

async fn races(site: &Site, writer: &SharedState) -> Checked {
    let mut before = site.change(allow(0, 0)?).await?;
    for round in 0..32 {
        let asked = operation(&before, &allow(1, round)?, &ana())?;
        let watcher = watches_for(&site.state, before.revision(), before.revision().next());
        for _ in 0..round % 4 {
            yield_now().await;
        }
        let reply = writer.operate(asked).await?;
        before = expect_variant!("the answer to a change", reply, OperateReply::Stored(record) => record);
        is_woken(site, &format!("the wake-up of round {round}"), watcher).await?;
    }
    Ok(())
}

async fn every_watcher_is_woken(site: Site) -> Checked {
    let seen = site.change(allow(0, 0)?).await?.revision();
    let mut watchers: Vec<_> = (0..32)
        .map(|_| watches_for(&site.state, seen, seen.next()))
        .collect();
    // Some are waiting, some have not begun, and some begin after the change.
    site.record().await?;
    site.change(allow(1, 1)?).await?;
    watchers.extend((0..8).map(|_| watches_for(&site.state, seen, seen.next())));
    for watcher in watchers {
        is_woken(&site, "the wake-up of one of many watchers", watcher).await?;
    }
    Ok(())
}

async fn a_watcher_that_lags_is_told_of_the_newest(site: Site) -> Checked {
    let seen = site.change(allow(0, 0)?).await?.revision();
    let mut newest = seen;
    for number in 0..20 {
        newest = site.change(allow(1, number)?).await?.revision();
    }
    let pushed = site
        .in_time("an answer to who lags", async {
            Ok(site.state.watch(seen).await?)
        })
        .await?;
    if let Some(pushed) = pushed {
        ensure_eq(
            "the revision of the record that was brought",
            &pushed.revision(),
            &newest,
        )?;
    }
    ensure_eq(
        "the revision of the record",
        &site.record().await?.revision(),
        &newest,
    )
}

async fn a_completion_wakes_a_watcher(site: Site) -> Checked {
    let mut node = Node::new("drains").with_running(1);
    node.sync(&site.state).await?;
    let on = site.change(Change::Activate(Activate::by("ana"))).await?;
    ensure_eq(
        "the phase while a node runs something",
        &on.phase(),
        &Phase::Activating,
    )?;
    let watcher = watches_for(&site.state, on.revision(), on.revision().next());
    site.record().await?;
    node.say_drained(&site.state, activation(&on)?.id).await?;
    is_woken(&site, "the wake-up by a completed drain", watcher).await?;
    let off = site.change(Change::Deactivate(Deactivate::new())).await?;
    ensure_eq("the phase after all", &off.phase(), &Phase::Deactivated)
}

async fn what_time_brings_wakes_a_watcher(site: Site) -> Checked {
    site.change(allow(1, 1)?).await?;
    let starts_at = site.calendar().await?.saturating_add(site.timing.step * 4);
    let planned = site
        .change(Change::Activate(
            Activate::by("ana").with_starts_at(starts_at),
        ))
        .await?;
    let watcher = watches_for(&site.state, planned.revision(), planned.revision().next());
    if planned.phase() == Phase::Deactivated {
        site.pass_until("the planned start", site.timing.lease, |view| {
            view.record.phase().is_on()
        })
        .await?;
        is_woken(&site, "the wake-up by a planned start", watcher).await?;
    } else {
        // On a slow machine the time had come before the plan was stored.
        watcher.abort();
    }
    Ok(())
}

async fn a_dropped_watcher_takes_no_wake_up_away(site: Site) -> Checked {
    let mut before = site.change(allow(0, 0)?).await?;
    for round in 0..8 {
        let stays = watches_for(&site.state, before.revision(), before.revision().next());
        let mut dropped = JoinSet::new();
        for _ in 0..8 {
            let (state, seen) = (site.state.clone(), before.revision());
            dropped.spawn(async move { state.watch(seen).await });
        }
        for _ in 0..round {
            site.record().await?;
        }
        dropped.abort_all();
        before = site.change(allow(1, round)?).await?;
        is_woken(&site, "the wake-up of the watcher that stays", stays).await?;
        while let Some(ended) = dropped.join_next().await {
            ensure(
                ended.is_ok() || ended.is_err_and(|error| error.is_cancelled()),
                || "a watcher that was dropped has panicked".to_owned(),
            )?;
        }
    }
    Ok(())
}

async fn the_record_comes_with_the_wake_up(site: Site) -> Checked {
    let mut seen = site.record().await?.revision();
    for number in 0..4 {
        let (state, stored) = (site.state.clone(), site.change(allow(1, number)?));
        let watcher = tokio::spawn(async move { state.watch(seen).await });
        let stored = stored.await?;
        let pushed = site
            .in_time("a watcher's wake-up", async { Ok(watcher.await??) })
            .await?;
        ensure_eq("the record that came along", &pushed, &Some(stored.clone()))?;
        seen = stored.revision();
    }
    Ok(())
}
