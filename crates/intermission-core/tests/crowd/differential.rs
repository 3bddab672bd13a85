//! The stand-in and the real ledger, side by side: the same calls, the same replies.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Activate, Actor, Change, Deactivate, Ledger, Level, LostContact, Members, Moment, NodeId,
    NodeReport, Operation, OperationId, Outcome, Phase, Record, Revision, Timestamp, Timing,
};

use crate::random::Random;
use crate::store::Store;

/// Small fleets, for which the real ledger is fast, through everything that the crowd goes through, and more often.
#[test]
fn the_stand_in_replies_as_the_ledger_does() {
    let (mut completions, mut losses) = (0, 0);
    for seed in 0..600 {
        let mut pair = Pair::new(seed);
        for _ in 0..200 {
            pair.take_a_step();
            pair.compare();
        }
        completions += pair.completions;
        losses += pair.losses;
    }
    println!("{completions} drains and {losses} losses");
    assert!(completions > 300 && losses > 300);
}

struct Pair {
    random: Random,
    seed: u64,
    timing: Timing,
    now: Moment,
    ledger: Ledger,
    store: Store,
    /// The reports that the nodes sent last.
    nodes: Vec<NodeReport>,
    /// Every record that ever was.
    records: Vec<Arc<Record>>,
    operations: u128,
    completions: u64,
    losses: u64,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let timing = Timing::default();
        let nodes = (0..random.range(1, 6)).map(|node| {
            let mut report = NodeReport::new(NodeId::from_bits(u128::from(node) + 1), 0);
            report.lost_contact = LostContact::Hold;
            report
        });
        Self {
            seed,
            timing,
            now: Moment::new(
                Timestamp::from_millis(1_800_000_000_000),
                Duration::from_secs(400_000),
            ),
            ledger: Ledger::new(timing),
            store: Store::new(timing),
            nodes: nodes.collect(),
            random,
            records: vec![Arc::default()],
            operations: 0,
            completions: 0,
            losses: 0,
        }
    }

    fn take_a_step(&mut self) {
        let pause = Duration::from_millis(self.random.pick(&[0, 1, 300, 900, 1_500, 1_500]));
        self.now = Moment::new(
            self.now.calendar.saturating_add(pause),
            self.now.steady + pause,
        );
        match self.random.range(0, 199) {
            0..184 => self.sync(),
            184..198 => self.operate(),
            198 => {
                self.losses += 1;
                self.ledger.lost_members(self.now);
                self.store.lose_members(self.now);
            }
            _ => {
                self.losses += 1;
                self.ledger = Ledger::restored(self.timing, None, [], Members::default());
                self.ledger.lost_members(self.now);
                self.store = Store::restarted_empty(self.timing, self.now);
            }
        }
    }

    fn sync(&mut self) {
        let node = self.random.range(0, self.nodes.len() as u64 - 1);
        let record = self.any_record();
        let is_repeated = self.random.percent(10);
        let on = record.activation().map(|on| on.id);
        let (is_closed, is_drained) = (self.random.percent(80), self.random.percent(70));
        let offers = self.random.percent(30);
        let has_seen_more = self.random.percent(2);
        let (running, known) = (self.random.range(0, 3), self.random.percent(50));
        let report = &mut self.nodes[usize::try_from(node).unwrap()];
        report.sequence += u64::from(!is_repeated);
        report.seen = Revision::new(record.revision().number() + u64::from(has_seen_more));
        report.closed = on.filter(|_| is_closed);
        report.drained = on.filter(|_| is_closed && is_drained);
        report.offer = offers.then(|| Arc::clone(&record));
        report.heard_before = known;
        report.facts.running = running;
        let expected = self.ledger.sync(report, self.now);
        let found = self.store.sync(report, self.now);
        assert_eq!(found, expected, "seed {}, after {report:?}", self.seed);
    }

    fn operate(&mut self) {
        let before = self.any_record();
        let change = match self.random.range(0, 3) {
            0 => Change::Deactivate(Deactivate::new()),
            1 => Change::Activate(Activate::by("bob").with_level(Level::ReadOnly)),
            _ => Change::Activate(Activate::by("ana")),
        };
        let next = match before.apply(&change, self.now.calendar) {
            Ok(Outcome::Changed(next)) => next,
            Ok(Outcome::Unchanged) => (*before).clone(),
            Err(error) => panic!("{error}"),
        };
        self.operations += self.random.pick(&[0, 1, 1, 1]);
        let id = OperationId::from_bits(self.operations);
        let mut operation = Operation::replace(id, &before, next, Actor::new("ana", "test"));
        operation.expected = operation.expected.filter(|_| self.random.percent(90));
        let expected = self.ledger.operate(&operation, self.now);
        let found = self.store.operate(&operation, self.now);
        assert_eq!(found, expected, "seed {}, after {operation:?}", self.seed);
    }

    /// The newest mostly, so that something comes of it.
    fn any_record(&mut self) -> Arc<Record> {
        if self.random.percent(85) {
            return self.ledger.current();
        }
        let index = self.random.range(0, self.records.len() as u64 - 1);
        Arc::clone(&self.records[usize::try_from(index).unwrap()])
    }

    fn compare(&mut self) {
        let view = self.ledger.view(0, self.now);
        assert_eq!(self.store.record(), self.ledger.record());
        assert_eq!(
            (self.store.count(), self.store.grace()),
            (view.count, view.grace),
            "seed {}",
            self.seed
        );
        if self.records.last() != Some(&view.record) {
            let is_complete = view.record.phase() == Phase::Activated;
            self.completions += u64::from(is_complete);
            self.records.push(view.record);
        }
    }
}
