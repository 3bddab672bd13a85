//! One state of the whole fleet, as small as it can be.
//!
//! Nothing in it holds an absolute time or number: leases and graces are counted down, sequences are what the ledger
//! has heard of a node's two requests, and revisions are ranks, which are closed up after every move. So the states are
//! finitely many.

use crate::rules::{Assumption, Budget, Mutation, NODES, Rules};

/// A revision, as its rank among all that anybody still knows; 0 for that of a site that was never changed.
pub(crate) type Rank = u8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    #[default]
    Deactivated,
    Activating,
    Activated,
}

/// The record. Its order is that of the protocol: the revision, then the phase, then the operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Record {
    pub(crate) revision: Rank,
    pub(crate) phase: Phase,
    /// Which of the operators' decisions it comes from.
    pub(crate) operation: u8,
    /// The activation, by the revision with which it began; 0 while it is off.
    pub(crate) activation: Rank,
    /// Which nodes the completion names as unconfirmed, one bit each.
    pub(crate) unconfirmed: u8,
    /// Whether the completion says that the store lost data.
    pub(crate) state_lost: bool,
}

impl Record {
    pub(crate) fn is_on(self) -> bool {
        self.phase != Phase::Deactivated
    }

    pub(crate) fn supersedes(self, other: Self) -> bool {
        let order = |record: Self| (record.revision, record.phase, record.operation);
        order(self) > order(other)
    }
}

/// What a node says in one report. The record that it goes by is also what it has seen, and which activation it has
/// closed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Report {
    pub(crate) record: Record,
    pub(crate) offers: bool,
    pub(crate) drained: bool,
    pub(crate) heard_before: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reply {
    pub(crate) record: Record,
    pub(crate) in_grace: bool,
}

/// The one request that a node waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Flight {
    #[default]
    None,
    Asked(Report),
    Answered(Reply),
    /// The store says that nobody has initialised the site.
    Refused,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Life {
    /// It starts later.
    #[default]
    Unborn,
    Alive,
    Crashed,
    /// It said goodbye.
    Departed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    pub(crate) life: Life,
    pub(crate) record: Record,
    /// Whether the ledger has ever answered.
    pub(crate) joined: bool,
    pub(crate) offer_next: bool,
    pub(crate) probation: bool,
    /// How many ticks it has until it must have dropped what it runs; its lease is over before that. Meaningless before
    /// it has joined.
    pub(crate) time_left: u8,
    /// Whether an execution runs. One that ran when the node crashed goes on here until the node would have dropped it:
    /// nobody can tell a dead node from one that is cut off.
    pub(crate) running: bool,
    pub(crate) flight: Flight,
    /// What `time_left` will be when the answer to the request comes now.
    pub(crate) flight_time: u8,
    /// A request that was given up and is still on its way.
    pub(crate) late: Option<Report>,
    /// A pushed record on its way.
    pub(crate) push: Option<Record>,
    /// For the invariants alone: nobody vouches for it, because an operator has forgotten it, or a completion has
    /// disclosed that the store may have.
    pub(crate) excused: bool,
}

/// What a node said about the present activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Said {
    #[default]
    Nothing,
    Drained,
    /// Also that it serves nobody; without requests in the model, whoever is drained says so once it is activated.
    Quiet,
}

/// What the ledger knows of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Member {
    /// Whether it has heard a report that is newer than the late one.
    pub(crate) newer_heard: bool,
    /// How many ticks are left until it is given up.
    pub(crate) expires_in: u8,
    pub(crate) given_up: bool,
    pub(crate) said: Said,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ledger {
    pub(crate) record: Record,
    pub(crate) members: [Option<Member>; NODES],
    /// For how many ticks a goodbye is remembered.
    pub(crate) departed: [u8; NODES],
    /// The time that the fleet clock has not counted yet.
    pub(crate) pending: u8,
    pub(crate) grace: u8,
    pub(crate) reconcile: u8,
    /// Whether the present grace is as long as the fences need it to be.
    pub(crate) outlasts: bool,
    pub(crate) newest_claimed: Rank,
    pub(crate) lost: bool,
    pub(crate) known_before: bool,
    /// For assumption A5 alone: how long somebody has to tell the newest record, if it was lost.
    pub(crate) untold: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    pub(crate) nodes: [Node; NODES],
    pub(crate) ledger: Ledger,
    /// An earlier state of the ledger, on a replica.
    pub(crate) replica: Option<Ledger>,
    /// The ledger on a master that was deposed and does not know it, and for how long it goes on.
    pub(crate) old: Option<(Ledger, u8)>,
    /// The newest record that was ever made. What is promised, is promised of this one.
    pub(crate) newest: Record,
    /// Whether a ledger has made a record by itself that overrules what was decided later than what it knew.
    pub(crate) overruled: bool,
    pub(crate) budget: Budget,
}

impl State {
    pub(crate) fn ledgers(&mut self) -> impl Iterator<Item = &mut Ledger> {
        let old = self.old.as_mut().map(|(ledger, _)| ledger);
        [Some(&mut self.ledger), self.replica.as_mut(), old]
            .into_iter()
            .flatten()
    }

    /// Calls this with every record and with every other rank.
    fn each_record(
        &mut self,
        mut record: impl FnMut(&mut Record),
        mut rank: impl FnMut(&mut Rank),
    ) {
        record(&mut self.newest);
        for node in &mut self.nodes {
            record(&mut node.record);
            match &mut node.flight {
                Flight::Asked(report) => record(&mut report.record),
                Flight::Answered(reply) => record(&mut reply.record),
                Flight::None | Flight::Refused => {}
            }
            if let Some(report) = &mut node.late {
                record(&mut report.record);
            }
            if let Some(pushed) = &mut node.push {
                record(pushed);
            }
        }
        for ledger in self.ledgers() {
            record(&mut ledger.record);
            rank(&mut ledger.newest_claimed);
        }
    }

    /// The one state that stands for all that differ from it in nothing that matters.
    ///
    /// Says whether the nodes are in each other's place in it.
    pub(crate) fn canonical(mut self, rules: &Rules) -> (Self, bool) {
        self.forget_the_dead();
        self.forget_what_cannot_matter(rules);
        // A counter that is not a clock counts in the states, too.
        if !rules.breaks(Mutation::PlainCounter) {
            self.close_up_ranks();
        }
        let swapped = self.swapped();
        if swapped < self {
            (swapped, true)
        } else {
            (self, false)
        }
    }

    fn forget_the_dead(&mut self) {
        for node in &mut self.nodes {
            if matches!(node.life, Life::Crashed | Life::Departed) {
                *node = Node {
                    life: node.life,
                    running: node.running,
                    time_left: if node.running { node.time_left } else { 0 },
                    late: node.late,
                    excused: node.excused && node.running,
                    ..Node::default()
                };
            }
            if node.flight == Flight::None {
                node.flight_time = 0;
            }
        }
        let has_late = self.nodes.map(|node| node.late.is_some());
        let is_silent = self
            .nodes
            .map(|node| node.life == Life::Departed && node.late.is_none());
        for ledger in self.ledgers() {
            for (member, late) in ledger.members.iter_mut().zip(has_late) {
                if let Some(member) = member {
                    member.newer_heard &= late;
                }
            }
            for (departed, over) in ledger.departed.iter_mut().zip(is_silent) {
                if over {
                    *departed = 0;
                }
            }
        }
    }

    fn forget_what_cannot_matter(&mut self, rules: &Rules) {
        let deactivations = self.budget.deactivations;
        for ledger in self.ledgers() {
            ledger.known_before &= ledger.lost && ledger.record.revision == 0;
            if deactivations == 0 {
                ledger.reconcile = 0;
            }
            if rules.assumption == Assumption::Nothing {
                ledger.untold = None;
            }
        }
        let may_lose = self.budget.has_losses() || self.replica.is_some() || self.old.is_some();
        if may_lose || self.ledger.record != self.newest || self.ledger.grace > 0 {
            return;
        }
        // From here on the ledger knows everything for ever, so nobody has anything to offer, and no lease is looked at
        // but by those who fence themselves.
        for node in &mut self.nodes {
            node.offer_next = false;
            let mut warns = false;
            match &mut node.flight {
                Flight::Asked(report) => (report.offers, report.heard_before) = (false, false),
                Flight::Answered(reply) => warns = reply.in_grace,
                Flight::None | Flight::Refused => {}
            }
            if let Some(report) = &mut node.late {
                (report.offers, report.heard_before) = (false, false);
            }
            if !rules.policy.fences() && !warns {
                (node.time_left, node.flight_time) = (0, 0);
            }
        }
    }

    fn close_up_ranks(&mut self) {
        let mark = std::cell::Cell::new(1_u64);
        self.each_record(
            |record| mark.set(mark.get() | 1 << record.revision | 1 << record.activation),
            |rank| mark.set(mark.get() | 1 << *rank),
        );
        let used = mark.get();
        let close = |rank: &mut Rank| {
            let below = used & ((1_u64 << *rank) - 1);
            *rank = u8::try_from(below.count_ones()).unwrap_or(u8::MAX);
        };
        self.each_record(
            |record| {
                close(&mut record.revision);
                close(&mut record.activation);
            },
            close,
        );
    }

    /// The same with the nodes in each other's place: which of them is which does not matter.
    fn swapped(&self) -> Self {
        let mut other = *self;
        other.nodes.reverse();
        for ledger in other.ledgers() {
            ledger.members.reverse();
            ledger.departed.reverse();
        }
        other.each_record(
            |record| {
                record.unconfirmed = record.unconfirmed >> 1 | (record.unconfirmed & 1) << 1;
            },
            |_| {},
        );
        other
    }
}
