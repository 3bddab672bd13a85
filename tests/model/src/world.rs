//! A state with the rules that move it, and the verdict on what the rules did.

mod ledger;
mod machine;

use crate::config::{Budget, Config, Periods, Policy};
use crate::document::{Document, Phase, names};
use crate::rule::Rule;
use crate::state::{Call, Life, Shelf, State, Store};

/// Which of two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third store")]
pub enum Which {
    /// The one that everybody means.
    Present,
    /// The old master.
    Old,
}

/// What is promised. See the crate's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the table names every one")]
pub enum Invariant {
    /// Once all are said to be closed, nothing begins.
    I1,
    /// A completed drain names whatever still runs.
    I2,
    /// Nothing goes back.
    I3,
    /// When the faults end, all agree and nothing is stuck.
    I4,
    /// What the ledger does by itself overrides no decision that it has lost and that a node still knows.
    I5,
    /// Quiescent means that no visitor is served.
    I6,
}

/// A promise that was not kept, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a result")]
pub struct Violation {
    /// Which promise.
    pub invariant: Invariant,
    /// Who did what.
    pub story: String,
}

/// A state with the rules that move it.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the model's core, looked at by everything here")]
pub struct World<'c> {
    /// What is explored.
    pub config: &'c Config,
    /// Everything there is.
    pub state: State,
    /// The first promise that was not kept.
    pub violation: Option<Violation>,
    /// Whether an assumption was not met, so that nothing is promised any more.
    pub is_cut: bool,
}

impl<'c> World<'c> {
    /// The world in this state.
    #[must_use]
    pub const fn new(config: &'c Config, state: State) -> Self {
        Self {
            config,
            state,
            violation: None,
            is_cut: false,
        }
    }

    pub(crate) fn breaks(&self, rule: Rule) -> bool {
        self.config.breaks(rule)
    }

    pub(crate) fn policy(&self, node: usize) -> Policy {
        self.config.policy(node)
    }

    /// A store.
    #[must_use]
    pub fn store(&self, which: Which) -> &Store {
        match which {
            Which::Present => &self.state.store,
            Which::Old => &self.state.shelved,
        }
    }

    pub(crate) fn store_mut(&mut self, which: Which) -> &mut Store {
        match which {
            Which::Present => &mut self.state.store,
            Which::Old => &mut self.state.shelved,
        }
    }

    pub(crate) fn violate(&mut self, invariant: Invariant, story: impl FnOnce() -> String) {
        if self.violation.is_none() && !self.is_cut {
            self.violation = Some(Violation {
                invariant,
                story: story(),
            });
        }
    }

    /// Notes that a document was written.
    pub(crate) fn note_written(&mut self, written: Document) {
        let memory = &mut self.state.memory;
        if written.supersedes(memory.greatest) {
            memory.said_closed &= memory.greatest.activation == written.activation;
            memory.greatest = written;
        }
    }

    /// Nodes that have joined and of which the store knows nothing, one bit each.
    pub(crate) fn strangers(&self, which: Which) -> u8 {
        let members = &self.store(which).members;
        let unknown = self.state.living().filter(|(node, known)| known.joined && !members[*node].known);
        unknown.fold(0, |set, (node, _)| set | 1 << node)
    }

    /// Looks at what the last event led to.
    pub(crate) fn look(&mut self) {
        self.readmit();
        self.is_cut |= self.config.assumptions.somebody_knows && self.nobody_spoke();
        if self.is_cut {
            return;
        }
        self.hear_claims();
        self.check();
    }

    /// A node that is known again counts again, as soon as it goes by the store's record and what it should not run
    /// under that has ended.
    fn readmit(&mut self) {
        if self.state.memory.excused == 0 {
            return;
        }
        let Store { document, members, .. } = self.state.store;
        for node in 0..self.config.nodes() {
            let is_idle = !self.state.nodes[node].running && !self.state.nodes[node].visitor;
            let is_back = members[node].known
                && self.state.nodes[node].view == document
                && (!document.is_on() || is_idle);
            if is_back {
                self.state.memory.excused &= !(1 << node);
            }
        }
    }

    /// Whether assumption A5 was not met: the grace is over, and nobody has told the store what it has lost.
    fn nobody_spoke(&self) -> bool {
        let store = &self.state.store;
        let greatest = self.state.memory.greatest;
        if store.grace > 0 || store.newest_claimed > store.document.revision {
            return false;
        }
        let is_lost = greatest.is_on()
            && greatest.activation != store.document.activation
            && greatest.supersedes(store.document);
        is_lost || self.state.living().any(|(_, node)| node.view.supersedes(store.document))
    }

    /// Whether the ledger says by its counts that every node is closed.
    fn hear_claims(&mut self) {
        let store = &self.state.store;
        let greatest = self.state.memory.greatest;
        if !store.document.is_on()
            || store.document.activation != greatest.activation
            || !self.knows_all(Which::Present)
        {
            return;
        }
        let is_out = |node: usize| {
            let member = store.members[node];
            !member.known || member.closed || (member.given_up && self.policy(node).fences())
        };
        if !(0..self.config.nodes()).all(is_out) {
            return;
        }
        if (store.is_lost || store.document.says_lost) && self.config.assumptions.loss_excuses {
            self.state.memory.excused |= self.strangers(Which::Present);
        }
        self.state.memory.said_closed = true;
    }

    fn check(&mut self) {
        let memory = self.state.memory;
        let greatest = memory.greatest;
        for node in 0..self.config.nodes() {
            if memory.excused & (1 << node) != 0 {
                continue;
            }
            let known = self.state.nodes[node];
            if memory.said_closed && greatest.is_on() && self.may_begin(node) {
                self.violate(Invariant::I1, || {
                    let name = names(1 << node);
                    format!("every node was said to be closed for {greatest}, and {name} may begin an execution: it goes by {}", known.view)
                });
            }
            if greatest.is_complete() && known.running && greatest.unconfirmed & (1 << node) == 0 {
                self.violate(Invariant::I2, || {
                    let name = names(1 << node);
                    format!("{greatest} names whoever may still run something, and {name} runs something unnamed")
                });
            }
            let store = self.state.store;
            let is_claimed = store.quiescent && store.document.is_on() && !store.document.read_only;
            if is_claimed && known.visitor && known.life != Life::Dead {
                self.violate(Invariant::I6, || {
                    let name = names(1 << node);
                    format!("the ledger says that {} is quiescent, and {name} serves a visitor", store.document)
                });
            }
        }
    }

    /// What follows from time alone, for an old master.
    pub(crate) fn pass_time_on_the_shelf(&mut self) {
        if let Shelf::OldMaster(left) = &mut self.state.shelf {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.state.shelf = Shelf::Empty;
            }
        }
    }

    /// Whether nothing can be written any more, and the last that was written is that the site is open. Then no promise
    /// but I4 is left to be broken, and that is judged of every state anyway.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let Budget {
            activations,
            edits,
            inits,
            flushes,
            evictions,
            restarts,
            failovers,
            rollbacks,
            erasures,
            ..
        } = self.state.left;
        let losses = flushes + evictions + restarts + failovers + rollbacks + erasures;
        let store = &self.state.store;
        activations + edits + inits + losses == 0
            && self.state.shelf == Shelf::Empty
            && store.document == self.state.memory.greatest
            && !store.document.is_on()
            && !store.document.by_itself
            && store.newest_claimed <= store.document.revision
    }

    /// Lets the faults end: everything that is on its way is lost, nothing more goes wrong, executions end. Says what
    /// is wrong if that does not lead to agreement.
    #[must_use]
    pub fn recovers(&self) -> Option<String> {
        let mut calm = self.clone();
        calm.begin_calm();
        if calm.comes_to_agree() {
            return None;
        }
        if calm.needs_a_person() {
            calm.be_a_person();
            calm.comes_to_agree();
        }
        calm.disagreement()
    }

    fn begin_calm(&mut self) {
        self.state.shelf = Shelf::Empty;
        for node in 0..self.config.nodes() {
            let known = &mut self.state.nodes[node];
            (known.running, known.visitor) = (false, false);
            (known.late, known.stale, known.pushed) = (None, None, Document::default());
            known.call = Call::Idle;
        }
    }

    fn comes_to_agree(&mut self) -> bool {
        // Two graces, the leases of the dead, and the rounds in which the last word spreads.
        let Periods { lease, grace, .. } = self.config.periods;
        let rounds = 2 * grace + 4 * lease + self.config.drain.limit() + 12;
        for _ in 0..rounds {
            for node in 0..self.config.nodes() {
                if self.state.nodes[node].life == Life::Alive {
                    self.send(node);
                    self.execute(node, Which::Present);
                    self.take_answer(node);
                }
            }
            self.pass_time();
            self.tick(Which::Present);
            if self.agrees() {
                return true;
            }
        }
        false
    }

    fn agrees(&self) -> bool {
        let store = &self.state.store;
        let is_settled = self.knows_all(Which::Present) && store.document.phase != Phase::Activating;
        is_settled
            && self.state.living().all(|(index, node)| {
                node.view == store.document
                    && self.may_begin(index) != store.document.is_on()
                    && store.document.unconfirmed & (1 << index) == 0
            })
    }

    /// What `agrees` lacks, in words.
    fn disagreement(&self) -> Option<String> {
        let store = &self.state.store;
        if !self.knows_all(Which::Present) {
            return Some(format!("the ledger with {} stays in doubt", store.document));
        }
        if store.document.phase == Phase::Activating {
            return Some(format!("the drain of {} does not end", store.document));
        }
        for (index, node) in self.state.living() {
            let name = names(1 << index);
            if node.view != store.document {
                return Some(format!("{name} stays at {}, the ledger at {}", node.view, store.document));
            }
            if self.may_begin(index) == store.document.is_on() {
                return Some(format!("{name} goes by {} and stays suspended", node.view));
            }
            if store.document.unconfirmed & (1 << index) != 0 {
                return Some(format!("{name} stays unconfirmed in {}", store.document));
            }
        }
        None
    }

    /// Whether what holds things up is of a kind that only a person can decide: a dead node that the fleet holds for,
    /// or one that claimed to know more and is gone.
    fn needs_a_person(&self) -> bool {
        let store = &self.state.store;
        let is_gone = |node: usize| self.state.nodes[node].life == Life::Dead && store.members[node].known;
        let holds = (0..self.config.nodes()).any(|node| is_gone(node) && self.policy(node) == Policy::Hold);
        let knows = |claimed: u8| self.state.living().any(|(_, node)| node.view.revision >= claimed);
        holds || (store.newest_claimed > store.document.revision && !knows(store.newest_claimed))
    }

    fn be_a_person(&mut self) {
        for node in 0..self.config.nodes() {
            if self.state.nodes[node].life == Life::Dead {
                self.leave(Which::Present, node, false);
            }
        }
        if self.state.store.newest_claimed > self.state.store.document.revision {
            // Whatever the mode seems to be, opening decides that it is open.
            self.deactivate();
        }
    }
}


