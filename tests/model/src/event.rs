//! What can happen.

use std::fmt;

use crate::config::Policy;
use crate::document::{Document, names};
use crate::rule::Rule;
use crate::state::{Call, Life, Shelf, Store};
use crate::world::{Which, World};

/// Something that happens. Nodes are numbered from nought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test that replays a history must know every one")]
pub enum Event {
    /// A tick passes.
    Tick,
    /// Somebody looks at the store, so that its clock moves on and what is due happens.
    Look(Which),
    /// Somebody looks at the store just before a tick passes.
    LookThenTick,
    /// The store's clock jumps forward.
    Jump,
    /// The time comes that plans and ends name.
    Due,

    /// A node sends a report.
    Send(usize),
    /// The report arrives at a store.
    Execute(usize, Which),
    /// The answer arrives.
    Answer(usize),
    /// A node sends, the report arrives and is answered, all at once.
    Call(usize, Which),
    /// The same, but the answer is lost.
    CallInVain(usize, Which),
    /// The report is lost at once. It may still be executed later, or not.
    CallLost(usize, bool),
    /// The node gives up. The report may still be executed later, or not.
    GiveUp(usize, bool),
    /// A report that was given up arrives.
    ExecuteLate(usize, Which),
    /// An answer to such a report arrives.
    StaleAnswer(usize),
    /// The store's record is pushed, and arrives at once.
    Push(usize),
    /// The store's record is pushed, and will arrive later.
    PushLeaves(usize),
    /// What was pushed arrives.
    PushArrives(usize),

    /// An execution begins.
    Begin(usize),
    /// It ends.
    End(usize),
    /// A visitor comes.
    Enter(usize),
    /// The visitor goes.
    Leave(usize),

    /// An operator plans a maintenance.
    Plan,
    /// An operator activates.
    Activate,
    /// An operator deactivates.
    Deactivate,
    /// An operator edits.
    Edit,
    /// An operator marks the state as a new site.
    Init,
    /// An operator takes a node off the list.
    Forget(usize),

    /// A node dies.
    Crash(usize),
    /// A node says goodbye and ends.
    Goodbye(usize),
    /// The store loses everything.
    Flush,
    /// The store loses who is there.
    Evict,
    /// The store restarts with all its data.
    Restart,
    /// The store is copied.
    Copy,
    /// The copy takes over.
    FailOver,
    /// The copy takes over, and nobody says so.
    RollBack,
    /// The copy takes over, and the first to speak to it is this node, which knows more.
    RollBackSeen(usize),
    /// The store loses its record, and nobody says so.
    Erase,
}

impl World<'_> {
    /// What can happen now, besides what happens at once: see [`hurry`](Self::hurry).
    pub fn events(&self, events: &mut Vec<Event>) {
        events.clear();
        events.push(Event::Tick);
        for store in self.stores() {
            events.extend(self.is_worth_a_look(*store).then_some(Event::Look(*store)));
        }
        events.extend((self.state.store.unseen_time > 0).then_some(Event::LookThenTick));
        for node in 0..self.config.nodes() {
            self.network_events(node, events);
            self.life_events(node, events);
        }
        self.operator_events(events);
        self.fault_events(events);
    }

    fn stores(&self) -> &'static [Which] {
        match self.state.shelf {
            Shelf::OldMaster(_) => &[Which::Present, Which::Old],
            Shelf::Empty | Shelf::Copy => &[Which::Present],
        }
    }

    /// Whether a look at the store does more than move its clock on, which whatever is done next does anyway.
    fn is_worth_a_look(&self, at: Which) -> bool {
        if self.store(at).unseen_time == 0 {
            return false;
        }
        let left = &self.state.left;
        if at == Which::Old || left.jumps + left.rollbacks > 0 {
            return true;
        }
        let mut after = self.clone();
        after.tick(at);
        let settled = |world: &World<'_>| {
            let store = world.store(at);
            let members = store.members.map(|member| (member.known, member.given_up));
            (store.document, store.is_lost, store.quiescent, members)
        };
        settled(self) != settled(&after)
    }

    fn network_events(&self, node: usize, events: &mut Vec<Event>) {
        let known = &self.state.nodes[node];
        let arrivals = self.stores().iter();
        if known.late.is_some() {
            events.extend(arrivals.clone().map(|store| Event::ExecuteLate(node, *store)));
        }
        if known.life != Life::Alive {
            return;
        }
        let is_late = self.config.network.late_reports;
        // A late report may as well never be executed, unless it takes the place of an older one.
        let is_lost = !is_late || known.late.is_some();
        match known.call {
            Call::Idle if self.config.network.is_instant => {
                for store in arrivals {
                    events.extend([Event::Call(node, *store), Event::CallInVain(node, *store)]);
                }
                events.extend(is_late.then_some(Event::CallLost(node, true)));
                events.extend(is_lost.then_some(Event::CallLost(node, false)));
            }
            Call::Idle => events.push(Event::Send(node)),
            Call::Sent(report, age) => {
                // It may as well have been sent only now.
                let is_older = age > 0 || report != self.report(node);
                events.extend(is_older.then_some(Event::Send(node)));
                events.extend(arrivals.map(|store| Event::Execute(node, *store)));
                events.extend(is_late.then_some(Event::GiveUp(node, true)));
                events.extend(is_lost.then_some(Event::GiveUp(node, false)));
            }
            Call::Answered(..) => events.extend([Event::Answer(node), Event::GiveUp(node, false)]),
        }
        let is_mistaken = known.stale.is_some() && known.call != Call::Idle;
        let document = self.state.store.document;
        let is_new = self.heeds_push(node, document);
        let is_late = self.config.network.late_pushes;
        let has_come = is_late && self.heeds_push(node, known.pushed);
        events.extend(is_mistaken.then_some(Event::StaleAnswer(node)));
        events.extend((is_new && !is_late).then_some(Event::Push(node)));
        events.extend((is_new && is_late && known.pushed != document).then_some(Event::PushLeaves(node)));
        events.extend(has_come.then_some(Event::PushArrives(node)));
    }

    fn life_events(&self, node: usize, events: &mut Vec<Event>) {
        let known = &self.state.nodes[node];
        let left = &self.state.left;
        let is_alive = known.life == Life::Alive;
        let is_held_for = self.policy(node) == Policy::Hold && self.state.store.members[node].known;
        let may_begin = self.may_begin(node);
        let may_enter = self.config.visitors && self.may_enter(node);
        // A node that has said nothing may as well not have been there.
        let is_there = is_alive && (known.joined || known.call != Call::Idle);
        let may_leave = is_alive && known.joined && (!known.running || may_begin);
        events.extend((known.visitor && !may_enter).then_some(Event::Leave(node)));
        events.extend((known.life == Life::Dead && is_held_for).then_some(Event::Forget(node)));
        events.extend((left.mistakes > 0 && is_alive && known.joined).then_some(Event::Forget(node)));
        events.extend((is_alive && known.running && !may_begin).then_some(Event::End(node)));
        events.extend((left.crashes > 0 && is_there).then_some(Event::Crash(node)));
        events.extend((left.goodbyes > 0 && may_leave).then_some(Event::Goodbye(node)));
    }

    fn operator_events(&self, events: &mut Vec<Event>) {
        let left = &self.state.left;
        let document = self.state.store.document;
        let is_off = !document.is_on();
        let is_open = is_off && !document.by_itself && self.knows_all(Which::Present);
        let may_plan = self.config.plan && is_off && !document.by_itself;
        events.extend((left.activations > 0 && may_plan).then_some(Event::Plan));
        events.extend((left.activations > 0 && is_off).then_some(Event::Activate));
        events.extend((left.deactivations > 0 && !is_open).then_some(Event::Deactivate));
        events.extend((left.edits > 0).then_some(Event::Edit));
        events.extend((left.inits > 0 && document.revision == 0).then_some(Event::Init));
    }

    fn fault_events(&self, events: &mut Vec<Event>) {
        let left = &self.state.left;
        let is_copied = self.state.shelf == Shelf::Copy;
        let may_copy = left.failovers + left.rollbacks > 0 && self.state.shelf == Shelf::Empty;
        let is_awaited = self.config.is_timed() && !self.state.is_due;
        events.extend(is_awaited.then_some(Event::Due));
        events.extend((left.jumps > 0).then_some(Event::Jump));
        events.extend((left.flushes > 0).then_some(Event::Flush));
        events.extend((left.evictions > 0).then_some(Event::Evict));
        events.extend((left.restarts > 0).then_some(Event::Restart));
        events.extend(may_copy.then_some(Event::Copy));
        events.extend((is_copied && left.failovers > 0).then_some(Event::FailOver));
        if is_copied && left.rollbacks > 0 {
            self.roll_back_events(events);
        }
        events.extend((left.erasures > 0).then_some(Event::Erase));
    }

    fn roll_back_events(&self, events: &mut Vec<Event>) {
        if !self.config.assumptions.rollbacks_show {
            events.push(Event::RollBack);
            return;
        }
        let copy = self.state.shelved.document;
        for (node, known) in self.state.living() {
            let may_speak = !matches!(known.call, Call::Answered(..));
            if may_speak && known.view.revision > copy.revision {
                events.push(Event::RollBackSeen(node));
            }
        }
    }

    /// Lets it happen, and looks at what it led to.
    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Tick => self.pass_time(),
            Event::Look(store) => self.tick(store),
            Event::LookThenTick
            | Event::Call(..)
            | Event::CallInVain(..)
            | Event::CallLost(..)
            | Event::RollBackSeen(_) => {
                for part in event.parts() {
                    self.happen(part);
                }
                return;
            }
            Event::Jump => {
                self.state.left.jumps -= 1;
                let by = if self.breaks(Rule::Clamp) { 5 } else { self.config.periods.step };
                let most = self.most_unseen_time();
                let unseen = &mut self.state.store.unseen_time;
                *unseen = (*unseen + by).min(most);
            }
            Event::Due => self.state.is_due = true,
            Event::Send(node) => self.send(node),
            Event::Execute(node, store) => self.execute(node, store),
            Event::Answer(node) => self.take_answer(node),
            Event::GiveUp(node, stays_late) => self.give_up(node, stays_late),
            Event::ExecuteLate(node, store) => self.execute_late(node, store),
            Event::StaleAnswer(node) => self.take_stale_answer(node),
            Event::Push(node) => self.take_push(node, self.state.store.document),
            Event::PushLeaves(node) => self.state.nodes[node].pushed = self.state.store.document,
            Event::PushArrives(node) => {
                let pushed = std::mem::take(&mut self.state.nodes[node].pushed);
                self.take_push(node, pushed);
            }
            Event::Begin(node) => self.state.nodes[node].running = true,
            Event::End(node) => self.state.nodes[node].running = false,
            Event::Enter(node) => self.state.nodes[node].visitor = true,
            Event::Leave(node) => self.state.nodes[node].visitor = false,
            Event::Plan | Event::Activate | Event::Deactivate | Event::Edit | Event::Init => {
                self.operate(event);
            }
            Event::Forget(node) => {
                let is_mistake = self.state.nodes[node].life == Life::Alive;
                self.state.left.mistakes -= u8::from(is_mistake);
                self.leave(Which::Present, node, false);
            }
            Event::Crash(node) => {
                self.state.left.crashes -= 1;
                self.give_up(node, self.config.network.late_reports);
                self.state.nodes[node].life = Life::Dead;
            }
            Event::Goodbye(node) => {
                self.state.left.goodbyes -= 1;
                self.give_up(node, self.config.network.late_reports);
                self.state.nodes[node].life = Life::Left;
                self.state.nodes[node].running = false;
                self.leave(Which::Present, node, true);
            }
            _ => self.lose(event),
        }
        self.look();
    }

    fn operate(&mut self, event: Event) {
        let left = &mut self.state.left;
        match event {
            Event::Plan => self.plan(),
            Event::Activate => {
                left.activations -= 1;
                self.activate();
            }
            Event::Deactivate => {
                left.deactivations -= 1;
                self.deactivate();
            }
            Event::Edit => {
                left.edits -= 1;
                self.edit();
            }
            _ => {
                left.inits -= 1;
                self.init();
            }
        }
    }

    fn lose(&mut self, event: Event) {
        let left = &mut self.state.left;
        match event {
            Event::Flush => {
                left.flushes -= 1;
                self.state.store = Store::default();
            }
            Event::Evict => {
                left.evictions -= 1;
                self.state.store = Store {
                    document: self.state.store.document,
                    ..Store::default()
                };
            }
            Event::Restart => left.restarts -= 1,
            Event::Copy => {
                self.copy();
                return;
            }
            Event::FailOver => {
                left.failovers -= 1;
                self.take_over();
            }
            Event::RollBack => {
                left.rollbacks -= 1;
                self.take_over();
                return;
            }
            _ => {
                left.erasures -= 1;
                self.state.store.document = Document::default();
                return;
            }
        }
        self.lose_members(Which::Present);
    }

    fn copy(&mut self) {
        self.state.shelf = Shelf::Copy;
        self.state.shelved = self.state.store;
        if self.config.budget.rollbacks > 0 {
            return;
        }
        // What a loss resets anyway need not be told apart.
        let keeps_claims = self.breaks(Rule::ForgetClaims);
        let keeps_leases = self.breaks(Rule::RenewAll);
        let copy = &mut self.state.shelved;
        (copy.unseen_time, copy.grace, copy.grace_age, copy.reconcile) = (0, 0, 0, 0);
        (copy.is_lost, copy.known_before, copy.quiescent) = (false, false, false);
        for member in &mut copy.members {
            if !keeps_claims {
                (member.closed, member.drained, member.quiet) = (false, false, false);
            }
            if !keeps_leases {
                member.expires = 0;
            }
        }
    }

    fn take_over(&mut self) {
        let copy = self.state.shelved;
        self.state.shelf = match self.config.old_master {
            0 => Shelf::Empty,
            left => Shelf::OldMaster(left),
        };
        self.state.shelved = self.state.store;
        self.state.store = Store {
            unseen_time: self.config.periods.step,
            ..copy
        };
    }
}

impl Event {
    /// What it is made of.
    #[must_use]
    pub fn parts(self) -> Vec<Self> {
        match self {
            Self::LookThenTick => vec![Self::Look(Which::Present), Self::Tick],
            Self::Call(node, store) => vec![Self::Send(node), Self::Execute(node, store), Self::Answer(node)],
            Self::CallInVain(node, store) => {
                vec![Self::Send(node), Self::Execute(node, store), Self::GiveUp(node, false)]
            }
            Self::CallLost(node, stays_late) => vec![Self::Send(node), Self::GiveUp(node, stays_late)],
            Self::RollBackSeen(node) => {
                vec![Self::RollBack, Self::Send(node), Self::Execute(node, Which::Present)]
            }
            single => vec![single],
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |node: &usize| names(1 << node);
        let place = |store: &Which| match store {
            Which::Present => "the store",
            Which::Old => "the old master",
        };
        match self {
            Self::Tick => f.write_str("a tick passes"),
            Self::Look(store) => write!(f, "somebody looks at {}", place(store)),
            Self::LookThenTick => f.write_str("somebody looks at the store, and a tick passes"),
            Self::Jump => f.write_str("the store's clock jumps"),
            Self::Due => f.write_str("the planned time comes"),
            Self::Send(node) => write!(f, "{} sends a report", name(node)),
            Self::Execute(node, store) => write!(f, "{} hears it from {}", place(store), name(node)),
            Self::Answer(node) => write!(f, "{} gets the answer", name(node)),
            Self::Call(node, store) => write!(f, "{} calls {}", name(node), place(store)),
            Self::CallInVain(node, store) => write!(f, "{} calls {}, and the answer is lost", name(node), place(store)),
            Self::CallLost(node, _) => write!(f, "{} sends a report in vain", name(node)),
            Self::GiveUp(node, false) => write!(f, "{} gives up: report or answer is lost", name(node)),
            Self::GiveUp(node, true) => write!(f, "{} gives up, its report is still on its way", name(node)),
            Self::ExecuteLate(node, store) => {
                write!(f, "{} hears {}'s late report", place(store), name(node))
            }
            Self::StaleAnswer(node) => write!(f, "{} gets a stale answer", name(node)),
            Self::Push(node) => write!(f, "{} is pushed the record", name(node)),
            Self::PushLeaves(node) => write!(f, "the record is pushed towards {}", name(node)),
            Self::PushArrives(node) => write!(f, "what was pushed reaches {}", name(node)),
            Self::Begin(node) => write!(f, "an execution begins on {}", name(node)),
            Self::End(node) => write!(f, "the execution on {} ends", name(node)),
            Self::Enter(node) => write!(f, "a visitor comes to {}", name(node)),
            Self::Leave(node) => write!(f, "the visitor of {} goes", name(node)),
            Self::Plan => f.write_str("an operator plans a maintenance"),
            Self::Activate => f.write_str("an operator activates"),
            Self::Deactivate => f.write_str("an operator deactivates"),
            Self::Edit => f.write_str("an operator edits"),
            Self::Init => f.write_str("an operator says that the site is new"),
            Self::Forget(node) => write!(f, "an operator forgets {}", name(node)),
            Self::Crash(node) => write!(f, "{} dies", name(node)),
            Self::Goodbye(node) => write!(f, "{} says goodbye", name(node)),
            Self::Flush => f.write_str("the store loses everything"),
            Self::Evict => f.write_str("the store loses who is there"),
            Self::Restart => f.write_str("the store restarts with all its data"),
            Self::Copy => f.write_str("a replica has copied the store"),
            Self::FailOver => f.write_str("the replica takes over"),
            Self::RollBack => f.write_str("the copy takes over, and nobody notices"),
            Self::RollBackSeen(node) => write!(f, "the copy takes over, and hears from {} first", name(node)),
            Self::Erase => f.write_str("the store loses its record, and nobody notices"),
        }
    }
}
