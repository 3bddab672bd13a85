//! The node's rules, as `intermission-core` has them in `node/mod.rs`; the names are the same.
//!
//! When a node speaks is not modelled: it may at any time at which no report of its is on its way. So no promise of the
//! model depends on how often a node speaks, or on what makes it speak.

use crate::rules::{Mutation, Rules};
use crate::state::{Flight, Life, Node, Record, Reply, Report};

impl Node {
    pub(crate) fn is_alive(&self) -> bool {
        self.life == Life::Alive
    }

    pub(crate) fn is_fenced(&self, rules: &Rules) -> bool {
        self.joined
            && self.time_left <= rules.policy.drop_after()
            && !rules.breaks(Mutation::FenceNotObeyed)
    }

    /// Whether its gate lets an execution begin.
    pub(crate) fn may_begin(&self, rules: &Rules) -> bool {
        let is_fenced = rules.policy.fences() && self.is_fenced(rules);
        let is_known = self.joined || rules.breaks(Mutation::BeginsUnknown);
        !self.record.is_on() && is_known && !self.probation && !is_fenced
    }

    fn has_drained(&self, rules: &Rules) -> bool {
        self.record.is_on() && (!self.running || rules.breaks(Mutation::DrainedTooEarly))
    }

    /// What it says when it speaks now.
    pub(crate) fn report(&self, rules: &Rules) -> Report {
        Report {
            record: self.record,
            offers: self.offer_next
                && self.record.revision > 0
                && !rules.breaks(Mutation::NothingOffered),
            drained: self.has_drained(rules),
            heard_before: self.joined,
        }
    }

    pub(crate) fn ask(&mut self, rules: &Rules) {
        self.flight = Flight::Asked(self.report(rules));
        self.flight_time = rules.usable_lease() + rules.policy.drop_after();
    }

    /// The answer to the report that it waits for.
    pub(crate) fn replied(&mut self, rules: &Rules, reply: Reply) {
        let had_lease = self.joined && self.time_left > rules.policy.drop_after();
        if !reply.in_grace {
            self.probation = false;
        } else if !had_lease {
            self.probation = true;
        }
        self.joined = true;
        self.time_left = self.time_left.max(self.flight_time);
        self.flight = Flight::None;
        self.offer_next = false;
        if reply.record.supersedes(self.record) || rules.breaks(Mutation::OlderApplied) {
            self.record = reply.record;
        } else if self.record.supersedes(reply.record) {
            self.offer_next = true;
        }
    }

    pub(crate) fn failed(&mut self) {
        self.flight = Flight::None;
        self.offer_next = true;
    }

    /// A pushed record arrives. It may only close.
    pub(crate) fn hinted(&mut self, rules: &Rules, pushed: Record) {
        if pushed.supersedes(self.record) && (pushed.is_on() || rules.breaks(Mutation::PushOpens)) {
            self.record = pushed;
        }
    }

    /// Time passes. What is to be dropped is dropped in this very moment, and before that nothing is forced to end.
    pub(crate) fn wait(&mut self, rules: &Rules) {
        self.time_left = self.time_left.saturating_sub(1);
        if !rules.breaks(Mutation::LeaseFromReply) {
            self.flight_time = self.flight_time.saturating_sub(1);
        }
        let ignores_orders =
            rules.breaks(Mutation::DropNotObeyed) || rules.breaks(Mutation::FenceNotObeyed);
        if rules.policy.fences() && self.time_left == 0 && !ignores_orders {
            self.running = false;
        }
    }
}
