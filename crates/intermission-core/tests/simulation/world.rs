//! Nodes, a ledger, an unreliable network between them, an operator, and a nemesis.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Activate, Actor, AllowChange, AllowList, Change, Deactivate, Departure, DrainPolicy, Ledger, Level, LostContact,
    Members, Moment, NodeEvent, NodeId, NodeReport, NodeSettings, Operation, OperationId, OutagePolicy, Outcome, Phase,
    Record, Revision, StartPolicy, StateErrorKind, SyncReply, Timing,
};

use crate::checker::{Checker, Claims};
use crate::mutation::Mutation;
use crate::node::{Effect, Node, moment};
use crate::random::Random;

/// For how long everything may go wrong.
const STORM: u64 = 25_000;
/// For how long all must be well before it is judged.
const CALM: u64 = 30_000;

/// What this run is like. Runs that are all alike find less than runs of which each overdoes something else.
#[derive(Clone, Copy, Debug)]
struct Weather {
    /// Of a hundred nodes, how many fence themselves, and how many hold; the others wait.
    fence: u64,
    hold: u64,
    /// How many milliseconds after a lease at most a node drops what it runs, or is waited for.
    patience: u64,
    /// Of a hundred acts of an operator, how many switch maintenance on or off.
    switches: u64,
    /// How likely each kind of fault is, compared with the others.
    crashes: u64,
    goodbyes: u64,
    cuts: u64,
    outages: u64,
    losses: u64,
    jumps: u64,
    /// Of a hundred messages, how many are under way for long, and how many executions take long.
    slow_messages: u64,
    slow_work: u64,
}

impl Weather {
    fn random(random: &mut Random) -> Self {
        Self {
            fence: random.pick(&[0, 45, 100]),
            hold: random.pick(&[0, 15]),
            patience: random.pick(&[0, 2_000, 6_000]),
            switches: random.pick(&[50, 95]),
            crashes: random.pick(&[0, 15, 60]),
            goodbyes: random.pick(&[0, 10, 40]),
            cuts: random.pick(&[10, 30, 100]),
            outages: random.pick(&[0, 7, 30]),
            losses: random.pick(&[0, 20, 60]),
            jumps: random.pick(&[0, 18, 60]),
            slow_messages: random.pick(&[5, 30, 80]),
            slow_work: random.pick(&[5, 20]),
        }
    }

    /// The weather that brings out what a mutation breaks.
    fn changed_for(self, mutation: Option<Mutation>) -> Self {
        let clocks = Self {
            fence: 100,
            patience: 0,
            switches: 95,
            crashes: 0,
            goodbyes: 0,
            cuts: 60,
            outages: 0,
            losses: 0,
            jumps: 60,
            slow_messages: 5,
            slow_work: 5,
            ..self
        };
        match mutation {
            Some(Mutation::NoMargin | Mutation::NoClamp) => clocks,
            Some(Mutation::LeaseFromReply) => Self { slow_messages: 80, ..clocks },
            _ => self,
        }
    }
}

pub(crate) struct World {
    weather: Weather,
    random: Random,
    mutation: Option<Mutation>,
    timing: Timing,
    node_timing: Timing,
    now: u64,
    /// How far the store's steady clock is from the world's.
    store_offset: i64,
    jumped_at: Option<u64>,
    ledger: Ledger,
    /// What the store was like a while ago, for a replica that lags.
    copies: VecDeque<(u64, Ledger)>,
    nodes: Vec<Node>,
    queue: BinaryHeap<Reverse<Due>>,
    queued: u64,
    born: u64,
    operations: u128,
    /// The newest answer, as a form to fill in.
    form: Option<SyncReply>,
    is_calm: bool,
    /// Whether the event did anything.
    has_changed: bool,
    checker: Checker,
    pub(crate) traces: bool,
    shown: Vec<String>,
}

#[derive(Debug)]
struct Due {
    at: u64,
    order: u64,
    event: Event,
}

#[derive(Debug)]
enum Event {
    Wake(NodeId, u64),
    Report(NodeReport),
    Reply(NodeId, SyncReply),
    GivenUp(NodeId, u64),
    Push(NodeId, Option<Arc<Record>>),
    Work(NodeId),
    WorkEnds(NodeId),
    Born,
    Leaves(NodeId),
    Operator,
    Nemesis,
    Copy,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Periods with little slack, so that little goes wrong unnoticed.
fn tight() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_millis(4_000);
    timing.heartbeat = Duration::from_millis(1_000);
    timing.timeout = Duration::from_millis(600);
    timing.step = Duration::from_millis(400);
    timing.margin = Duration::from_millis(450);
    timing.grace = Duration::from_millis(4_000);
    timing.reconcile = Duration::from_millis(2_000);
    timing.drain_poll = Duration::from_millis(200);
    timing.validate().expect("the periods of the simulation fit together");
    timing
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut random = Random::new(seed);
        let timing = tight();
        let (mut store_timing, mut node_timing) = (timing, timing);
        if mutation == Some(Mutation::NoClamp) {
            store_timing.step = Duration::from_secs(1_000_000);
        }
        if mutation == Some(Mutation::NoMargin) {
            node_timing.margin = Duration::ZERO;
        }
        let mut world = Self {
            weather: Weather::random(&mut random).changed_for(mutation),
            mutation,
            timing: store_timing,
            node_timing,
            now: 1_000,
            store_offset: 0,
            jumped_at: None,
            ledger: Ledger::new(store_timing),
            copies: VecDeque::new(),
            nodes: Vec::new(),
            queue: BinaryHeap::new(),
            queued: 0,
            born: 0,
            operations: 0,
            form: None,
            is_calm: false,
            has_changed: false,
            checker: Checker::default(),
            traces: false, shown: vec![],
            random: random.clone(),
        };
        for _ in 0..random.range(3, 5) {
            let at = random.range(0, 300);
            world.schedule(at, Event::Born);
        }
        world.random = random;
        world.schedule(400, Event::Operator);
        world.schedule(500, Event::Nemesis);
        world.schedule(0, Event::Copy);
        world
    }

    /// Lives through a storm and the calm after it.
    pub(crate) fn run(mut self) -> Claims {
        self.run_until(STORM);
        self.is_calm = true;
        for node in &mut self.nodes {
            node.cut_off_until = 0;
        }
        // What is still under way arrives, or never will.
        self.run_until(self.now + 5_000);
        self.bury_the_dead();
        self.run_until(self.now + CALM);
        if self.is_stuck_for_a_person() {
            self.decide();
            self.run_until(self.now + CALM);
        }
        self.judge();
        self.checker.claims
    }

    fn run_until(&mut self, end: u64) {
        while self.queue.peek().is_some_and(|Reverse(due)| due.at <= end) {
            let Some(Reverse(due)) = self.queue.pop() else { return };
            self.now = self.now.max(due.at);
            if self.traces && !matches!(due.event, Event::Work(_) | Event::Copy) {
                println!("{:>6} {:?}", self.now, due.event);
            }
            self.has_changed = false;
            self.happen(due.event);
            if self.traces { self.show(); }
            if self.has_changed {
                let now = self.store_moment();
                self.checker.look(&self.ledger, &self.nodes, now);
            }
        }
        self.now = end;
    }

    fn show(&mut self) {
        let short = |record: &Record| format!("{}@{}{}", record.phase(), record.revision().number() % 1_000_000_000, record.activation().and_then(|on| on.completion.as_ref()).map_or(String::new(), |c| format!("[{}{}{}]", if c.forced {"F"} else {""}, if c.state_lost_at.is_some() {"L"} else {""}, c.unconfirmed.len())));
        let view = self.ledger.view(9, self.store_moment());
        let mut lines = vec![format!("       LEDGER {} grace {:?} {:?}", short(&view.record), view.grace, view.count)];
        for node in &view.nodes { lines.push(format!("         member {:x} seen {} closed {} drained {} out {}", node.node.bits() & 0xffff, node.seen.number() % 1_000_000_000, node.closed, node.drained, node.out_of_contact)); }
        for node in &self.nodes { lines.push(format!("         node {:x} {:?} {} susp {} cut {} exec {:?}", node.id.bits() & 0xffff, node.lost_contact, short(node.record()), node.machine.snapshot().executions_suspended, node.cut_off_until, node.executions)); }
        for (i, line) in lines.iter().enumerate() { if self.shown.get(i) != Some(line) { println!("{line}"); } }
        self.shown = lines;
    }

    fn schedule(&mut self, delay: u64, event: Event) {
        self.queued += 1;
        self.queue.push(Reverse(Due { at: self.now + delay, order: self.queued, event }));
    }

    fn store_moment(&self) -> Moment {
        let shown = self.now.saturating_add_signed(self.store_offset);
        Moment::new(moment(self.now).calendar, moment(shown).steady)
    }

    fn index_of(&self, node: NodeId) -> Option<usize> {
        self.nodes.iter().position(|other| other.id == node)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(node, wake) => {
                if let Some(index) = self.index_of(node)
                    && self.nodes[index].wake == wake
                {
                    self.take(index, NodeEvent::Tick);
                }
            }
            Event::Report(report) => self.hear(&report),
            Event::Reply(node, reply) => self.answer(node, reply),
            Event::GivenUp(node, sequence) => {
                if let Some(index) = self.index_of(node)
                    && self.nodes[index].waits_for == Some(sequence)
                {
                    self.nodes[index].waits_for = None;
                    self.take(index, NodeEvent::Failed(StateErrorKind::Unavailable));
                }
            }
            Event::Push(node, record) => self.push(node, record),
            Event::Work(node) => self.work(node),
            Event::WorkEnds(node) => {
                if let Some(index) = self.index_of(node) {
                    let effects = self.nodes[index].end_work(self.now, &mut self.random, self.mutation);
                    self.carry_out(index, effects);
                }
            }
            Event::Born => self.bear(),
            Event::Leaves(node) => self.leave(node),
            Event::Operator => {
                if !self.is_calm {
                    self.operate();
                    let pause = self.random.range(200, 5_000);
                    self.schedule(pause, Event::Operator);
                }
            }
            Event::Nemesis => {
                if !self.is_calm {
                    self.strike();
                    let pause = self.random.range(200, 3_000);
                    self.schedule(pause, Event::Nemesis);
                }
            }
            Event::Copy => {
                self.copies.push_back((self.now, self.ledger.clone()));
                while self.copies.len() > 4 {
                    self.copies.pop_front();
                }
                self.schedule(700, Event::Copy);
            }
        }
    }

    // Nodes.

    fn bear(&mut self) {
        self.born += 1;
        let id = NodeId::from_bits(u128::from(self.born) + (u128::from(self.random.bits() >> 16) << 16));
        let mut settings = NodeSettings::default();
        settings.timing = self.node_timing;
        let more = Duration::from_millis(self.random.range(0, self.weather.patience));
        settings.lost_contact = match self.random.range(0, 99) {
            drawn if drawn < self.weather.fence => LostContact::Fence(more),
            drawn if drawn < self.weather.fence + self.weather.hold => LostContact::Hold,
            _ => LostContact::Wait(more),
        };
        settings.start = self.random.pick(&[StartPolicy::StartClosed, StartPolicy::StartOpen]);
        settings.outage = self.random.pick(&[
            OutagePolicy::KeepLast,
            OutagePolicy::CloseAfter(Duration::from_millis(2_000)),
            OutagePolicy::OpenAfter(Duration::from_millis(2_000)),
        ]);
        self.nodes.push(Node::new(id, settings, self.now));
        self.take(self.nodes.len() - 1, NodeEvent::Tick);
        self.schedule(10, Event::Work(id));
    }

    fn take(&mut self, index: usize, event: NodeEvent) {
        let effects = self.nodes[index].take(event, self.now, &mut self.random, self.mutation);
        self.carry_out(index, effects);
    }

    fn carry_out(&mut self, index: usize, effects: Vec<Effect>) {
        self.has_changed = true;
        let id = self.nodes[index].id;
        for effect in effects {
            match effect {
                Effect::WorkEnds(at) => self.schedule(at - self.now, Event::WorkEnds(id)),
                Effect::Transmit(report) => self.transmit(report),
            }
        }
        let node = &mut self.nodes[index];
        node.wake += 1;
        let (wake, pause) = (node.wake, node.wake_at(self.now) - self.now);
        if node.is_stopping && node.executions.is_empty() && node.waits_for.is_none() {
            self.schedule(0, Event::Leaves(id));
        }
        self.schedule(pause, Event::Wake(id, wake));
    }

    fn work(&mut self, node: NodeId) {
        let Some(index) = self.index_of(node) else { return };
        let (now, mutation) = (self.now, self.mutation);
        let is_long = self.random.percent(self.weather.slow_work);
        let length = if is_long { self.random.range(500, 6_000) } else { self.random.range(10, 500) };
        let node = &mut self.nodes[index];
        let mut effects = Vec::new();
        if !node.is_stopping && node.executions.len() < 3 && node.may_start_executions(now, mutation) {
            self.checker.begins(node);
            effects.push(node.begin_execution(now + length));
        }
        if node.requests.len() < 3 && node.admits_requests() {
            effects.push(node.begin_request(now + length / 4 + 1));
        }
        let id = node.id;
        self.has_changed = !effects.is_empty();
        for effect in effects {
            if let Effect::WorkEnds(at) = effect {
                self.schedule(at - now, Event::WorkEnds(id));
            }
        }
        let pause = self.random.range(50, 900);
        self.schedule(pause, Event::Work(id));
    }

    fn leave(&mut self, node: NodeId) {
        let Some(index) = self.index_of(node) else { return };
        let gone = self.nodes.remove(index);
        if !gone.is_cut_off(self.now) {
            self.step(|ledger, now| ledger.leave(node, &Departure::Goodbye, now));
        }
    }

    // The network.

    fn transmit(&mut self, report: NodeReport) {
        let id = report.node;
        let timeout = u64::try_from(self.timing.timeout.as_millis()).unwrap();
        self.schedule(timeout, Event::GivenUp(id, report.sequence));
        for _ in 0..self.copies_of_a_message(id) {
            let delay = self.delay();
            self.schedule(delay, Event::Report(report.clone()));
        }
    }

    fn hear(&mut self, report: &NodeReport) {
        self.checker.told(report.seen);
        let mut report = report.clone();
        match self.mutation {
            Some(Mutation::NothingOffered) => report.offer = None,
            Some(Mutation::NothingClaimed) => {
                report.seen = Revision::ZERO;
                // As if bringing back took two calls, of which the second is lost now and then.
                report.offer = report.offer.filter(|_| self.random.percent(80));
            }
            Some(Mutation::AcknowledgementsKept) => {
                // What it said of any activation before is in `closed` for as long as one is on.
                let on = self.ledger.current().activation().map(|on| on.id);
                report.drained = report.drained.or_else(|| report.closed.and(on));
            }
            _ => {}
        }
        let reply = self.step(|ledger, now| ledger.sync(&report, now));
        self.form = Some(reply.clone());
        for _ in 0..self.copies_of_a_message(report.node) {
            let delay = self.delay();
            self.schedule(delay, Event::Reply(report.node, reply.clone()));
        }
    }

    fn answer(&mut self, node: NodeId, mut reply: SyncReply) {
        let Some(index) = self.index_of(node) else { return };
        let is_waited_for = self.nodes[index].waits_for == Some(reply.sequence);
        if is_waited_for {
            self.nodes[index].waits_for = None;
        } else if self.nodes[index].waits_for.is_some_and(|sequence| sequence < reply.sequence) {
            panic!("an answer from the future: {reply:?}");
        }
        match self.mutation {
            Some(Mutation::NoProbation) => reply.grace = Duration::ZERO,
            Some(Mutation::LeaseFromReply) if is_waited_for => self.nodes[index].hide_round_trip(self.now),
            _ => {}
        }
        self.take(index, NodeEvent::Replied(reply));
    }

    fn push(&mut self, node: NodeId, record: Option<Arc<Record>>) {
        let Some(index) = self.index_of(node) else { return };
        if self.mutation == Some(Mutation::PushOpens)
            && let (Some(record), Some(form), Some(sequence)) =
                (&record, self.form.clone(), self.nodes[index].waits_for)
        {
            let mut reply = form;
            (reply.sequence, reply.record) = (sequence, Some(Arc::clone(record)));
            self.nodes[index].waits_for = None;
            self.take(index, NodeEvent::Replied(reply));
        } else {
            self.take(index, NodeEvent::Hint(record));
        }
    }

    fn copies_of_a_message(&mut self, node: NodeId) -> u64 {
        let cut_off = self.index_of(node).is_some_and(|index| self.nodes[index].is_cut_off(self.now));
        match self.random.range(0, 99) {
            _ if cut_off => 0,
            _ if self.is_calm => 1,
            0..4 => 0,
            4..8 => 2,
            _ => 1,
        }
    }

    fn delay(&mut self) -> u64 {
        match self.random.range(0, 99) {
            _ if self.is_calm => self.random.range(1, 30),
            drawn if drawn >= self.weather.slow_messages => self.random.range(1, 50),
            drawn if drawn % 5 > 0 => self.random.range(50, 600),
            _ => self.random.range(600, 3_000),
        }
    }

    // The store.

    fn step<T>(&mut self, step: impl FnOnce(&mut Ledger, Moment) -> T) -> T {
        let before = self.ledger.current().revision();
        let now = self.store_moment();
        let result = step(&mut self.ledger, now);
        self.has_changed = true;
        let record = self.ledger.current();
        if record.revision() != before {
            for node in self.nodes.iter().map(|node| node.id).collect::<Vec<_>>() {
                if self.random.percent(80) && self.copies_of_a_message(node) > 0 {
                    let pushed = self.random.percent(80).then(|| Arc::clone(&record));
                    let delay = self.random.range(1, 300);
                    self.schedule(delay, Event::Push(node, pushed));
                }
            }
        }
        result
    }

    fn operate(&mut self) {
        let record = self.ledger.current();
        let at = moment(self.now).calendar;
        let later = |millis| at.saturating_add(Duration::from_millis(millis));
        let is_on = record.phase().is_on();
        let change = match self.random.range(0, 99) {
            drawn if drawn < self.weather.switches && is_on => Change::Deactivate(Deactivate::by("ana")),
            drawn if drawn < self.weather.switches && drawn % 8 == 0 => {
                let start = self.random.range(500, 4_000);
                let plan = Activate::by("ana").with_starts_at(later(start));
                Change::Activate(plan.with_ends_at(later(start + 3_000)).with_auto_end(true))
            }
            drawn if drawn < self.weather.switches => {
                let limit = Duration::from_millis(self.random.range(0, 4_000));
                let drain = match self.random.range(0, 9) {
                    0 => DrainPolicy::Force(limit),
                    1 => DrainPolicy::Abort(limit),
                    _ => DrainPolicy::Wait,
                };
                Change::Activate(Activate::by("ana").with_drain(drain))
            }
            drawn if drawn % 5 == 0 => return self.forget_somebody(),
            drawn if drawn % 5 == 1 => {
                self.operations += 1;
                let init = Operation::init(OperationId::from_bits(self.operations), ana());
                self.step(|ledger, now| ledger.operate(&init, now));
                return;
            }
            drawn if drawn % 5 < 4 && is_on => {
                let level = self.random.pick(&[Level::Full, Level::Exclusive, Level::ReadOnly]);
                let message = format!("message {}", self.operations);
                Change::Activate(Activate::by("bob").with_level(level).with_message(message))
            }
            _ => {
                let network = format!("10.0.{}.0/24", self.random.range(0, 255));
                Change::Allow(AllowChange::Replace(AllowList::parse([network]).unwrap()))
            }
        };
        self.change(&record, &change);
    }

    fn change(&mut self, before: &Arc<Record>, change: &Change) {
        let Ok(Outcome::Changed(next)) = before.apply(change, moment(self.now).calendar) else { return };
        self.operations += 1;
        let operation = Operation::replace(OperationId::from_bits(self.operations), before, next, ana());
        for _ in 0..1 + u64::from(self.random.percent(10)) {
            self.step(|ledger, now| ledger.operate(&operation, now));
        }
    }

    /// An operator takes a dead node off the list, or one that is none.
    fn forget_somebody(&mut self) {
        let known: Vec<NodeId> = self.ledger.nodes().collect();
        if known.is_empty() {
            return;
        }
        let node = self.random.pick(&known);
        if self.index_of(node).is_some() && self.random.percent(80) {
            return;
        }
        self.checker.forgot(node);
        self.step(|ledger, now| ledger.leave(node, &Departure::Forgotten(ana()), now));
    }

    // The nemesis.

    fn strike(&mut self) {
        let victim = (!self.nodes.is_empty()).then(|| self.random.range(0, self.nodes.len() as u64 - 1));
        let victim = victim.map(|index| usize::try_from(index).unwrap());
        let Weather { crashes, goodbyes, cuts, outages, losses, jumps, .. } = self.weather;
        let mut drawn = self.random.range(0, crashes + goodbyes + cuts + outages + losses + jumps - 1);
        let mut is = |weight: u64| {
            let is_drawn = drawn < weight;
            drawn = if is_drawn { u64::MAX } else { drawn - weight };
            is_drawn
        };
        let (crash, goodbye, cut) = (is(crashes), is(goodbyes), is(cuts));
        let (outage, loss) = (is(outages), is(losses));
        match victim {
            Some(index) if crash => {
                let node = self.nodes.remove(index);
                // Sometimes somebody finds out that its process is gone.
                if self.random.percent(30) {
                    self.step(|ledger, now| ledger.leave(node.id, &Departure::Died, now));
                }
                let pause = self.random.range(100, 4_000);
                self.schedule(pause, Event::Born);
            }
            Some(index) if goodbye => {
                self.nodes[index].is_stopping = true;
                let pause = self.random.range(100, 4_000);
                self.schedule(pause, Event::Born);
            }
            Some(index) if cut => {
                let length = self.random.range(300, 10_000);
                self.nodes[index].cut_off_until = self.now + length;
            }
            _ if outage => {
                let end = self.now + self.random.range(300, 5_000);
                for node in &mut self.nodes {
                    node.cut_off_until = node.cut_off_until.max(end);
                }
            }
            _ if loss => self.lose_something(),
            _ => self.set_the_stores_clock(),
        }
    }

    fn lose_something(&mut self) {
        let (timing, record) = (self.timing, self.ledger.record().cloned());
        let history: Vec<_> = self.ledger.kept_history().cloned().collect();
        self.ledger = match self.random.range(0, 9) {
            // All of it.
            0..3 => Ledger::restored(timing, None, [], Members::default()),
            // Who is there.
            3..5 => Ledger::restored(timing, record, history, Members::default()),
            // Nothing, and it does not know that.
            5 => self.ledger.clone(),
            // The newest of it.
            _ => {
                let copy = self.copies.front().map(|(_, ledger)| ledger.clone());
                let copy = copy.unwrap_or_else(|| Ledger::new(timing));
                let history: Vec<_> = copy.kept_history().cloned().collect();
                Ledger::restored(timing, copy.record().cloned(), history, copy.members().clone())
            }
        };
        self.copies.clear();
        if self.mutation != Some(Mutation::NoGrace) {
            let now = self.store_moment();
            self.ledger.lost_members(now);
        }
        self.checker.lost(&self.ledger);
        self.has_changed = true;
    }

    /// Back as often as it likes; forward at most once in the time for which anybody relies on a lease, which is what
    /// the design assumes.
    fn set_the_stores_clock(&mut self) {
        if self.weather.jumps == 0 {
            return;
        }
        let is_allowed = self.jumped_at.is_none_or(|at| self.now > at + 11_000);
        if self.random.percent(30) || !is_allowed {
            self.store_offset -= i64::try_from(self.random.range(0, 5_000)).unwrap();
            return;
        }
        self.jumped_at = Some(self.now);
        let by = if self.random.percent(50) { 400 } else { 3_600_000 };
        self.store_offset += by;
    }

    // The end.

    /// Nodes that hold and are gone need a person.
    fn bury_the_dead(&mut self) {
        let view = self.ledger.view(usize::MAX, self.store_moment());
        for member in view.nodes.iter().filter(|member| member.lost_contact == LostContact::Hold) {
            if self.index_of(member.node).is_none() {
                self.step(|ledger, now| ledger.leave(member.node, &Departure::Forgotten(ana()), now));
            }
        }
    }

    /// Somebody claimed to know more and died before it could say what.
    fn is_stuck_for_a_person(&mut self) -> bool {
        let now = self.store_moment();
        let grace = self.ledger.view(0, now).grace;
        grace == Duration::from_millis(1)
    }

    fn decide(&mut self) {
        let record = self.ledger.current();
        if record.phase().is_on() {
            self.change(&record, &Change::Deactivate(Deactivate::by("ana")));
        } else {
            self.change(&record, &Change::Activate(Activate::by("ana")));
        }
    }

    fn judge(&self) {
        let record = self.ledger.current();
        let view = self.ledger.view(usize::MAX, self.store_moment());
        assert_eq!(view.grace, Duration::ZERO, "I4: the ledger is still in doubt: {view:?}");
        assert_ne!(record.phase(), Phase::Activating, "I4: the drain does not end: {view:?}");
        for node in &self.nodes {
            assert_eq!(node.record(), &*record, "I4: {:?} differs from the ledger", node.id);
            let may_start = node.may_start_executions(self.now, None);
            assert_eq!(may_start, !record.phase().is_on(), "I4: {:?} is suspended: {:?}", node.id, node.machine);
        }
    }
}

fn ana() -> Actor {
    Actor::new("ana", "simulation")
}
