//! What can happen in a state: every move of the fleet, of its operators, and of whatever works against them.

use std::fmt;

use crate::ledger::{Departure, Desk, Intent};
use crate::rules::{FOREVER, NODES, Pushes, Rules};
use crate::state::{Flight, Ledger, Life, Node, Record, State};

/// One move. A number is a node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Tick,
    Start(usize),
    Ask(usize),
    Execute(usize),
    ExecuteOnOldMaster(usize),
    ExecuteLate(usize),
    Answer(usize),
    GiveUp(usize),
    GiveUpAndExecuteLater(usize),
    Push(usize),
    Begin(usize),
    End(usize),
    Crash(usize),
    CrashWithRequest(usize),
    Goodbye(usize),
    Forget(usize),
    Activate,
    Deactivate,
    LookAtLedger,
    Jump,
    Flush,
    Evict,
    Restart,
    Replicate,
    FailOver,
}

/// A move, and the state to which it leads.
pub(crate) type Successor = (Move, State);

/// All moves from here.
pub(crate) fn successors(rules: &Rules, state: &State) -> Vec<Successor> {
    let mut moves = Moves {
        rules,
        from: state,
        found: Vec::with_capacity(24),
    };
    moves.time();
    for node in 0..NODES {
        moves.of_node(node);
        moves.of_messages(node);
        moves.against_node(node);
    }
    moves.of_operators();
    moves.against_store();
    moves.found
}

/// The desk of a state's ledger.
pub(crate) fn desk<'a>(rules: &'a Rules, state: &'a mut State) -> Desk<'a> {
    Desk {
        rules,
        ledger: &mut state.ledger,
        newest: &mut state.newest,
        nodes: &mut state.nodes,
        overruled: state.old.is_none().then_some(&mut state.overruled),
    }
}

/// A tick of all clocks alike.
pub(crate) fn tick(rules: &Rules, state: &mut State) {
    for node in &mut state.nodes {
        node.wait(rules);
    }
    for ledger in state.ledgers() {
        ledger.wait(rules, 1);
    }
    if let Some((_, left)) = &mut state.old
        && *left != FOREVER
    {
        *left -= 1;
    }
    state.old = state.old.filter(|(_, left)| *left > 0);
}

struct Moves<'a> {
    rules: &'a Rules,
    from: &'a State,
    found: Vec<Successor>,
}

impl Moves<'_> {
    fn add(&mut self, what: Move, change: impl FnOnce(&mut State)) {
        let mut state = *self.from;
        change(&mut state);
        self.settled(&mut state);
        self.found.push((what, state));
    }

    /// The same for a move after which ledgers push what has changed in them.
    fn add_pushing(&mut self, what: Move, change: impl FnOnce(&mut State)) {
        let mut state = *self.from;
        change(&mut state);
        self.settled(&mut state);
        let record_of_old = |state: &State| state.old.map(|(ledger, _)| ledger.record);
        let mut pushed: Option<Record> = None;
        if state.ledger.record != self.from.ledger.record {
            pushed = Some(state.ledger.record);
        } else if record_of_old(&state) != record_of_old(self.from) {
            pushed = record_of_old(&state);
        }
        let Some(record) = pushed.filter(|_| self.rules.pushes != Pushes::Off) else {
            self.found.push((what, state));
            return;
        };
        if self.rules.pushes == Pushes::Unordered
            && state.nodes.iter().any(|node| node.push.is_some())
        {
            let mut kept = state;
            for node in kept.nodes.iter_mut().filter(|node| node.is_alive()) {
                node.push.get_or_insert(record);
            }
            self.found.push((what, kept));
        }
        for node in state.nodes.iter_mut().filter(|node| node.is_alive()) {
            node.push = Some(record);
        }
        self.found.push((what, state));
    }

    /// A push that says nothing new to a node is as good as lost. A node that is known again, and does what the record
    /// says, counts again.
    fn settled(&self, state: &mut State) {
        let ledger = &state.ledger;
        for (node, member) in state.nodes.iter_mut().zip(ledger.members) {
            node.push = node.push.filter(|push| push.supersedes(node.record));
            let is_back = member.is_some() && ledger.grace == 0 && node.record == ledger.record;
            if is_back && !(node.running && node.record.is_on()) {
                node.excused = false;
            }
        }
    }

    fn time(&mut self) {
        let rules = self.rules;
        self.add(Move::Tick, |state| tick(rules, state));
    }

    fn of_node(&mut self, node: usize) {
        let (rules, now) = (self.rules, self.from.nodes[node]);
        if now.life == Life::Unborn {
            self.add(Move::Start(node), |state| {
                state.nodes[node].life = Life::Alive;
            });
        }
        if !now.is_alive() {
            return;
        }
        if now.flight == Flight::None {
            self.add(Move::Ask(node), |state| state.nodes[node].ask(rules));
        }
        if now.running {
            self.add(Move::End(node), |state| state.nodes[node].running = false);
        } else if now.may_begin(rules) {
            self.add(Move::Begin(node), |state| state.nodes[node].running = true);
        }
    }

    fn of_messages(&mut self, node: usize) {
        let (rules, now) = (self.rules, self.from.nodes[node]);
        match now.flight {
            Flight::None => {}
            Flight::Asked(report) => {
                self.add_pushing(Move::Execute(node), |state| {
                    let reply = desk(rules, state).sync(node, &report, false);
                    state.nodes[node].flight = reply.map_or(Flight::Refused, Flight::Answered);
                });
                if self.from.old.is_some() {
                    self.add_pushing(Move::ExecuteOnOldMaster(node), |state| {
                        let reply =
                            on_old_master(rules, state, |mut desk| desk.sync(node, &report, false));
                        state.nodes[node].flight =
                            reply.flatten().map_or(Flight::Refused, Flight::Answered);
                    });
                }
                if rules.late_requests {
                    self.add(Move::GiveUpAndExecuteLater(node), |state| {
                        leave_late(state, node);
                    });
                }
            }
            Flight::Answered(reply) => {
                self.add(Move::Answer(node), |state| {
                    state.nodes[node].replied(rules, reply);
                });
            }
            Flight::Refused => {}
        }
        if now.flight != Flight::None {
            self.add(Move::GiveUp(node), |state| state.nodes[node].failed());
        }
        if let Some(report) = now.late {
            self.add_pushing(Move::ExecuteLate(node), |state| {
                state.nodes[node].late = None;
                let _ = desk(rules, state).sync(node, &report, true);
            });
        }
        if let Some(pushed) = now.push {
            self.add(Move::Push(node), |state| {
                state.nodes[node].push = None;
                state.nodes[node].hinted(rules, pushed);
            });
        }
    }

    fn against_node(&mut self, node: usize) {
        let (rules, now) = (self.rules, self.from.nodes[node]);
        let is_asking = matches!(now.flight, Flight::Asked(_)) && rules.late_requests;
        if now.is_alive() && self.from.budget.crashes > 0 {
            let crash = |state: &mut State| {
                state.budget.crashes -= 1;
                state.nodes[node].life = Life::Crashed;
            };
            self.add(Move::Crash(node), crash);
            if is_asking {
                self.add(Move::CrashWithRequest(node), |state| {
                    leave_late(state, node);
                    crash(state);
                });
            }
        }
        // It begins nothing any more, waits for what it runs, and leaves.
        if now.is_alive() && !now.running && self.from.budget.goodbyes > 0 {
            self.add_pushing(Move::Goodbye(node), |state| {
                if is_asking {
                    leave_late(state, node);
                }
                state.budget.goodbyes -= 1;
                state.nodes[node].life = Life::Departed;
                desk(rules, state).leave(node, Departure::Goodbye);
            });
        }
        if self.from.ledger.members[node].is_some() && self.from.budget.forgets > 0 {
            self.add_pushing(Move::Forget(node), |state| {
                state.budget.forgets -= 1;
                state.nodes[node].excused = true;
                desk(rules, state).leave(node, Departure::Forgotten);
            });
        }
    }

    fn of_operators(&mut self) {
        let rules = self.rules;
        for (what, intent) in [
            (Move::Activate, Intent::Activate),
            (Move::Deactivate, Intent::Deactivate),
        ] {
            let left = |state: &mut State| match intent {
                Intent::Activate => state.budget.activations,
                Intent::Deactivate => state.budget.deactivations,
            };
            let mut state = *self.from;
            if left(&mut state) == 0 || !desk(rules, &mut state).operate(intent) {
                continue;
            }
            self.add_pushing(what, |after| {
                match intent {
                    Intent::Activate => state.budget.activations -= 1,
                    Intent::Deactivate => state.budget.deactivations -= 1,
                }
                *after = state;
            });
        }
        if self.from.ledger.pending > 0 {
            self.add_pushing(Move::LookAtLedger, |state| desk(rules, state).tick());
        }
    }

    fn against_store(&mut self) {
        let (rules, budget) = (self.rules, self.from.budget);
        if budget.jumps > 0 {
            self.add(Move::Jump, |state| {
                state.budget.jumps -= 1;
                state.ledger.wait(rules, rules.jump);
            });
        }
        if budget.flushes > 0 {
            self.add(Move::Flush, |state| {
                state.budget.flushes -= 1;
                state.ledger = Ledger {
                    outlasts: true,
                    ..Ledger::default()
                };
                lose(rules, state);
            });
        }
        if budget.evictions > 0 {
            self.add(Move::Evict, |state| {
                state.budget.evictions -= 1;
                state.ledger.members = [None; NODES];
                lose(rules, state);
                state.ledger.known_before = true;
            });
        }
        if budget.restarts > 0 {
            self.add(Move::Restart, |state| {
                state.budget.restarts -= 1;
                lose(rules, state);
            });
        }
        if budget.failovers > 0 && self.from.replica.is_none() {
            self.add(Move::Replicate, |state| state.replica = Some(state.ledger));
        }
        if let Some(replica) = self.from.replica {
            self.add(Move::FailOver, |state| {
                state.budget.failovers = 0;
                state.old = (rules.old_master > 0).then_some((state.ledger, rules.old_master));
                state.ledger = replica;
                state.replica = None;
                state.ledger.wait(rules, 1);
                lose(rules, state);
            });
        }
    }
}

fn on_old_master<T>(
    rules: &Rules,
    state: &mut State,
    step: impl FnOnce(Desk<'_>) -> T,
) -> Option<T> {
    let before = state.newest;
    let (ledger, _) = state.old.as_mut()?;
    let reply = step(Desk {
        rules,
        ledger,
        newest: &mut state.newest,
        nodes: &mut state.nodes,
        overruled: None,
    });
    if state.newest != before {
        state.ledger.untold = Some(state.ledger.grace);
    }
    Some(reply)
}

/// The store has lost something, and knows it at the next call. That the grace begins at once is the worst case: it also
/// ends first.
fn lose(rules: &Rules, state: &mut State) {
    let is_newest = state.ledger.record == state.newest;
    let mut desk = desk(rules, state);
    desk.lost_members();
    desk.ledger.untold = (!is_newest).then_some(rules.grace);
}

/// A node's request is given up and will be executed later.
fn leave_late(state: &mut State, node: usize) {
    let asking = &mut state.nodes[node];
    if let Flight::Asked(report) = asking.flight {
        asking.failed();
        asking.late = Some(report);
        for ledger in state.ledgers() {
            if let Some(member) = &mut ledger.members[node] {
                member.newer_heard = false;
            }
        }
    }
}

impl Move {
    /// The same move with the nodes in each other's place.
    pub(crate) fn swapped(self) -> Self {
        let other = |node: usize| NODES - 1 - node;
        match self {
            Self::Start(node) => Self::Start(other(node)),
            Self::Ask(node) => Self::Ask(other(node)),
            Self::Execute(node) => Self::Execute(other(node)),
            Self::ExecuteOnOldMaster(node) => Self::ExecuteOnOldMaster(other(node)),
            Self::ExecuteLate(node) => Self::ExecuteLate(other(node)),
            Self::Answer(node) => Self::Answer(other(node)),
            Self::GiveUp(node) => Self::GiveUp(other(node)),
            Self::GiveUpAndExecuteLater(node) => Self::GiveUpAndExecuteLater(other(node)),
            Self::Push(node) => Self::Push(other(node)),
            Self::Begin(node) => Self::Begin(other(node)),
            Self::End(node) => Self::End(other(node)),
            Self::Crash(node) => Self::Crash(other(node)),
            Self::CrashWithRequest(node) => Self::CrashWithRequest(other(node)),
            Self::Goodbye(node) => Self::Goodbye(other(node)),
            Self::Forget(node) => Self::Forget(other(node)),
            _ => self,
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |node: &usize| Node::name(*node);
        match self {
            Self::Tick => f.write_str("a tick passes"),
            Self::Start(node) => write!(f, "{} starts", name(node)),
            Self::Ask(node) => write!(f, "{} sends a report", name(node)),
            Self::Execute(node) => write!(f, "the ledger hears {}", name(node)),
            Self::ExecuteOnOldMaster(node) => write!(f, "the old master hears {}", name(node)),
            Self::ExecuteLate(node) => {
                write!(f, "the ledger hears a late report of {}", name(node))
            }
            Self::Answer(node) => write!(f, "the answer reaches {}", name(node)),
            Self::GiveUp(node) => write!(
                f,
                "{} waits no longer, and what was on its way is lost",
                name(node)
            ),
            Self::GiveUpAndExecuteLater(node) => write!(
                f,
                "{} waits no longer, but its report is still on its way",
                name(node)
            ),
            Self::Push(node) => write!(f, "the pushed record reaches {}", name(node)),
            Self::Begin(node) => write!(f, "{} begins an execution", name(node)),
            Self::End(node) => write!(f, "{} ends its execution", name(node)),
            Self::Crash(node) => write!(f, "{} crashes", name(node)),
            Self::CrashWithRequest(node) => write!(
                f,
                "{} crashes, and its report is still on its way",
                name(node)
            ),
            Self::Goodbye(node) => write!(f, "{} says goodbye", name(node)),
            Self::Forget(node) => write!(f, "an operator forgets {}", name(node)),
            Self::Activate => f.write_str("an operator activates"),
            Self::Deactivate => f.write_str("an operator deactivates"),
            Self::LookAtLedger => f.write_str("somebody looks at the ledger"),
            Self::Jump => f.write_str("the store's clock jumps"),
            Self::Flush => f.write_str("the store loses everything"),
            Self::Evict => f.write_str("the store loses what it knew of the nodes"),
            Self::Restart => f.write_str("the store restarts"),
            Self::Replicate => f.write_str("the replica copies the ledger"),
            Self::FailOver => f.write_str("the store fails over to the replica"),
        }
    }
}

impl Node {
    fn name(node: usize) -> &'static str {
        ["A", "B"].get(node).copied().unwrap_or("?")
    }
}
