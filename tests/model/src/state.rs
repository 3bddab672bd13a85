//! Everything there is at one moment.

use crate::config::{Budget, Config, NODES};
use crate::document::Document;

/// Everything there is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a state of the model, looked at by everything here")]
pub struct State {
    /// The nodes; those past the configured number never do anything.
    pub nodes: [Node; NODES],
    /// The store that everybody means.
    pub store: Store,
    /// What `shelved` is.
    pub shelf: Shelf,
    /// A copy that may take over, or the old master that was taken over from.
    pub shelved: Store,
    /// Whether the time has come that plans and ends name.
    pub is_due: bool,
    /// How many activations there were.
    pub activations: u8,
    /// What may still happen how often.
    pub left: Budget,
    /// What the checker remembers.
    pub memory: Memory,
}

/// What the checker remembers. Nothing in the protocol looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a state of the model, looked at by everything here")]
pub struct Memory {
    /// The greatest document that was ever written.
    pub greatest: Document,
    /// Whether a ledger has said that every node is closed for the activation of `greatest`.
    pub said_closed: bool,
    /// Whether, in the last grace, somebody was heard who had been there before.
    pub heard_in_grace: bool,
    /// Nodes that nobody was told to rely on, one bit each: the ledger does not know them, and has said so.
    pub excused: u8,
}

/// What the second store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third kind")]
pub enum Shelf {
    /// There is none.
    #[default]
    Empty,
    /// A copy of what the store was a while ago.
    Copy,
    /// The old master, which accepts writes for this many ticks more.
    OldMaster(u8),
}

/// Whether a node lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth kind")]
pub enum Life {
    /// It does. Before it is answered for the first time it is as good as not born.
    #[default]
    Alive,
    /// It has said goodbye. Visitors that it served may still be there.
    Left,
    /// It has died.
    Dead,
}

/// A node: `NodeMachine`, its gate and what runs there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a state of the model, looked at by everything here")]
pub struct Node {
    /// Whether it lives.
    pub life: Life,
    /// What it goes by.
    pub view: Document,
    /// Whether the ledger has ever answered it.
    pub joined: bool,
    /// Whether it came without a lease while the ledger may have forgotten something.
    pub probation: bool,
    /// Whether its next report brings its record along.
    pub offer_next: bool,
    /// Whether contact is lost.
    pub cut_off: bool,
    /// Ticks until a fenced node drops what it runs. While it is greater than the policy's `more`, the lease holds.
    pub lease: u8,
    /// Whether an execution runs.
    pub running: bool,
    /// Whether a visitor is served.
    pub visitor: bool,
    /// The report that it waits for.
    pub call: Call,
    /// An older one that may still be executed.
    pub late: Option<Report>,
    /// A reply to a report that was given up. Only a broken node takes it.
    pub stale: Option<Answer>,
    /// A record that was pushed and is still on its way.
    pub pushed: Document,
}

/// The report that a node waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth kind")]
pub enum Call {
    /// None.
    #[default]
    Idle,
    /// It is on its way to the store, and was sent so many ticks ago.
    Sent(Report, u8),
    /// Its answer is on its way back.
    Answered(Answer, u8),
}

/// `NodeReport`. What the node has seen, for what it is closed, and its offer are all the same document.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a state of the model, looked at by everything here")]
pub struct Report {
    /// What the node goes by.
    pub view: Document,
    /// Whether that comes along as an offer.
    pub offers: bool,
    /// Whether no execution runs there any more.
    pub drained: bool,
    /// Whether no visitor is served there any more.
    pub quiet: bool,
    /// Whether the ledger has ever answered this node.
    pub heard_before: bool,
}

/// `SyncReply`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a state of the model, looked at by everything here")]
pub struct Answer {
    /// The ledger's record.
    pub document: Document,
    /// Whether the ledger may have forgotten something.
    pub in_grace: bool,
}

/// A store: `Ledger` and the clock that it is shown.
///
/// All times are relative to the fleet clock, so that nothing grows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a state of the model, looked at by everything here")]
pub struct Store {
    /// The record.
    pub document: Document,
    /// The newest revision that any node claims to have seen.
    pub newest_claimed: u8,
    /// What its clock shows more than when it was last looked at.
    pub unseen_time: u8,
    /// How much of a grace is left.
    pub grace: u8,
    /// How long ago it began; only where it may have to be made longer.
    pub grace_age: u8,
    /// For how long nobody may open.
    pub reconcile: u8,
    /// For how long the drain goes on; only where it has a limit.
    pub draining_for: u8,
    /// Whether something was lost, and no completion has said so.
    pub is_lost: bool,
    /// Whether somebody is or was there who had been there before the loss.
    pub known_before: bool,
    /// Whether no visitor is served, as far as the ledger knows.
    pub quiescent: bool,
    /// The nodes that it knows.
    pub members: [Member; NODES],
}

/// What a store knows of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a state of the model, looked at by everything here")]
pub struct Member {
    /// Whether it knows it at all.
    pub known: bool,
    /// Whether its time is over.
    pub given_up: bool,
    /// Whether it said that it is closed for this activation.
    pub closed: bool,
    /// Whether it said that nothing runs there.
    pub drained: bool,
    /// Whether it said that no visitor is served there.
    pub quiet: bool,
    /// Whether a newer report was heard than the late one that is on its way: all that sequence numbers come to.
    pub heard_newer: bool,
    /// How long its word is still taken.
    pub expires: u8,
    /// It said goodbye: for how long its reports are ignored.
    pub departed: u8,
}

impl State {
    /// The beginning: a site that was never changed, nodes that have not spoken yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut state = Self {
            left: config.budget,
            ..Self::default()
        };
        for node in &mut state.nodes[config.nodes()..] {
            node.life = Life::Dead;
        }
        state
    }

    /// The nodes that live.
    pub fn living(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, node)| node.life == Life::Alive)
    }

    /// Applies `map` to every revision that anything here refers to.
    pub fn each_revision(&mut self, mut map: impl FnMut(&mut u8)) {
        for store in [&mut self.store, &mut self.shelved] {
            map(&mut store.document.revision);
            map(&mut store.newest_claimed);
        }
        map(&mut self.memory.greatest.revision);
        for node in &mut self.nodes {
            map(&mut node.view.revision);
            map(&mut node.pushed.revision);
            match &mut node.call {
                Call::Idle => {}
                Call::Sent(report, _) => map(&mut report.view.revision),
                Call::Answered(answer, _) => map(&mut answer.document.revision),
            }
            if let Some(report) = &mut node.late {
                map(&mut report.view.revision);
            }
            if let Some(answer) = &mut node.stale {
                map(&mut answer.document.revision);
            }
        }
    }
}
