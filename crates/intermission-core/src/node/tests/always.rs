//! What holds whatever happens, in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Level, RefuseReason};

#[derive(Clone, Debug)]
enum Happening {
    /// Sleep until the machine wants to be woken.
    Wake,
    /// Time passes, and it is woken at some other time.
    Late {
        millis: u64,
        leap: i64,
    },
    /// The report on its way is answered.
    Answer {
        record: usize,
        grace: bool,
        sequence: i8,
        nodes: u64,
    },
    Fail,
    Push(Option<usize>),
    Drained(usize),
    Quiet(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => Just(Happening::Wake),
        2 => (0..30_000_u64, -5_000..5_000_i64).prop_map(|(millis, leap)| Happening::Late { millis, leap }),
        5 => (0..9_usize, any::<bool>(), prop_oneof![9 => Just(0_i8), 1 => -2..2_i8], prop_oneof![Just(1_u64), Just(20_000)])
            .prop_map(|(record, grace, sequence, nodes)| Happening::Answer { record, grace, sequence, nodes }),
        2 => Just(Happening::Fail),
        2 => prop::option::of(0..9_usize).prop_map(Happening::Push),
        1 => (0..9_usize).prop_map(Happening::Drained),
        1 => (0..9_usize).prop_map(Happening::Quiet),
    ]
}

fn limit() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..60_000_u64).prop_map(Duration::from_millis)
    ]
}

fn settings() -> impl Strategy<Value = NodeSettings> {
    let lost_contact = prop_oneof![
        Just(LostContact::Hold),
        Just(LostContact::Leave),
        limit().prop_map(LostContact::Wait),
        limit().prop_map(LostContact::Fence),
    ];
    let outage = prop_oneof![
        Just(OutagePolicy::KeepLast),
        limit().prop_map(OutagePolicy::CloseAfter),
        limit().prop_map(OutagePolicy::OpenAfter),
    ];
    let start = prop_oneof![
        Just(StartPolicy::RefuseToStart),
        Just(StartPolicy::StartClosed),
        Just(StartPolicy::StartOpen)
    ];
    (lost_contact, outage, start).prop_map(|(lost_contact, outage, start)| NodeSettings {
        lost_contact,
        outage,
        start,
        ..NodeSettings::default()
    })
}

/// Records from a site's life, the oldest first.
fn life(now: Timestamp) -> Vec<Arc<Record>> {
    let soon = now.saturating_add(SECOND * 20);
    let mut records = Records::new();
    vec![
        Arc::default(),
        records.on(),
        records.complete(),
        records.off(),
        records.activate(Activate::by("ana").with_starts_at(soon)),
        records.activate(Activate::by("ana").with_level(Level::ReadOnly)),
        records.activate(
            Activate::by("ana")
                .with_level(Level::Full)
                .with_ends_at(soon)
                .with_auto_end(true),
        ),
        records.activate(Activate::by("ana").with_drain(crate::DrainPolicy::Force(Duration::ZERO))),
        records.off(),
    ]
}

proptest! {
    // A failure prints its case. Files with seeds beside the sources help nobody once the cause has a test of its own.
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold(settings in settings(), happenings in prop::collection::vec(happening(), 1..80)) {
        let mut bench = Bench::with(settings);
        let life = life(bench.now.calendar);
        let mut installed = bench.machine.snapshot().clone();
        let mut sent: BTreeMap<u64, Duration> = BTreeMap::new();
        let mut answered: Option<Duration> = None;
        for happening in happenings {
            let was_in_flight = bench.in_flight();
            let known = Arc::clone(&bench.machine.snapshot().record);
            let mut woken = false;
            match &happening {
                Happening::Wake => {
                    let at = bench.machine.wake_at(bench.now);
                    // Centuries would leave the calendar's range.
                    bench.pass(at.saturating_sub(bench.now.steady).min(SECOND * 3_600));
                    woken = bench.now.steady >= at;
                    bench.tick();
                }
                Happening::Late { millis, leap } => {
                    bench.pass(Duration::from_millis(*millis));
                    let calendar = bench.now.calendar.as_millis().saturating_add_signed(*leap);
                    bench.now.calendar = Timestamp::from_millis(calendar);
                    bench.tick();
                }
                Happening::Answer { record, grace, sequence, nodes } => {
                    let own = bench.machine.sequence;
                    let reply = SyncReply {
                        sequence: own.saturating_add_signed(i64::from(*sequence)),
                        record: life.get(*record).cloned(),
                        count: FleetCount { nodes: *nodes, ..FleetCount::default() },
                        grace: if *grace { SECOND } else { Duration::ZERO },
                    };
                    if was_in_flight && reply.sequence == own {
                        answered = answered.max(sent.get(&own).copied());
                    }
                    bench.step(NodeEvent::Replied(reply));
                }
                // Nothing fails that is not on its way.
                Happening::Fail if was_in_flight => { bench.fail(); }
                Happening::Fail => {}
                Happening::Push(record) => {
                    bench.step(NodeEvent::Hint(record.and_then(|record| life.get(record).cloned())));
                    let opens = known.phase().is_on() && !bench.phase().is_on();
                    prop_assert!(!opens, "a push opened");
                }
                Happening::Drained(record) => {
                    if let Some(on) = life[*record].activation() {
                        bench.step(NodeEvent::Drained(on.id));
                    }
                }
                Happening::Quiet(record) => {
                    if let Some(on) = life[*record].activation() {
                        bench.step(NodeEvent::Quiet(on.level_since));
                    }
                }
            }

            // At most one report is on its way, and each has a sequence of its own.
            let sends: Vec<_> = bench.actions.iter().filter_map(|action| match action {
                NodeAction::Send(report) => Some(report),
                _ => None,
            }).collect();
            prop_assert!(sends.len() <= 1);
            if let Some(report) = sends.first() {
                let was_resolved = matches!(happening, Happening::Answer { .. } | Happening::Fail);
                prop_assert!(!was_in_flight || was_resolved, "a second report");
                prop_assert!(sent.insert(report.sequence, bench.now.steady).is_none());
                let record = &bench.machine.snapshot().record;
                let activation = record.activation();
                prop_assert_eq!(report.seen, record.revision());
                prop_assert_eq!(report.closed, activation.map(|on| on.id));
                prop_assert!(report.drained.is_none() || report.drained == report.closed);
                prop_assert!(report.quiet.is_none() || report.quiet == activation.map(|on| on.level_since));
                prop_assert!(report.offer.as_ref().is_none_or(|offer| offer == record && offer.revision() > Revision::ZERO));
            }

            // The gate has what the machine thinks that it has.
            for action in &bench.actions {
                if let NodeAction::Install(snapshot) = action {
                    installed = snapshot.clone();
                }
            }
            prop_assert_eq!(&installed, bench.machine.snapshot());
            prop_assert!(bench.installs() <= 1);
            prop_assert!(bench.installs() == 0 || matches!(&bench.actions[0], NodeAction::Install(_)));
            bench.actions.clear();

            // Its record never goes back.
            let record = &bench.machine.snapshot().record;
            prop_assert!(Arc::ptr_eq(record, &known) || record.supersedes(&known));

            // Nothing starts before it has joined, nor on a node that fences itself after its lease.
            prop_assert_eq!(bench.machine.has_joined(), answered.is_some());
            prop_assert!(answered.is_some() || bench.suspended());
            if let (LostContact::Fence(_), Some(sent_at)) = (settings.lost_contact, answered) {
                let is_over = bench.now.steady >= sent_at + usable_lease();
                prop_assert!(!is_over || bench.suspended());
                prop_assert_eq!(bench.machine.fence_at(), Some(sent_at + usable_lease()));
            }

            // Nobody is ever served where silence means that it has left.
            let snapshot = bench.machine.snapshot();
            if settings.lost_contact == LostContact::Leave {
                prop_assert_eq!(snapshot.closure(), (Phase::Activated, Level::Exclusive));
                prop_assert_eq!(snapshot.execution_refusal(), Some(RefuseReason::Held));
            } else {
                prop_assert_ne!(&snapshot.hold, &Some(Hold::ServesNobody));
            }

            // It never asks to be woken for nothing.
            if woken {
                let next = bench.machine.wake_at(bench.now);
                prop_assert!(next > bench.now.steady || bench.in_flight(), "it would spin at {:?}", bench.machine);
            }
        }
    }

    #[test]
    fn senseless_periods_are_borne(
        lease in limit(), margin in limit(), heartbeat in limit(), drain_poll in limit(), settings in settings(),
    ) {
        let timing = Timing { lease, margin, heartbeat, drain_poll, ..Timing::default() };
        let mut bench = Bench::with(NodeSettings { timing, ..settings });
        for _ in 0..9 {
            bench.tick();
            if bench.in_flight() {
                bench.answer(None);
            }
            let at = bench.machine.wake_at(bench.now);
            bench.pass(at.saturating_sub(bench.now.steady).min(SECOND * 3_600));
        }
    }
}
