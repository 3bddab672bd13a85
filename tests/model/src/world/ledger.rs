//! The store's side: `ledger/{mod,members,settle}.rs` of core, function by function.

use super::{Invariant, Which, World};
use crate::config::{Drain, NODES, Policy};
use crate::document::{Document, Phase, names};
use crate::rule::Rule;
use crate::state::{Answer, Life, Member, Report};

/// Who makes a new record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Author {
    /// An operator who decides about the mode.
    Operator,
    /// An operator who carries on what the record says.
    Editor,
    /// The ledger itself.
    Ledger,
}

impl World<'_> {
    // What is known.

    /// `Members::is_in_grace`.
    fn is_in_grace(&self, at: Which) -> bool {
        self.store(at).grace > 0 && !self.breaks(Rule::Grace)
    }

    /// `Ledger::is_behind`.
    fn is_behind(&self, at: Which) -> bool {
        let store = self.store(at);
        store.newest_claimed > store.document.revision && !self.breaks(Rule::ClaimGuard)
    }

    /// `Ledger::knows_all`, and whether `Ledger::grace_left` is zero.
    pub(crate) fn knows_all(&self, at: Which) -> bool {
        !self.is_in_grace(at) && !self.is_behind(at)
    }

    /// `Members::advance`.
    fn advance(&mut self, at: Which) {
        let step = self.config.periods.step;
        let limit = self.config.drain.limit();
        let believes_all = self.breaks(Rule::Clamp);
        let store = self.store_mut(at);
        let moved = if believes_all {
            store.unseen_time
        } else {
            store.unseen_time.min(step)
        };
        store.unseen_time = 0;
        if store.grace > 0 {
            store.grace_age += moved;
        }
        store.grace = store.grace.saturating_sub(moved);
        store.reconcile = store.reconcile.saturating_sub(moved);
        store.draining_for = (store.draining_for + moved).min(limit);
        for member in &mut store.members {
            member.expires = member.expires.saturating_sub(moved);
            member.departed = member.departed.saturating_sub(moved);
        }
        let departed = store.members.map(|member| member.departed);
        for (node, departed) in self.state.nodes.iter_mut().zip(departed) {
            // Longer than that, nothing is on its way.
            if node.life == Life::Left && departed == 0 {
                node.late = None;
            }
        }
    }

    /// `expiry`, as what is left of it.
    fn expiry(&self, node: usize) -> u8 {
        let lease = self.config.periods.lease;
        match self.policy(node) {
            Policy::Hold => 0,
            Policy::Fence(_) if self.breaks(Rule::FenceExpiry) => lease,
            Policy::Wait(more) | Policy::Fence(more) => lease + more,
        }
    }

    // What is called.

    /// `Ledger::lost_members`.
    pub(crate) fn lose_members(&mut self, at: Which) {
        self.advance(at);
        let (grace, reconcile) = (self.config.periods.grace, self.config.periods.reconcile);
        let store = self.store_mut(at);
        (store.grace, store.grace_age, store.reconcile) = (grace, 0, reconcile);
        store.known_before = store.members.iter().any(|member| member.known);
        (store.is_lost, store.quiescent) = (true, false);
        let known = store.members.map(|member| member.known);
        self.state.memory.heard_in_grace = known.contains(&true);
        for node in (0..NODES).filter(|node| known[*node]) {
            self.outlast(at, node);
            if !self.breaks(Rule::RenewAll) {
                let renewed = self.expiry(node);
                let expires = &mut self.store_mut(at).members[node].expires;
                *expires = (*expires).max(renewed);
            }
        }
        if !self.breaks(Rule::ForgetClaims) {
            self.forget_claims(at);
        }
    }

    /// `Ledger::sync`. `is_late`: the report was given up and is executed only now.
    pub(super) fn sync(&mut self, at: Which, node: usize, report: Report, is_late: bool) -> Answer {
        self.advance(at);
        let member = self.store(at).members[node];
        if is_late && member.known && member.heard_newer && !self.breaks(Rule::Sequence) {
            return self.answer(at);
        }
        if member.departed > 0 && !self.breaks(Rule::Departed) {
            return self.answer(at);
        }
        self.notice_loss(at, report);
        self.take_back(at, report);
        self.hear(at, node, report);
        if self.store(at).members[node].drained || self.breaks(Rule::ConfirmDrained) {
            self.confirm(at, node);
        }
        self.settle(at);
        self.answer(at)
    }

    /// `Ledger::leave`.
    pub(crate) fn leave(&mut self, at: Which, node: usize, is_goodbye: bool) {
        self.advance(at);
        let lease = self.config.periods.lease;
        let departed = &mut self.store_mut(at).members[node].departed;
        let departed = if is_goodbye { lease } else { *departed };
        self.store_mut(at).members[node] = Member {
            departed,
            ..Member::default()
        };
        self.confirm(at, node);
        self.settle(at);
    }

    /// `Ledger::tick`.
    pub(crate) fn tick(&mut self, at: Which) {
        self.advance(at);
        self.settle(at);
    }

    fn answer(&self, at: Which) -> Answer {
        Answer {
            document: self.store(at).document,
            in_grace: !self.knows_all(at),
        }
    }

    // What an operator asks for, of the record as it is: what was computed on another one is a conflict.

    /// `operate` with a record that is on where none was.
    pub(crate) fn activate(&mut self) {
        self.advance(Which::Present);
        if !self.state.store.document.is_on() {
            let next = self.begun(self.config.auto_end && !self.state.is_due);
            self.put(Which::Present, next, Author::Operator);
        }
        self.settle(Which::Present);
    }

    /// `operate` with a record that is off. Where it is off already and something newer was lost, this decides to stay
    /// open.
    pub(crate) fn deactivate(&mut self) {
        self.advance(Which::Present);
        let before = self.state.store.document;
        let is_planned = !before.is_on() && before.by_itself;
        let is_so_already = !before.is_on() && !is_planned && !self.is_behind(Which::Present);
        let may = if is_planned {
            self.may_edit()
        } else {
            self.may_open()
        };
        if !is_so_already && may {
            self.put(Which::Present, Document::default(), Author::Operator);
        }
        self.settle(Which::Present);
    }

    /// `operate` with another text, or with another level.
    pub(crate) fn edit(&mut self) {
        self.advance(Which::Present);
        let before = self.state.store.document;
        if self.may_edit() {
            if before.read_only && !self.breaks(Rule::QuietPerLevel) {
                self.forget_quiet();
            }
            let next = Document {
                read_only: false,
                ..before
            };
            self.put(Which::Present, next, Author::Editor);
        }
        self.settle(Which::Present);
    }

    /// `operate` with a plan.
    pub(crate) fn plan(&mut self) {
        self.advance(Which::Present);
        let before = self.state.store.document;
        if self.may_edit() && !before.is_on() {
            let next = Document {
                by_itself: true,
                ..before
            };
            self.put(Which::Present, next, Author::Editor);
        }
        self.settle(Which::Present);
    }

    /// `Intent::Init`.
    pub(crate) fn init(&mut self) {
        self.advance(Which::Present);
        let store = &self.state.store;
        let is_new = store.document.revision == 0 && store.newest_claimed == 0;
        if is_new && !self.is_in_grace(Which::Present) {
            // The operator says that there was nothing to lose, and answers for it.
            self.state.memory.excused |= self.strangers(Which::Present);
            self.state.store.is_lost = false;
            self.put(Which::Present, Document::default(), Author::Editor);
        }
        self.settle(Which::Present);
    }

    fn may_open(&self) -> bool {
        self.state.store.reconcile == 0 || self.breaks(Rule::Reconcile)
    }

    fn may_edit(&self) -> bool {
        self.knows_all(Which::Present) || self.breaks(Rule::EditsWait)
    }

    /// A new activation.
    fn begun(&mut self, by_itself: bool) -> Document {
        self.state.activations += 1;
        Document {
            phase: Phase::Activating,
            activation: self.state.activations,
            read_only: self.config.levels,
            by_itself,
            ..Document::default()
        }
    }

    // What follows from a report.

    fn notice_loss(&mut self, at: Which, report: Report) {
        let document = self.store(at).document;
        let knows_more = report.view.revision > document.revision || self.lacks(at, report);
        if knows_more && !self.is_in_grace(at) && !self.breaks(Rule::NoticeLoss) {
            self.lose_members(at);
        }
    }

    fn lacks(&self, at: Which, report: Report) -> bool {
        let document = self.store(at).document;
        let is_newer = report.view.supersedes(document) || self.breaks(Rule::LedgerForward);
        report.offers && report.view.revision > 0 && is_newer
    }

    fn take_back(&mut self, at: Which, report: Report) {
        if !self.lacks(at, report) {
            return;
        }
        let before = self.store(at).document;
        if before.supersedes(report.view) {
            self.violate(Invariant::I3, || {
                format!("the ledger goes back from {before} to {}", report.view)
            });
        }
        self.store_mut(at).document = report.view;
        if before.activation != report.view.activation && !self.breaks(Rule::ClearAtTakeBack) {
            self.begin_activation(at);
        }
    }

    /// `Members::hear`.
    fn hear(&mut self, at: Which, node: usize, report: Report) {
        let counts = !self.is_in_grace(at) || self.breaks(Rule::CountAfterGrace);
        let document = self.store(at).document;
        let is_same = report.view.activation == document.activation;
        let names_this = is_same || self.breaks(Rule::NamesActivation);
        let is_for_this = document.is_on() && report.view.is_on() && names_this;
        let is_same_level = report.view.read_only == document.read_only;
        let names_level = is_same_level || self.breaks(Rule::QuietPerLevel);
        let is_sticky = self.breaks(Rule::ClaimsPerActivation);
        let expires = self.expiry(node);
        let store = self.store_mut(at);
        let before = store.members[node];
        store.known_before |= !before.known && report.heard_before;
        let is_heard = store.grace > 0 && report.heard_before;
        let said = |said: bool, kept: bool| {
            if counts {
                said || (is_sticky && kept)
            } else {
                kept
            }
        };
        store.members[node] = Member {
            known: true,
            given_up: false,
            closed: said(is_for_this, before.closed),
            drained: said(is_for_this && report.drained, before.drained),
            quiet: said(is_for_this && names_level && report.quiet, before.quiet),
            heard_newer: true,
            expires,
            departed: before.departed,
        };
        self.state.memory.heard_in_grace |= is_heard;
        self.outlast(at, node);
        let store = self.store_mut(at);
        store.newest_claimed = store.newest_claimed.max(report.view.revision);
    }

    /// `Members::outlast`.
    fn outlast(&mut self, at: Which, node: usize) {
        if !self.policy(node).fences() || !self.is_in_grace(at) || self.breaks(Rule::Outlast) {
            return;
        }
        let longest = self.config.periods.lease + self.policy(node).more();
        let store = self.store_mut(at);
        store.grace = store.grace.max(longest.saturating_sub(store.grace_age));
    }

    /// `Ledger::confirm`.
    fn confirm(&mut self, at: Which, node: usize) {
        let before = self.store(at).document;
        let is_listed = before.is_complete() && before.unconfirmed & (1 << node) != 0;
        if is_listed && self.may_complete(at) {
            let next = Document {
                unconfirmed: before.unconfirmed & !(1 << node),
                ..before
            };
            self.put(at, next, Author::Ledger);
        }
    }

    fn begin_activation(&mut self, at: Which) {
        let store = self.store_mut(at);
        (store.draining_for, store.quiescent) = (0, false);
        if !self.breaks(Rule::ClaimsPerActivation) && !self.breaks(Rule::ClearAtBegin) {
            self.forget_claims(at);
        }
    }

    fn forget_claims(&mut self, at: Which) {
        for member in &mut self.store_mut(at).members {
            (member.closed, member.drained, member.quiet) = (false, false, false);
        }
    }

    fn forget_quiet(&mut self) {
        self.state.store.quiescent = false;
        for member in &mut self.state.store.members {
            member.quiet = false;
        }
    }

    // What the ledger does by itself.

    fn settle(&mut self, at: Which) {
        self.give_up_expired(at);
        self.begin_anew(at);
        self.do_what_is_due(at);
        self.complete(at);
        self.note_quiescence(at);
    }

    fn give_up_expired(&mut self, at: Which) {
        for node in 0..self.config.nodes() {
            let member = self.store(at).members[node];
            let policy = self.policy(node);
            if !member.known || member.given_up || policy == Policy::Hold || member.expires > 0 {
                continue;
            }
            let is_quiet = member.quiet || self.breaks(Rule::QuietBeforeRemoval);
            let is_gone = member.drained && is_quiet;
            let is_forgotten = !policy.fences() && self.breaks(Rule::KeepGivenUp);
            let is_surplus = !is_gone && !is_forgotten && self.config.given_up_kept == 0;
            let may_run = !member.drained && !policy.fences();
            let is_loss = is_surplus && may_run && !self.breaks(Rule::SurplusIsLoss);
            let store = self.store_mut(at);
            store.members[node].given_up = true;
            if is_gone || is_forgotten || is_surplus {
                store.members[node] = Member {
                    departed: member.departed,
                    ..Member::default()
                };
            }
            if is_loss {
                (store.is_lost, store.known_before) = (true, true);
            }
        }
    }

    fn begin_anew(&mut self, at: Which) {
        let knows_all = self.knows_all(at);
        let known_before = self.store(at).known_before && !self.breaks(Rule::KnownBefore);
        let store = self.store(at);
        if store.document.revision == 0 && knows_all && !known_before && store.is_lost {
            let is_right = !store.known_before && self.config.assumptions.was_somebody_there;
            self.store_mut(at).is_lost = false;
            self.is_cut |= is_right && self.strangers(at) != 0;
        }
    }

    /// `start_plan` and `end_by_itself`.
    fn do_what_is_due(&mut self, at: Which) {
        let before = self.store(at).document;
        let may = self.knows_all(at) || self.breaks(Rule::TimedStepsWait);
        if !self.state.is_due || !before.by_itself || !may {
            return;
        }
        let next = if before.is_on() {
            Document::default()
        } else {
            self.begun(false)
        };
        self.put(at, next, Author::Ledger);
    }

    fn may_complete(&self, at: Which) -> bool {
        self.knows_all(at) || self.breaks(Rule::CompletionWaits)
    }

    fn complete(&mut self, at: Which) {
        if self.store(at).document.phase != Phase::Activating || !self.may_complete(at) {
            return;
        }
        let holds_up = |member: &Member| member.known && !member.drained && !member.given_up;
        let is_held_up = self.store(at).members.iter().any(holds_up);
        let is_late = self.store(at).draining_for >= self.config.drain.limit();
        match self.config.drain {
            _ if !is_held_up => self.finish_drain(at, false),
            Drain::Force(_) if is_late => self.finish_drain(at, true),
            Drain::Abort(_) if is_late => self.put(at, Document::default(), Author::Ledger),
            _ => {}
        }
    }

    fn finish_drain(&mut self, at: Which, forced: bool) {
        let mut unconfirmed = 0;
        for node in 0..self.config.nodes() {
            let member = self.store(at).members[node];
            let counts_as_drained = self.policy(node).fences() || self.breaks(Rule::NameGivenUp);
            let runs_nothing = member.drained || (member.given_up && counts_as_drained);
            if member.known && !runs_nothing {
                unconfirmed |= 1 << node;
            }
        }
        let says_lost = self.store(at).is_lost && !self.breaks(Rule::SayLost);
        self.store_mut(at).is_lost = false;
        let next = Document {
            phase: Phase::Activated,
            unconfirmed,
            says_lost,
            forced,
            ..self.store(at).document
        };
        if !says_lost && !self.config.assumptions.excuses_last {
            self.state.memory.excused = 0;
        }
        if says_lost && self.config.assumptions.loss_excuses {
            self.state.memory.excused |= self.strangers(at);
        } else if says_lost && self.config.outlasts() && self.config.assumptions.was_somebody_there {
            // Nobody was there to tell for how long forgotten nodes may run something.
            self.is_cut |= !self.state.memory.heard_in_grace && self.strangers(at) != 0;
        }
        self.put(at, next, Author::Ledger);
    }

    fn note_quiescence(&mut self, at: Which) {
        let is_certain = self.knows_all(at) && !self.store(at).is_lost;
        let is_certain = is_certain || self.breaks(Rule::QuiescenceWaits);
        let store = self.store_mut(at);
        let is_complete = store.document.is_complete() && store.document.unconfirmed == 0;
        let is_quiet = |member: &Member| !member.known || member.quiet;
        if is_complete && is_certain && store.members.iter().all(is_quiet) {
            store.quiescent = true;
        }
    }

    /// `Ledger::put`: gives the record a revision.
    fn put(&mut self, at: Which, next: Document, author: Author) {
        let before = self.store(at).document;
        self.check_author(at, before, author);
        let next = Document {
            revision: self.next_revision(at),
            ..next
        };
        self.store_mut(at).document = next;
        if before.activation != next.activation {
            self.begin_activation(at);
        }
        self.note_written(next);
    }

    /// By the clock, later is greater than whatever was written anywhere before.
    fn next_revision(&self, at: Which) -> u8 {
        let store = self.store(at);
        if !self.breaks(Rule::HybridRevision) {
            return self.state.memory.greatest.revision + 1;
        }
        store.document.revision.max(store.newest_claimed) + 1
    }

    /// I5: nothing but an operator's decision about the mode overrides what a node is about to bring back. If it had the
    /// whole grace to do so and has not, that is what assumption A5 excludes.
    fn check_author(&mut self, at: Which, before: Document, author: Author) {
        if author == Author::Operator {
            return;
        }
        let mut living = self.state.living();
        let Some((node, known)) = living.find(|(_, node)| node.view.supersedes(before)) else {
            return;
        };
        let (name, view) = (names(1 << node), known.view);
        drop(living);
        let store = self.store(at);
        let is_in_doubt = store.grace > 0 || store.newest_claimed > store.document.revision;
        let is_old = at == Which::Old && self.config.assumptions.old_master_rests;
        if is_in_doubt || is_old {
            self.violate(Invariant::I5, || {
                format!("the ledger carries on {before}, although {name} still knows {view}")
            });
        } else if at == Which::Present && self.config.assumptions.somebody_knows {
            self.is_cut = true;
        }
    }
}
