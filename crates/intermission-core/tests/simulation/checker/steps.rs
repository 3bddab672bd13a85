//! What each step of the ledger must be like.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Completion, Departure, DrainPolicy, Intent, Ledger, LostContact, Moment, NodeId, NodeReport,
    NodeView, OperateReply, Operation, OperationId, Record, Revision, SyncReply, Timing,
    Unconfirmed, UnconfirmedCause, View,
};

use super::Run;

/// Which step the ledger has taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    Sync(&'a NodeReport, &'a SyncReply),
    Operate(&'a Operation, &'a OperateReply),
    Leave(NodeId, &'a Departure),
}

/// What was known of the ledger before a step.
#[derive(Debug)]
pub(crate) struct Before {
    record: Arc<Record>,
    newest_seen: Revision,
    /// Whether it would say that it has lost data.
    pub(super) is_reserved: bool,
    /// What it knew of its nodes, if the step must not change that.
    nodes: Option<Vec<NodeView>>,
}

impl Before {
    pub(super) fn of(view: &View, nodes: Option<Vec<NodeView>>) -> Self {
        Self {
            record: Arc::clone(&view.record),
            newest_seen: view.newest_seen,
            is_reserved: view.lost_at.is_some(),
            nodes,
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// The greatest revision that the ledger can know of.
    fn newest(&self) -> Revision {
        self.record.revision().max(self.newest_seen)
    }
}

/// Follows the ledger from step to step.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Every record that the ledger has made.
    made: BTreeMap<Revision, Vec<Made>>,
    run: Run,
    pub(super) losses: u64,
    lost_at: Option<u64>,
    /// The greatest revision that a node has told the ledger of since the store last lost something.
    pub(super) told: Revision,
    /// The greatest revision that was ever given.
    pub(super) newest: Revision,
    /// The newest report that counted, of each node.
    heard: HashMap<NodeId, u64>,
    /// When a report of each node counted last, whatever was lost since.
    spoke_at: HashMap<NodeId, (u64, LostContact)>,
    /// Who has said goodbye.
    gone: BTreeSet<NodeId>,
    /// Operations that were done, and how often the ledger had lost something by then.
    done: HashMap<OperationId, u64>,
    /// Whether anything was left by the last loss, or anybody who has spoken since knew of what was before; `None` if
    /// nobody can say, since the store has gone back without noticing.
    pub(super) somebody_knew: Option<bool>,
    /// How often a revision was given again, after it was lost and nobody had told of it.
    pub(crate) given_again: u64,
    /// How often a completion named somebody who was out of contact, and it was looked at whether that was long enough.
    pub(crate) waited_for: u64,
}

#[derive(Debug)]
struct Made {
    record: Arc<Record>,
    at: u64,
    /// How often the ledger had lost something by then.
    losses: u64,
}

/// What a step has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The record is the same.
    Same,
    /// The ledger has got it back from a node.
    TakenBack,
    /// It is new.
    Made,
    /// An operator has decided that the site stays open, whatever was lost.
    StaysOpen,
}

impl Steps {
    pub(super) fn new(run: Run) -> Self {
        Self {
            run,
            ..Self::default()
        }
    }

    /// The store has lost something: with its members, also who has said goodbye, and which reports counted.
    /// Whom it had given up in what is left of it is not waited for anew.
    pub(super) fn lost(&mut self, now: Option<u64>, given_up: &[String], are_members_kept: bool) {
        self.losses += 1;
        self.lost_at = now.or(self.lost_at);
        self.spoke_at
            .retain(|node, _| !given_up.contains(&node.to_string()));
        if now.is_none() {
            self.spoke_at.clear();
        }
        self.told = Revision::ZERO;
        if !are_members_kept {
            self.heard.clear();
            self.gone.clear();
        }
    }

    pub(super) fn look(
        &mut self,
        before: &Before,
        step: Step<'_>,
        (ledger, view): (&Ledger, &View),
        (now, moment): (u64, Moment),
        timing: &Timing,
    ) -> Outcome {
        self.look_at_reports(before, step, ledger, (now, moment));
        let (old, new) = (&*before.record, &*view.record);
        let outcome = self.outcome(before, step, new);
        self.look_at_operations(before, step, view, now, timing);
        match outcome {
            Outcome::Same => {
                assert!(old == new, "I3: {new:?} is not newer than {old:?}");
            }
            Outcome::TakenBack => self.look_at_what_was_taken_back(old, new),
            Outcome::StaysOpen | Outcome::Made => {
                self.look_at_what_was_made(before, step, view, moment);
                self.look_at_the_given_up(before, view, now, timing);
                self.note_made(&view.record, now);
            }
        }
        assert!(
            old == new || new.supersedes(old),
            "I3: the ledger went back from {old:?} to {new:?}"
        );
        self.newest = self.newest.max(new.revision());
        outcome
    }

    /// A report counts, of a node that was there before the last loss, or may not have been.
    pub(super) fn note_what_was_known(&mut self, report: &NodeReport, is_back: bool) {
        let made = self.made.get(&report.seen);
        let is_old = made.is_some_and(|made| made.iter().all(|made| made.losses < self.losses));
        self.somebody_knew = self.somebody_knew.map(|knew| knew || is_back || is_old);
    }

    /// The ledger takes the site for a new one, or says in a completion that data was lost.
    pub(super) fn look_at_the_loss(&self, is_new: bool, discloses: bool, record: &Record) {
        // What was made before and after the clock was set back cannot be told apart.
        assert!(
            !is_new || self.somebody_knew != Some(true) || !self.run.has_true_calendar,
            "I10: somebody knew what was before, and the site is taken for a new one: {record:?}"
        );
        assert!(
            !discloses || self.somebody_knew != Some(false),
            "I10: the site is new, and its completion says that data was lost: {record:?}"
        );
    }

    /// Whether a report that is at least as new has counted.
    pub(super) fn has_heard(&self, report: &NodeReport) -> bool {
        let last = self.heard.get(&report.node);
        last.is_some_and(|last| *last >= report.sequence)
    }

    /// A report counts once, and never after a newer one; and whoever said goodbye stays away.
    fn look_at_reports(
        &mut self,
        before: &Before,
        step: Step<'_>,
        ledger: &Ledger,
        (now, moment): (u64, Moment),
    ) {
        match step {
            Step::Sync(report, _) if self.has_heard(report) => {
                let nodes = before.nodes.as_deref().unwrap_or_default();
                // Its lease may end in the same instant; who is out of contact then is no news of this report.
                let said = |nodes: &[NodeView]| {
                    let said = nodes
                        .iter()
                        .map(|node| (node.node, node.seen, node.heard_at));
                    said.collect::<BTreeSet<_>>()
                };
                let (old, new) = (said(nodes), said(&ledger.view(usize::MAX, moment).nodes));
                assert!(
                    new.is_subset(&old),
                    "I6: the report {} of {:?} counts after a newer one, or twice",
                    report.sequence,
                    report.node
                );
            }
            Step::Sync(report, reply) if reply.sequence == report.sequence => {
                self.heard.insert(report.node, report.sequence);
                self.told = self.told.max(report.seen);
                self.spoke_at
                    .insert(report.node, (now, report.lost_contact));
            }
            Step::Leave(node, departure) => {
                self.heard.remove(&node);
                if matches!(departure, Departure::Goodbye) {
                    self.gone.insert(node);
                }
            }
            Step::Sync(..) | Step::Operate(..) => {}
        }
        let is_back = ledger.nodes().find(|node| self.gone.contains(node));
        assert_eq!(is_back, None, "I6: it has said goodbye, and is back");
    }

    fn look_at_the_given_up(&mut self, before: &Before, view: &View, now: u64, timing: &Timing) {
        let Some(done) = completion(&view.record) else {
            return;
        };
        if completion(&before.record).is_some() {
            return;
        }
        let is_out = |named: &&Unconfirmed| named.cause == UnconfirmedCause::OutOfContact;
        for unconfirmed in done.unconfirmed.iter().filter(is_out) {
            let Some((at, policy)) = self.spoke_at.get(&unconfirmed.node) else {
                continue;
            };
            let time = match policy {
                LostContact::Wait(more) => timing.lease + *more,
                LostContact::Hold | LostContact::Fence(_) | LostContact::Leave => Duration::MAX,
            };
            // Somebody may have set the store's clock forward, of which it believes one step, and it may be fast.
            let believed = if self.run.has_steady_clock {
                Duration::ZERO
            } else {
                timing.step
            };
            let silent = Duration::from_millis(now - at);
            assert!(
                silent + believed >= time - time / 500,
                "I9: {unconfirmed:?} was silent for {silent:?}, and not for {time:?}"
            );
            self.waited_for += 1;
        }
    }

    fn outcome(&self, before: &Before, step: Step<'_>, new: &Record) -> Outcome {
        if let Step::Operate(operation, OperateReply::Stored(_)) = step
            && let Intent::Put(proposed) = &operation.intent
            && !proposed.phase().is_on()
            && **proposed == *before.record
        {
            return Outcome::StaysOpen;
        }
        if *new == *before.record {
            return Outcome::Same;
        }
        match step {
            Step::Sync(report, _) if report.offer.as_deref() == Some(new) => Outcome::TakenBack,
            _ => Outcome::Made,
        }
    }

    fn look_at_operations(
        &mut self,
        before: &Before,
        step: Step<'_>,
        view: &View,
        now: u64,
        timing: &Timing,
    ) {
        let Step::Operate(operation, OperateReply::Stored(record)) = step else {
            return;
        };
        let known = before.record.revision();
        assert!(
            operation.expected.is_none_or(|expected| expected == known),
            "I8: {operation:?} was computed on another record than {known}"
        );
        assert!(
            record.revision() > operation.known,
            "I8: whoever asked for {operation:?} has seen a newer record than {record:?}"
        );
        let times = self.done.insert(operation.id, self.losses);
        assert!(
            times.is_none_or(|losses| losses < self.losses),
            "I8: {operation:?} is done twice"
        );
        let Intent::Put(proposed) = &operation.intent else {
            return;
        };
        let (was_on, is_on) = (before.record.phase().is_on(), proposed.phase().is_on());
        let begins = is_on && !was_on;
        let edits = is_on || (!was_on && **proposed != *before.record);
        if edits && !begins {
            assert!(
                view.grace.is_zero() && before.newest_seen <= known,
                "I8: {operation:?} edits a record that may be an old one: {view:?}"
            );
        }
        let certain_after = timing.reconcile.saturating_sub(timing.step).as_millis() * 99 / 100;
        let is_soon = |at: u64| u128::from(now - at) < certain_after;
        assert!(
            is_on || !self.lost_at.is_some_and(is_soon),
            "I8: {operation:?} opens before those in contact could speak"
        );
    }

    fn look_at_what_was_made(&self, before: &Before, step: Step<'_>, view: &View, moment: Moment) {
        let (old, new) = (&*before.record, &*view.record);
        assert!(
            new.revision() > before.newest() && new.revision() > self.told,
            "I3: {new:?} is not newer than what the ledger was told of, {} and {}",
            before.newest(),
            self.told
        );
        let asked = match step {
            Step::Operate(operation, OperateReply::Stored(_)) => match &operation.intent {
                Intent::Put(proposed) => Some(&**proposed),
                Intent::Init => None,
            },
            _ => None,
        };
        let is_inits = asked.is_none()
            && matches!(step, Step::Operate(operation, OperateReply::Stored(_)) if operation.intent == Intent::Init);
        let completed =
            |record: &Record| completion(record).and_then(|_| record.activation().map(|on| on.id));
        let completes = completed(new).is_some() && completed(new) != completed(old);
        let is_forced = completion(new).is_some_and(|done| done.forced);
        assert!(
            !completes || is_forced || view.count.drained == view.count.nodes,
            "I2: the ledger says that the drain is over, and counts {:?}",
            view.count
        );
        let is_own = (asked.is_none() && !is_inits) || completes;
        assert!(
            !is_own || (view.grace.is_zero() && before.newest_seen <= old.revision()),
            "I8: the ledger makes {new:?} of {old:?} by itself, and may have forgotten something: {view:?}"
        );
        if !old.phase().is_on() || new.phase().is_on() {
            return;
        }
        // What was asked may have ended in the same step.
        let mut settings = [Some(old), asked].into_iter().flatten();
        let is_draining = completed(old).is_none();
        let ends = settings.any(|record| {
            let settings = record.activation().map(|on| &on.settings);
            settings.is_some_and(|settings| {
                let is_over = settings.ends_at.is_some_and(|end| end <= moment.calendar);
                let aborts = is_draining && matches!(settings.drain, DrainPolicy::Abort(_));
                aborts || (settings.auto_end && is_over)
            })
        });
        let is_asked = asked.is_some_and(|asked| !asked.phase().is_on());
        assert!(
            is_asked || ends,
            "I5: nobody has opened the site: {old:?} became {new:?}"
        );
    }

    /// The later decision wins, unless somebody has set the store's calendar back in between.
    fn look_at_what_was_taken_back(&self, old: &Record, new: &Record) {
        let times = |record: &Record| {
            let made = self.made.get(&record.revision());
            let same = made
                .into_iter()
                .flatten()
                .find(|made| *made.record == *record);
            same.map(|made| made.at)
        };
        assert!(
            !self.run.has_true_calendar || times(old) <= times(new),
            "I3: {new:?} is taken back, and {old:?} was decided later"
        );
    }

    /// INVARIANT: no revision for two records. What nobody tells of who has seen it may be given again when the store's
    /// calendar was set back: a store that has lost its data cannot know better.
    fn note_made(&mut self, record: &Arc<Record>, at: u64) {
        let losses = self.losses;
        let made = self.made.entry(record.revision()).or_default();
        if made.iter().any(|made| made.record == *record) {
            return;
        }
        for other in made.iter() {
            let is_lost = other.losses < losses && record.revision() > self.told;
            assert!(
                is_lost && !self.run.has_true_calendar,
                "I3: one revision for {other:?} and {record:?}"
            );
            self.given_again += 1;
        }
        made.push(Made {
            record: Arc::clone(record),
            at,
            losses,
        });
    }

    /// Whether the ledger has made this record, or a site that was never changed has it.
    pub(super) fn has_made(&self, record: &Record) -> bool {
        let made = self.made.get(&record.revision());
        record.revision() == Revision::ZERO
            || made.is_some_and(|made| made.iter().any(|made| *made.record == *record))
    }
}

fn completion(record: &Record) -> Option<&Completion> {
    record.activation().and_then(|on| on.completion.as_ref())
}
