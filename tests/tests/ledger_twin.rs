//! The scripts that run in Redis are the twin of `Ledger`: the same steps, the same answers, the same contents.
//!
//! Random sequences of reports, operations, departures, losses and time drive both. After every step the answers, the
//! whole view and the whole history must agree. `INTERMISSION_TWIN_RUNS=N` runs more of them.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use intermission::{
    Acquire, Activate, Actor, AllowChange, AllowList, Change, Deactivate, Departure, DrainPolicy,
    HistoryEvent, HolderId, Ledger, Level, LostContact, MaintenanceState, Members, Moment,
    NodeFacts, NodeId, NodeReport, Operation, OperationId, Outcome, Pass, Record, Revision,
    ScopeName, StateUrl, Timestamp, Timing, Unconfirmed, UnconfirmedCause,
};

use intermission_redis::{RedisOptions, RedisState};
use intermission_tests::redis::RedisServer;

const RUNS: u64 = 120;
const STEPS: u64 = 120;
/// Nodes that come and go. Those beyond them come once and fall silent.
const NODES: usize = 5;
/// Scopes that are changed at once: more than have lines of their own in the history.
const MANY: usize = 9;

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap()
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())].clone()
    }
}

/// One site, kept twice.
struct Twins {
    random: Random,
    ledger: Ledger,
    redis: RedisState,
    server: redis::aio::MultiplexedConnection,
    tag: String,
    now: u64,
    /// Whether Redis will notice at the next step that it may have lost something.
    lost: bool,
    sequences: Vec<u64>,
    operations: u128,
    /// Records of the past, which nodes and operators may still have.
    past: Vec<Arc<Record>>,
    /// What has come about at least once, so that nobody believes a test in which nothing happens.
    seen: BTreeSet<&'static str>,
    seen_in_scopes: BTreeSet<&'static str>,
    log: Vec<String>,
}

impl Twins {
    async fn new(server: &RedisServer, seed: u64) -> Self {
        let site = format!("run-{seed}");
        let url: StateUrl = server.url().parse().unwrap();
        let options = RedisOptions::from_url(&url)
            .unwrap()
            .with_site(&site)
            .unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        let mut twins = Self {
            random: Random(seed),
            ledger: Ledger::new(Timing::default()),
            redis: options
                .with_timeout(Duration::from_secs(20))
                .with_manual_clock()
                .build(),
            server: client.get_multiplexed_async_connection().await.unwrap(),
            tag: format!("{{intermission:{site}}}"),
            now: 1_800_000_000_000,
            lost: true,
            sequences: vec![0; NODES],
            operations: 0,
            past: Vec::new(),
            seen: BTreeSet::new(),
            seen_in_scopes: BTreeSet::new(),
            log: Vec::new(),
        };
        twins.pass(0).await;
        twins
    }

    fn moment(&self) -> Moment {
        Moment::new(
            Timestamp::from_millis(self.now),
            Duration::from_millis(self.now),
        )
    }

    async fn ask(&mut self, command: &[&str]) {
        let mut asked = redis::cmd(command[0]);
        asked.arg(&command[1..]);
        let _: redis::Value = asked.query_async(&mut self.server).await.unwrap();
    }

    async fn pass(&mut self, millis: u64) {
        self.now += millis;
        let (key, now) = (format!("{}:clock", self.tag), self.now.to_string());
        self.ask(&["SET", &key, &now]).await;
    }

    fn node(index: usize) -> NodeId {
        NodeId::from_bits((index as u128 + 1) << 64)
    }

    /// What the store does by itself before a step.
    fn notice(&mut self) {
        if std::mem::take(&mut self.lost) {
            self.ledger.lost_members(self.moment());
        }
    }

    async fn step(&mut self) {
        match self.random.below(100) {
            0..30 => {
                let millis = match self.random.below(10) {
                    0..5 => self.random.below(600),
                    5..9 => 1_000,
                    _ => self.random.below(5_000),
                };
                // The ledger believes a second at most, so leases end in many small steps.
                let times = self.random.pick(&[1, 1, 1, 4, 20]);
                self.log.push(format!("pass {times} times {millis} ms"));
                for _ in 0..times {
                    self.pass(millis).await;
                    self.notice();
                    self.ledger.tick(self.moment());
                    self.redis.inspect(0).await.unwrap();
                }
                if self.random.percent(5) {
                    self.now -= 700;
                    self.log.push("the clock is set back".to_owned());
                    self.pass(0).await;
                }
            }
            30..69 => self.sync().await,
            69 => {
                for _ in 0..40 {
                    let passer_by = self.sequences.len();
                    self.sequences.push(0);
                    self.sync_of(passer_by).await;
                }
            }
            70..88 => self.operate().await,
            88..92 => self.leave().await,
            92..94 => self.lose().await,
            _ => {
                self.log.push("look".to_owned());
                self.redis.inspect(3).await.unwrap();
                self.notice();
                self.ledger.tick(self.moment());
            }
        }
        if let Some(record) = self.ledger.record()
            && self.past.last() != Some(record)
        {
            self.past.push(Arc::clone(record));
        }
        self.compare().await;
    }

    async fn sync(&mut self) {
        let node = self.random.index(NODES);
        self.sync_of(node).await;
    }

    async fn sync_of(&mut self, node: usize) {
        if !self.random.percent(10) {
            self.sequences[node] += 1;
        }
        let record = self.ledger.current();
        let mut report = NodeReport::new(Self::node(node), self.sequences[node]);
        report.heard_before = self.random.percent(70);
        report.lost_contact = self.random.pick(&[
            LostContact::Wait(Duration::from_secs(5)),
            LostContact::Wait(Duration::ZERO),
            LostContact::Hold,
            LostContact::Fence(Duration::from_millis(2_500)),
            LostContact::Fence(Duration::ZERO),
            LostContact::Leave,
        ]);
        let label = self.random.pick(&["web", "we\"b/1", "wörker\n2", ""]);
        report.facts = NodeFacts::labelled(label);
        report.facts.running = self.random.below(4);
        report.facts.framework = self.random.percent(50).then(|| "axum".to_owned());
        report.seen = match self.random.below(40) {
            0 => Revision::new(self.now + 5_000),
            1..10 => Revision::ZERO,
            _ => record.revision(),
        };
        let own = record.activation();
        let past = self.past.get(self.past.len().saturating_sub(3));
        let other = past.and_then(|record| record.activation());
        let claimed = if self.random.percent(85) { own } else { other };
        if let Some(activation) = claimed {
            report.closed = self.random.percent(80).then_some(activation.id);
            report.drained = self.random.percent(60).then_some(activation.id);
            report.quiet = self.random.percent(50).then_some(activation.level_since);
        }
        let on = record.scopes().activations();
        for id in on.map(|(_, id)| id).collect::<BTreeSet<_>>() {
            if self.random.percent(30) {
                report.undrained.push(id);
            }
        }
        if self.random.percent(25) && !self.past.is_empty() {
            let offer = self.random.pick(&self.past);
            report.seen = offer.revision();
            report.offer = Some(offer);
        }
        self.log.push(format!("{report:?}"));
        self.notice();
        let wanted = self.ledger.sync(&report, self.moment());
        let got = self.redis.sync(report).await.unwrap();
        // A ledger that refuses an answer says so by a number beyond all others, which Lua has, too.
        let sequence = wanted.sequence.min(Revision::MAX.number());
        assert_eq!(got.sequence, sequence, "{}", self.story());
        assert_eq!(
            (&got.record, got.count, got.grace),
            (&wanted.record, wanted.count, wanted.grace),
            "{}",
            self.story()
        );
    }

    /// A change of the site or of a scope; at times the same in as many scopes as are not named one by one any more.
    fn changes(&mut self) -> Vec<Change> {
        let change = self.change_of_site();
        let in_scope = |scope: &str| change.clone().in_scope(ScopeName::new(scope).unwrap());
        match self.random.below(100) {
            0..50 => vec![change],
            50..56 => {
                let first = self.random.pick(&["s", "t"]);
                let scopes = (0..MANY).map(|number| in_scope(&format!("{first}{number}")));
                scopes.collect()
            }
            _ => vec![in_scope(self.random.pick(&[
                "billing",
                "a.example.org",
                "z",
            ]))],
        }
    }

    fn change_of_site(&mut self) -> Change {
        let at = Timestamp::from_millis(self.now);
        let later =
            |random: &mut Random| at.saturating_add(Duration::from_millis(1 + random.below(8_000)));
        match self.random.below(14) {
            12..14 => self.holding(),
            0..6 => {
                let mut activate = Activate::by(self.random.pick(&["ana", "b/o\"b"]));
                if self.random.percent(30) {
                    activate = activate.with_level(self.random.pick(&[
                        Level::ReadOnly,
                        Level::Full,
                        Level::Exclusive,
                    ]));
                }
                if self.random.percent(40) {
                    activate =
                        activate.with_message(self.random.pick(&["a / b", "\"quoted\"\tü", ""]));
                }
                if self.random.percent(30) {
                    activate = activate
                        .with_ends_at(later(&mut self.random))
                        .with_auto_end(self.random.percent(50));
                }
                if self.random.percent(35) {
                    activate = activate.with_starts_at(later(&mut self.random));
                }
                if self.random.percent(40) {
                    let limit = Duration::from_millis(self.random.below(6_000));
                    activate = activate.with_drain(self.random.pick(&[
                        DrainPolicy::Wait,
                        DrainPolicy::Force(limit),
                        DrainPolicy::Abort(limit),
                    ]));
                }
                if self.random.percent(20) {
                    activate = activate.with_retry_after(Duration::from_secs(30));
                }
                Change::Activate(activate)
            }
            6..9 => Change::Deactivate(Deactivate::new()),
            9 => {
                let list =
                    AllowList::parse([self.random.pick(&["192.0.2.1", "2001:db8::/32"])]).unwrap();
                Change::Allow(self.random.pick(&[
                    AllowChange::Add(list.clone()),
                    AllowChange::Remove(list.clone()),
                    AllowChange::Replace(list),
                ]))
            }
            10 => {
                let (pass, _secret) = Pass::issue("auditor", None).unwrap();
                Change::IssuePass(pass)
            }
            _ => Change::RevokeAllPasses,
        }
    }

    /// Holders that come, go and fail; often one that is there.
    fn holding(&mut self) -> Change {
        let id = HolderId::from_bits(self.random.below(4).into());
        match self.random.below(4) {
            0 | 1 => {
                let label = self.random.pick(&["migrate", "b/a\"ckup", "é"]);
                let level = self
                    .random
                    .pick(&[Level::ReadOnly, Level::Full, Level::Exclusive]);
                let activate = Activate::by("deploy").with_level(level);
                let node = Self::node(0);
                Change::Acquire(Acquire::new(id, node, "web / 1", label, activate))
            }
            2 => Change::Release(id),
            _ => Change::NoteFailure(id, "exit / \"3\"".to_owned()),
        }
    }

    async fn operate(&mut self) {
        self.operations += 1;
        let id = if self.random.percent(5) {
            OperationId::from_bits(self.operations.saturating_sub(1).max(1))
        } else {
            OperationId::from_bits(self.operations)
        };
        let actor = Actor::new("ana / \"bo\"", "test");
        let mut operation = if self.random.percent(5) {
            Operation::init(id, actor)
        } else {
            let before = if self.random.percent(85) || self.past.is_empty() {
                self.ledger.current()
            } else {
                self.random.pick(&self.past)
            };
            let at = Timestamp::from_millis(self.now);
            let next = self
                .changes()
                .iter()
                .fold((*before).clone(), |next, change| {
                    match next.apply(change, at) {
                        Ok(Outcome::Changed(next)) => next,
                        // Offered all the same: the ledger must know for itself.
                        _ => next,
                    }
                });
            Operation::replace(id, &before, next, actor)
        };
        if self.random.percent(15) {
            operation.expected = None;
        }
        if self.random.percent(4) {
            operation.known = Revision::new(self.now + 60_000);
        }
        self.log.push(format!("{operation:?}"));
        self.notice();
        let wanted = self.ledger.operate(&operation, self.moment());
        let got = self.redis.operate(operation).await.unwrap();
        assert_eq!(got, wanted, "{}", self.story());
    }

    async fn leave(&mut self) {
        let node = Self::node(self.random.index(NODES));
        let departure = self.random.pick(&[
            Departure::Goodbye,
            Departure::Died,
            Departure::Forgotten(Actor::new("a\"na", "test")),
        ]);
        self.log.push(format!("{node} leaves: {departure:?}"));
        self.notice();
        self.ledger.leave(node, &departure, self.moment());
        self.redis.leave(node, departure).await.unwrap();
    }

    async fn lose(&mut self) {
        let is_empty = std::mem::replace(&mut self.lost, true);
        let meta = format!("{}:meta", self.tag);
        if self.random.percent(50) && !is_empty {
            self.log.push("another server has the data now".to_owned());
            let moved = "redis.call('SET',KEYS[1],(string.gsub(redis.call('GET',KEYS[1]),\
                         '\"server\":\"%x*\"','\"server\":\"a0\"')))";
            self.ask(&["EVAL", moved, "1", &meta]).await;
        } else {
            self.log.push("all is lost".to_owned());
            let keys = [
                "record", "meta", "nodes", "gone", "reports", "history", "departed",
            ];
            for key in keys {
                let key = format!("{}:{key}", self.tag);
                self.ask(&["DEL", &key]).await;
            }
            self.ledger = Ledger::restored(Timing::default(), None, [], Members::default());
        }
    }

    async fn compare(&mut self) {
        self.notice();
        self.ledger.tick(self.moment());
        let got = self.redis.inspect(usize::MAX).await.unwrap();
        let wanted = self.ledger.view(usize::MAX, self.moment());
        assert_eq!(got, wanted, "{}", self.story());
        let got = self.redis.history(usize::MAX).await.unwrap();
        let wanted: Vec<_> = self.ledger.history(usize::MAX).cloned().collect();
        assert_eq!(got, wanted, "{}", self.story());
        self.seen
            .extend(wanted.iter().map(|line| line.event.as_str()));
        let view = self.ledger.view(usize::MAX, self.moment());
        let completion = view
            .record
            .activation()
            .and_then(|on| on.completion.as_ref());
        let is_site_on = view.record.phase().is_on();
        let scopes = || {
            let scopes = view.record.scopes().iter();
            scopes.filter_map(|(_, scope)| scope.activation.as_ref())
        };
        let done = || scopes().filter_map(|on| on.completion.as_ref());
        for line in &wanted {
            let in_scope = line.note.as_ref().filter(|note| note.starts_with("scope "));
            if in_scope.is_some() {
                self.seen_in_scopes.insert(line.event.as_str());
            }
            if line
                .note
                .as_ref()
                .is_some_and(|note| note == "scopes" || note.ends_with(", scopes"))
            {
                self.seen.insert("several scopes at once");
            }
            if line.scope_count().is_some() {
                let note = line.note.as_deref().unwrap_or_default();
                self.seen.insert(match line.event {
                    _ if note.contains(", unconfirmed nodes in ") => "many scopes, some with nodes",
                    _ if note.contains(": ") => "many scopes with a note",
                    HistoryEvent::PlanStarted => "plans of many scopes",
                    _ => "many scopes",
                });
            }
        }
        let met = [
            ("quiescent", view.quiescent_at.is_some()),
            ("more than 64 given up", view.node_count > 64 + NODES as u64),
            ("behind", view.is_behind()),
            (
                "a loss told",
                completion.is_some_and(|done| done.state_lost_at.is_some()),
            ),
            (
                "unconfirmed nodes",
                completion.is_some_and(|done| !done.unconfirmed.is_empty()),
            ),
            ("scopes", view.record.scopes().len() > 2),
            (
                "scopes and site",
                is_site_on && scopes().any(|on| on.completion.is_some()),
            ),
            ("scopes drain", view.record.scopes().draining() > 1),
            (
                "a loss told in a scope",
                done().any(|done| done.state_lost_at.is_some()),
            ),
            (
                "lost with a scope's work, and drained for the site",
                view.nodes.iter().any(|node| {
                    let gone = |one: &Unconfirmed| {
                        one.node == node.node && one.cause == UnconfirmedCause::OutOfContact
                    };
                    let mut done = done().flat_map(|done| &done.unconfirmed);
                    is_site_on && node.drained && node.out_of_contact && done.any(gone)
                }),
            ),
            (
                "unconfirmed nodes in a scope",
                done().any(|done| !done.unconfirmed.is_empty()),
            ),
        ];
        self.seen
            .extend(met.iter().filter(|(_, met)| *met).map(|(name, _)| *name));
    }

    fn story(&self) -> String {
        let from = self.log.len().saturating_sub(12);
        self.log[from..].join("\n")
    }
}

#[tokio::test]
async fn redis_answers_as_the_ledger_does() {
    let server = RedisServer::start().await;
    let runs = std::env::var("INTERMISSION_TWIN_RUNS");
    let runs = runs.map_or(RUNS, |runs| {
        runs.parse().expect("INTERMISSION_TWIN_RUNS is a number")
    });
    let (mut seen, mut seen_in_scopes) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..runs {
        let mut twins = Twins::new(&server, seed).await;
        for _ in 0..STEPS {
            twins.step().await;
        }
        seen.append(&mut twins.seen);
        seen_in_scopes.append(&mut twins.seen_in_scopes);
    }
    println!("{runs} runs of {STEPS} steps: the same answers, views and histories");
    println!(
        "seen: {}",
        seen.iter().copied().collect::<Vec<_>>().join(", ")
    );
    for wanted in [
        "requested",
        "activated",
        "forced",
        "aborted",
        "deactivated",
        "updated",
        "planned",
        "plan-cancelled",
        "plan-started",
        "ended",
        "initialised",
        "restored",
        "node-unconfirmed",
        "node-confirmed",
        "node-forgotten",
        "node-died",
        "quiescent",
        "more than 64 given up",
        "behind",
        "a loss told",
        "unconfirmed nodes",
        "scopes",
        "scopes and site",
        "scopes drain",
        "several scopes at once",
        "many scopes",
        "many scopes with a note",
        "plans of many scopes",
        "a loss told in a scope",
        "unconfirmed nodes in a scope",
        "lost with a scope's work, and drained for the site",
    ] {
        assert!(seen.contains(wanted), "no run came to `{wanted}`");
    }
    for wanted in [
        "requested",
        "activated",
        "forced",
        "aborted",
        "deactivated",
        "updated",
        "planned",
        "plan-cancelled",
        "plan-started",
        "ended",
        "node-confirmed",
    ] {
        assert!(
            seen_in_scopes.contains(wanted),
            "no run came to `{wanted}` in a scope"
        );
    }
}
