//! A scope that is closed while a node of it is cut off.

#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use super::*;

use intermission::{ActivationId, ScopeName, SystemClock, Unconfirmed};

fn billing() -> ScopeName {
    ScopeName::new("billing").unwrap()
}

/// Whom the completion in the scope names, and for which activation; nobody knows before it is complete.
fn named(record: &Record) -> Option<(ActivationId, Vec<Unconfirmed>)> {
    let scope = record.scopes().get("billing")?;
    let on = scope.activation.as_ref()?;
    Some((on.id, on.completion.as_ref()?.unconfirmed.clone()))
}

/// It never saw the drain, and so never said of it that something runs.
#[tokio::test]
async fn a_node_that_comes_back_with_its_work_is_not_confirmed_before_that_has_ended() {
    let mut state = Ailing::new(FINE);
    state.inner = MemoryState::with_timing_and_clock(quick(), Arc::new(SystemClock));
    let gate = builder(&state)
        .with_lost_contact(LostContact::Wait(Duration::from_millis(50)))
        .start()
        .await
        .unwrap();
    let info = ExecutionInfo::new("job").with_scope(billing());
    let job = gate.execution(info).unwrap();
    state.becomes(FAILS);
    until(|| gate.status().trouble.is_some()).await;
    let operator = state.operator();
    let close = Change::Activate(Activate::by("ana")).in_scope(billing());
    operator.change(close).await.unwrap();
    // Its time ends as the ledger's clock moves on, and that moves with every look.
    let (id, unconfirmed) = loop {
        let view = operator.inspect(9).await.unwrap();
        if let Some(named) = named(&view.record) {
            break named;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(unconfirmed.len(), 1, "{unconfirmed:?}");
    state.becomes(FINE);
    let record = gate.reached(|record| named(record).is_some()).await;
    // What it says next is of this very record.
    let view = loop {
        let view = operator.inspect(9).await.unwrap();
        if view.nodes[0].seen >= record.revision() {
            break view;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(view.nodes[0].undrained, [id]);
    assert_eq!(named(&view.record).unwrap().1.len(), 1, "it runs on");
    drop(job);
    gate.reached(|record| named(record).is_some_and(|(_, named)| named.is_empty()))
        .await;
}
