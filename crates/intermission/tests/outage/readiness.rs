//! What a readiness probe is told meanwhile.

use intermission::ReadinessPolicy;

use super::*;

const FOLLOW: ReadinessPolicy = ReadinessPolicy::UnreadyWhenActivated;

/// What each policy says.
fn both(gate: &Gate) -> [bool; 2] {
    [ReadinessPolicy::StayReady, FOLLOW].map(|policy| gate.readiness(policy).is_ready())
}

#[tokio::test]
async fn a_node_that_starts_closed_is_unready_until_its_state_answers() {
    let state = Ailing::new(FAILS);
    let starting = builder(&state).with_start_policy(StartPolicy::StartClosed);
    let gate = starting.start().await.unwrap();
    assert_eq!(both(&gate), [true, false]);
    state.becomes(FINE);
    until(|| gate.readiness(FOLLOW).is_ready()).await;
    assert!(gate.is_open());
}

#[tokio::test]
async fn a_hold_counts_and_want_of_contact_alone_does_not() {
    let state = Ailing::new(FINE);
    let patient = builder(&state).start().await.unwrap();
    let closing = builder(&state)
        .with_outage_policy(OutagePolicy::CloseAfter(Duration::from_millis(50)))
        .start()
        .await
        .unwrap();
    state.becomes(FAILS);
    until(|| patient.status().trouble.is_some()).await;
    until(|| closing.status().hold == Some(Hold::StateUnreachable)).await;
    assert_eq!(both(&patient), [true, true]);
    assert_eq!(both(&closing), [true, false]);
    state.becomes(FINE);
    until(|| both(&closing) == [true, true]).await;
}
