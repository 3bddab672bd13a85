//! Which record a node decides by, and what it says about it.

use super::*;
use crate::{DrainPolicy, Level};

#[test]
fn a_push_that_closes_applies_at_once() {
    let mut records = Records::new();
    let mut bench = Bench::joined(LostContact::Hold, None);
    let on = records.on();
    bench.step(NodeEvent::Hint(Some(Arc::clone(&on))));
    assert_eq!(bench.machine.snapshot().record, on);
    assert!(matches!(&bench.actions[0], NodeAction::Install(installed) if installed.record == on));
    assert!(bench.sent().is_none());
    let mut idle = bench.clone();
    // Executions run: the ledger learns at once that it is closed.
    assert_eq!(bench.machine.wake_at(bench.now), bench.now.steady);
    bench.tick();
    let report = bench.sent().unwrap();
    assert_eq!(
        (report.seen, report.closed, report.drained),
        (on.revision(), Some(id_of(&on)), None)
    );
    // None runs: one report says both.
    idle.step(NodeEvent::Drained(id_of(&on)));
    let report = idle.sent().unwrap();
    assert_eq!(
        (report.closed, report.drained),
        (Some(id_of(&on)), Some(id_of(&on)))
    );
}

#[test]
fn a_push_that_opens_only_makes_the_node_ask() {
    let mut records = Records::new();
    let on = records.on();
    let mut bench = Bench::joined(LostContact::Hold, Some(&on));
    let off = records.off();
    bench.step(NodeEvent::Hint(Some(Arc::clone(&off))));
    assert_eq!((bench.phase(), bench.installs()), (Phase::Activating, 0));
    assert_eq!(bench.sent().map(|report| report.seen), Some(on.revision()));
    bench.answer(Some(&off));
    assert_eq!((bench.phase(), bench.installs()), (Phase::Deactivated, 1));
}

#[test]
fn a_hint_without_a_record_makes_the_node_ask_and_an_old_one_nothing() {
    let mut records = Records::new();
    let on = records.on();
    let off = records.off();
    let mut bench = Bench::joined(LostContact::Hold, Some(&off));
    for old in [on, off] {
        assert_eq!(bench.step(NodeEvent::Hint(Some(old))), []);
    }
    assert_eq!(bench.phase(), Phase::Deactivated);
    bench.step(NodeEvent::Hint(None));
    assert!(bench.sent().is_some());
}

#[test]
fn one_report_is_on_its_way_and_what_happens_meanwhile_leads_to_one_more() {
    let mut records = Records::new();
    let mut bench = Bench::joined(LostContact::Hold, None);
    bench.step(NodeEvent::Hint(None));
    let first = bench.sent().unwrap().sequence;
    let on = records.on();
    for _ in 0..3 {
        bench.pass(MILLI);
        bench.step(NodeEvent::Hint(Some(Arc::clone(&on))));
        assert!(bench.sent().is_none());
        bench.step(NodeEvent::Hint(None));
        assert!(bench.sent().is_none());
        bench.tick();
        assert!(bench.sent().is_none());
    }
    bench.answer(Some(&on));
    let second = bench
        .sent()
        .expect("what the ledger does not know yet is said at once")
        .clone();
    assert_eq!(
        (second.sequence, second.closed),
        (first + 1, Some(id_of(&on)))
    );
    bench.answer(Some(&on));
    assert!(bench.sent().is_none());
}

#[test]
fn an_answer_that_is_older_than_a_push_does_not_open_again() {
    let mut records = Records::new();
    let off = {
        records.on();
        records.off()
    };
    let mut bench = Bench::joined(LostContact::Hold, Some(&off));
    bench.step(NodeEvent::Hint(None));
    let on = records.on();
    bench.step(NodeEvent::Hint(Some(Arc::clone(&on))));
    bench.answer(Some(&off));
    assert_eq!(bench.phase(), Phase::Activating);
    assert_eq!(
        bench.sent().unwrap().offer.as_ref(),
        Some(&on),
        "the ledger seems to have lost it"
    );
}

#[test]
fn an_answer_to_a_report_that_was_given_up_is_not_heard() {
    let mut records = Records::new();
    let on = records.on();
    let mut bench = Bench::joined(LostContact::Hold, Some(&on));
    bench.step(NodeEvent::Hint(None));
    let late = SyncReply {
        record: Some(records.off()),
        ..bench.reply(None)
    };
    bench.fail();
    let report = bench.next_report();
    assert!(bench.step(NodeEvent::Replied(late.clone())).is_empty());
    assert!(bench.in_flight() && bench.phase() == Phase::Activating);
    bench.sleep(SECOND * 60);
    assert_eq!(
        bench.machine.sequence, report.sequence,
        "still one report on its way"
    );
    bench.fail();
    assert!(
        bench.step(NodeEvent::Replied(late)).is_empty(),
        "nothing at all is on its way"
    );
    assert_eq!(bench.phase(), Phase::Activating);
}

#[test]
fn an_answer_to_somebody_else_is_no_contact() {
    let mut records = Records::new();
    let on = records.on();
    let mut bench = Bench::joined(fence(0), Some(&on));
    let report = bench.next_report();
    let off = records.off();
    let reply = SyncReply {
        sequence: report.sequence + 1,
        ..bench.reply(Some(&off))
    };
    let fence_at = bench.machine.fence_at();
    bench.step(NodeEvent::Replied(reply));
    assert!(bench.has(&NodeAction::ContactLost(StateErrorKind::Conflict)));
    assert_eq!(
        (bench.machine.fence_at(), bench.phase()),
        (fence_at, Phase::Activating)
    );
    assert!(
        !bench.in_flight() && bench.sent().is_none(),
        "not at once again"
    );
    bench.next_report();
}

#[test]
fn a_nodes_record_never_goes_back() {
    let mut records = Records::new();
    let all = [
        records.on(),
        records.off(),
        records.on(),
        records.complete(),
        records.off(),
    ];
    for newest in 0..all.len() {
        let mut bench = Bench::joined(LostContact::Hold, Some(&all[newest]));
        for older in &all[..newest] {
            bench.step(NodeEvent::Hint(Some(Arc::clone(older))));
            bench.next_report();
            bench.answer(Some(older));
            if bench.in_flight() {
                bench.answer(None);
            }
            assert_eq!(bench.machine.snapshot().record, all[newest]);
        }
    }
}

#[test]
fn drained_is_said_at_once_and_only_of_the_activation_that_is_on() {
    let mut records = Records::new();
    let first = records.on();
    records.off();
    let second = records.on();
    let mut bench = Bench::joined(LostContact::Hold, Some(&second));
    assert!(bench.step(NodeEvent::Drained(id_of(&first))).is_empty());
    bench.step(NodeEvent::Drained(id_of(&second)));
    let report = bench.sent().unwrap();
    assert_eq!(
        (report.closed, report.drained),
        (Some(id_of(&second)), Some(id_of(&second)))
    );
    bench.answer(Some(&second));
    assert!(
        bench.step(NodeEvent::Drained(id_of(&second))).is_empty(),
        "it was said"
    );
    assert_eq!(
        bench.next_report().drained,
        Some(id_of(&second)),
        "and is said again, for a ledger that forgot it"
    );
}

#[test]
fn drained_survives_an_edit_and_ends_with_the_activation() {
    let mut records = Records::new();
    let on = records.on();
    let mut bench = Bench::joined(LostContact::Hold, Some(&on));
    bench.step(NodeEvent::Drained(id_of(&on)));
    let edited = records.activate(Activate::by("ana").with_message("edited"));
    bench.answer(Some(&edited));
    let report = bench.next_report();
    assert_eq!(
        (report.seen, report.drained),
        (edited.revision(), Some(id_of(&on)))
    );
    // It hears of the next activation, and never that there was nothing in between.
    records.off();
    let next = records.on();
    bench.answer(Some(&next));
    let report = bench.next_report();
    assert_eq!((report.closed, report.drained), (Some(id_of(&next)), None));
    let off = records.off();
    bench.answer(Some(&off));
    let report = bench
        .sent()
        .expect("that it is open is said at once")
        .clone();
    assert_eq!(
        (report.seen, report.closed, report.drained, report.quiet),
        (off.revision(), None, None, None)
    );
    assert!(bench.step(NodeEvent::Drained(id_of(&next))).is_empty());
}

#[test]
fn quiet_is_said_at_once_and_only_of_the_level_that_is_on() {
    let mut records = Records::new();
    let on = records.activate(Activate::by("ana").with_level(Level::ReadOnly));
    let mut bench = Bench::joined(LostContact::Hold, Some(&on));
    bench.step(NodeEvent::Quiet(level_since(&on)));
    assert_eq!(bench.sent().unwrap().quiet, Some(level_since(&on)));
    let message = records.activate(Activate::by("ana").with_message("edited"));
    bench.answer(Some(&message));
    assert_eq!(bench.next_report().quiet, Some(level_since(&on)));
    let full = records.activate(Activate::by("ana").with_level(Level::Full));
    bench.answer(Some(&full));
    assert_eq!(bench.next_report().quiet, None);
    bench.answer(Some(&full));
    assert!(bench.step(NodeEvent::Quiet(level_since(&on))).is_empty());
    bench.step(NodeEvent::Quiet(level_since(&full)));
    assert_eq!(bench.sent().unwrap().quiet, Some(level_since(&full)));
}

#[test]
fn a_forced_completion_cancels_and_drops_once() {
    let mut records = Records::new();
    let on = records.on();
    let mut bench = Bench::joined(LostContact::Hold, Some(&on));
    bench.next_report();
    let forced =
        records.activate(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::ZERO)));
    assert!(
        forced
            .activation()
            .unwrap()
            .completion
            .as_ref()
            .unwrap()
            .forced
    );
    bench.answer(Some(&forced));
    let [
        NodeAction::Install(_),
        NodeAction::CancelExecutions,
        NodeAction::DropExecutions,
        ..,
    ] = bench.actions.as_slice()
    else {
        panic!("{:?}", bench.actions)
    };
    let edited = records.activate(Activate::by("ana").with_message("edited"));
    bench.step(NodeEvent::Hint(Some(edited)));
    assert!(!bench.has(&NodeAction::CancelExecutions) && !bench.has(&NodeAction::DropExecutions));
    // Another activation is forced, and this node has heard of nothing in between.
    records.off();
    let again =
        records.activate(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::ZERO)));
    bench.step(NodeEvent::Hint(Some(again)));
    assert!(bench.has(&NodeAction::CancelExecutions));
}

#[test]
fn a_completion_that_is_not_forced_tells_nobody() {
    let mut records = Records::new();
    let on = records.on();
    let mut bench = Bench::joined(LostContact::Hold, Some(&on));
    let complete = records.complete();
    assert_eq!(complete.phase(), Phase::Activated);
    bench.step(NodeEvent::Hint(Some(complete)));
    assert_eq!(bench.phase(), Phase::Activated);
    assert!(!bench.has(&NodeAction::CancelExecutions));
}

#[test]
fn what_the_node_knows_better_it_offers() {
    let mut records = Records::new();
    let (older, newest) = (records.on(), records.off());
    let mut bench = Bench::joined(LostContact::Hold, Some(&newest));
    assert_eq!(
        bench.next_report().offer,
        None,
        "in normal life nothing is offered"
    );
    bench.answer(Some(&older));
    assert_eq!(bench.sent().unwrap().offer.as_ref(), Some(&newest));
    bench.answer(Some(&newest));
    assert_eq!(bench.next_report().offer, None);
    bench.answer(None);
    assert_eq!(
        bench.sent().unwrap().offer.as_ref(),
        Some(&newest),
        "an empty ledger has lost it"
    );
}

#[test]
fn after_a_failure_the_node_offers_what_it_knows() {
    let mut records = Records::new();
    let off = {
        records.on();
        records.off()
    };
    let mut bench = Bench::joined(LostContact::Hold, Some(&off));
    bench.next_report();
    bench.fail();
    assert_eq!(bench.next_report().offer.as_ref(), Some(&off));
    bench.answer(Some(&off));
    assert_eq!(bench.next_report().offer, None);
    // A node that knows nothing offers nothing.
    let mut fresh = Bench::new(LostContact::Hold);
    fresh.tick();
    fresh.fail();
    assert_eq!(fresh.next_report().offer, None);
}

#[test]
fn a_ledger_that_does_not_take_what_it_is_offered_is_not_asked_again_and_again() {
    let mut records = Records::new();
    let (older, newest) = (records.on(), records.off());
    let mut bench = Bench::joined(LostContact::Hold, Some(&newest));
    let mut reports = 0;
    let end = bench.now.steady + SECOND * 60;
    while bench.now.steady < end {
        bench.next_report();
        bench.answer(Some(&older));
        reports += 1 + u32::from(bench.in_flight());
        if bench.in_flight() {
            bench.answer(Some(&older));
            assert!(!bench.in_flight());
        }
    }
    assert!(reports < 200, "{reports} reports in a minute");
}

#[test]
fn an_opening_and_the_suspension_that_comes_with_it_are_installed_together() {
    let mut records = Records::new();
    let (on, off) = (records.on(), records.off());
    for (lost_contact, away) in [(LostContact::Hold, SECOND * 60), (fence(0), SECOND * 60)] {
        let mut bench = Bench::joined(lost_contact, Some(&on));
        bench.next_report();
        bench.pass(away);
        bench.fail();
        bench.next_report();
        // It is back without a lease, and the ledger may have forgotten something.
        bench.answer_in_grace(Some(&off));
        assert_eq!(
            (bench.phase(), bench.suspended(), bench.installs()),
            (Phase::Deactivated, true, 1)
        );
        for action in &bench.actions {
            let NodeAction::Install(installed) = action else {
                continue;
            };
            assert!(
                installed.executions_suspended,
                "an execution could start before the suspension"
            );
        }
    }
}

#[test]
fn the_nodes_of_a_great_fleet_do_not_all_answer_a_push_in_the_same_instant() {
    let mut records = Records::new();
    let on = records.on();
    let times: std::collections::BTreeSet<Duration> = (0..50_u64)
        .map(|seed| {
            let now = Bench::new(LostContact::Hold).now;
            let settings = NodeSettings::default();
            let machine = NodeMachine::new(
                NodeId::from_bits(u128::from(seed)),
                settings,
                seed * 0x9E37_79B9,
                now,
            );
            let mut bench = Bench {
                machine,
                now,
                actions: Vec::new(),
            };
            bench.tick();
            let count = FleetCount {
                nodes: 10_000,
                ..FleetCount::default()
            };
            let reply = SyncReply {
                count,
                ..bench.reply(None)
            };
            bench.step(NodeEvent::Replied(reply));
            bench.step(NodeEvent::Hint(Some(Arc::clone(&on))));
            assert_eq!(
                bench.phase(),
                Phase::Activating,
                "closing itself waits for nothing"
            );
            let at = if bench.in_flight() {
                now.steady
            } else {
                bench.machine.wake_at(now)
            };
            assert!(at < now.steady + SECOND * 5 / 2);
            at
        })
        .collect();
    assert!(times.len() > 40, "{} different times", times.len());
}
