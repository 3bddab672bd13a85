//! What a readiness probe is told, by a real gate.

use intermission::{
    Activate, Actor, Change, Deactivate, ExecutionInfo, Gate, Level, MemoryState, Operator, Phase,
    Readiness, ReadinessPolicy,
};

const STAY: ReadinessPolicy = ReadinessPolicy::StayReady;
const FOLLOW: ReadinessPolicy = ReadinessPolicy::UnreadyWhenActivated;

/// What each policy says.
fn both(gate: &Gate) -> [bool; 2] {
    [STAY, FOLLOW].map(|policy| gate.readiness(policy).is_ready())
}

#[tokio::test]
async fn only_a_node_that_turns_visitors_away_is_unready_and_only_if_it_is_told_to() {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let operator = Operator::new(state, Actor::new("ana", "test"));
    for (level, follows) in [
        (Level::ReadOnly, true),
        (Level::Full, false),
        (Level::Exclusive, false),
    ] {
        assert_eq!(both(&gate), [true, true], "{level}");
        let job = gate.execution(ExecutionInfo::new("job")).unwrap();
        let activate = Activate::by("ana").with_level(level);
        operator.change(Change::Activate(activate)).await.unwrap();
        gate.reached(|record| record.phase() == Phase::Activating)
            .await;
        assert_eq!(both(&gate), [true, true], "{level}: pages are served");
        drop(job);
        gate.reached(|record| record.phase() == Phase::Activated)
            .await;
        assert_eq!(both(&gate), [true, follows], "{level}");
        let deactivate = Change::Deactivate(Deactivate::new());
        operator.change(deactivate).await.unwrap();
        gate.reached(|record| record.phase() == Phase::Deactivated)
            .await;
    }
    assert_eq!(both(&gate), [true, true]);
}

#[test]
fn the_answers_are_those_that_probes_understand() {
    let answer = |readiness: Readiness| (readiness.status(), readiness.to_string());
    assert_eq!(answer(Readiness::Ready), (200, "ready".to_owned()));
    assert_eq!(answer(Readiness::Unready), (503, "unready".to_owned()));
    assert_eq!(ReadinessPolicy::default(), STAY);
}
