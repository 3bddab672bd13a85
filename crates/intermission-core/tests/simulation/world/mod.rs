//! Nodes, a store, an unreliable network between them, operators, and a nemesis.

mod end;
mod nemesis;
mod network;
mod operator;
mod trace;
mod weather;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    LostContact, Moment, NodeEvent, NodeId, NodeReport, NodeSettings, Operation, OutagePolicy,
    Record, StartPolicy, StateErrorKind, SyncReply, Timing,
};

use crate::checker::{Checker, Claims};
use crate::clocks::Clocks;
use crate::mutation::Mutation;
use crate::node::{Effect, Node, RequestKind};
use crate::random::Random;
use crate::store::{Left, Store};
use operator::Operator;
use weather::{Weather, tight};

/// For how many milliseconds everything may go wrong.
const STORM: u64 = 20_000;

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    weather: Weather,
    random: Random,
    /// What draws about scopes, if there are any: of its own, so that all else stays as it is without them.
    scopes: Option<Random>,
    mutation: Option<Mutation>,
    timing: Timing,
    node_timing: Timing,
    now: u64,
    store_clocks: Clocks,
    jumped_at: Option<u64>,
    /// Until when the store takes no step: what comes to it waits.
    stalled_until: u64,
    /// Until when operators cannot reach it.
    unreachable_until: u64,
    store: Store,
    /// What the store was like a while ago, for a replica that lags.
    copies: VecDeque<Store>,
    nodes: Vec<Node>,
    /// What nodes that crashed have written down.
    memory: Vec<Arc<Record>>,
    operators: Vec<Operator>,
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
    pub(crate) counts: Counts,
    /// What was told last, if the run is told.
    told: Option<Vec<String>>,
}

/// How often what happened.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

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
    Resume(NodeId),
    Born,
    Leaves(NodeId),
    Goodbye(NodeId),
    Operator(usize),
    Operation(usize, Box<Operation>),
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

impl Event {
    /// Whose process has to run for it.
    const fn runs_on(&self) -> Option<NodeId> {
        match self {
            Self::Wake(node, _)
            | Self::Reply(node, _)
            | Self::GivenUp(node, _)
            | Self::Push(node, _)
            | Self::Work(node)
            | Self::WorkEnds(node)
            | Self::Leaves(node) => Some(*node),
            _ => None,
        }
    }

    const fn runs_on_the_store(&self) -> bool {
        matches!(
            self,
            Self::Report(_) | Self::Goodbye(_) | Self::Operation(..)
        )
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Wake(..) => "wakes",
            Self::Report(_) => "reports",
            Self::Reply(..) => "replies",
            Self::GivenUp(..) => "time-outs",
            Self::Push(..) => "pushes",
            Self::Work(_) => "work begins",
            Self::WorkEnds(_) => "work ends",
            Self::Resume(_) => "resumes",
            Self::Born => "births",
            Self::Leaves(_) => "idle for good",
            Self::Goodbye(_) => "goodbyes",
            Self::Operator(_) => "operators act",
            Self::Operation(..) => "operations",
            Self::Nemesis => "faults",
            Self::Copy => "copies",
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut random = Random::new(seed);
        let weather = Weather::random(&mut random);
        let weather = mutation.map_or(weather, |mutation| weather.for_mutation(mutation));
        let mut world = Self::with(weather, mutation, random);
        if mutation == Some(Mutation::ScopesDrainedTooEarly) {
            world.scopes = Some(Random::new(seed));
        }
        world
    }

    /// A world in which a part of the site is closed and opened by itself.
    pub(crate) fn with_scopes(seed: u64) -> Self {
        let mut world = Self::new(seed, None);
        world.scopes = Some(Random::new(seed));
        world
    }

    /// The weather that brings out what a mutation breaks, and nothing broken.
    pub(crate) fn unbroken(seed: u64, weather_of: Mutation) -> Self {
        let mut random = Random::new(seed);
        let weather = Weather::random(&mut random).for_mutation(weather_of);
        let mut world = Self::with(weather, None, random);
        if weather_of == Mutation::ScopesDrainedTooEarly {
            world.scopes = Some(Random::new(seed));
        }
        world
    }

    fn with(weather: Weather, mutation: Option<Mutation>, mut random: Random) -> Self {
        let timing = tight();
        let mut node_timing = timing;
        if mutation == Some(Mutation::NoMargin) {
            node_timing.margin = Duration::ZERO;
        }
        let operators = random.range(1, 3);
        let store_clocks = Clocks {
            drift: weather.drift(&mut random),
            ..Clocks::default()
        };
        let mut store = Store::new(timing, mutation);
        let began = store_clocks.at(0);
        let mut checker = Checker::new(timing, weather.run(), store.ledger(), began);
        if weather.begins_in_grace {
            store.restart_with(None, Left::Nothing, began);
            checker.lost(store.ledger(), (0, began), false);
        }
        let mut world = Self {
            weather,
            mutation,
            timing,
            node_timing,
            now: 1_000,
            store_clocks,
            jumped_at: None,
            stalled_until: 0,
            unreachable_until: 0,
            store,
            copies: VecDeque::new(),
            nodes: Vec::new(),
            memory: Vec::new(),
            operators: (0..operators).map(|_| Operator::default()).collect(),
            queue: BinaryHeap::new(),
            queued: 0,
            born: 0,
            operations: 0,
            form: None,
            is_calm: false,
            has_changed: false,
            checker,
            counts: Counts::new(),
            told: None,
            random,
            scopes: None,
        };
        for _ in 0..world.random.range(3, 7) {
            let at = world.random.range(0, 300);
            world.schedule(at, Event::Born);
        }
        for operator in 0..world.operators.len() {
            world.schedule(400, Event::Operator(operator));
        }
        world.schedule(500, Event::Nemesis);
        world.schedule(0, Event::Copy);
        world
    }

    /// Prints everything that happens.
    pub(crate) fn told(mut self) -> Self {
        self.told = Some(Vec::new());
        println!("{:?}", self.weather);
        self
    }

    /// Lives through a storm and the calm after it.
    pub(crate) fn run(mut self) -> (Claims, Counts) {
        self.run_until(STORM);
        if self.mutation.is_none_or(Mutation::shows_at_the_end) {
            self.calm_down();
        }
        (self.checker.claims(), self.counts)
    }

    fn run_until(&mut self, end: u64) {
        while self.queue.peek().is_some_and(|Reverse(due)| due.at <= end) {
            let Some(Reverse(due)) = self.queue.pop() else {
                return;
            };
            self.now = self.now.max(due.at);
            let Some(event) = self.unless_it_waits(*due.event) else {
                continue;
            };
            self.count(event.name());
            self.tell_event(&event);
            self.has_changed = false;
            self.happen(event);
            self.tell_state();
            if self.has_changed {
                self.checker.look(&self.nodes, self.now);
            }
        }
        self.now = end;
    }

    fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    fn schedule(&mut self, delay: u64, event: Event) {
        self.queued += 1;
        self.queue.push(Reverse(Due {
            at: self.now + delay,
            order: self.queued,
            event: Box::new(event),
        }));
    }

    /// A process that stands still does nothing of what is due, and then all of it at once, in the same order.
    fn unless_it_waits(&mut self, event: Event) -> Option<Event> {
        let until = if event.runs_on_the_store() {
            self.stalled_until
        } else {
            let index = event.runs_on().and_then(|node| self.index_of(node));
            index.map_or(0, |index| self.nodes[index].paused_until)
        };
        if until <= self.now {
            return Some(event);
        }
        self.schedule(until - self.now, event);
        None
    }

    fn store_moment(&self) -> Moment {
        self.store_clocks.at(self.now)
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
                    let effects = self.nodes[index].end_work(self.now, &mut self.random);
                    self.carry_out(index, effects);
                }
            }
            Event::Resume(node) => self.resume(node),
            Event::Born => self.bear(),
            Event::Leaves(node) => self.leave(node),
            Event::Goodbye(node) => self.take_goodbye(node),
            Event::Operator(operator) => {
                if !self.is_calm {
                    self.operate(operator);
                    let pause = self.random.range(200, self.weather.leisure);
                    self.schedule(pause, Event::Operator(operator));
                }
            }
            Event::Operation(operator, operation) => self.decide(operator, &operation),
            Event::Nemesis => {
                if !self.is_calm {
                    self.strike();
                    let pause = self.random.range(200, self.weather.peace);
                    self.schedule(pause, Event::Nemesis);
                }
            }
            Event::Copy => {
                self.copies.push_back(self.store.clone());
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
        let more = if self.weather.all_fence_alike() {
            self.weather.patience
        } else {
            self.random.range(0, self.weather.patience)
        };
        let more = Duration::from_millis(more);
        settings.lost_contact = match self.random.range(0, 99) {
            drawn if drawn < self.weather.fence => LostContact::Fence(more),
            drawn if drawn < self.weather.fence + self.weather.hold => LostContact::Hold,
            drawn if drawn < self.weather.fence + self.weather.hold + self.weather.leave => {
                LostContact::Leave
            }
            _ => LostContact::Wait(more),
        };
        self.timing
            .validate_for(settings.lost_contact)
            .expect("the periods of the simulation fit together");
        settings.start = self
            .random
            .pick(&[StartPolicy::StartClosed, StartPolicy::StartOpen]);
        settings.outage = self.random.pick(&[
            OutagePolicy::KeepLast,
            OutagePolicy::CloseAfter(Duration::from_millis(2_000)),
            OutagePolicy::OpenAfter(Duration::from_millis(2_000)),
        ]);
        let clocks = Clocks {
            drift: self.weather.drift(&mut self.random),
            steady_set: i64::try_from(self.random.range(0, 1_000_000)).unwrap(),
            calendar_set: self.random.pick(&[0, 0, -2_000, 2_000]),
        };
        let remembered = self.memory.pop().filter(|_| self.random.percent(70));
        if remembered.is_some() {
            self.count("nodes that remember");
        }
        let (mutation, now) = (self.mutation, self.now);
        let node = Node::new(id, settings, clocks, remembered, mutation, now);
        self.nodes.push(node);
        self.take(self.nodes.len() - 1, NodeEvent::Tick);
        self.schedule(10, Event::Work(id));
    }

    fn take(&mut self, index: usize, event: NodeEvent) {
        let node = &mut self.nodes[index];
        let before = Arc::clone(&node.machine.snapshot().record);
        let effects = node.take(event, self.now, &mut self.random);
        self.checker.follows(node.id, &before, node.record());
        self.carry_out(index, effects);
    }

    fn carry_out(&mut self, index: usize, effects: Vec<Effect>) {
        self.has_changed = true;
        let id = self.nodes[index].id;
        for effect in effects {
            match effect {
                // What should have ended while the process stood still ends at once.
                Effect::WorkEnds(at) => {
                    self.schedule(at.saturating_sub(self.now), Event::WorkEnds(id));
                }
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
        self.begin_work(index, false);
        let pause = self.random.range(50, 1_200);
        self.schedule(pause, Event::Work(node));
    }

    fn begin_work(&mut self, index: usize, is_timer_late: bool) {
        let now = self.now;
        let is_long = self.random.percent(self.weather.slow_work);
        let length = if is_long {
            self.random.range(500, 6_000)
        } else {
            self.random.range(10, 500)
        };
        let kind = self
            .random
            .pick(&[RequestKind::Read, RequestKind::Write, RequestKind::Bypass]);
        let is_scoped = self
            .scopes
            .as_mut()
            .is_some_and(|scopes| scopes.percent(60));
        let node = &mut self.nodes[index];
        let id = node.id;
        let mut effects = Vec::new();
        let may_start = node.may_start_executions(now) && (!is_scoped || node.admits_scoped());
        if !node.is_stopping && node.executions.len() < 3 && may_start {
            self.checker.begins(node, now, is_timer_late);
            effects.push(node.begin_execution(now + length, is_scoped));
        }
        if !is_timer_late && node.requests.len() < 3 && node.admits(kind) {
            self.checker.lets_in(node, kind, now);
            effects.push(node.begin_request(kind, now + length / 4 + 1));
        }
        self.has_changed |= !effects.is_empty();
        for effect in effects {
            if let Effect::WorkEnds(at) = effect {
                self.schedule(at - now, Event::WorkEnds(id));
            }
        }
    }

    /// The process goes on. Sometimes work comes before the timer: a gate asks the clock whenever it begins an
    /// execution, but not for each request.
    fn resume(&mut self, node: NodeId) {
        let Some(index) = self.index_of(node) else {
            return;
        };
        self.nodes[index].paused_until = self.now;
        if self.random.percent(30) {
            self.begin_work(index, true);
        }
        self.take(index, NodeEvent::Tick);
    }

    /// It has nothing more to do, and says so, if it can.
    fn leave(&mut self, node: NodeId) {
        let Some(index) = self.index_of(node) else {
            return;
        };
        let gone = self.nodes.remove(index);
        self.has_changed = true;
        if !gone.is_mute(self.now) && !self.is_lost() {
            let delay = self.delay(self.weather.slow_reports);
            self.schedule(delay, Event::Goodbye(node));
        }
    }
}
