//! Ten thousand nodes, a server, and what happens to them.
//!
//! Time is the model's own, in microseconds. A message takes half a millisecond; pushes reach the nodes one after the
//! other, as a server writes them. What the Redis backend does about connections is done here, too:
//!
//! - A connection that is lost fails the report that is on its way, and wakes the keeper with a hint.
//! - The next report dials, after a random part of what a crowd of this size is given (`link/redial.rs`). A new
//!   connection costs the server two commands before the report: `HELLO` and `SSUBSCRIBE`.
//! - A server that has restarted does not know the scripts: whoever finds that out asks three times instead of once.
//! - A server that is down refuses at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Activate, Actor, Change, Deactivate, Moment, NodeEvent, NodeId, NodeSettings, OperateReply,
    Operation, OperationId, Outcome, Phase, Record, StateErrorKind, Timestamp, Timing,
};

use crate::peer::Peer;
use crate::random::Random;
use crate::rates::Rates;
use crate::store::Store;

const SECOND: u64 = 1_000_000;
const LATENCY: u64 = 500;
/// `HELLO` and `SSUBSCRIBE`.
const GREETING: u64 = 2;
/// `EVALSHA`, to no avail, and `SCRIPT LOAD`.
const SCRIPT_LOAD: u64 = 2;

#[derive(Debug)]
pub(crate) struct World {
    random: Random,
    now: u64,
    timing: Timing,
    store: Store,
    is_up: bool,
    knows_script: bool,
    peers: Vec<Peer>,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    queued: u64,
    operations: u128,
    /// What the server sees: all commands, and those of them that are reports.
    pub(crate) commands: Rates,
    pub(crate) reports: Rates,
    /// Connections that a server which is down refused.
    pub(crate) refused: Rates,
    pub(crate) reports_in_all: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Starts(usize),
    Wakes(usize, u32),
    Dials(usize),
    Arrives(usize),
    Replied(usize),
    Refused(usize),
    Broken(usize),
    Pushed(usize),
    Ends(usize),
    Quiet(usize),
}

impl World {
    /// All nodes start within three seconds.
    pub(crate) fn new(nodes: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let timing = Timing::default();
        let mut settings = NodeSettings::default();
        settings.timing = timing;
        let peers = (0..nodes).map(|index| {
            let id = NodeId::from_bits(index as u128 + 1);
            Peer::new(id, settings, random.bits(), moment(0))
        });
        let peers = peers.collect();
        let mut world = Self {
            random,
            now: 0,
            timing,
            store: Store::new(timing),
            is_up: true,
            knows_script: false,
            peers,
            queue: BinaryHeap::new(),
            queued: 0,
            operations: 0,
            commands: Rates::default(),
            reports: Rates::default(),
            refused: Rates::default(),
            reports_in_all: 0,
        };
        for index in 0..nodes {
            let at = world.random.range(0, 3 * SECOND);
            world.schedule(at, Event::Starts(index));
        }
        world
    }

    pub(crate) fn phase(&self) -> Phase {
        self.current().phase()
    }

    pub(crate) fn current(&self) -> Arc<Record> {
        self.store.record().cloned().unwrap_or_default()
    }

    /// Whether every node goes by the server's record.
    pub(crate) fn all_agree(&self) -> bool {
        let record = self.current();
        let mut peers = self.peers.iter();
        peers.all(|peer| *peer.record == *record && peer.is_open() != record.phase().is_on())
    }

    pub(crate) fn nobody_is_open(&self) -> bool {
        !self.peers.iter().any(Peer::is_open)
    }

    pub(crate) fn all_are_connected(&self) -> bool {
        self.peers.iter().all(|peer| peer.is_connected)
    }

    pub(crate) fn nothing_runs(&self) -> bool {
        self.peers.iter().all(|peer| peer.running == 0)
    }

    /// Goes on until this holds, and says how many seconds it took, to a hundredth.
    pub(crate) fn seconds_until(&mut self, holds: impl Fn(&Self) -> bool) -> f64 {
        const LOOKS: u32 = 6_000;
        for look in 0..LOOKS {
            if holds(self) {
                return f64::from(look) / 100.0;
            }
            self.run_for(SECOND / 100);
        }
        panic!("it takes longer than {} seconds", LOOKS / 100);
    }

    pub(crate) fn run_for(&mut self, micros: u64) {
        self.run_to(self.now + micros);
    }

    pub(crate) fn run_until(&mut self, second: u64) {
        self.run_to(second * SECOND);
    }

    fn run_to(&mut self, end: u64) {
        while self
            .queue
            .peek()
            .is_some_and(|Reverse((at, ..))| *at <= end)
        {
            let Some(Reverse((at, _, event))) = self.queue.pop() else {
                return;
            };
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    // What the story does.

    /// Somebody switches maintenance on, or off. Half of the nodes run something that ends within so many seconds.
    pub(crate) fn switch(&mut self, work_ends_within: u64) {
        let before = self.current();
        let change = if before.phase().is_on() {
            Change::Deactivate(Deactivate::new())
        } else {
            Change::Activate(Activate::by("ana"))
        };
        if work_ends_within > 0 {
            for index in 0..self.peers.len() {
                for _ in 0..self.random.range(0, 1) * self.random.range(1, 3) {
                    self.peers[index].running += 1;
                    let delay = self.random.range(0, work_ends_within * SECOND);
                    self.schedule(delay, Event::Ends(index));
                }
            }
        }
        let Ok(Outcome::Changed(next)) = before.apply(&change, moment(self.now).calendar) else {
            panic!("there is nothing to change");
        };
        self.operations += 1;
        let id = OperationId::from_bits(self.operations);
        let operation = Operation::replace(id, &before, next, Actor::new("ana", "test"));
        let reply = self.store.operate(&operation, moment(self.now));
        assert!(matches!(reply, OperateReply::Stored(_)), "{reply:?}");
        self.commands.count(self.now, 1);
        self.publish();
    }

    /// The server dies with all its data.
    pub(crate) fn kill(&mut self) {
        self.is_up = false;
        self.cut();
    }

    /// All connections are cut, and the server is there: a proxy has restarted, for example.
    pub(crate) fn cut(&mut self) {
        for index in 0..self.peers.len() {
            self.schedule(LATENCY, Event::Broken(index));
        }
    }

    /// It comes back, and knows nothing.
    pub(crate) fn restart(&mut self) {
        self.is_up = true;
        self.knows_script = false;
        self.store = Store::restarted_empty(self.timing, moment(self.now));
    }

    fn publish(&mut self) {
        let first = self.random.range(0, self.peers.len() as u64 - 1);
        for index in 0..self.peers.len() {
            // The server writes to one after the other, and nobody knows in which order.
            let turn = (index as u64 + first) % self.peers.len() as u64;
            let delay = LATENCY + turn * 12 + self.random.range(0, 3_000);
            self.schedule(delay, Event::Pushed(index));
        }
    }

    // What happens.

    fn schedule(&mut self, delay: u64, event: Event) {
        self.queued += 1;
        self.queue
            .push(Reverse((self.now + delay, self.queued, event)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Starts(index) => self.take(index, NodeEvent::Tick),
            Event::Wakes(index, timer) => {
                if self.peers[index].timer == timer {
                    self.peers[index].wakes_at = u64::MAX;
                    self.take(index, NodeEvent::Tick);
                }
            }
            Event::Dials(index) => self.dial(index),
            Event::Arrives(index) => self.arrive(index),
            Event::Replied(index) => self.replied(index),
            Event::Refused(index) => {
                self.peers[index].report = None;
                let failure = NodeEvent::Failed(StateErrorKind::Unavailable);
                self.take(index, failure);
            }
            Event::Broken(index) => self.break_connection(index),
            Event::Pushed(index) => {
                if self.peers[index].is_connected {
                    let record = self.current();
                    self.hint(index, Some(record));
                }
            }
            Event::Ends(index) => {
                self.peers[index].running -= 1;
                if self.peers[index].running == 0 {
                    self.take(index, NodeEvent::Tick);
                }
            }
            Event::Quiet(index) => {
                if let Some(since) = self.peers[index].level_since() {
                    self.take(index, NodeEvent::Quiet(since));
                }
            }
        }
    }

    fn take(&mut self, index: usize, event: NodeEvent) {
        let now = moment(self.now);
        let peer = &mut self.peers[index];
        let was_sending = peer.report.is_some();
        peer.take(event, now);
        if !was_sending && peer.report.is_some() {
            self.send(index);
        }
        let peer = &mut self.peers[index];
        let level_since = peer.level_since();
        if level_since != peer.told_quiet {
            peer.told_quiet = level_since;
            if level_since.is_some() {
                // The visitors who were let in before are served.
                let delay = self.random.range(0, SECOND / 2);
                self.schedule(delay, Event::Quiet(index));
            }
        }
        self.set_timer(index);
    }

    fn set_timer(&mut self, index: usize) {
        let now = moment(self.now);
        let peer = &mut self.peers[index];
        let pause = peer.wake_at(now).saturating_sub(now.steady);
        let pause = u64::try_from(pause.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX);
        let at = self.now.saturating_add(pause);
        if peer.wakes_at != at {
            peer.wakes_at = at;
            peer.timer += 1;
            let timer = peer.timer;
            self.schedule(pause.min(1 << 50), Event::Wakes(index, timer));
        }
    }

    fn send(&mut self, index: usize) {
        let peer = &self.peers[index];
        if peer.is_connected {
            self.schedule(LATENCY, Event::Arrives(index));
        } else {
            let delay = peer.redials_at.saturating_sub(self.now) + LATENCY;
            self.schedule(delay, Event::Dials(index));
        }
    }

    fn dial(&mut self, index: usize) {
        if self.is_up {
            self.peers[index].is_connected = true;
            self.commands.count(self.now, GREETING);
            self.schedule(3 * LATENCY, Event::Arrives(index));
        } else {
            self.refused.count(self.now, 1);
            self.schedule(LATENCY, Event::Refused(index));
        }
    }

    fn arrive(&mut self, index: usize) {
        let peer = &self.peers[index];
        let Some(report) = peer.report.as_ref().filter(|_| peer.is_connected) else {
            return;
        };
        if !self.knows_script {
            self.knows_script = true;
            self.commands.count(self.now, SCRIPT_LOAD);
        }
        self.commands.count(self.now, 1);
        self.reports.count(self.now, 1);
        self.reports_in_all += 1;
        let before = self.store.record().cloned();
        let reply = self.store.sync(report, moment(self.now));
        let is_news = self.store.record() != before.as_ref();
        self.peers[index].reply = Some(reply);
        self.schedule(LATENCY, Event::Replied(index));
        if is_news {
            self.publish();
        }
    }

    fn replied(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        // The connection may have broken in the meantime.
        let Some(reply) = peer.reply.take() else {
            return;
        };
        peer.report = None;
        peer.is_watching = true;
        self.take(index, NodeEvent::Replied(reply));
        let peer = &mut self.peers[index];
        if let Some(missed) = peer.missed.take()
            && missed.revision() > peer.record.revision()
        {
            self.hint(index, Some(missed));
        }
    }

    fn break_connection(&mut self, index: usize) {
        let nodes = self.store.count().nodes;
        let span = (nodes * SECOND / 5_000).clamp(SECOND / 20, SECOND * 3 / 2);
        let delay = self.random.range(0, span);
        let peer = &mut self.peers[index];
        let was_sending = peer.report.is_some() && peer.is_connected;
        peer.is_connected = false;
        peer.redials_at = self.now + delay;
        if was_sending {
            (peer.report, peer.reply) = (None, None);
            self.take(index, NodeEvent::Failed(StateErrorKind::Unavailable));
        }
        self.hint(index, None);
    }

    fn hint(&mut self, index: usize, record: Option<Arc<Record>>) {
        let peer = &mut self.peers[index];
        if peer.is_watching {
            peer.is_watching = false;
            self.take(index, NodeEvent::Hint(record));
        } else if record.is_some() {
            peer.missed = record;
        }
    }
}

fn moment(now: u64) -> Moment {
    Moment::new(
        Timestamp::from_millis(1_800_000_000_000 + now / 1_000),
        Duration::from_secs(400_000) + Duration::from_micros(now),
    )
}
