//! A node of which a dependency fails.

use super::*;

fn fails(names: &str) -> NodeEvent {
    NodeEvent::Failing(Some(names.to_owned()))
}

fn is_back() -> NodeEvent {
    NodeEvent::Failing(None)
}

fn held_by(names: &str) -> Option<Hold> {
    Some(Hold::Dependency(names.to_owned()))
}

#[test]
fn a_dependency_that_fails_holds_the_node_until_it_is_back_and_both_are_said_at_once() {
    let mut bench = Bench::joined(LostContact::Hold, None);
    bench.step(fails("database"));
    assert_eq!(bench.hold().cloned(), held_by("database"));
    assert_eq!(bench.installs(), 1);
    assert!(bench.sent().is_some(), "operators see it at once");
    bench.answer(None);
    bench.step(fails("database"));
    assert!(bench.actions.is_empty(), "the same again is no news");
    bench.step(fails("database, search"));
    assert_eq!(bench.hold().cloned(), held_by("database, search"));
    assert!(bench.sent().is_some());
    bench.answer(None);
    bench.step(is_back());
    assert_eq!(bench.hold(), None);
    assert!(bench.sent().is_some());
}

#[test]
fn what_changes_while_a_report_is_on_its_way_is_said_after_its_answer() {
    let mut bench = Bench::joined(LostContact::Hold, None);
    bench.step(fails("database"));
    bench.step(is_back());
    assert!(bench.sent().is_none(), "at most one is on its way");
    bench.answer(None);
    assert!(bench.sent().is_some());
}

#[test]
fn the_states_holds_come_first() {
    let outage = OutagePolicy::CloseAfter(SECOND);
    let mut bench = Bench::with(NodeSettings {
        outage,
        ..NodeSettings::default()
    });
    bench.step(fails("database"));
    assert!(bench.held(), "it has not joined yet");
    bench.answer(None);
    assert_eq!(bench.hold().cloned(), held_by("database"));
    assert!(bench.sent().is_some(), "said as soon as it is what holds");
    bench.fail();
    bench.sleep(SECOND * 2);
    assert!(bench.held(), "the time came, whatever the dependency does");
    bench.step(is_back());
    assert!(bench.held());
    bench.answer(None);
    assert_eq!(bench.hold(), None);
}

#[test]
fn the_record_is_followed_meanwhile_and_stays_afterwards() {
    let mut records = Records::new();
    let on = records.on();
    let mut bench = Bench::joined(LostContact::Hold, None);
    bench.step(fails("database"));
    bench.answer(Some(&on));
    assert_eq!(bench.phase(), Phase::Activating);
    bench.step(NodeEvent::Drained(id_of(&on)));
    bench.step(is_back());
    assert_eq!(bench.hold(), None);
    assert!(bench.phase().is_on(), "the operator's maintenance goes on");
}
