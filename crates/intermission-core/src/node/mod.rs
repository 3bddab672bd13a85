//! The node's side of the protocol, as one pure state machine.
//!
//! The machine is told what happened and says what to do about it; the keeper in the `intermission` crate only
//! carries that out. It reads no clock, draws no randomness beyond its seed and does no I/O, so that a simulation can
//! run thousands of them through every fault.
//!
//! Rules that each have a failing trace when left out:
//!
//! - A pushed record may only close. What opens is the ledger's reply to a report, because a push that overtakes an
//!   acknowledgement would open a node that is already counted as drained. A record that opens a scope and closes another
//!   opens.
//! - The lease counts from the moment at which its renewal was sent, less a margin.
//! - A node that comes without a lease while the ledger may have forgotten something starts no execution until that
//!   is over, and a node of which the ledger has never heard starts none at all.
//! - What the node knows better than the ledger, it offers.
//!
//! # The conditions of a node
//!
//! | word | means | comes from | who is turned away |
//! |---|---|---|---|
//! | activation | (in the record) one maintenance, from the change that begins it to the one that ends it | an operator, a plan | |
//! | closed | an activation is known here | a record that is on | executions, except past the closed door |
//! | drained | closed, and no execution that is awaited runs | the gate's count | |
//! | quiet | activated, and no request that the level closes out runs; at exclusive, no execution either | the gate's count | |
//! | held | this node is closed by itself | the outage or start policy, a dependency that fails; a plan that began while the state is away, at its level; [`LostContact::Leave`], always | requests and executions, except past the closed door |
//! | suspended | it may begin no execution: not joined yet, on probation, fenced, or a plan began while the state is away | the three below, and time | executions, all of them when fenced |
//! | on probation | it came without a lease while the ledger may have forgotten something | a reply in grace | requests, too, if it knows of no record (held) |
//! | fenced | its lease is over, under [`LostContact::Fence`] | time | |
//! | given up | (in the ledger) silent for longer than its lease and [`LostContact::Wait`] or [`Fence`](LostContact::Fence) | time | |
//! | left | (in the ledger) off the list: it said goodbye, or was silent for longer than its lease under [`LostContact::Leave`] | the node, or time | |
//!
//! What who comes gets, by [`decide`](crate::decide) and the gate. *Past the door* is who has the permission, a listed
//! address or a pass; code that begins an execution without a visitor never is. A drain does not wait for what was begun
//! past a closed door.
//!
//! | the node is | requests | executions | past the door |
//! |---|---|---|---|
//! | open | admitted | begin | as everybody |
//! | closed, activating | admitted | refused | executions begin, except at level exclusive |
//! | closed, activated, read-only | safe methods admitted | refused | all |
//! | closed, activated, full | refused | refused | all |
//! | closed, activated, exclusive | refused | refused | nothing |
//! | held | refused | refused | all, unless the record is activated at exclusive |
//! | held, as it serves nobody | refused | refused | nothing |
//! | suspended | as the record says | refused | as the record says; executions begin where it is off |
//! | fenced | as the record says | refused; what runs is told to end, and later dropped | no execution |
//!
//! In all of them routes flagged [`Always`](crate::RouteAccess::Always) are open, and by default a browser's preflight is
//! admitted and begins nothing. Drained, quiet and given up change nothing for who comes.

mod holds;
mod pace;
mod scopes;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::decision::{Hold, Snapshot};
use crate::error::StateErrorKind;
use crate::id::{ActivationId, NodeId, Revision};
use crate::ledger::Moment;
use crate::record::{Activation, Record};
use crate::report::{LostContact, NodeReport, SyncReply};
use crate::scope::ScopeName;
use crate::timing::Timing;

use holds::failing;

pub use settings::{NodeSettings, OutagePolicy, StartPolicy};

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// The time came that [`NodeMachine::wake_at`] named.
    Tick,
    /// The state may hold another record; this one, if it was pushed.
    Hint(Option<Arc<Record>>),
    /// The ledger replied to the report that was sent last.
    Replied(SyncReply),
    /// The report that was sent last failed.
    Failed(StateErrorKind),
    /// No execution that a drain waits for runs on this node any more, and none can start, for this activation.
    Drained(ActivationId),
    /// No request that the level closes out runs on this node any more, and none can start, since this revision. At
    /// level [`Exclusive`](crate::Level::Exclusive) no execution does either, not even one that no drain waits for.
    Quiet(Revision),
    /// For these activations of scopes, executions that a drain waits for still run on this node. For all others that the
    /// gate decides by, none runs, and none can start.
    Undrained(Vec<ActivationId>),
    /// What this node needs and what fails at present, by name and as people are to read it; `None` if nothing does.
    Failing(Option<String>),
}

/// What to do about it, in the order given.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new action must not compile until whoever carries actions out has an answer for it"
)]
#[expect(
    clippy::large_enum_variant,
    reason = "matched at once and never stored"
)]
pub enum NodeAction {
    /// Let the gate decide by this from now on, before anything else is done.
    Install(Snapshot),
    /// Fill in the facts and sync this report. At most one is on its way.
    Send(NodeReport),
    /// Tell the running executions that they should end.
    CancelExecutions,
    /// Drop the executions that may be dropped.
    DropExecutions,
    /// Tell the running executions of these scopes that they should end, and drop those that may be dropped.
    EndExecutionsIn(Vec<ScopeName>),
    /// The state is out of reach, since now.
    ContactLost(StateErrorKind),
    /// The state is in reach again, after this long.
    ContactRestored(Duration),
}

/// The node's side of the protocol. See the [module's documentation](self).
#[derive(Clone, Debug)]
pub struct NodeMachine {
    node: NodeId,
    settings: NodeSettings,
    random: u64,
    sequence: u64,
    snapshot: Snapshot,
    pending: Option<PendingReport>,
    sync_at: Duration,
    offer_next: bool,
    contact: Contact,
    /// Until when the ledger takes the node's word, as far as the node may rely on it.
    lease_until: Option<Duration>,
    probation: bool,
    /// Whether the lease is over, on a node that fences itself.
    fenced: bool,
    executions_dropped: bool,
    /// The planned time that has come, and about which the ledger was asked.
    asked_about: Option<Timestamp>,
    /// Whether the next report waits for this node's turn.
    has_turn: bool,
    fleet_grace: Duration,
    fleet_nodes: u64,
    closed: Option<ActivationId>,
    drained: Option<ActivationId>,
    quiet: Option<Revision>,
    /// The activations of scopes of which the gate has not said that nothing of them runs here.
    undrained: Vec<ActivationId>,
    /// Whether a scope has closed in this step.
    scopes_close: bool,
    /// The dependencies that fail.
    failing: Option<String>,
    /// Whether the state's hold was due when the hold was last decided, be it hidden by a plan's.
    state_hold_was_due: bool,
}

/// The report that is on its way.
#[derive(Clone, Copy, Debug)]
struct PendingReport {
    sequence: u64,
    sent_at: Duration,
    offers: bool,
}

#[derive(Clone, Copy, Debug)]
enum Contact {
    /// Never yet, since the start.
    Never { since: Duration, lost: bool },
    /// The report that was sent then was answered, and nothing failed since.
    Good { sent_at: Duration },
    /// The report that was sent then was the last that was answered.
    Lost { sent_at: Duration },
}

impl NodeMachine {
    /// A node that is about to speak for the first time. `seed` jitters its heartbeats.
    #[must_use]
    pub fn new(node: NodeId, settings: NodeSettings, seed: u64, now: Moment) -> Self {
        let mut machine = Self {
            node,
            settings,
            random: seed | 1,
            sequence: 0,
            snapshot: Snapshot::default(),
            pending: None,
            sync_at: now.steady,
            offer_next: false,
            contact: Contact::Never {
                since: now.steady,
                lost: false,
            },
            lease_until: None,
            probation: false,
            fenced: false,
            executions_dropped: false,
            asked_about: None,
            has_turn: false,
            fleet_grace: Duration::ZERO,
            fleet_nodes: 0,
            closed: None,
            drained: None,
            quiet: None,
            undrained: Vec::new(),
            scopes_close: false,
            failing: None,
            state_hold_was_due: false,
        };
        machine.decide_hold(now);
        machine.snapshot.executions_suspended = machine.must_suspend(now);
        machine
    }

    /// The same node, which remembers this record from before its start. It goes by it at once if it is closed, and
    /// offers it to the ledger. One that is open says little: the site may have closed since.
    #[must_use]
    pub fn with_remembered(mut self, record: Arc<Record>, now: Moment) -> Self {
        self.offer_next = true;
        // Nothing runs yet, so nobody is to be told to end.
        self.apply(record, &mut Vec::new());
        self.decide_hold(now);
        self
    }

    /// What the gate is to decide by at present.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Whether the ledger has ever answered.
    #[must_use]
    pub const fn has_joined(&self) -> bool {
        !matches!(self.contact, Contact::Never { .. })
    }

    /// How long ago the newest answered report was sent; `None` if none was ever answered.
    #[must_use]
    pub fn contact_age(&self, now: Duration) -> Option<Duration> {
        match self.contact {
            Contact::Never { .. } => None,
            Contact::Good { sent_at } | Contact::Lost { sent_at } => {
                Some(now.saturating_sub(sent_at))
            }
        }
    }

    /// When, on the steady clock, this node will suspend executions unless the ledger answers before; `None` for
    /// never.
    ///
    /// For the gate to look at whenever it begins an execution: a process that was paused gets its
    /// [`Tick`](NodeEvent::Tick) too late.
    #[must_use]
    pub const fn fence_at(&self) -> Option<Duration> {
        match self.settings.lost_contact {
            LostContact::Fence(_) => self.lease_until,
            LostContact::Wait(_) | LostContact::Hold | LostContact::Leave => None,
        }
    }

    /// When to send [`NodeEvent::Tick`], on the steady clock.
    #[must_use]
    pub fn wake_at(&self, now: Moment) -> Duration {
        let sync = self.pending.is_none().then_some(self.sync_at);
        let fence = self.fence_at().filter(|_| !self.fenced);
        let drop = self.drop_at().filter(|_| !self.executions_dropped);
        let hold = self.hold_change_at();
        let plan = self.planned().filter(|at| Some(*at) != self.asked_about);
        let plan = plan.map(|at| now.steady.saturating_add(at.saturating_since(now.calendar)));
        let next = [sync, fence, drop, hold, plan].into_iter().flatten().min();
        next.unwrap_or_else(|| now.steady.saturating_add(self.settings.timing.heartbeat))
    }

    /// Takes in what happened, and says what to do.
    #[must_use]
    pub fn step(&mut self, event: NodeEvent, now: Moment) -> Vec<NodeAction> {
        let before = self.snapshot.clone();
        let mut actions = Vec::new();
        let closed_before = self.closed;
        self.scopes_close = false;
        match event {
            NodeEvent::Tick => {}
            NodeEvent::Hint(pushed) => self.hinted(pushed, now.steady, &mut actions),
            NodeEvent::Replied(reply) => self.replied(&reply, now.steady, &mut actions),
            NodeEvent::Failed(kind) => self.failed(kind, now.steady, &mut actions),
            NodeEvent::Drained(activation) => {
                if self.closed == Some(activation) && self.drained != Some(activation) {
                    self.drained = Some(activation);
                    self.say_soon(now.steady);
                }
            }
            NodeEvent::Quiet(since) => {
                let level_since = self.snapshot.record.activation().map(|on| on.level_since);
                if level_since == Some(since) && self.quiet != Some(since) {
                    self.quiet = Some(since);
                    self.say_soon(now.steady);
                }
            }
            NodeEvent::Undrained(undrained) => self.scopes_drained(undrained, now.steady),
            NodeEvent::Failing(failing) => self.failing = failing,
        }
        self.keep_time(now, &mut actions);
        self.say_if_dependency_changed(before.hold.as_ref(), now.steady);
        // INVARIANT: one snapshot for all that changed. A record that opens, installed before the suspension that
        // comes with it, would let executions start in between.
        if !self.is_installed(&before) {
            actions.insert(0, NodeAction::Install(self.snapshot.clone()));
        }
        // Who closes may be drained at the same moment, and then says both in one report: with the next event, or with
        // the tick that is due at once.
        let closes = (self.closed.is_some() && self.closed != closed_before) || self.scopes_close;
        if !closes {
            self.send_if_due(now, &mut actions);
        }
        actions
    }

    fn is_installed(&self, installed: &Snapshot) -> bool {
        let Snapshot {
            record,
            hold,
            executions_suspended,
            scopes_begun,
        } = &self.snapshot;
        Arc::ptr_eq(record, &installed.record)
            && *hold == installed.hold
            && *executions_suspended == installed.executions_suspended
            && *scopes_begun == installed.scopes_begun
    }

    fn hinted(
        &mut self,
        pushed: Option<Arc<Record>>,
        now: Duration,
        actions: &mut Vec<NodeAction>,
    ) {
        if let Some(record) = pushed {
            if !record.supersedes(&self.snapshot.record) {
                return;
            }
            if record.only_closes(&self.snapshot.record) {
                self.apply(record, actions);
                self.acknowledge_in_turn(now);
            } else {
                self.sync_soon(now);
            }
        } else {
            self.sync_in_turn(now);
        }
    }

    fn replied(&mut self, reply: &SyncReply, now: Duration, actions: &mut Vec<NodeAction>) {
        // What was given up may still be answered, and says nothing about the report that is on its way now.
        let Some(flight) = self
            .pending
            .filter(|flight| reply.sequence >= flight.sequence)
        else {
            return;
        };
        if reply.sequence > flight.sequence {
            // Somebody else speaks in this node's name, so the ledger did not hear this one.
            self.failed(StateErrorKind::Conflict, now, actions);
            return;
        }
        self.pending = None;
        match self.contact {
            Contact::Lost { sent_at } => {
                actions.push(NodeAction::ContactRestored(now.saturating_sub(sent_at)));
            }
            Contact::Never { since, lost: true } => {
                actions.push(NodeAction::ContactRestored(now.saturating_sub(since)));
            }
            Contact::Never { lost: false, .. } | Contact::Good { .. } => {}
        }
        self.contact = Contact::Good {
            sent_at: flight.sent_at,
        };
        if reply.grace.is_zero() {
            self.probation = false;
        } else if self.lease_until.is_none_or(|end| now >= end) {
            self.probation = true;
        }
        let Timing { lease, margin, .. } = self.settings.timing;
        let lease_until = flight.sent_at.saturating_add(lease.saturating_sub(margin));
        self.lease_until = self.lease_until.max(Some(lease_until));
        self.executions_dropped = false;
        self.fleet_grace = reply.grace;
        // A ledger that has lost its data counts anew, and those who come first would think that they are alone.
        self.fleet_nodes = if reply.grace.is_zero() {
            reply.count.nodes
        } else {
            self.fleet_nodes.max(reply.count.nodes)
        };
        self.offer_next = false;
        let theirs = reply.record.clone().unwrap_or_default();
        if theirs.supersedes(&self.snapshot.record) {
            let before = &self.snapshot.record;
            let opens = (before.phase().is_on() && !theirs.phase().is_on())
                || theirs.scopes.closed() < before.scopes.closed();
            self.apply(theirs, actions);
            if opens {
                // So that operators see at once that the site, or a scope, is open here. A node that closes says so anyway, as soon
                // as it has drained.
                self.sync_soon(now);
            }
        } else if self.snapshot.record.supersedes(&theirs) {
            self.offer_next = true;
            // A ledger that does not take what it was offered is not asked again and again.
            self.sync_at = if flight.offers {
                self.retry_at(now)
            } else {
                now
            };
        }
        self.sync_at = self.sync_at.min(now.saturating_add(self.pause()));
    }

    fn failed(&mut self, kind: StateErrorKind, now: Duration, actions: &mut Vec<NodeAction>) {
        self.pending = None;
        self.offer_next = true;
        match self.contact {
            Contact::Good { sent_at } => {
                self.contact = Contact::Lost { sent_at };
                actions.push(NodeAction::ContactLost(kind));
            }
            Contact::Never { since, lost: false } => {
                self.contact = Contact::Never { since, lost: true };
                actions.push(NodeAction::ContactLost(kind));
            }
            Contact::Never { lost: true, .. } | Contact::Lost { .. } => {}
        }
        self.sync_at = self.retry_at(now);
    }

    fn apply(&mut self, record: Arc<Record>, actions: &mut Vec<NodeAction>) {
        let forced = |record: &Record| {
            let is_forced =
                |on: &&Activation| on.completion.as_ref().is_some_and(|done| done.forced);
            record.activation().filter(is_forced).map(|on| on.id)
        };
        let forced_now =
            forced(&record).is_some() && forced(&record) != forced(&self.snapshot.record);
        let activation = record.activation();
        let id = activation.map(|on| on.id);
        if self.closed != id {
            (self.closed, self.drained) = (id, None);
        }
        let level_since = activation.map(|on| on.level_since);
        if self.quiet != level_since {
            self.quiet = None;
        }
        self.close_scopes(&record, actions);
        self.snapshot.record = record;
        if forced_now {
            actions.extend([NodeAction::CancelExecutions, NodeAction::DropExecutions]);
        }
    }

    /// What follows from the time alone.
    fn keep_time(&mut self, now: Moment, actions: &mut Vec<NodeAction>) {
        let due = self.planned().filter(|at| *at <= now.calendar);
        if due != self.asked_about {
            self.asked_about = due;
            if due.is_some() {
                self.sync_soon(now.steady);
            }
        }
        let fenced = self.fence_at().is_some_and(|end| now.steady >= end);
        if fenced && !self.fenced {
            actions.push(NodeAction::CancelExecutions);
        }
        self.fenced = fenced;
        if !self.executions_dropped && self.drop_at().is_some_and(|at| at <= now.steady) {
            self.executions_dropped = true;
            actions.push(NodeAction::DropExecutions);
        }
        self.snapshot.executions_suspended = self.must_suspend(now);
        self.decide_hold(now);
        self.snapshot.scopes_begun = self.scopes_begun_unheard(now);
    }

    /// Tells operators soon that a dependency holds this node, or does so no longer. A hold for want of the state's word
    /// needs no report: the state knows.
    fn say_if_dependency_changed(&mut self, before: Option<&Hold>, now: Duration) {
        if failing(before) != failing(self.snapshot.hold.as_ref()) {
            self.say_soon(now);
        }
    }

    fn send_if_due(&mut self, now: Moment, actions: &mut Vec<NodeAction>) {
        if self.pending.is_some() || self.sync_at > now.steady {
            return;
        }
        let record = &self.snapshot.record;
        let offer =
            (self.offer_next && record.revision() > Revision::ZERO).then(|| Arc::clone(record));
        self.sequence = self.sequence.saturating_add(1);
        self.pending = Some(PendingReport {
            sequence: self.sequence,
            sent_at: now.steady,
            offers: offer.is_some(),
        });
        // Whatever asks for a sync from now on asks for one after the answer.
        self.sync_at = Duration::MAX;
        self.has_turn = false;
        actions.push(NodeAction::Send(NodeReport {
            heard_before: self.has_joined(),
            seen: record.revision(),
            closed: self.closed,
            drained: self.drained,
            quiet: self.quiet,
            undrained: self.undrained.clone(),
            lost_contact: self.settings.lost_contact,
            offer,
            ..NodeReport::new(self.node, self.sequence)
        }));
    }

    /// Before the ledger has heard of this node no drain waits for it. And while the state is away nobody tells it
    /// that a planned maintenance has begun.
    fn must_suspend(&self, now: Moment) -> bool {
        let plan_began = self.plan_begun_unheard(now.calendar).is_some();
        !self.has_joined() || self.probation || self.fenced || plan_began
    }

    fn drop_at(&self) -> Option<Duration> {
        match self.settings.lost_contact {
            LostContact::Fence(more) => self.lease_until.map(|end| end.saturating_add(more)),
            LostContact::Wait(_) | LostContact::Hold | LostContact::Leave => None,
        }
    }

    /// When the record says that something begins or ends by itself, about which the ledger is asked at that time.
    fn planned(&self) -> Option<Timestamp> {
        let record = &self.snapshot.record;
        // A plan whose time comes while the site is closed anyway waits for its end.
        let plan = record.plan().filter(|_| !record.phase().is_on());
        let begins = plan.map(|plan| plan.starts_at);
        let ends = record
            .activation()
            .filter(|on| on.settings.auto_end)
            .and_then(|on| on.settings.ends_at);
        [begins.or(ends), record.scopes.due()]
            .into_iter()
            .flatten()
            .min()
    }
}
