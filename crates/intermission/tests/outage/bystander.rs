//! A node that serves nobody: it follows the state, and is gone for the fleet when it is lost.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use super::*;

#[tokio::test]
async fn a_node_that_leaves_when_it_is_lost_serves_nobody_ever() {
    let state = Ailing::new(FINE);
    let starting = builder(&state).with_lost_contact(LostContact::Leave);
    let gate = starting.start().await.unwrap();
    serves_nobody(&gate);
    let change = Change::Activate(Activate::by("ana"));
    state.operator().change(change).await.unwrap();
    // It has nothing to wait for, so the drain goes on at once, and to its end.
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    serves_nobody(&gate);
    let change = Change::Deactivate(Deactivate::new());
    state.operator().change(change).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Deactivated)
        .await;
    serves_nobody(&gate);
    let view = state.inner.inspect(9).await.unwrap();
    let listed: Vec<_> = view
        .nodes
        .iter()
        .map(|node| (node.lost_contact, node.facts.hold.as_deref()))
        .collect();
    assert_eq!(listed, [(LostContact::Leave, None)], "it is in no trouble");
}

fn serves_nobody(gate: &Gate) {
    assert_eq!(gate.status().hold, Some(Hold::ServesNobody));
    let refused = gate.execution(ExecutionInfo::new("job")).err();
    let reason = refused.map(|refused| refused.reason);
    assert_eq!(reason, Some(RefuseReason::Held));
    let mut waiting = pin!(gate.execution_when_open(ExecutionInfo::new("job")));
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    for (access, permission) in [
        (RouteAccess::Ordinary, false),
        (RouteAccess::Ordinary, true),
        (RouteAccess::StartsExecution, false),
        (RouteAccess::StartsExecution, true),
    ] {
        let visitor = page().with_access(access).with_permission(permission);
        let Admission::Refused(refusal) = gate.admit(&visitor) else {
            panic!("{access:?}, permission: {permission}")
        };
        assert_eq!(refusal.reason(), RefuseReason::Held);
    }
    assert_eq!(gate.status().requests, 0);
}
