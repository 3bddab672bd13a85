//! The order of changes.

use super::*;
use crate::report::Intent;
use crate::{AllowChange, AllowList, DrainPolicy};
use HistoryEvent::{
    Activated, Deactivated, Initialised, PlanCancelled, Planned, Requested, Updated,
};

fn allow(network: &str) -> Change {
    Change::Allow(AllowChange::Add(AllowList::parse([network]).unwrap()))
}

#[test]
fn the_ledger_gives_revision_ids_and_times() {
    let mut site = Site::new();
    let before = site.ledger.current();
    let mut asked = site.asked(&before, &Change::Activate(Activate::by("ana")));
    let Intent::Put(next) = &mut asked.intent else {
        panic!("{asked:?}")
    };
    next.revision = Revision::new(3);
    let activation = next.activation.as_mut().unwrap();
    activation.id = ActivationId::new(Revision::new(4));
    activation.level_since = Revision::new(5);
    activation.requested_at = Timestamp::from_millis(6);
    let mut node = Node::joined("busy", &mut site);
    site.operate(&asked);
    let record = site.ledger.current();
    let activation = record.activation().unwrap();
    assert_eq!(record.revision().number(), site.now.calendar.as_millis());
    assert_eq!(record.operation(), Some(asked.id));
    assert_eq!(
        (activation.id.began(), activation.level_since),
        (record.revision(), record.revision())
    );
    assert_eq!(activation.requested_at, site.now.calendar);
    let entry = site.ledger.history(1).next().unwrap().clone();
    assert_eq!(
        (entry.at, entry.revision),
        (site.now.calendar, record.revision())
    );
    assert_eq!(
        (entry.by.as_deref(), entry.origin.as_deref()),
        (Some("ana"), Some("test"))
    );
    node.sync(&mut site);
}

#[test]
fn every_change_has_a_greater_revision_even_in_the_same_instant_and_after_the_calendar_went_back() {
    let mut site = Site::new();
    let mut last = Revision::ZERO;
    for number in 0..20 {
        if number == 10 {
            site.now.calendar = Timestamp::from_millis(site.now.calendar.as_millis() - 7_200_000);
        }
        site.change(&allow(&format!("10.0.{number}.0/24")));
        assert!(site.revision() > last);
        last = site.revision();
    }
}

#[test]
fn a_change_of_an_older_record_is_a_conflict_and_does_nothing() {
    let mut site = Site::new();
    site.change(&allow("10.0.0.0/24"));
    let before = site.ledger.current();
    let faster = site.asked(&before, &allow("10.0.1.0/24"));
    let slower = site.asked(&before, &Change::Activate(Activate::by("bob")));
    site.operate(&faster);
    let (winner, events) = (site.ledger.current(), site.events());
    assert_eq!(
        site.operate(&slower),
        OperateReply::Conflict(winner.clone())
    );
    assert_eq!((site.ledger.current(), site.events()), (winner, events));
}

#[test]
fn an_operation_counts_once_by_its_id_even_after_what_followed_from_it() {
    let mut site = Site::new();
    let mut busy = Node::joined("busy", &mut site);
    let asked = site.asked(
        &site.ledger.current(),
        &Change::Activate(Activate::by("ana")),
    );
    assert!(matches!(site.operate(&asked), OperateReply::Stored(_)));
    assert_eq!(
        site.operate(&asked),
        OperateReply::Duplicate(site.ledger.current())
    );
    let on = site.activation().id;
    busy.drains(on, &mut site);
    assert_eq!(
        site.operate(&asked),
        OperateReply::Duplicate(site.ledger.current())
    );
    assert_eq!(site.phase(), Phase::Activated);
    assert_eq!(site.events(), [Requested, Activated]);
}

#[test]
fn a_repeated_operation_is_told_what_became_of_it_meanwhile() {
    let mut site = Site::new();
    Node::joined_with("away", fence(0), &mut site);
    let asked = site.asked(
        &site.ledger.current(),
        &Change::Activate(Activate::by("ana")),
    );
    site.operate(&asked);
    for _ in 0..20 {
        // Nobody has stepped the ledger since, so the repetition itself finds that the drain is over.
        site.now = Moment::new(
            site.now.calendar.saturating_add(SECOND),
            site.now.steady + SECOND,
        );
        let reply = site.operate(&asked);
        assert_eq!(reply, OperateReply::Duplicate(site.ledger.current()));
    }
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn an_operator_who_has_seen_more_is_told_so() {
    let mut site = Site::new();
    site.change(&allow("10.0.0.0/24"));
    let mut asked = site.asked(
        &site.ledger.current(),
        &Change::Activate(Activate::by("ana")),
    );
    (asked.known, asked.expected) = (site.revision().next(), None);
    let before = site.ledger.clone();
    assert_eq!(
        site.operate(&asked),
        OperateReply::Behind(site.ledger.current())
    );
    assert_eq!(site.ledger, before);
}

#[test]
fn what_is_so_already_leaves_no_revision_and_no_line() {
    let mut site = Site::new();
    assert_eq!(site.ledger.record(), None);
    let off = site.asked(
        &site.ledger.current(),
        &Change::Deactivate(Deactivate::new()),
    );
    assert_eq!(
        site.operate(&off),
        OperateReply::Unchanged(site.ledger.current())
    );
    assert_eq!(
        site.ledger.record(),
        None,
        "asking for nothing does not make a site"
    );
    site.activate();
    let (record, events) = (site.ledger.current(), site.events());
    site.pass(SECOND);
    let again = site.asked(&record, &Change::Activate(Activate::by("bob")));
    assert_eq!(
        site.operate(&again),
        OperateReply::Unchanged(record.clone())
    );
    assert_eq!((site.ledger.current(), site.events()), (record, events));
}

#[test]
fn an_edit_keeps_the_activation_and_deactivation_ends_it() {
    let mut site = Site::new();
    let on = site.activate();
    let before = site.activation();
    site.pass(SECOND * 60);
    site.edit();
    let after = site.activation();
    assert_eq!(
        (after.id, after.requested_at, after.level_since),
        (on, before.requested_at, before.level_since)
    );
    assert_eq!(after.completion, before.completion);
    site.deactivate();
    assert!(site.ledger.current().activation().is_none());
    assert_eq!(site.events(), [Requested, Activated, Updated, Deactivated]);
    let note = |number: usize| site.ledger.kept_history().nth(number).unwrap().note.clone();
    assert_eq!(note(2).as_deref(), Some("message"));
}

#[test]
fn an_operator_without_expectation_cannot_bring_a_completion_along() {
    let mut site = Site::new();
    site.activate();
    let long_ago = site.ledger.current();
    site.deactivate();
    let mut busy = Node::joined("busy", &mut site);
    let mut blind = site.asked(
        &long_ago,
        &Change::Activate(Activate::by("ana").with_message("of long ago")),
    );
    blind.expected = None;
    assert!(matches!(site.operate(&blind), OperateReply::Stored(_)));
    assert_eq!(site.phase(), Phase::Activating, "a node may run something");
    let on = site.activation().id;
    busy.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn an_operator_without_expectation_cannot_take_a_completion_away() {
    let mut site = Site::new();
    Node::joined_with("away", wait(0), &mut site);
    site.activate();
    let draining = site.ledger.current();
    site.pass(SECOND * 20);
    let completion = site.completion();
    assert_eq!(site.unconfirmed(), ["away"]);
    let mut blind = site.asked(
        &draining,
        &Change::Activate(Activate::by("ana").with_message("hello")),
    );
    blind.expected = None;
    assert!(matches!(site.operate(&blind), OperateReply::Stored(_)));
    assert_eq!(site.completion(), completion);
}

#[test]
fn an_operator_without_expectation_cannot_date_the_level_back() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let on = site.activate_with(Activate::by("ana").with_level(crate::Level::ReadOnly));
    one.drains(on, &mut site);
    let (read_only, long_ago) = (site.ledger.current(), site.activation().level_since);
    one.is_quiet(long_ago, &mut site);
    site.activate_with(Activate::by("ana").with_level(crate::Level::Full));
    let since = site.activation().level_since;
    let mut blind = site.asked(
        &read_only,
        &Change::Activate(Activate::by("ana").with_level(crate::Level::Full)),
    );
    blind.expected = None;
    site.operate(&blind);
    assert_eq!(site.activation().level_since, since);
    one.sync(&mut site);
    assert_eq!(
        site.view().quiescent_at,
        None,
        "it was quiet at the level before"
    );
}

#[test]
fn init_marks_an_empty_state_once() {
    let mut site = Site::new();
    let init = Operation::init(site.fresh_id(), ana());
    assert!(matches!(site.operate(&init), OperateReply::Stored(_)));
    assert!(site.revision() > Revision::ZERO);
    assert_eq!(site.phase(), Phase::Deactivated);
    let again = Operation::init(site.fresh_id(), ana());
    assert_eq!(
        site.operate(&again),
        OperateReply::Unchanged(site.ledger.current())
    );
    assert_eq!(site.events(), [Initialised]);
}

#[test]
fn init_refuses_where_a_node_knows_better_and_waits_where_one_may() {
    let mut site = Site::new();
    site.lose_members();
    let init = Operation::init(site.fresh_id(), ana());
    assert_eq!(
        site.operate(&init),
        OperateReply::Reconciling(Timing::default().grace)
    );
    site.pass(Timing::default().grace);
    let mut knows = Node::new("knows");
    knows.report.seen = Revision::new(9);
    let mut told = site.clone();
    knows.sync(&mut told);
    assert_eq!(
        told.operate(&init),
        OperateReply::Unchanged(told.ledger.current())
    );
    assert_eq!(told.ledger.record(), None);
    assert!(matches!(site.operate(&init), OperateReply::Stored(_)));
}

#[test]
fn a_plan_is_made_and_cancelled() {
    let mut site = Site::new();
    let at = site.now.calendar.saturating_add(SECOND * 60);
    site.change(&Change::Activate(Activate::by("ana").with_starts_at(at)));
    site.deactivate();
    assert_eq!(site.events(), [Planned, PlanCancelled]);
    site.pass(SECOND * 120);
    assert_eq!(site.phase(), Phase::Deactivated);
}

#[test]
fn the_history_says_what_was_touched_and_never_what_is_in_it() {
    let mut site = Site::new();
    site.activate_with(Activate::by("ana").with_message("secret"));
    let drain = DrainPolicy::Force(SECOND);
    let all = Activate::by("ana")
        .with_message("other secret")
        .with_level(crate::Level::Exclusive)
        .with_drain(drain)
        .with_ends_at(site.now.calendar.saturating_add(SECOND))
        .with_allow(AllowChange::Add(AllowList::parse(["192.0.2.1"]).unwrap()));
    site.change(&Change::Activate(all));
    let note = site.ledger.history(1).next().unwrap().note.clone();
    assert_eq!(
        note.as_deref(),
        Some("level, message, end, drain, allow list")
    );
}

#[test]
fn the_history_is_bounded_and_newest_first() {
    let mut site = Site::new();
    for number in 0..300 {
        site.change(&allow(&format!(
            "10.{}.{}.0/24",
            number / 250,
            number % 250
        )));
    }
    assert_eq!(site.ledger.kept_history().count(), Ledger::HISTORY_KEPT);
    let newest: Vec<_> = site.ledger.history(2).map(|entry| entry.revision).collect();
    assert_eq!(newest[0], site.revision());
    assert!(newest[0] > newest[1]);
    let oldest = site.ledger.kept_history().next().unwrap().revision;
    assert!(
        site.ledger
            .kept_history()
            .all(|entry| entry.revision >= oldest)
    );
    let kept = site
        .ledger
        .kept_history()
        .cloned()
        .chain(site.ledger.kept_history().cloned());
    let ledger = Ledger::restored(Timing::default(), None, kept, crate::Members::default());
    let mut site = Site { ledger, ..site };
    site.change(&allow("192.0.2.0/24"));
    assert_eq!(site.ledger.kept_history().count(), Ledger::HISTORY_KEPT);
}
