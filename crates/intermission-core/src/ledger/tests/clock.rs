//! Leases, plans and announced ends.

use super::*;
use HistoryEvent::{Activated, Ended, PlanStarted, Planned, Requested};

#[test]
fn a_jump_of_the_clock_counts_as_one_step() {
    let mut site = Site::new();
    Node::joined_with("away", fence(0), &mut site);
    site.activate();
    for hours in [1, 1_000] {
        site.jump(SECOND * 3_600 * hours);
        assert_eq!(
            site.phase(),
            Phase::Activating,
            "after {hours} hours at once"
        );
    }
    site.pass(lease() - SECOND * 2);
    assert_eq!(site.phase(), Phase::Activating);
    site.pass(SECOND);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn a_clock_that_is_set_back_counts_as_nothing_and_goes_on_from_there() {
    let mut site = Site::new();
    Node::joined_with("away", fence(0), &mut site);
    site.activate();
    site.pass(SECOND * 10);
    site.now.steady -= SECOND * 7_200;
    site.ledger.tick(site.now);
    site.pass(SECOND * 5);
    assert_eq!(site.phase(), Phase::Activating);
    site.pass(SECOND);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn less_than_a_step_counts_as_it_is() {
    let mut site = Site::new();
    Node::joined_with("away", fence(0), &mut site);
    site.activate();
    let tick = Duration::from_millis(7);
    let ticks = lease().as_millis().div_ceil(7);
    for _ in 1..ticks {
        site.jump(tick);
    }
    assert_eq!(site.phase(), Phase::Activating);
    site.jump(tick);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn a_renewal_starts_the_lease_anew() {
    let mut site = Site::new();
    let mut one = Node::joined_with("one", fence(0), &mut site);
    site.activate();
    for _ in 0..10 {
        site.pass(lease() - SECOND);
        one.sync(&mut site);
    }
    assert_eq!(site.phase(), Phase::Activating);
}

#[test]
fn a_plan_starts_by_itself() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let at = site.now.calendar.saturating_add(SECOND * 60);
    site.change(&Change::Activate(
        Activate::by("ana")
            .with_starts_at(at)
            .with_message("planned"),
    ));
    site.pass_with(SECOND * 59, &mut [&mut one]);
    assert_eq!(site.phase(), Phase::Deactivated);
    let reply = {
        site.now = Moment::new(at, site.now.steady + SECOND);
        one.sync(&mut site)
    };
    let record = reply.record.unwrap();
    assert_eq!(
        (record.phase(), record.plan(), record.message()),
        (Phase::Activating, None, Some("planned"))
    );
    let activation = record.activation().unwrap();
    assert_eq!(
        (activation.id.began(), activation.level_since),
        (record.revision(), record.revision())
    );
    assert_eq!(
        (activation.requested_by.as_str(), activation.requested_at),
        ("ana", at)
    );
    one.drains(activation.id, &mut site);
    assert_eq!(site.events(), [Planned, PlanStarted, Activated]);
}

#[test]
fn an_announced_end_opens_only_if_that_was_asked_for() {
    for auto_end in [false, true] {
        let mut site = Site::new();
        let end = site.now.calendar.saturating_add(SECOND * 60);
        site.activate_with(
            Activate::by("ana")
                .with_ends_at(end)
                .with_auto_end(auto_end),
        );
        site.pass(SECOND * 59);
        assert_eq!(site.phase(), Phase::Activated);
        site.pass(SECOND);
        let opened = site.phase() == Phase::Deactivated;
        assert_eq!(opened, auto_end);
        let expected: &[HistoryEvent] = if auto_end {
            &[Requested, Activated, Ended]
        } else {
            &[Requested, Activated]
        };
        assert_eq!(site.events(), expected);
    }
}

#[test]
fn a_window_that_is_over_ends_a_drain_that_still_goes_on() {
    let mut site = Site::new();
    let mut busy = Node::joined("busy", &mut site);
    let start = site.now.calendar.saturating_add(SECOND * 10);
    let end = site.now.calendar.saturating_add(SECOND * 20);
    let plan = Activate::by("ana")
        .with_starts_at(start)
        .with_ends_at(end)
        .with_auto_end(true);
    site.change(&Change::Activate(plan));
    site.pass_with(SECOND * 15, &mut [&mut busy]);
    assert_eq!(site.phase(), Phase::Activating);
    site.pass_with(SECOND * 5, &mut [&mut busy]);
    assert_eq!(site.phase(), Phase::Deactivated);
    assert_eq!(site.events(), [Planned, PlanStarted, Ended]);
}

#[test]
fn the_clock_starts_wherever_the_stores_clock_stands() {
    let mut site = Site::new();
    Node::joined_with("away", fence(0), &mut site);
    site.activate();
    // The machine was restarted, and its steady clock begins at zero.
    site.now.steady = Duration::ZERO;
    site.jump(Duration::ZERO);
    site.pass(lease());
    assert_eq!(site.phase(), Phase::Activating);
    site.pass(SECOND);
    assert_eq!(site.phase(), Phase::Activated);
}
