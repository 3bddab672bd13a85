//! Scopes of a node's record.

use super::*;
use crate::DrainPolicy;
use crate::scope::ScopeName;

fn billing() -> ScopeName {
    ScopeName::new("billing").unwrap()
}

impl Records {
    fn closed(&mut self, scope: &str, activate: Activate) -> Arc<Record> {
        let scope = ScopeName::new(scope).unwrap();
        self.change(&Change::Activate(activate).in_scope(scope))
    }

    fn opened(&mut self, scope: &str) -> Arc<Record> {
        let scope = ScopeName::new(scope).unwrap();
        self.change(&Change::Deactivate(Deactivate::new()).in_scope(scope))
    }
}

fn id_in(record: &Record, scope: &ScopeName) -> ActivationId {
    let scope = record.scopes().get(scope.as_str()).unwrap();
    scope.activation.as_ref().unwrap().id
}

#[test]
fn a_scope_is_undrained_until_the_gate_has_said_otherwise() {
    let mut records = Records::new();
    let mut bench = Bench::joined(LostContact::Hold, None);
    let closed = records.closed("billing", Activate::by("ana"));
    let id = id_in(&closed, &billing());
    bench.step(NodeEvent::Hint(Some(Arc::clone(&closed))));
    assert_eq!(bench.installs(), 1);
    assert!(
        bench.sent().is_none(),
        "it may be drained at the same moment"
    );
    // The gate is slow to say so: what is said meanwhile is that it is not drained.
    let mut slow = bench.clone();
    let report = slow.next_report();
    assert_eq!(
        (report.seen, report.undrained),
        (closed.revision(), vec![id])
    );
    bench.step(NodeEvent::Undrained(Vec::new()));
    let report = bench.sent().unwrap();
    assert_eq!(report.seen, closed.revision());
    assert!(report.undrained.is_empty());
}

#[test]
fn what_still_runs_is_said_and_its_end_at_once() {
    let mut records = Records::new();
    let mut bench = Bench::joined(LostContact::Hold, None);
    let closed = records.closed("billing", Activate::by("ana"));
    let id = id_in(&closed, &billing());
    bench.step(NodeEvent::Hint(Some(Arc::clone(&closed))));
    bench.step(NodeEvent::Undrained(vec![id]));
    assert_eq!(bench.sent().unwrap().undrained, [id]);
    bench.answer(Some(&closed));
    bench.step(NodeEvent::Undrained(Vec::new()));
    let report = bench.sent().unwrap();
    assert!(report.undrained.is_empty());
    // Its opening takes it off the list, whatever ran.
    bench.answer(Some(&closed));
    bench.step(NodeEvent::Undrained(vec![id]));
    let opened = records.opened("billing");
    if bench.in_flight() {
        bench.answer(Some(&opened));
    } else {
        bench.next_report();
        bench.answer(Some(&opened));
    }
    // At once, so that operators see that it is open here.
    assert!(bench.sent().unwrap().undrained.is_empty());
}

#[test]
fn a_push_closes_a_scope_and_opens_none() {
    let mut records = Records::new();
    let mut bench = Bench::joined(LostContact::Hold, None);
    let closed = records.closed("billing", Activate::by("ana"));
    bench.step(NodeEvent::Hint(Some(Arc::clone(&closed))));
    assert!(
        bench
            .machine
            .snapshot()
            .record
            .scopes()
            .phase(&billing())
            .is_on()
    );
    bench.step(NodeEvent::Undrained(Vec::new()));
    bench.answer(Some(&closed));
    records.opened("billing");
    let both = records.closed("search", Activate::by("ana"));
    bench.step(NodeEvent::Hint(Some(Arc::clone(&both))));
    assert_eq!(bench.installs(), 0, "it opens one, too");
    assert!(bench.sent().is_some(), "the ledger is asked at once");
    bench.answer(Some(&both));
    assert!(
        !bench
            .machine
            .snapshot()
            .record
            .scopes()
            .phase(&billing())
            .is_on()
    );
}

#[test]
fn forced_scopes_end_what_runs_in_them_and_no_more() {
    let mut records = Records::new();
    let mut bench = Bench::joined(LostContact::Hold, None);
    let force = DrainPolicy::Force(Duration::ZERO);
    let forced = records.closed("billing", Activate::by("ana").with_drain(force));
    bench.step(NodeEvent::Hint(Some(Arc::clone(&forced))));
    assert!(bench.has(&NodeAction::EndExecutionsIn(vec![billing()])));
    assert!(!bench.has(&NodeAction::CancelExecutions));
    let edited = records.closed("billing", Activate::by("ana").with_message("later"));
    bench.step(NodeEvent::Undrained(Vec::new()));
    bench.step(NodeEvent::Hint(Some(edited)));
    let ends = |action: &NodeAction| matches!(action, NodeAction::EndExecutionsIn(_));
    assert!(!bench.actions.iter().any(ends), "once is enough");
}

#[test]
fn a_planned_scope_is_asked_about_and_closes_unheard() {
    let mut records = Records::new();
    let mut bench = Bench::joined(LostContact::Hold, None);
    let starts_at = bench.now.calendar.saturating_add(SECOND * 100);
    let planned = records.closed("billing", Activate::by("ana").with_starts_at(starts_at));
    bench.next_report();
    bench.answer(Some(&planned));
    let left = starts_at.saturating_since(bench.now.calendar);
    while bench.now.calendar < starts_at {
        let report = bench.next_report();
        if bench.now.calendar >= starts_at {
            assert_eq!(report.seen, planned.revision());
            break;
        }
        bench.answer(Some(&planned));
    }
    assert!(left > Duration::ZERO);
    assert!(
        bench.machine.snapshot().scopes_begun.is_empty(),
        "it may be answered yet"
    );
    bench.fail();
    assert_eq!(bench.machine.snapshot().scopes_begun, [billing()]);
    assert_eq!(bench.installs(), 1);
    bench.next_report();
    bench.answer(Some(&planned));
    assert!(
        bench.machine.snapshot().scopes_begun.is_empty(),
        "the state knows"
    );
}

#[test]
fn what_runs_in_a_scope_that_is_activated_already_is_said_all_the_same() {
    let mut records = Records::new();
    let mut bench = Bench::joined(LostContact::Hold, None);
    let force = DrainPolicy::Force(Duration::ZERO);
    let forced = records.closed("billing", Activate::by("ana").with_drain(force));
    assert_eq!(forced.scopes().phase(&billing()), Phase::Activated);
    let id = id_in(&forced, &billing());
    bench.step(NodeEvent::Hint(Some(Arc::clone(&forced))));
    bench.step(NodeEvent::Undrained(vec![id]));
    assert_eq!(bench.sent().unwrap().undrained, [id]);
    bench.answer(Some(&forced));
    bench.step(NodeEvent::Undrained(Vec::new()));
    assert!(bench.sent().unwrap().undrained.is_empty());
}
