//! How a great fleet spreads what all of its nodes are to do at once.

use super::*;

const CROWD: u64 = 10_000;

/// A node of a fleet of so many.
fn one_of(nodes: u64, seed: u64) -> Bench {
    let mut bench = Bench::new(LostContact::default());
    bench.machine = NodeMachine::new(
        NodeId::from_bits(u128::from(seed)),
        NodeSettings::default(),
        seed,
        bench.now,
    );
    bench.tick();
    answer_as_one_of(nodes, Duration::ZERO, &mut bench);
    bench
}

fn answer_as_one_of(nodes: u64, grace: Duration, bench: &mut Bench) {
    let mut reply = bench.reply(None);
    reply.count.nodes = nodes;
    reply.grace = grace;
    bench.step(NodeEvent::Replied(reply));
}

/// In how long it speaks next.
fn next_in(bench: &Bench) -> Duration {
    bench
        .machine
        .wake_at(bench.now)
        .saturating_sub(bench.now.steady)
}

/// The pauses of some nodes of such a fleet after this, the shortest and the longest.
fn shortest_and_longest(nodes: u64, happens: impl Fn(&mut Bench)) -> (Duration, Duration) {
    let pauses = (1..=300_u64).map(|seed| {
        let mut bench = one_of(nodes, seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        happens(&mut bench);
        next_in(&bench)
    });
    let pauses: Vec<Duration> = pauses.collect();
    let longest = pauses.iter().max().copied().unwrap();
    (pauses.into_iter().min().unwrap(), longest)
}

fn loses_its_connection(bench: &mut Bench) {
    bench.step(NodeEvent::Hint(None));
}

#[test]
fn a_great_fleet_takes_turns_when_it_loses_its_connections() {
    let (shortest, longest) = shortest_and_longest(CROWD, loses_its_connection);
    assert!(shortest < MILLI * 100, "{shortest:?}");
    assert!(
        longest > MILLI * 2_800 && longest <= SECOND * 3,
        "{longest:?}"
    );
    // Heartbeats that are due do not come in between, or it would be no spread.
    let (shortest, _) = shortest_and_longest(CROWD, |bench| {
        bench.now = Moment::new(bench.now.calendar, bench.now.steady + MILLI * 2_390);
        loses_its_connection(bench);
        assert!(!bench.in_flight());
    });
    assert!(shortest < MILLI * 100, "{shortest:?}");
}

#[test]
fn a_small_fleet_asks_at_once() {
    for nodes in [1, 99] {
        let mut bench = one_of(nodes, 7);
        loses_its_connection(&mut bench);
        assert!(bench.in_flight(), "{nodes}");
    }
}

#[test]
fn a_turn_is_taken_once() {
    let mut bench = one_of(CROWD, 7);
    loses_its_connection(&mut bench);
    let turn = bench.machine.wake_at(bench.now);
    for _ in 0..10 {
        loses_its_connection(&mut bench);
        assert_eq!(bench.machine.wake_at(bench.now), turn);
    }
    bench.next_report();
    assert_eq!(bench.now.steady, turn);
}

#[test]
fn a_great_fleet_tries_again_over_seconds() {
    let fails = |bench: &mut Bench| {
        bench.next_report();
        bench.fail();
    };
    let (shortest, longest) = shortest_and_longest(CROWD, fails);
    assert!(shortest > SECOND, "{shortest:?}");
    // With a heartbeat before, and the outage that a lease outlasts.
    assert!(
        longest > SECOND * 3 && longest < MILLI * 3_400,
        "{longest:?}"
    );
    let (_, longest) = shortest_and_longest(3, fails);
    assert!(longest < SECOND, "{longest:?}");
}

/// The first to come back to a ledger that has lost its data would think that they are alone, and poll it as if they
/// were.
#[test]
fn a_ledger_in_grace_does_not_make_a_fleet_small() {
    let mut bench = one_of(CROWD, 7);
    bench.next_report();
    answer_as_one_of(1, SECOND * 15, &mut bench);
    assert!(next_in(&bench) >= SECOND * 2, "{:?}", next_in(&bench));
    bench.next_report();
    answer_as_one_of(1, Duration::ZERO, &mut bench);
    loses_its_connection(&mut bench);
    assert!(bench.in_flight(), "now it is certain");
}
