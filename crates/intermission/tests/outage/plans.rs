//! A planned maintenance whose time comes while the state is away.

#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use super::*;

use intermission::Level;
use intermission::reply::ReplyRequest;

/// Plans one that begins in the next moment, and takes the state away once the node knows of it.
async fn planned_then_away(plan: Activate) -> (Ailing, Gate) {
    let state = Ailing::new(FINE);
    let gate = builder(&state).start().await.unwrap();
    let start = intermission::SystemClock.now();
    let start = start.saturating_add(Duration::from_millis(1_000));
    let plan = Change::Activate(plan.with_starts_at(start));
    state.operator().change(plan).await.unwrap();
    gate.reached(|record| record.plan().is_some()).await;
    state.becomes(FAILS);
    until(|| gate.status().trouble.is_some()).await;
    (state, gate)
}

#[tokio::test]
async fn the_site_closes_at_its_time_with_the_planned_words_and_opens_when_it_was_cancelled() {
    let plan = Activate::by("ana").with_message("A new database");
    let (state, gate) = planned_then_away(plan).await;
    until(|| !gate.decide(&page()).is_admit()).await;
    assert_eq!(gate.upcoming(), None);
    assert_eq!(gate.status().hold, Some(Hold::PlanBegan));
    assert!(gate.execution(ExecutionInfo::new("job")).is_err());
    let Admission::Refused(refusal) = gate.admit(&page()) else {
        panic!("it is closed")
    };
    let reply = refusal.reply(ReplyRequest::new("GET"));
    let text = String::from_utf8_lossy(reply.body()).into_owned();
    assert!(text.contains("A new database"), "{text}");

    let cancel = Change::Deactivate(Deactivate::new());
    state.operator().change(cancel).await.unwrap();
    state.becomes(FINE);
    until(|| gate.is_open()).await;
}

#[tokio::test]
async fn it_closes_no_more_than_was_planned() {
    let plan = Activate::by("ana").with_level(Level::ReadOnly);
    let (state, gate) = planned_then_away(plan).await;
    let order = Visitor::new("POST", "/orders");
    until(|| !gate.decide(&order).is_admit()).await;
    assert!(gate.decide(&page()).is_admit());
    // Nobody cancelled it.
    state.becomes(FINE);
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    assert_eq!(gate.status().hold, None);
    assert!(!gate.decide(&order).is_admit());
}
