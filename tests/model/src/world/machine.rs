//! The node's side: `node/mod.rs` of core, and the gate.

use super::{Invariant, Which, World};
use crate::document::{Document, names};
use crate::event::Event;
use crate::rule::Rule;
use crate::state::{Answer, Call, Life, Report};

impl World<'_> {
    /// Whether the gate lets an execution begin.
    #[must_use]
    pub fn may_begin(&self, node: usize) -> bool {
        let known = &self.state.nodes[node];
        let has_joined = known.joined || self.breaks(Rule::JoinFirst);
        let is_fenced = self.policy(node).fences() && self.is_out_of_lease(node);
        let may_have_begun = known.view.by_itself && self.state.is_due && known.cut_off;
        known.life == Life::Alive
            && has_joined
            && !known.probation
            && !(is_fenced && !self.breaks(Rule::FenceStops))
            && !may_have_begun
            && !known.view.is_on()
    }

    /// Whether the gate lets a visitor in.
    pub(crate) fn may_enter(&self, node: usize) -> bool {
        let known = &self.state.nodes[node];
        let is_open = !known.view.is_complete() || known.view.read_only;
        known.life == Life::Alive && known.joined && is_open
    }

    fn is_out_of_lease(&self, node: usize) -> bool {
        self.state.nodes[node].lease <= self.policy(node).more()
    }

    /// What a node has to report.
    pub(crate) fn report(&self, node: usize) -> Report {
        let known = &self.state.nodes[node];
        let view = known.view;
        Report {
            view,
            offers: known.offer_next && view.revision > 0 && !self.breaks(Rule::Offer),
            drained: view.is_on() && !known.running,
            quiet: view.is_complete() && (view.read_only || !known.visitor),
            heard_before: known.joined,
        }
    }

    /// A report leaves.
    pub(crate) fn send(&mut self, node: usize) {
        self.state.nodes[node].call = Call::Sent(self.report(node), 0);
    }

    /// What may as well happen at once; what that was.
    ///
    /// Nodes that wait for nothing send, executions begin wherever they may, and visitors come. That leaves nothing
    /// out: a report that has not arrived may as well have been sent later, so [`Event::Send`] replaces it; and an open
    /// node says the same whether something runs there or not, and once it is closed, what runs may end at once.
    pub(crate) fn hurry(&mut self) -> Vec<Event> {
        let mut done = Vec::new();
        for node in 0..self.config.nodes() {
            if self.may_begin(node) && !self.state.nodes[node].running {
                done.push(Event::Begin(node));
            }
            if self.config.visitors && self.may_enter(node) && !self.state.nodes[node].visitor {
                done.push(Event::Enter(node));
            }
            let known = &self.state.nodes[node];
            let is_slow = !self.config.network.is_instant;
            if is_slow && known.life == Life::Alive && known.call == Call::Idle {
                done.push(Event::Send(node));
            }
        }
        for event in &done {
            self.happen(*event);
        }
        done
    }

    /// The report arrives at a store, and the answer leaves.
    pub(crate) fn execute(&mut self, node: usize, at: Which) {
        if let Call::Sent(report, age) = self.state.nodes[node].call {
            let answer = self.sync(at, node, report, false);
            self.state.nodes[node].call = Call::Answered(answer, age);
        }
    }

    /// An older report arrives at last. Nobody waits for the answer.
    pub(crate) fn execute_late(&mut self, node: usize, at: Which) {
        if let Some(report) = self.state.nodes[node].late.take() {
            self.sync(at, node, report, true);
        }
    }

    /// `NodeEvent::Replied`.
    pub(crate) fn take_answer(&mut self, node: usize) {
        if let Call::Answered(answer, age) = self.state.nodes[node].call {
            self.state.nodes[node].call = Call::Idle;
            self.take(node, answer, age);
        }
    }

    /// A reply that nobody waits for is taken for the reply to whatever is on its way.
    pub(crate) fn take_stale_answer(&mut self, node: usize) {
        let (Call::Sent(_, age) | Call::Answered(_, age)) = self.state.nodes[node].call else {
            return;
        };
        if let Some(answer) = self.state.nodes[node].stale.take() {
            self.state.nodes[node].call = Call::Idle;
            self.take(node, answer, age);
        }
    }

    fn take(&mut self, node: usize, answer: Answer, age: u8) {
        let is_out_of_lease = self.is_out_of_lease(node);
        let has_probation = !self.breaks(Rule::Probation);
        let age = if self.breaks(Rule::LeaseFromSending) {
            0
        } else {
            age
        };
        let lease = self.config.usable_lease(node).saturating_sub(age);
        let known = &mut self.state.nodes[node];
        (known.joined, known.cut_off, known.offer_next) = (true, false, false);
        if !answer.in_grace {
            known.probation = false;
        } else if is_out_of_lease && has_probation {
            known.probation = true;
        }
        known.lease = known.lease.max(lease);
        let view = known.view;
        if answer.document.supersedes(view) || self.breaks(Rule::NodeForward) {
            self.apply(node, answer.document);
        } else {
            self.state.nodes[node].offer_next = view.supersedes(answer.document);
        }
        self.drop_if_over(node);
    }

    /// `NodeEvent::Failed`, for whatever reason. `stays_late`: the report may still be executed.
    pub(crate) fn give_up(&mut self, node: usize, stays_late: bool) {
        let keeps_stale = self.breaks(Rule::ReplyMatches);
        let known = &mut self.state.nodes[node];
        match known.call {
            Call::Idle => return,
            Call::Sent(report, _) if stays_late => {
                known.late = Some(report);
                for store in [&mut self.state.store, &mut self.state.shelved] {
                    store.members[node].heard_newer = false;
                }
            }
            Call::Answered(answer, _) if keeps_stale => known.stale = Some(answer),
            Call::Sent(..) | Call::Answered(..) => {}
        }
        let known = &mut self.state.nodes[node];
        known.call = Call::Idle;
        (known.offer_next, known.cut_off) = (true, true);
    }

    /// `NodeEvent::Hint` with a record.
    pub(crate) fn take_push(&mut self, node: usize, pushed: Document) {
        if self.heeds_push(node, pushed) {
            self.apply(node, pushed);
        }
    }

    /// Whether a pushed record makes a difference.
    pub(crate) fn heeds_push(&self, node: usize, pushed: Document) -> bool {
        let is_newer = pushed.supersedes(self.state.nodes[node].view);
        is_newer && (pushed.is_on() || self.breaks(Rule::PushOnlyCloses))
    }

    fn apply(&mut self, node: usize, document: Document) {
        let view = self.state.nodes[node].view;
        if view.supersedes(document) {
            self.violate(Invariant::I3, || {
                format!("{} goes back from {view} to {document}", names(1 << node))
            });
        }
        self.state.nodes[node].view = document;
    }

    fn drop_if_over(&mut self, node: usize) {
        let is_obeyed = !self.breaks(Rule::FenceDrops) && !self.breaks(Rule::FenceStops);
        let known = &mut self.state.nodes[node];
        if self.config.policy(node).fences() && is_obeyed && known.lease == 0 {
            known.running = false;
        }
    }

    /// A tick passes, for everybody.
    pub(crate) fn pass_time(&mut self) {
        for node in 0..self.config.nodes() {
            let known = &mut self.state.nodes[node];
            known.lease = known.lease.saturating_sub(1);
            if let Call::Sent(_, age) | Call::Answered(_, age) = &mut known.call {
                *age += 1;
                if *age > self.config.timeout() {
                    self.time_out(node);
                }
            }
            self.drop_if_over(node);
        }
        let most = self.most_unseen_time();
        for store in [&mut self.state.store, &mut self.state.shelved] {
            store.unseen_time = (store.unseen_time + 1).min(most);
        }
        self.pass_time_on_the_shelf();
    }

    /// `Timing::validate`: who waits for longer than its lease is worth, gives up.
    fn time_out(&mut self, node: usize) {
        if !self.breaks(Rule::TimeOut) {
            return self.give_up(node, self.config.network.late_reports);
        }
        let most = self.config.timeout();
        if let Call::Sent(_, age) | Call::Answered(_, age) = &mut self.state.nodes[node].call {
            *age = most;
        }
    }

    /// More than that makes no difference.
    pub(crate) fn most_unseen_time(&self) -> u8 {
        if self.breaks(Rule::Clamp) {
            7
        } else {
            self.config.periods.step
        }
    }
}
