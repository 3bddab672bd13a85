//! Nodes, a ledger, an unreliable network between them, an operator, and a nemesis.

mod nemesis;
mod operator;
mod trace;
mod weather;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Departure, Ledger, LostContact, Moment, NodeEvent, NodeId, NodeReport, NodeSettings,
    OutagePolicy, Phase, Record, Revision, StartPolicy, StateErrorKind, SyncReply, Timing,
};

use crate::checker::{Checker, Claims};
use crate::mutation::Mutation;
use crate::node::{Effect, Node, moment};
use crate::random::Random;
use weather::{Weather, tight};

/// For how many milliseconds everything may go wrong.
const STORM: u64 = 20_000;
/// For how many all must be well before it is judged.
const CALM: u64 = 22_000;

/// Everything there is.
#[derive(Debug)]
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
    copies: VecDeque<Ledger>,
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
    /// What was told last, if the run is told.
    told: Option<Vec<String>>,
}

#[derive(Debug)]
struct Due {
    at: u64,
    order: u64,
    event: Box<Event>,
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
        let weather = Weather::random(&mut random);
        let weather = mutation.map_or(weather, |mutation| weather.for_mutation(mutation));
        let mut world = Self {
            weather,
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
            told: None,
            random,
        };
        for _ in 0..world.random.range(3, 5) {
            let at = world.random.range(0, 300);
            world.schedule(at, Event::Born);
        }
        world.schedule(400, Event::Operator);
        world.schedule(500, Event::Nemesis);
        world.schedule(0, Event::Copy);
        world
    }

    /// Prints everything that happens.
    pub(crate) fn told(mut self) -> Self {
        self.told = Some(Vec::new());
        self
    }

    /// Lives through a storm and the calm after it.
    pub(crate) fn run(mut self) -> Claims {
        self.run_until(STORM);
        // Most mutations show in the storm, if at all.
        if self
            .mutation
            .is_none_or(|mutation| mutation == Mutation::NothingOffered)
        {
            self.calm_down();
        }
        self.checker.claims
    }

    fn calm_down(&mut self) {
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
    }

    fn run_until(&mut self, end: u64) {
        while self.queue.peek().is_some_and(|Reverse(due)| due.at <= end) {
            let Some(Reverse(due)) = self.queue.pop() else {
                return;
            };
            self.now = self.now.max(due.at);
            self.tell_event(&due.event);
            self.has_changed = false;
            self.happen(*due.event);
            self.tell_state();
            if self.has_changed {
                let now = self.store_moment();
                self.checker.look(&self.ledger, &self.nodes, now);
            }
        }
        self.now = end;
    }

    fn schedule(&mut self, delay: u64, event: Event) {
        self.queued += 1;
        self.queue.push(Reverse(Due {
            at: self.now + delay,
            order: self.queued,
            event: Box::new(event),
        }));
    }

    fn store_moment(&self) -> Moment {
        let untouched = moment(self.now);
        let offset = Duration::from_millis(self.store_offset.unsigned_abs());
        let steady = if self.store_offset < 0 {
            untouched.steady - offset
        } else {
            untouched.steady + offset
        };
        Moment::new(untouched.calendar, steady)
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
                    let effects =
                        self.nodes[index].end_work(self.now, &mut self.random, self.mutation);
                    self.carry_out(index, effects);
                }
            }
            Event::Born => self.bear(),
            Event::Leaves(node) => self.leave(node),
            Event::Operator => {
                if !self.is_calm {
                    self.operate();
                    let pause = self.random.range(200, self.weather.leisure);
                    self.schedule(pause, Event::Operator);
                }
            }
            Event::Nemesis => {
                if !self.is_calm {
                    self.strike();
                    let pause = self.random.range(200, self.weather.peace);
                    self.schedule(pause, Event::Nemesis);
                }
            }
            Event::Copy => {
                self.copies.push_back(self.ledger.clone());
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
        let id =
            NodeId::from_bits(u128::from(self.born) + (u128::from(self.random.bits() >> 16) << 16));
        let mut settings = NodeSettings::default();
        settings.timing = self.node_timing;
        let more = Duration::from_millis(self.random.range(0, self.weather.patience));
        settings.lost_contact = match self.random.range(0, 99) {
            drawn if drawn < self.weather.fence => LostContact::Fence(more),
            drawn if drawn < self.weather.fence + self.weather.hold => LostContact::Hold,
            _ => LostContact::Wait(more),
        };
        settings.start = self
            .random
            .pick(&[StartPolicy::StartClosed, StartPolicy::StartOpen]);
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
                Effect::Transmit(report) => self.transmit(&report),
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
        let Some(index) = self.index_of(node) else {
            return;
        };
        let (now, mutation) = (self.now, self.mutation);
        let is_long = self.random.percent(self.weather.slow_work);
        let length = if is_long {
            self.random.range(500, 6_000)
        } else {
            self.random.range(10, 500)
        };
        let node = &mut self.nodes[index];
        let mut effects = Vec::new();
        if !node.is_stopping
            && node.executions.len() < 3
            && node.may_start_executions(now, mutation)
        {
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
        let pause = self.random.range(50, 1_200);
        self.schedule(pause, Event::Work(id));
    }

    fn leave(&mut self, node: NodeId) {
        let Some(index) = self.index_of(node) else {
            return;
        };
        let gone = self.nodes.remove(index);
        if !gone.is_cut_off(self.now) {
            self.step(|ledger, now| ledger.leave(node, &Departure::Goodbye, now));
        }
    }

    // The network.

    fn transmit(&mut self, report: &NodeReport) {
        let id = report.node;
        self.schedule(self.weather.timeout, Event::GivenUp(id, report.sequence));
        for _ in 0..self.copies_of_a_message(id) {
            let delay = self.delay(self.weather.slow_reports);
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
                // As if bringing back took two calls, of which the second is often lost.
                report.offer = report.offer.filter(|_| self.random.percent(30));
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
            let delay = self.delay(self.weather.slow_replies);
            self.schedule(delay, Event::Reply(report.node, reply.clone()));
        }
    }

    fn answer(&mut self, node: NodeId, mut reply: SyncReply) {
        let Some(index) = self.index_of(node) else {
            return;
        };
        let is_waited_for = self.nodes[index].waits_for == Some(reply.sequence);
        if is_waited_for {
            self.nodes[index].waits_for = None;
        } else if self.nodes[index]
            .waits_for
            .is_some_and(|sequence| sequence < reply.sequence)
        {
            panic!("an answer from the future: {reply:?}");
        }
        match self.mutation {
            Some(Mutation::NoProbation) => reply.grace = Duration::ZERO,
            Some(Mutation::LeaseFromReply) if is_waited_for => {
                self.nodes[index].hide_round_trip(self.now);
            }
            _ => {}
        }
        self.take(index, NodeEvent::Replied(reply));
    }

    fn push(&mut self, node: NodeId, record: Option<Arc<Record>>) {
        let Some(index) = self.index_of(node) else {
            return;
        };
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
        let cut_off = self
            .index_of(node)
            .is_some_and(|index| self.nodes[index].is_cut_off(self.now));
        match self.random.range(0, 99) {
            _ if cut_off => 0,
            _ if self.is_calm => 1,
            0..4 => 0,
            4..8 => 2,
            _ => 1,
        }
    }

    fn delay(&mut self, slow: u64) -> u64 {
        match self.random.range(0, 99) {
            _ if self.is_calm => self.random.range(1, 30),
            drawn if drawn >= slow => self.random.range(1, 50),
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

    // The end.

    /// Nodes that hold and are gone need a person.
    fn bury_the_dead(&mut self) {
        let view = self.ledger.view(usize::MAX, self.store_moment());
        for member in view
            .nodes
            .iter()
            .filter(|member| member.lost_contact == LostContact::Hold)
        {
            if self.index_of(member.node).is_none() {
                self.step(|ledger, now| {
                    ledger.leave(member.node, &Departure::Forgotten(operator::ana()), now);
                });
            }
        }
    }

    /// Somebody claimed to know more and died before it could say what.
    fn is_stuck_for_a_person(&mut self) -> bool {
        let now = self.store_moment();
        let grace = self.ledger.view(0, now).grace;
        grace == Duration::from_millis(1)
    }

    fn judge(&self) {
        let record = self.ledger.current();
        let view = self.ledger.view(usize::MAX, self.store_moment());
        assert_eq!(
            view.grace,
            Duration::ZERO,
            "I4: the ledger is still in doubt: {view:?}"
        );
        assert_ne!(
            record.phase(),
            Phase::Activating,
            "I4: the drain does not end: {view:?}"
        );
        for node in &self.nodes {
            assert_eq!(
                node.record(),
                &*record,
                "I4: {:?} differs from the ledger",
                node.id
            );
            let may_start = node.may_start_executions(self.now, None);
            assert_eq!(
                may_start,
                !record.phase().is_on(),
                "I4: {:?} is suspended: {:?}",
                node.id,
                node.machine
            );
        }
    }
}
