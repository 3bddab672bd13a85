//! Leases, outages, starts and plans.

use super::*;
use crate::Level;

#[test]
fn a_node_of_which_the_ledger_never_heard_starts_no_execution() {
    for start in [
        StartPolicy::RefuseToStart,
        StartPolicy::StartClosed,
        StartPolicy::StartOpen,
    ] {
        let mut bench = Bench::with(NodeSettings {
            start,
            ..NodeSettings::default()
        });
        assert!(bench.suspended(), "{start:?}");
        bench.tick();
        bench.fail();
        bench.sleep(SECOND * 600);
        assert!(
            bench.suspended() && !bench.machine.has_joined(),
            "{start:?}"
        );
        bench.fail();
        bench.next_report();
        bench.answer(None);
        assert!(
            !bench.suspended() && bench.machine.has_joined(),
            "{start:?}"
        );
    }
}

#[test]
fn a_fenced_node_stops_when_its_lease_is_over_and_nobody_answers() {
    let mut bench = Bench::joined(fence(5), None);
    let sent_at = bench.now.steady;
    assert_eq!(bench.machine.fence_at(), Some(sent_at + usable_lease()));
    bench.sleep(usable_lease() - MILLI);
    assert!(!bench.suspended());
    bench.pass(MILLI);
    bench.tick();
    assert!(bench.suspended());
    assert!(matches!(
        bench.actions.as_slice(),
        [NodeAction::Install(_), NodeAction::CancelExecutions]
    ));
    bench.sleep(SECOND * 5 - MILLI);
    assert!(!bench.has(&NodeAction::DropExecutions));
    bench.pass(MILLI);
    bench.tick();
    assert_eq!(bench.actions, [NodeAction::DropExecutions]);
    bench.pass(SECOND * 60);
    assert_eq!(bench.tick(), [], "once is enough");
    bench.answer(None);
    assert!(
        bench.suspended(),
        "that report is from long ago, and so is its lease"
    );
    bench.next_report();
    bench.answer(None);
    assert!(!bench.suspended());
    assert_eq!(bench.installs(), 1);
}

#[test]
fn a_tick_that_comes_late_does_all_that_is_due() {
    let mut bench = Bench::joined(fence(5), None);
    bench.pass(SECOND * 60);
    bench.tick();
    let [
        NodeAction::Install(_),
        NodeAction::CancelExecutions,
        NodeAction::DropExecutions,
        NodeAction::Send(_),
    ] = bench.actions.as_slice()
    else {
        panic!("{:?}", bench.actions)
    };
}

#[test]
fn the_lease_counts_from_when_its_renewal_was_sent() {
    let mut bench = Bench::joined(fence(0), None);
    bench.next_report();
    let sent_at = bench.now.steady;
    bench.pass(SECOND * 4);
    bench.answer(None);
    assert_eq!(bench.machine.fence_at(), Some(sent_at + usable_lease()));
    assert_eq!(
        bench.machine.contact_age(bench.now.steady),
        Some(SECOND * 4)
    );
}

#[test]
fn a_second_loss_cancels_and_drops_again() {
    let mut bench = Bench::joined(fence(5), None);
    for round in 0..3 {
        bench.next_report();
        bench.fail();
        let (mut cancels, mut drops) = (0, 0);
        let end = bench.now.steady + SECOND * 60;
        while bench.now.steady < end {
            let pause = bench
                .machine
                .wake_at(bench.now)
                .saturating_sub(bench.now.steady);
            bench.pass(pause);
            bench.tick();
            cancels += usize::from(bench.has(&NodeAction::CancelExecutions));
            drops += usize::from(bench.has(&NodeAction::DropExecutions));
            if bench.in_flight() {
                bench.fail();
            }
        }
        assert_eq!((cancels, drops), (1, 1), "in round {round}");
        bench.next_report();
        bench.answer(None);
        assert!(!bench.suspended());
    }
}

#[test]
fn a_node_on_probation_that_loses_its_lease_is_told_all_the_same() {
    let mut bench = Bench::new(fence(5));
    bench.tick();
    bench.answer_in_grace(None);
    assert!(bench.suspended());
    bench.next_report();
    bench.fail();
    let end = bench.now.steady + SECOND * 60;
    let mut cancels = 0;
    while bench.now.steady < end {
        let pause = bench
            .machine
            .wake_at(bench.now)
            .saturating_sub(bench.now.steady);
        bench.pass(pause);
        bench.tick();
        cancels += usize::from(bench.has(&NodeAction::CancelExecutions));
        if bench.in_flight() {
            bench.fail();
        }
    }
    assert_eq!(cancels, 1);
}

#[test]
fn other_nodes_go_on_without_a_lease() {
    for lost_contact in [LostContact::Hold, LostContact::Wait(Duration::ZERO)] {
        let mut bench = Bench::joined(lost_contact, None);
        assert_eq!(bench.machine.fence_at(), None);
        bench.next_report();
        bench.fail();
        bench.sleep(SECOND * 600);
        assert!(!bench.suspended() && !bench.held());
        for action in &bench.actions {
            assert!(!matches!(
                action,
                NodeAction::CancelExecutions | NodeAction::DropExecutions
            ));
        }
    }
}

#[test]
fn a_fresh_node_is_on_probation_until_the_grace_is_over() {
    let mut bench = Bench::new(LostContact::Hold);
    bench.tick();
    bench.answer_in_grace(None);
    assert!(
        bench.suspended() && bench.hold() == Some(&Hold::StateReconciling),
        "there may have been a record, and it may say that the site is closed"
    );
    let asked_at = bench.now.steady;
    bench.next_report();
    assert!(
        bench.now.steady - asked_at <= SECOND,
        "it asks often, for the fleet clock moves only when asked"
    );
    bench.answer_in_grace(None);
    assert!(bench.suspended());
    bench.next_report();
    bench.step(NodeEvent::Failed(StateErrorKind::Unavailable));
    assert!(
        bench.hold().is_some(),
        "nobody has spoken to it in the meantime"
    );
    bench.next_report();
    bench.answer(None);
    assert!(!bench.suspended() && bench.hold().is_none());
}

#[test]
fn a_fresh_node_serves_by_the_record_that_an_unsure_ledger_has() {
    let mut bench = Bench::new(LostContact::Hold);
    bench.tick();
    let mut records = Records::new();
    records.change(&Change::Activate(Activate::by("ana")));
    let open = records.change(&Change::Deactivate(Deactivate::new()));
    bench.answer_in_grace(Some(&open));
    assert!(bench.suspended() && bench.hold().is_none());
}

#[test]
fn a_fresh_node_that_may_start_open_serves_while_an_empty_ledger_is_unsure() {
    let mut bench = Bench::with(NodeSettings {
        start: StartPolicy::StartOpen,
        ..NodeSettings::default()
    });
    bench.tick();
    bench.answer_in_grace(None);
    assert!(bench.suspended() && bench.hold().is_none());
}

#[test]
fn a_node_with_a_lease_is_not_put_on_probation() {
    let mut bench = Bench::joined(LostContact::Hold, None);
    bench.next_report();
    bench.answer_in_grace(None);
    assert!(!bench.suspended());
}

#[test]
fn a_node_that_was_cut_off_for_longer_than_its_lease_is_put_on_probation() {
    let mut bench = Bench::joined(LostContact::Hold, None);
    bench.next_report();
    bench.fail();
    bench.pass(usable_lease());
    bench.next_report();
    bench.answer_in_grace(None);
    assert!(bench.suspended());
    bench.next_report();
    bench.answer(None);
    assert!(!bench.suspended());
}

#[test]
fn losing_and_finding_the_state_is_said_once() {
    let mut bench = Bench::joined(LostContact::Hold, None);
    let answered = bench.now.steady;
    bench.next_report();
    bench.fail();
    assert!(bench.has(&NodeAction::ContactLost(StateErrorKind::Unavailable)));
    for _ in 0..3 {
        bench.next_report();
        bench.fail();
        assert_eq!(bench.actions, []);
    }
    bench.next_report();
    let age = bench.now.steady - answered;
    bench.answer(None);
    assert!(bench.has(&NodeAction::ContactRestored(age)));
    bench.next_report();
    bench.answer(None);
    assert_eq!(bench.actions, []);
}

#[test]
fn a_start_without_the_state_is_said_once_too() {
    let mut bench = Bench::new(LostContact::Hold);
    bench.tick();
    bench.fail();
    assert!(bench.has(&NodeAction::ContactLost(StateErrorKind::Unavailable)));
    bench.next_report();
    bench.fail();
    assert_eq!(bench.actions, []);
    let age = bench.now.steady;
    bench.next_report();
    let age = bench.now.steady - age;
    assert_eq!(bench.machine.contact_age(bench.now.steady), None);
    bench.answer(None);
    assert!(
        bench
            .actions
            .iter()
            .any(|action| matches!(action, NodeAction::ContactRestored(after) if *after > age))
    );
}

#[test]
fn a_failed_report_is_repeated_soon_and_not_at_once() {
    let mut bench = Bench::joined(LostContact::Hold, None);
    for _ in 0..20 {
        bench.next_report();
        bench.fail();
        let failed_at = bench.now.steady;
        bench.next_report();
        let pause = bench.now.steady - failed_at;
        let quarter = Timing::default().heartbeat / 4;
        assert!(
            pause >= quarter.mul_f64(0.79) && pause <= quarter.mul_f64(1.21),
            "{pause:?}"
        );
        bench.answer(None);
    }
}

#[test]
fn a_drain_is_watched_more_closely_than_normal_life() {
    let mut records = Records::new();
    let (on, off) = (records.on(), records.off());
    let Timing {
        heartbeat,
        drain_poll,
        ..
    } = Timing::default();
    for (record, period) in [(&on, drain_poll), (&off, heartbeat)] {
        let mut bench = Bench::joined(LostContact::Hold, Some(record));
        for _ in 0..20 {
            let answered = bench.now.steady;
            bench.next_report();
            let pause = bench.now.steady - answered;
            assert!(
                pause >= period.mul_f64(0.79) && pause <= period.mul_f64(1.21),
                "{pause:?} of {period:?}"
            );
            bench.answer(Some(record));
        }
    }
}

#[test]
fn requests_go_on_as_last_known_while_the_state_is_away() {
    let mut records = Records::new();
    let on = records.on();
    for outage in [OutagePolicy::KeepLast, OutagePolicy::OpenAfter(SECOND)] {
        for record in [None, Some(&on)] {
            let mut bench = Bench::with(NodeSettings {
                outage,
                ..NodeSettings::default()
            });
            bench.tick();
            bench.answer(record);
            let phase = bench.phase();
            bench.next_report();
            bench.fail();
            bench.sleep(SECOND * 600);
            assert!(!bench.held() && bench.phase() == phase, "{outage:?}");
        }
    }
}

#[test]
fn a_node_may_close_when_the_state_was_away_for_too_long() {
    let outage = OutagePolicy::CloseAfter(SECOND * 10);
    let mut bench = Bench::with(NodeSettings {
        outage,
        ..NodeSettings::default()
    });
    bench.tick();
    bench.answer(None);
    let answered = bench.now.steady;
    bench.next_report();
    bench.fail();
    bench.sleep(answered + SECOND * 10 - bench.now.steady - MILLI);
    assert!(!bench.held());
    bench.sleep(MILLI);
    assert!(bench.held());
    bench.sleep(SECOND * 60);
    assert!(bench.held());
    bench.answer(None);
    assert!(!bench.held() && bench.installs() == 1);
}

#[test]
fn whoever_asks_late_when_to_wake_is_told_what_became_due_meanwhile() {
    let outage = OutagePolicy::CloseAfter(SECOND * 10);
    let mut bench = Bench::with(NodeSettings {
        outage,
        ..NodeSettings::default()
    });
    bench.tick();
    bench.answer(None);
    let answered = bench.now.steady;
    bench.next_report();
    bench.fail();
    let due = answered + SECOND * 10;
    let mut late = bench.now;
    late.steady = due + MILLI;
    // The next report is due before that; without it nothing else would wake the node.
    bench.machine.pending = Some(super::super::PendingReport {
        sequence: u64::MAX,
        sent_at: late.steady,
        offers: false,
    });
    assert_eq!(bench.machine.wake_at(late), due);
}

#[test]
fn an_outage_is_counted_from_the_last_report_that_was_answered() {
    let outage = OutagePolicy::CloseAfter(SECOND);
    let mut bench = Bench::with(NodeSettings {
        outage,
        ..NodeSettings::default()
    });
    bench.tick();
    bench.answer(None);
    bench.next_report();
    assert!(
        !bench.held(),
        "as long as nothing has failed, there is no outage"
    );
    bench.fail();
    assert!(bench.held(), "the last answer is older than that already");
}

#[test]
fn a_node_starts_as_its_policies_say() {
    use OutagePolicy::{CloseAfter, KeepLast, OpenAfter};
    use StartPolicy::{RefuseToStart, StartClosed, StartOpen};
    let ten = SECOND * 10;
    // Whether it is held at first, and after ten seconds without an answer.
    let table = [
        (RefuseToStart, KeepLast, true, true),
        (StartClosed, KeepLast, true, true),
        (StartOpen, KeepLast, false, false),
        (RefuseToStart, CloseAfter(ten), true, true),
        (StartClosed, CloseAfter(ten), true, true),
        (StartOpen, CloseAfter(ten), false, true),
        (RefuseToStart, OpenAfter(ten), true, false),
        (StartClosed, OpenAfter(ten), true, false),
        (StartOpen, OpenAfter(ten), false, false),
    ];
    for (start, outage, at_first, later) in table {
        let mut bench = Bench::with(NodeSettings {
            start,
            outage,
            ..NodeSettings::default()
        });
        assert_eq!(bench.held(), at_first, "{start:?} {outage:?}");
        bench.tick();
        bench.fail();
        bench.sleep(ten - MILLI);
        assert_eq!(
            bench.held(),
            at_first,
            "{start:?} {outage:?} after ten seconds less a millisecond"
        );
        bench.sleep(MILLI);
        assert_eq!(
            bench.held(),
            later,
            "{start:?} {outage:?} after ten seconds"
        );
        bench.sleep(SECOND * 600);
        assert_eq!(bench.held(), later, "{start:?} {outage:?} much later");
        bench.answer(None);
        assert!(!bench.held(), "{start:?} {outage:?} when it was answered");
    }
}

#[test]
fn the_ledger_is_asked_when_a_plan_is_to_begin() {
    let mut records = Records::new();
    let bench = Bench::new(LostContact::Hold);
    let at = bench.now.calendar.saturating_add(SECOND * 60);
    let planned = records.activate(Activate::by("ana").with_starts_at(at));
    let mut bench = Bench::joined(LostContact::Hold, Some(&planned));
    while bench.now.calendar < at {
        let answered = bench.now.calendar;
        let report = bench.next_report();
        assert_eq!(report.seen, planned.revision());
        let early = at.saturating_since(answered);
        assert!(
            bench.now.calendar <= at || early.is_zero(),
            "it slept past the time"
        );
        bench.answer(Some(&planned));
    }
    assert_eq!(bench.now.calendar, at);
    // The store's clock may be behind: it is asked again, and often.
    assert!(
        !bench.suspended(),
        "the ledger is in reach, and its clock counts"
    );
    bench.next_report();
    assert!(bench.now.calendar.saturating_since(at) <= SECOND);
    let begun = records.on();
    bench.answer(Some(&begun));
    assert_eq!(bench.phase(), Phase::Activating);
}

#[test]
fn a_plan_begins_while_the_state_is_away() {
    let mut records = Records::new();
    let bench = Bench::new(LostContact::Hold);
    let at = bench.now.calendar.saturating_add(SECOND * 60);
    let planned = records.activate(
        Activate::by("ana")
            .with_level(Level::ReadOnly)
            .with_starts_at(at),
    );
    let mut bench = Bench::joined(LostContact::Hold, Some(&planned));
    bench.next_report();
    bench.fail();
    bench.next_report();
    bench.sleep(at.saturating_since(bench.now.calendar) - MILLI);
    assert!(!bench.suspended());
    assert_eq!(bench.machine.snapshot().hold, None);
    bench.sleep(MILLI);
    assert!(bench.suspended(), "nobody else can tell it");
    let snapshot = bench.machine.snapshot();
    assert_eq!(snapshot.hold, Some(Hold::PlanBegan));
    assert_eq!(snapshot.closure(), (Phase::Activated, Level::ReadOnly));
    assert_eq!(
        snapshot.settings(),
        planned.plan().map(|plan| &plan.settings)
    );
    assert!(
        !bench.has(&NodeAction::CancelExecutions),
        "what runs may finish"
    );
    bench.sleep(SECOND * 600);
    assert!(bench.suspended());
    assert_eq!(bench.machine.snapshot().hold, Some(Hold::PlanBegan));
    // It was cancelled, as it turns out.
    let off = records.off();
    bench.answer(Some(&off));
    assert!(!bench.suspended());
    assert_eq!(bench.machine.snapshot().hold, None);
}

#[test]
fn the_ledger_is_asked_when_an_announced_end_comes_and_nothing_opens_before() {
    let mut records = Records::new();
    let bench = Bench::new(LostContact::Hold);
    let end = bench.now.calendar.saturating_add(SECOND);
    let on = records.activate(Activate::by("ana").with_ends_at(end).with_auto_end(true));
    let complete = records.complete();
    assert!(complete.phase() == Phase::Activated && complete.supersedes(&on));
    let mut bench = Bench::joined(LostContact::Hold, Some(&complete));
    bench.next_report();
    assert_eq!(bench.now.calendar, end);
    assert_eq!(bench.phase(), Phase::Activated);
    bench.fail();
    bench.sleep(SECOND * 600);
    assert_eq!(bench.phase(), Phase::Activated);
}

#[test]
fn a_calendar_that_is_set_back_is_not_asked_twice_at_once() {
    let mut records = Records::new();
    let bench = Bench::new(LostContact::Hold);
    let at = bench.now.calendar.saturating_add(SECOND);
    let planned = records.activate(Activate::by("ana").with_starts_at(at));
    let mut bench = Bench::joined(LostContact::Hold, Some(&planned));
    let mut reports = 0;
    for _ in 0..100 {
        bench.next_report();
        reports += 1;
        bench.answer(Some(&planned));
        if reports % 10 == 0 {
            bench.now.calendar = Timestamp::from_millis(at.as_millis() - 1_000);
        }
    }
    assert!(
        bench.now.steady > SECOND * 400_000 + SECOND * 30,
        "a hundred reports within seconds"
    );
}
