//! What is promised, each in one sentence.
//!
//! "The newest record" is the newest that any ledger ever made. The states that break an assumption are not looked at;
//! see [`is_beyond_assumptions`].

use std::fmt;

use crate::moves::{desk, tick};
use crate::rules::{Assumption, NODES, Policy, Rules};
use crate::state::{Flight, Life, Node, Phase, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invariant {
    /// While the newest record is `activated`, with nobody unconfirmed and no word of lost data, no live node runs an
    /// execution, so none begins one until a later deactivation is made.
    I1,
    /// A node's record never goes back.
    I2,
    /// Whoever may run something although the newest record is `activated` is named as unconfirmed, or the record says
    /// that the store lost data; and where nodes hold, nobody is ever given up.
    I3,
    /// From every state, rounds without a fault lead to where the ledger knows at least what every living node knows,
    /// every living node goes by the ledger's record and may do what that lets it do, and no drain goes on, but for
    /// what needs a person: a node that holds and is gone, or a newer record of which only the dead have known.
    I4,
    /// What a ledger makes by itself, it makes of the newest record, so that it never overrules a later decision. (The
    /// number is that of the simulation in `intermission-core`, which has more of them.)
    I8,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What this move breaks, if anything.
pub(crate) fn broken_by_move(before: &State, after: &State) -> Option<Invariant> {
    let mut nodes = before.nodes.iter().zip(&after.nodes);
    let goes_back =
        nodes.any(|(before, after)| after.is_alive() && before.record.supersedes(after.record));
    goes_back.then_some(Invariant::I2)
}

/// What does not hold in this state, if anything.
pub(crate) fn broken_in(rules: &Rules, state: &State) -> Option<Invariant> {
    if state.overruled && rules.assumption == Assumption::SomebodyTells {
        return Some(Invariant::I8);
    }
    let newest = &state.newest;
    if newest.phase == Phase::Activated {
        let is_reserved = newest.state_lost && !rules.loss_is_no_excuse;
        let runs = |node: &&Node| node.running && !node.excused;
        if newest.unconfirmed == 0
            && !is_reserved
            && state.nodes.iter().filter(runs).any(Node::is_alive)
        {
            return Some(Invariant::I1);
        }
        let is_named = |node: usize| newest.unconfirmed & 1 << node != 0;
        let mut running = (0..NODES).filter(|node| runs(&&state.nodes[*node]));
        if !is_reserved && running.any(|node| !is_named(node)) {
            return Some(Invariant::I3);
        }
        if rules.policy == Policy::Hold && newest.unconfirmed != 0 {
            return Some(Invariant::I3);
        }
    }
    (!recovers(rules, state)).then_some(Invariant::I4)
}

/// States in which an assumption is broken: that of the configuration; or, in a fleet whose nodes fence themselves for
/// longer than a grace, that one of them speaks during the grace, since the ledger learns from them how long to wait.
pub(crate) fn is_beyond_assumptions(rules: &Rules, state: &State) -> bool {
    let ledger = &state.ledger;
    let told_half = ledger.record.revision.max(ledger.newest_claimed) > 0;
    let is_untold = ledger.untold == Some(0)
        && match rules.assumption {
            Assumption::Nothing => false,
            Assumption::SomebodyTells => true,
            Assumption::NobodyTellsHalf => told_half,
        };
    let has_ghost = |(node, departed): (&Node, &u8)| {
        node.life == Life::Departed && node.late.is_some() && *departed <= ledger.pending
    };
    let is_too_late = rules.reports_end && state.nodes.iter().zip(&ledger.departed).any(has_ghost);
    is_untold || is_too_late || (ledger.grace == 0 && !ledger.outlasts)
}

fn recovers(rules: &Rules, state: &State) -> bool {
    let mut state = *state;
    (state.old, state.replica) = (None, None);
    for node in state.nodes.iter_mut() {
        (node.late, node.push) = (None, None);
        if node.flight != Flight::None {
            node.failed();
        }
    }
    let most = 3 * (rules.grace + rules.policy.drop_after()) + 12;
    for _ in 0..most {
        let before = state;
        without_faults(rules, &mut state);
        if state == before {
            break;
        }
    }
    is_well(rules, &state)
}

/// A round in which everything gets through and every execution ends.
fn without_faults(rules: &Rules, state: &mut State) {
    tick(rules, state);
    for node in 0..NODES {
        if !state.nodes[node].is_alive() {
            continue;
        }
        state.nodes[node].running = false;
        let report = state.nodes[node].report(rules);
        state.nodes[node].ask(rules);
        match desk(rules, state).sync(node, &report, false) {
            Some(reply) => state.nodes[node].replied(rules, reply),
            None => state.nodes[node].failed(),
        }
    }
    desk(rules, state).tick();
}

fn is_well(rules: &Rules, state: &State) -> bool {
    let ledger = &state.ledger;
    let living = || state.nodes.iter().filter(|node| node.is_alive());
    if living().any(|node| node.record != ledger.record) {
        return false;
    }
    let needs_init = rules.require_init && ledger.record.revision == 0;
    let is_behind = ledger.newest_claimed > ledger.record.revision;
    if needs_init || is_behind {
        return true;
    }
    if living().any(|node| !node.record.is_on() && !node.may_begin(rules)) {
        return false;
    }
    let is_gone = |node: &Node| node.life == Life::Crashed;
    let is_lost = state
        .nodes
        .iter()
        .zip(ledger.members)
        .any(|(node, member)| member.is_some() && is_gone(node));
    let needs_person = rules.policy == Policy::Hold && is_lost;
    if ledger.record.phase == Phase::Activating && !needs_person {
        return false;
    }
    (0..NODES)
        .all(|node| !state.nodes[node].is_alive() || ledger.record.unconfirmed & 1 << node == 0)
}
