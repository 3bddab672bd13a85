//! Views for tests, made the only way there is one: by a ledger.

use std::time::Duration;

use intermission::{
    Activate, Actor, AllowList, Change, Ledger, Members, Moment, NodeId, NodeReport, Operation,
    OperationId, Outcome, Record, Timestamp, Timing, View,
};

/// A site at one moment of 2026-11-20, which begins at ten o'clock.
pub(crate) struct Site {
    ledger: Ledger,
    now: Timestamp,
    steady: Duration,
    sequence: u64,
}

pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-11-20T{time}Z").parse().unwrap()
}

pub(crate) fn allow(networks: &[&str]) -> AllowList {
    AllowList::parse(networks).unwrap()
}

impl Site {
    pub(crate) fn new() -> Self {
        let now = at("10:00:00");
        Self {
            ledger: Ledger::new(Timing::default()),
            now,
            steady: Duration::ZERO,
            sequence: 0,
        }
    }

    /// The one that the interface's description shows.
    pub(crate) fn documented() -> Self {
        let json = br#"{"v":1,"revision":7,"operation":null,"phase":"activated","activation":{"id":6,"level_since":6,
            "settings":{"level":"full","message":"Upgrading the database","ends_at":"2026-11-20T10:45:00.000Z",
            "auto_end":false,"retry_after_ms":null,"drain":{"mode":"wait","after_ms":null}},"requested_by":"ana",
            "requested_at":"2026-11-20T10:15:00.000Z","completion":{"at":"2026-11-20T10:15:02.113Z","forced":false,
            "unconfirmed":[]},"passes":[]},"plan":null,"allow":["192.0.2.10/32","2001:db8::/64"]}"#;
        let record = Record::from_json(json).unwrap();
        let ledger = Ledger::restored(
            Timing::default(),
            Some(record.into()),
            [],
            Members::default(),
        );
        let mut site = Self {
            ledger,
            now: at("10:15:02.409"),
            steady: Duration::ZERO,
            sequence: 0,
        };
        for node in 1..=12 {
            site.hear_of_activation(node, |report| report.facts.label = format!("web-{node}"));
        }
        site
    }

    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn pass_time(&mut self, millis: u64) {
        // In steps that the ledger believes in.
        for _ in 0..millis / 500 {
            self.now = self.now.saturating_add(Duration::from_millis(500));
            self.steady += Duration::from_millis(500);
            self.ledger.tick(self.moment());
        }
    }

    pub(crate) fn activate(&mut self, activate: Activate) {
        self.change(&Change::Activate(activate));
    }

    pub(crate) fn change(&mut self, change: &Change) {
        let before = self.ledger.current();
        let Outcome::Changed(next) = before.apply(change, self.now).unwrap() else {
            panic!("{change:?}")
        };
        self.sequence += 1;
        let id = OperationId::from_bits(self.sequence.into());
        let operation = Operation::replace(id, &before, next, Actor::new("ana", "command"));
        self.ledger.operate(&operation, self.moment());
    }

    /// The state loses the record and all that it knows of the nodes, as an empty Redis does.
    pub(crate) fn lose_all(&mut self) {
        self.ledger = Ledger::new(Timing::default());
        self.ledger.lost_members(self.moment());
    }

    /// The state keeps its record, and may have forgotten who is there.
    pub(crate) fn forget_members(&mut self) {
        self.ledger.lost_members(self.moment());
    }

    /// A report of a node that says what the test makes of it.
    pub(crate) fn hear(&mut self, node: u128, tell: impl FnOnce(&mut NodeReport)) {
        self.sequence += 1;
        let mut report = NodeReport::new(NodeId::from_bits(node << 96), self.sequence);
        tell(&mut report);
        self.ledger.sync(&report, self.moment());
    }

    /// A report of a node that has seen the record, and has closed and drained for it, unless the test says otherwise.
    pub(crate) fn hear_of_activation(&mut self, node: u128, tell: impl FnOnce(&mut NodeReport)) {
        let record = self.ledger.current();
        let activation = record.activation().unwrap();
        self.hear(node, |report| {
            report.seen = record.revision();
            report.closed = Some(activation.id);
            report.drained = Some(activation.id);
            report.quiet = Some(activation.level_since);
            tell(report);
        });
    }

    pub(crate) fn history(&self) -> Vec<intermission::HistoryEntry> {
        self.ledger.history(usize::MAX).cloned().collect()
    }

    pub(crate) fn view(&self) -> View {
        self.view_of(usize::MAX)
    }

    /// With so many nodes at most.
    pub(crate) fn view_of(&self, limit: usize) -> View {
        self.ledger.view(limit, self.moment())
    }

    const fn moment(&self) -> Moment {
        Moment::new(self.now, self.steady)
    }
}
