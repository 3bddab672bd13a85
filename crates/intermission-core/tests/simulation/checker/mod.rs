//! What must hold after every event.
//!
//! The invariants, and exactly what asynchronous loss excepts from them:
//!
//! - **I1.** Once the ledger has said that every node is closed, none begins an execution until an opening was made: by
//!   an operator, an announced end, or a drain that was to be given up. Excepted: a node that an operator has
//!   forgotten, that a completion has disclosed as possibly forgotten, or that was away when an empty store was taken
//!   for that of a new site, by an operator's word or because nobody who spoke during the grace had ever been there
//!   before ([`Checker::disclosed`]), until it is back; and
//!   everything, when what was lost is *forgotten*: no node that knew the newest record got a report through before the
//!   grace was over (assumption A5 of the design). In a grace the ledger says of nobody that it is closed.
//! - **I2.** While the ledger says `activated`, with nobody unconfirmed, not forced, and not that data was lost, no node
//!   runs an execution; and while it says that the site is quiescent, none serves a request that the level closes out.
//!   Excepted: as in I1; while a node knows a newer record than the ledger has; and a process that stands still,
//!   until its timer runs.
//!   The same holds of the executions of a scope while the ledger says so of the scope.
//!   In a fleet of which all nodes fence themselves alike, it holds even after a loss of data, if one of them speaks
//!   during the grace.
//! - **I3.** No record goes back: no node's ever, the ledger's only by a loss. What the ledger makes is newer than all
//!   it was told of, and no revision stands for two records, but for one that was lost, of which nobody tells.
//! - **I4.** When the faults end, all nodes agree with the ledger, and nothing is stuck. Excepted: what needs a person,
//!   which is a node that holds and is gone, and a newer record of which only the dead have known.
//! - **I5.** Only an operator's accepted change, an announced end or a drain that was to be given up opens a site, the
//!   ledger's and each node's.
//! - **I6.** A report counts once, and never after a newer one. Whoever has said goodbye stays away.
//! - **I7.** Nodes obey: what is to be dropped ends, and what is to be closed during an outage is closed.
//! - **I8.** Operations are done once, on the record on which they were computed, and never on one that may be an old
//!   one, nor does the ledger do anything by itself then.
//! - **I9.** Patience: no completion names a node as out of contact before its lease, and what it asked for beyond, have
//!   passed since a store last took a report of it, whatever was lost since. Excepted: whom the store had given up in
//!   the state to which a loss took it back. A pod that died long ago would hold up a drain anew after every loss.
//! - **I10.** A completion tells of a loss, or the ledger takes the site for a new one: never for a new one if the loss
//!   left a record or a node, or anybody who spoke since had been there before or knew a record from before; and never
//!   the other way round.
//!
//! Of a store that goes back *without noticing* less can be promised: nothing until a node proves it by having seen a
//! newer record, or until nothing is missing any more.

mod steps;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Completion, Intent, Ledger, LostContact, Moment, NodeId, NodeReport, Record, Revision, Timing,
    View,
};

use crate::node::{Node, RequestKind, scope};
pub(crate) use steps::{Before, Step};
use steps::{Outcome, Steps};

/// What a ledger says that is not in a grace, and of which somebody has seen a newer record.
const NO_GRACE: Duration = Duration::from_millis(1);

/// Keeps the score of what the ledger has claimed, and compares it with what is.
#[derive(Debug)]
pub(crate) struct Checker {
    timing: Timing,
    steps: Steps,
    /// The ledger, and which nodes it knew, when it was last looked at.
    view: View,
    known: Vec<NodeId>,
    /// Nodes that the ledger does not know, which it has said: an operator forgot them, or the store lost its data.
    disclosed: BTreeSet<NodeId>,
    /// Those of them that an operator has forgotten.
    written_off: BTreeSet<NodeId>,
    /// Activations up to this revision were forgotten by everybody who could speak in time, so nothing is promised of
    /// them.
    forgotten: Revision,
    /// Completions up to this revision were made by a store that had gone back without noticing.
    spoiled: Revision,
    /// Whether the store has gone back without noticing, and nobody has proved it to it.
    is_unaware: bool,
    /// Whether the ledger says at present that nothing runs anywhere.
    claims_that_nothing_runs: bool,
    /// Every node said that it is closed for the activation that began with this revision.
    closed: Option<Revision>,
    /// Whether all nodes fence themselves, and alike.
    all_fence: bool,
    /// Whether a node has spoken in the newest grace, and whether one has in every grace that is over.
    spoken: bool,
    always_spoken: bool,
    pub(crate) claims: Claims,
}

/// What is known of a run from the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// Whether all nodes fence themselves, and alike.
    pub(crate) all_fence: bool,
    /// Whether nobody ever sets the store's calendar, and its steady clock.
    pub(crate) has_true_calendar: bool,
    pub(crate) has_steady_clock: bool,
}

/// How often each claim was looked at while it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claims {
    pub(crate) closed: u64,
    pub(crate) drained: u64,
    pub(crate) drained_after_loss: u64,
    pub(crate) quiescent: u64,
    pub(crate) drained_scopes: u64,
    pub(crate) forgotten: u64,
    pub(crate) given_again: u64,
    pub(crate) taken_for_new: u64,
    /// Of those that were taken for new, how many had been closed meanwhile.
    pub(crate) new_and_closed: u64,
    pub(crate) waited_for: u64,
}

impl Claims {
    pub(crate) fn add(&mut self, other: Self) {
        self.closed += other.closed;
        self.drained += other.drained;
        self.drained_after_loss += other.drained_after_loss;
        self.quiescent += other.quiescent;
        self.drained_scopes += other.drained_scopes;
        self.forgotten += other.forgotten;
        self.given_again += other.given_again;
        self.taken_for_new += other.taken_for_new;
        self.new_and_closed += other.new_and_closed;
        self.waited_for += other.waited_for;
    }
}

impl Checker {
    pub(crate) fn new(timing: Timing, run: Run, ledger: &Ledger, moment: Moment) -> Self {
        Self {
            timing,
            steps: Steps::new(run),
            view: ledger.view(0, moment),
            known: Vec::new(),
            disclosed: BTreeSet::new(),
            written_off: BTreeSet::new(),
            forgotten: Revision::ZERO,
            spoiled: Revision::ZERO,
            is_unaware: false,
            claims_that_nothing_runs: false,
            closed: None,
            all_fence: run.all_fence,
            spoken: true,
            always_spoken: true,
            claims: Claims::default(),
        }
    }

    pub(crate) fn claims(&self) -> Claims {
        Claims {
            given_again: self.steps.given_again,
            waited_for: self.steps.waited_for,
            ..self.claims
        }
    }

    fn refresh(&mut self, ledger: &Ledger, moment: Moment) {
        self.view = ledger.view(0, moment);
        self.known.clear();
        self.known.extend(ledger.nodes());
    }

    /// The store has lost something, and knows it.
    pub(crate) fn lost(
        &mut self,
        ledger: &Ledger,
        (now, moment): (u64, Moment),
        are_members_kept: bool,
    ) {
        self.refresh(ledger, moment);
        let is_new = self.view.record.revision() == Revision::ZERO && self.known.is_empty();
        self.steps
            .lost(Some(now), &given_up(ledger), are_members_kept);
        self.steps.somebody_knew = Some(!is_new);
        self.spoken = false;
    }

    /// The store has gone back, and does not know it.
    pub(crate) fn went_back(&mut self, ledger: &Ledger, moment: Moment) {
        self.refresh(ledger, moment);
        self.steps.lost(None, &[], false);
        self.steps.somebody_knew = None;
        self.is_unaware = true;
    }

    pub(crate) fn forgot(&mut self, node: NodeId) {
        self.disclosed.insert(node);
        self.written_off.insert(node);
    }

    /// What is known of the ledger before it takes a step, which is this report if it is one.
    pub(crate) fn before(
        &self,
        ledger: &Ledger,
        report: Option<&NodeReport>,
        moment: Moment,
    ) -> Before {
        let is_stale = report.is_some_and(|report| self.steps.has_heard(report));
        let nodes = is_stale.then(|| ledger.view(usize::MAX, moment).nodes);
        Before::of(&self.view, nodes)
    }

    /// An execution begins on this node, perhaps before the timer could tell it that something is due.
    pub(crate) fn begins(&self, node: &Node, now: u64, is_timer_late: bool) {
        let is_claimed = self.claims_that_nothing_runs && !self.is_excepted(node.id);
        assert!(
            !is_claimed || self.is_unaware,
            "I2: {:?} begins an execution under {:?}",
            node.id,
            self.view.record
        );
        let is_disclosed = self.disclosed.contains(&node.id);
        assert!(
            self.closed.is_none() || is_disclosed || self.is_unaware,
            "I1: {:?} begins an execution after everybody was closed: {:?}",
            node.id,
            node.record()
        );
        // What is due in this very millisecond may come after it. And a timer runs on the steady clock, which may be slow,
        // since the node last looked at its calendar.
        let is_due = node.has_lost_contact && node.knows_a_due_plan(now - 3);
        assert!(
            is_timer_late || !is_due,
            "I7: {:?} begins an execution, and a maintenance was to begin: {:?}",
            node.id,
            node.record()
        );
    }

    /// A request is let in on this node.
    pub(crate) fn lets_in(&self, node: &Node, kind: RequestKind, now: u64) {
        assert!(
            !node.should_be_held(now) || !kind.is_closed_out(intermission_core::Level::Full),
            "I7: {:?} lets a request in, and was to be closed during an outage",
            node.id
        );
    }

    /// A node goes by another record.
    pub(crate) fn follows(&self, node: NodeId, before: &Record, after: &Record) {
        let opens = before.phase().is_on() && !after.phase().is_on();
        assert!(
            !opens || self.steps.has_made(after),
            "I5: {node:?} opens by {after:?}, which the ledger has not made"
        );
    }

    /// The ledger has taken a step.
    pub(crate) fn stepped(
        &mut self,
        before: &Before,
        step: Step<'_>,
        ledger: &Ledger,
        nodes: &[Node],
        (now, moment): (u64, Moment),
    ) {
        if let Step::Sync(report, reply) = step
            && reply.sequence == report.sequence
        {
            let is_back = report.heard_before && !self.known.contains(&report.node);
            self.steps.note_what_was_known(report, is_back);
        }
        self.refresh(ledger, moment);
        if let Step::Sync(report, reply) = step
            && reply.sequence == report.sequence
        {
            self.spoken |=
                !self.view.grace.is_zero() && matches!(report.lost_contact, LostContact::Fence(_));
            let knew = before.record().revision();
            if self.is_unaware && report.seen > knew {
                self.is_unaware = false;
                self.spoiled = self.steps.newest.max(knew);
            }
        }
        let outcome = self.steps.look(
            before,
            step,
            (ledger, &self.view),
            (now, moment),
            &self.timing,
        );
        let record = Arc::clone(&self.view.record);
        let opens = match outcome {
            Outcome::Same => false,
            Outcome::Made => before.record().phase().is_on() && !record.phase().is_on(),
            Outcome::TakenBack | Outcome::StaysOpen => !record.phase().is_on(),
        };
        if opens && self.closed.is_some_and(|closed| closed < record.revision()) {
            self.closed = None;
        }
        let discloses = outcome == Outcome::Made
            && completion(before.record()).is_none()
            && completion(&record).is_some_and(|done| done.state_lost_at.is_some());
        let is_new = before.is_reserved && self.view.lost_at.is_none() && !discloses;
        self.claims.taken_for_new += u64::from(is_new);
        let is_by_itself = is_new
            && !matches!(step, Step::Operate(operation, _) if operation.intent == Intent::Init);
        self.claims.new_and_closed += u64::from(is_by_itself && record.phase().is_on());
        self.steps
            .look_at_the_loss(is_by_itself, discloses, &record);
        if discloses || is_new {
            let unknown = nodes.iter().filter(|node| !self.known.contains(&node.id));
            self.disclosed.extend(unknown.map(|node| node.id));
        }
    }

    pub(crate) fn look(&mut self, nodes: &[Node], now: u64) {
        self.readmit(nodes);
        self.claims_that_nothing_runs = false;
        let View {
            node_count,
            count,
            grace,
            ..
        } = self.view;
        let record = Arc::clone(&self.view.record);
        if self.is_unaware {
            self.closed = None;
            let agrees = |node: &Node| {
                self.known.contains(&node.id) && *node.record() == *record && node.obeys(&record)
            };
            if nodes.iter().all(agrees) && grace.is_zero() {
                self.is_unaware = false;
                self.spoiled = self.steps.newest;
            }
            return;
        }
        let ahead = nodes.iter().any(|node| node.record().supersedes(&record));
        if grace.is_zero() {
            self.always_spoken &= self.spoken;
            self.spoken = true;
            assert!(
                self.steps.told <= record.revision(),
                "I3: the ledger was told of {}, and goes on without it: {record:?}",
                self.steps.told
            );
            if record.revision() < self.steps.newest && self.forgotten < self.steps.newest {
                // Whoever knew better was cut off for the whole grace.
                self.forgotten = self.steps.newest;
                self.claims.forgotten += 1;
            }
        }
        assert!(
            grace <= NO_GRACE || (count.closed, count.drained) == (0, 0),
            "I1: the ledger may have forgotten who is there, and counts {count:?}"
        );
        if self.closed.is_some_and(|closed| closed <= self.forgotten) {
            self.closed = None;
        }
        if !ahead && record.revision() > self.spoiled {
            self.look_for_executions_of_the_scope(&record, nodes, now);
        }
        let Some(activation) = record.activation() else {
            return;
        };
        let began = activation.id.began();
        if began <= self.forgotten || record.revision() <= self.spoiled || ahead {
            return;
        }
        // Nobody was given up.
        if grace.is_zero() && count.closed == count.nodes && node_count == count.nodes {
            let is_known =
                |node: &Node| self.known.contains(&node.id) || self.disclosed.contains(&node.id);
            if nodes
                .iter()
                .all(|node| is_known(node) || !node.machine.has_joined())
            {
                self.claims.closed += 1;
                self.closed.get_or_insert(began);
            }
        }
        let Some(done) = &activation.completion else {
            return;
        };
        if done.forced || !done.unconfirmed.is_empty() {
            return;
        }
        self.look_for_executions(&record, done, nodes, now);
        self.look_for_requests(&record, nodes, now);
    }

    fn look_for_executions(
        &mut self,
        record: &Record,
        done: &Completion,
        nodes: &[Node],
        now: u64,
    ) {
        let is_reserved = done.state_lost_at.is_some();
        if is_reserved && !(self.all_fence && self.always_spoken) {
            return;
        }
        self.claims.drained += 1;
        self.claims.drained_after_loss += u64::from(is_reserved);
        self.claims_that_nothing_runs = true;
        for node in nodes.iter().filter(|node| !node.is_paused(now)) {
            let running = node.executions.len();
            assert!(
                running == 0 || self.is_excepted(node.id),
                "I2: {:?} ({:?}) runs something under {record:?}",
                node.id,
                node.lost_contact
            );
        }
    }

    fn look_for_executions_of_the_scope(&mut self, record: &Record, nodes: &[Node], now: u64) {
        let scope = record.scopes().get(scope().as_str());
        let Some(activation) = scope.and_then(|scope| scope.activation.as_ref()) else {
            return;
        };
        let Some(done) = &activation.completion else {
            return;
        };
        let is_reserved =
            done.forced || !done.unconfirmed.is_empty() || done.state_lost_at.is_some();
        if is_reserved || activation.id.began() <= self.forgotten {
            return;
        }
        self.claims.drained_scopes += 1;
        for node in nodes.iter().filter(|node| !node.is_paused(now)) {
            assert!(
                node.runs_nothing_scoped() || self.disclosed.contains(&node.id),
                "I2: {:?} ({:?}) runs something of the scope under {record:?}",
                node.id,
                node.lost_contact
            );
        }
    }

    /// Whether the ledger has said that it may not know of this node.
    fn is_excepted(&self, node: NodeId) -> bool {
        if self.all_fence && self.always_spoken {
            self.written_off.contains(&node)
        } else {
            self.disclosed.contains(&node)
        }
    }

    fn look_for_requests(&mut self, record: &Record, nodes: &[Node], now: u64) {
        if self.view.quiescent_at.is_none() {
            return;
        }
        self.claims.quiescent += 1;
        let level = record.level();
        let served = nodes
            .iter()
            .filter(|node| !self.disclosed.contains(&node.id));
        for node in served.filter(|node| !node.is_paused(now)) {
            let mut requests = node.requests.values();
            assert!(
                !requests.any(|request| !request.is_early && request.kind.is_closed_out(level)),
                "I2: {:?} serves visitors, and the ledger says that none is",
                node.id
            );
        }
    }

    /// A node that is known again counts again: as soon as it goes by the ledger's record, and what it should not run
    /// under that has ended.
    fn readmit(&mut self, nodes: &[Node]) {
        // A record that is brought back in a grace may be an old one, and a newer one comes after it.
        if self.disclosed.is_empty() || !self.view.grace.is_zero() {
            return;
        }
        let record = &self.view.record;
        for node in &self.known {
            let is_back = nodes
                .iter()
                .find(|other| other.id == *node)
                .is_none_or(|node| *node.record() == **record && node.obeys(record));
            if is_back {
                self.disclosed.remove(node);
                self.written_off.remove(node);
            }
        }
    }
}

fn completion(record: &Record) -> Option<&Completion> {
    record.activation().and_then(|on| on.completion.as_ref())
}

/// Whom the ledger has given up, in the words of what a store keeps.
fn given_up(ledger: &Ledger) -> Vec<String> {
    let kept = serde_json::to_value(ledger.members()).unwrap();
    let nodes = kept["nodes"].as_object().unwrap().iter();
    nodes
        .filter(|(_, member)| member["given_up"] == true)
        .map(|(node, _)| node.clone())
        .collect()
}
