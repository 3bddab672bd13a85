//! Somebody sets the clock of the server.

use intermission::{ExecutionInfo, LostContact, Phase, Revision};
use intermission_tests::redis::{ClockShim, ServerOptions};
use libtest_mimic::Trial;

use crate::fleet::{Pace, Site, millis, quick, started};
use crate::trials;
use crate::visitors::Visitors;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        nobody_is_given_up_and_no_drain_ends_because_the_clock_jumps,
        revisions_go_on_growing_when_the_clock_goes_back,
    ]
}

const JUMPS: [i64; 6] = [3_600_000, -3_600_000, -3_599_100, 0, 86_400_000, 0];

/// One lease is longer than all that the fleet clock believes of all jumps together.
fn pace() -> Pace {
    let mut pace = quick();
    pace.timing.lease = millis(30_000);
    pace.timing.margin = millis(600);
    pace.timing.grace = millis(30_000);
    pace
}

async fn nobody_is_given_up_and_no_drain_ends_because_the_clock_jumps() {
    let clock = ClockShim::new();
    let server = ServerOptions::new().with_clock(&clock).start().await;
    let site = Site::on(&server, pace()).await;
    let idle = started(
        site.builder("idle")
            .with_lost_contact(LostContact::Wait(millis(0))),
    )
    .await;
    let busy = started(
        site.builder("busy")
            .with_lost_contact(LostContact::Fence(millis(0))),
    )
    .await;
    let job = busy.execution(ExecutionInfo::new("import")).unwrap();
    // One that is silent, so that nothing but its lease keeps it.
    let silent = site
        .phantom(|report| report.lost_contact = LostContact::Wait(millis(0)))
        .await;
    site.close().await;
    for jump in JUMPS {
        // One hour on, two back, the better part of a second on, and so forth.
        clock.shift(jump);
        site.heard(&server, &[&idle, &busy], 3).await;
        let view = site.view().await;
        assert_eq!(view.record.phase(), Phase::Activating, "{jump}: {view:?}");
        assert_eq!(
            (view.node_count, view.count.nodes),
            (3, 3),
            "{jump}: {view:?}"
        );
        assert_eq!((view.grace.is_zero(), view.lost_at), (true, None), "{jump}");
        assert!(!job.is_cancelled(), "{jump}");
        for node in [&idle, &busy] {
            assert!(!node.status().executions_suspended, "{jump}");
        }
    }
    drop(job);
    site.operator().forget(silent).await.unwrap();
    for node in [&idle, &busy] {
        crate::fleet::reaches(node, Phase::Activated).await;
    }
    site.open_all(&[&idle, &busy]).await;
}

async fn revisions_go_on_growing_when_the_clock_goes_back() {
    let clock = ClockShim::new();
    let server = ServerOptions::new().with_clock(&clock).start().await;
    let site = Site::on(&server, pace()).await;
    let node = site.node("a").await;
    let mut newest = Revision::ZERO;
    for jump in [0, 3_600_000, -7_200_000, 900] {
        clock.shift(jump);
        site.close_all(&[&node]).await;
        let closed = node.record().revision();
        let visitors = Visitors::at(&[&node]);
        assert!(newest < closed, "{jump}: {newest} {closed}");
        clock.shift(jump - 7_200_000);
        site.heard(&server, &[&node], 3).await;
        visitors.nobody_got_in();
        site.open_all(&[&node]).await;
        newest = node.record().revision();
        assert!(closed < newest, "{jump}: {closed} {newest}");
    }
}
