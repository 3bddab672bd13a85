//! What must be when the faults have ended.

use std::collections::BTreeSet;
use std::time::Duration;

use intermission_core::{Departure, LostContact, NodeId, Phase};

use super::{Event, World, operator};

/// For how many milliseconds all must be well before it is judged.
const CALM: u64 = 22_000;

impl World {
    pub(super) fn calm_down(&mut self) {
        self.is_calm = true;
        self.unreachable_until = 0;
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            (node.mute_until, node.deaf_until) = (0, 0);
            if node.is_paused(self.now) {
                let id = node.id;
                self.schedule(0, Event::Resume(id));
            }
        }
        // What is still under way arrives, or never will. A store that stalls goes on when it would have: what waits
        // for it comes before all that is sent from now on.
        self.run_until(self.now + 10_000);
        self.bury_the_dead();
        self.run_until(self.now + CALM);
        if self.is_stuck_for_a_person() {
            self.count("decisions that only a person could take");
            self.decide_anew();
            self.run_until(self.now + CALM);
        }
        self.judge();
    }

    /// Nodes that hold and are gone need a person: they crashed, or their goodbye was lost.
    fn bury_the_dead(&mut self) {
        let view = self.store.ledger().view(usize::MAX, self.store_moment());
        for member in view
            .nodes
            .iter()
            .filter(|member| member.lost_contact == LostContact::Hold)
        {
            if self.index_of(member.node).is_none() {
                self.count("dead nodes that only a person could forget");
                self.depart(member.node, &Departure::Forgotten(operator::ana()));
            }
        }
    }

    /// Somebody claimed to know more and died before it could say what.
    fn is_stuck_for_a_person(&mut self) -> bool {
        let view = self.store.ledger().view(0, self.store_moment());
        let knows = |node: &crate::node::Node| node.record().revision() >= view.newest_seen;
        view.is_behind() && !self.nodes.iter().any(knows)
    }

    fn judge(&self) {
        let ledger = self.store.ledger();
        let record = ledger.current();
        let view = ledger.view(usize::MAX, self.store_moment());
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
        let known: BTreeSet<NodeId> = ledger.nodes().collect();
        let done = record.activation().and_then(|on| on.completion.as_ref());
        for node in &self.nodes {
            // The same operation may have got the same revision twice, if the store's calendar was set back with the
            // store. Neither record is newer then, so each node keeps its own.
            let (own, is_doubled) = (node.record(), self.checker.claims().given_again > 0);
            let is_tied = !own.supersedes(&record) && !record.supersedes(own);
            assert!(
                *own == *record || (is_doubled && is_tied),
                "I4: {:?} differs from the ledger: {own:?} and {record:?}",
                node.id
            );
            assert!(
                known.contains(&node.id),
                "I4: the ledger does not know {:?}",
                node.id
            );
            let may_start = node.may_start_executions(self.now);
            let serves = node.lost_contact != LostContact::Leave;
            assert_eq!(
                may_start,
                serves && !record.phase().is_on(),
                "I4: {:?} is suspended: {:?}",
                node.id,
                node.machine
            );
            assert!(
                !node.has_lost_contact && (node.machine.snapshot().hold.is_none() == serves),
                "I4: {:?} is held",
                node.id
            );
            let is_named = done.is_some_and(|done| {
                let mut unconfirmed = done.unconfirmed.iter();
                unconfirmed.any(|unconfirmed| unconfirmed.node == node.id)
            });
            assert!(
                !is_named,
                "I4: {:?} is there, and still unconfirmed: {record:?}",
                node.id
            );
        }
    }
}
