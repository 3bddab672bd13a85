//! The ledger's rules, as `intermission-core` has them in `ledger/{mod,members,settle}.rs`; the names are the same.
//!
//! Left out is what has no part in the promise: levels, plans, ends, forced and aborted drains, the history.

use crate::rules::{FOREVER, LEASE, Mutation, NODES, RECONCILE, Rules, STEP};
use crate::state::{Ledger, Member, Node, Phase, Record, Reply, Report, Said};

/// What an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Activate,
    Deactivate,
}

/// How a node leaves the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    Goodbye,
    Forgotten,
}

/// What a ledger knows and what the world knows of it, for one step.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) ledger: &'a mut Ledger,
    /// The newest record that was ever made.
    pub(crate) newest: &'a mut Record,
    pub(crate) nodes: &'a mut [Node; NODES],
    /// Where to note that the ledger has overruled a later decision, if that is to be noted.
    pub(crate) overruled: Option<&'a mut bool>,
}

impl Desk<'_> {
    /// The store may have forgotten who is there, or all of it.
    pub(crate) fn lost_members(&mut self) {
        if !self.rules.breaks(Mutation::ClaimsSurviveLoss) {
            self.forget_claims();
        }
        if self.rules.breaks(Mutation::NoGrace) {
            return;
        }
        let ledger = &mut *self.ledger;
        ledger.grace = self.rules.grace;
        ledger.reconcile = RECONCILE;
        ledger.known_before = ledger.members.iter().any(Option::is_some);
        ledger.lost = true;
        ledger.outlasts = self.rules.outlasting() == 0;
        if ledger.known_before {
            self.outlast();
        }
        for member in self.ledger.members.iter_mut().flatten() {
            member.expires_in = member.expires_in.max(self.rules.expiry());
        }
    }

    /// A node's report; `None` if nobody has initialised the site.
    pub(crate) fn sync(&mut self, node: usize, report: &Report, is_late: bool) -> Option<Reply> {
        self.advance();
        let heard = self.ledger.members[node].is_some_and(|member| is_late && member.newer_heard);
        if heard && !self.rules.breaks(Mutation::SequenceIgnored) {
            return Some(self.reply());
        }
        if self.ledger.departed[node] > 0 && !self.rules.breaks(Mutation::TombstoneIgnored) {
            return Some(self.reply());
        }
        let claims = !self.rules.breaks(Mutation::NothingClaimed);
        let seen = if claims { report.record.revision } else { 0 };
        let lacked = report.offers && report.record.supersedes(self.ledger.record);
        if (seen > self.ledger.record.revision || lacked) && !self.is_in_grace() {
            self.lost_members();
        }
        if lacked {
            let other_activation = self.ledger.record.activation != report.record.activation;
            self.ledger.record = report.record;
            if other_activation {
                self.begin_activation();
            }
        }
        if report.record.revision >= self.newest.revision || self.ledger.record == *self.newest {
            self.ledger.untold = None;
        }
        self.ledger.newest_claimed = self.ledger.newest_claimed.max(seen);
        if self.rules.require_init
            && self.ledger.record.revision == 0
            && self.ledger.newest_claimed == 0
        {
            return None;
        }
        self.hear(node, report, is_late);
        if self.ledger.members[node].is_some_and(|member| member.said != Said::Nothing) {
            self.confirm(node);
        }
        self.settle();
        Some(self.reply())
    }

    /// An operator's change, decided on the record that the ledger has. Says whether it was stored.
    pub(crate) fn operate(&mut self, intent: Intent) -> bool {
        self.advance();
        let current = self.ledger.record;
        // Where no two records have the same revision, no other order matters.
        let operation = self.newest.operation + u8::from(self.rules.breaks(Mutation::PlainCounter));
        let is_stored = match intent {
            Intent::Activate if !current.is_on() => {
                let began = self.next_revision();
                self.begin_activation();
                self.put(Record {
                    operation,
                    phase: Phase::Activating,
                    activation: began,
                    ..Record::default()
                });
                true
            }
            // Who asks for what seems to be so already, although something newer was lost, decides to stay open.
            Intent::Deactivate if current.is_on() || self.is_behind() => {
                let waits = self.ledger.reconcile > 0
                    && !self.rules.breaks(Mutation::OpensWhileReconciling);
                if !waits {
                    if current.is_on() {
                        self.begin_activation();
                    }
                    self.put(Record {
                        operation,
                        ..Record::default()
                    });
                }
                !waits
            }
            Intent::Activate | Intent::Deactivate => false,
        };
        self.settle();
        is_stored
    }

    /// A node leaves the list.
    pub(crate) fn leave(&mut self, node: usize, departure: Departure) {
        self.advance();
        self.ledger.members[node] = None;
        if departure == Departure::Goodbye {
            self.ledger.departed[node] = LEASE;
        }
        self.confirm(node);
        self.settle();
    }

    pub(crate) fn tick(&mut self) {
        self.advance();
        self.settle();
    }

    fn advance(&mut self) {
        let ledger = &mut *self.ledger;
        let moved = std::mem::take(&mut ledger.pending);
        let count_down = |left: &mut u8| {
            if *left != FOREVER {
                *left = left.saturating_sub(moved);
            }
        };
        for member in ledger.members.iter_mut().flatten() {
            count_down(&mut member.expires_in);
        }
        ledger.departed.iter_mut().for_each(count_down);
        count_down(&mut ledger.grace);
        count_down(&mut ledger.reconcile);
        if let Some(left) = &mut ledger.untold {
            count_down(left);
        }
    }

    fn is_in_grace(&self) -> bool {
        self.ledger.grace > 0
    }

    /// Whether some node has seen a record that the ledger no longer has.
    fn is_behind(&self) -> bool {
        self.ledger.newest_claimed > self.ledger.record.revision
    }

    fn may_step(&self) -> bool {
        let waits_for_grace = self.is_in_grace() && !self.rules.breaks(Mutation::OwnStepsInGrace);
        let waits_for_newer = self.is_behind() && !self.rules.breaks(Mutation::OwnStepsWhileBehind);
        !waits_for_grace && !waits_for_newer
    }

    fn reply(&self) -> Reply {
        Reply {
            record: self.ledger.record,
            in_grace: (self.is_in_grace() || self.is_behind())
                && !self.rules.breaks(Mutation::NoProbation),
        }
    }

    /// INVARIANT: greater than everything that was ever made, as long as the clocks of the stores agree on the order in
    /// which the decisions were made.
    fn next_revision(&self) -> u8 {
        if self.rules.breaks(Mutation::PlainCounter) {
            self.ledger.record.revision.max(self.ledger.newest_claimed) + 1
        } else {
            self.newest.revision + 1
        }
    }

    /// The ledger makes a record by itself.
    fn put_own(&mut self, next: Record) {
        if let Some(overruled) = &mut self.overruled {
            **overruled |= self.ledger.record != *self.newest;
        }
        self.put(next);
    }

    fn put(&mut self, next: Record) {
        self.ledger.record = Record {
            revision: self.next_revision(),
            ..next
        };
        *self.newest = self.ledger.record;
        // When the time is over in this very step, it is over.
        self.ledger.untold = self.ledger.untold.filter(|left| *left == 0);
    }

    fn begin_activation(&mut self) {
        if !self.rules.breaks(Mutation::AcknowledgementsKept) {
            self.forget_claims();
        }
    }

    fn forget_claims(&mut self) {
        for member in self.ledger.members.iter_mut().flatten() {
            member.said = Said::Nothing;
        }
    }

    fn hear(&mut self, node: usize, report: &Report, is_late: bool) {
        let counts = !self.is_in_grace() || self.rules.breaks(Mutation::ClaimsCountInGrace);
        let before = self.ledger.members[node];
        self.ledger.known_before |= before.is_none() && report.heard_before;
        let on = self.ledger.record.activation;
        let is_kept = self.rules.breaks(Mutation::AcknowledgementsKept);
        let said = match report.record.phase {
            _ if on == 0 && is_kept => before.map_or(Said::Nothing, |member| member.said),
            _ if on == 0 || report.record.activation != on || !report.drained => Said::Nothing,
            Phase::Activated => Said::Quiet,
            Phase::Activating | Phase::Deactivated => Said::Drained,
        };
        self.ledger.members[node] = Some(Member {
            newer_heard: !is_late || before.is_some_and(|member| member.newer_heard),
            expires_in: self.rules.expiry(),
            given_up: false,
            said: if counts {
                said
            } else {
                before.map_or(Said::Nothing, |member| member.said)
            },
        });
        self.outlast();
    }

    /// Where nodes fence themselves, one that was forgotten may run something until its time is over.
    fn outlast(&mut self) {
        if self.is_in_grace() && !self.ledger.outlasts {
            self.ledger.grace += self.rules.outlasting();
            self.ledger.outlasts = true;
        }
    }

    fn settle(&mut self) {
        self.give_up_expired();
        self.begin_anew();
        self.complete();
    }

    fn give_up_expired(&mut self) {
        for slot in &mut self.ledger.members {
            // The real comparison is a strict one of milliseconds. A tick is long, so this is the pessimistic one.
            let Some(member) = slot
                .as_mut()
                .filter(|member| !member.given_up && member.expires_in == 0)
            else {
                continue;
            };
            if member.said == Said::Quiet || self.rules.breaks(Mutation::GivenUpNotNamed) {
                *slot = None;
            } else {
                member.given_up = true;
            }
        }
    }

    /// Where nobody who is there has ever been before, and nobody knows of a record, nothing was lost: the site is new.
    fn begin_anew(&mut self) {
        let is_settled = !self.is_in_grace() && !self.is_behind();
        if self.ledger.record.revision == 0
            && is_settled
            && !self.ledger.known_before
            && self.ledger.lost
        {
            self.ledger.lost = false;
            self.disclose();
        }
    }

    fn complete(&mut self) {
        let current = self.ledger.record;
        let holds_up = |member: &Member| member.said == Said::Nothing && !member.given_up;
        if current.phase != Phase::Activating
            || !self.may_step()
            || self.ledger.members.iter().flatten().any(holds_up)
        {
            return;
        }
        let fences = self.rules.policy.fences();
        let runs_nothing =
            |member: &Member| member.said != Said::Nothing || (member.given_up && fences);
        let mut unconfirmed = 0;
        for (node, member) in self.ledger.members.iter().enumerate() {
            if member.is_some_and(|member| !runs_nothing(&member)) {
                unconfirmed |= 1 << node;
            }
        }
        let state_lost =
            std::mem::take(&mut self.ledger.lost) && !self.rules.breaks(Mutation::LossNotTold);
        self.put_own(Record {
            phase: Phase::Activated,
            unconfirmed,
            state_lost,
            ..current
        });
        if state_lost {
            self.disclose();
        }
    }

    /// Whoever the ledger does not know at this moment may have been forgotten, and it has said so.
    fn disclose(&mut self) {
        if self.rules.loss_is_no_excuse {
            return;
        }
        for (node, member) in self.nodes.iter_mut().zip(self.ledger.members) {
            node.excused |= member.is_none();
        }
    }

    /// Takes a node off the list of those of which nobody knows that nothing runs there.
    fn confirm(&mut self, node: usize) {
        let current = self.ledger.record;
        let is_listed = current.unconfirmed & 1 << node != 0;
        if is_listed && self.may_step() && !self.rules.breaks(Mutation::NeverConfirmed) {
            self.put_own(Record {
                unconfirmed: current.unconfirmed & !(1 << node),
                ..current
            });
        }
    }
}

impl Ledger {
    /// Time passes in the store.
    pub(crate) fn wait(&mut self, rules: &Rules, ticks: u8) {
        let believed = if rules.breaks(Mutation::NoClamp) {
            LEASE + STEP + 1
        } else {
            STEP
        };
        self.pending = self.pending.saturating_add(ticks).min(believed);
    }
}
