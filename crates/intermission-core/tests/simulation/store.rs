//! The store: the real ledger, and what a broken one would do instead.
//!
//! A ledger whose rules are broken is the real one whose members were tampered with before or after a step. What it
//! keeps of its members is public, so that stores can write it down; that is the way in.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Departure, HistoryEntry, Intent, Ledger, LostContact, Members, Moment, NodeId, NodeReport,
    OperateReply, Operation, OperationId, Phase, Record, Revision, SyncReply, Timestamp, Timing,
};
use serde_json::{Map, Value, json};

use crate::mutation::Mutation;
use crate::random::Random;

#[derive(Clone, Debug)]
pub(crate) struct Store {
    ledger: Ledger,
    timing: Timing,
    mutation: Option<Mutation>,
    /// For operations that are to be taken for others.
    renamed: u128,
    random: Random,
    /// The record before the present step.
    record_before: Option<Arc<Record>>,
}

/// What [`Store`] keeps of its members, as JSON.
type Kept = Map<String, Value>;

impl Store {
    pub(crate) fn new(timing: Timing, mutation: Option<Mutation>) -> Self {
        let mut timing = timing;
        if mutation == Some(Mutation::NoClamp) {
            timing.step = Duration::from_secs(1_000_000);
        }
        Self {
            ledger: Ledger::new(timing),
            timing,
            mutation,
            renamed: 0,
            random: Random::new(1),
            record_before: None,
        }
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn breaks(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(crate) fn sync(&mut self, report: &NodeReport, now: Moment) -> SyncReply {
        let now = self.moment(now);
        let mut report = report.clone();
        let kept_before = self.before(now);
        let was_in_grace = self.breaks(Mutation::LossNotNoticed) && self.is_in_grace(now);
        match self.mutation {
            Some(Mutation::NothingOffered) => report.offer = None,
            Some(Mutation::NothingClaimed) => {
                report.seen = Revision::ZERO;
                // As if bringing back took two calls, of which the second is often lost.
                report.offer = report.offer.filter(|_| self.random.percent(30));
            }
            Some(Mutation::AcknowledgementsKept) => {
                // What it said of any activation before is in `closed` for as long as one is on.
                let on = self.ledger.current().activation().map(|on| on.id);
                report.drained = report.drained.or_else(|| report.closed.and(on));
            }
            Some(Mutation::SequenceIgnored) => {
                self.edit_member(report.node, |member| {
                    member.insert("sequence".to_owned(), json!(0));
                });
            }
            Some(Mutation::OlderTakenBack) => {
                if let Some(offer) = &report.offer {
                    self.put_record(Some(Arc::clone(offer)));
                }
            }
            _ => {}
        }
        let mut reply = self.ledger.sync(&report, now);
        match self.mutation {
            Some(Mutation::ClaimsCountInGrace) if self.is_in_grace(now) => self.believe(&report),
            Some(Mutation::HoldGivenUp) if report.lost_contact == LostContact::Hold => {
                let lease = millis(self.timing.lease);
                self.edit_member(report.node, |member| {
                    let heard = member["heard_ms"].as_u64().unwrap();
                    member.insert("expires_ms".to_owned(), json!(heard + lease));
                });
            }
            Some(Mutation::FenceCountedEarly) => {
                let lease = millis(self.timing.lease);
                self.edit_member(report.node, |member| {
                    let heard = member["heard_ms"].as_u64().unwrap();
                    if member["lost_contact"].get("fence").is_some() {
                        member.insert("expires_ms".to_owned(), json!(heard + lease));
                    }
                });
            }
            Some(Mutation::LossNotNoticed) if !was_in_grace && self.is_in_grace(now) => {
                let before = kept_before.as_ref().unwrap();
                self.edit(|members| {
                    for field in ["grace_until_ms", "reconcile_until_ms", "lost_at"] {
                        members.insert(field.to_owned(), before[field].clone());
                    }
                });
            }
            _ => {}
        }
        self.after(now);
        if self.mutation.is_some() {
            reply.record = self.ledger.record().cloned();
            reply.grace = self.ledger.view(0, now).grace;
        }
        reply
    }

    pub(crate) fn operate(&mut self, operation: &Operation, now: Moment) -> OperateReply {
        let now = self.moment(now);
        let mut operation = operation.clone();
        let kept_before = self.before(now);
        let before = self.ledger.current();
        match self.mutation {
            Some(Mutation::ConflictIgnored) => operation.expected = None,
            Some(Mutation::BehindIgnored) => {
                operation.known = Revision::ZERO;
                operation.expected = None;
            }
            Some(Mutation::DuplicateIgnored) => {
                self.renamed += 1;
                operation.id = OperationId::from_bits(u128::MAX - self.renamed);
            }
            Some(Mutation::OpensWhileReconciling) => {
                self.edit(|members| {
                    members.insert("reconcile_until_ms".to_owned(), json!(0));
                });
            }
            Some(Mutation::EditsInGrace) => {
                self.edit(|members| {
                    members.insert("grace_until_ms".to_owned(), json!(0));
                });
            }
            _ => {}
        }
        let reply = self.ledger.operate(&operation, now);
        let is_stored = matches!(reply, OperateReply::Stored(_));
        match self.mutation {
            Some(Mutation::EditsInGrace) => {
                let until = kept_before.as_ref().unwrap()["grace_until_ms"].clone();
                self.edit(|members| {
                    members.insert("grace_until_ms".to_owned(), until);
                });
            }
            Some(Mutation::CompletionFromOperator) if is_stored => {
                if let Intent::Put(proposed) = &operation.intent {
                    self.take_completion(proposed);
                }
            }
            Some(Mutation::QuietKept) if is_stored => {
                let level_since =
                    |record: &Record| record.activation().map(|on| (on.id, on.level_since));
                let same_activation = level_since(&before).map(|(id, _)| id)
                    == level_since(&self.ledger.current()).map(|(id, _)| id);
                if same_activation && level_since(&before) != level_since(&self.ledger.current()) {
                    self.keep_quiet(kept_before.as_ref().unwrap());
                    self.ledger.tick(now);
                }
            }
            _ => {}
        }
        self.after(now);
        reply
    }

    pub(crate) fn leave(&mut self, node: NodeId, departure: &Departure, now: Moment) {
        let now = self.moment(now);
        self.before(now);
        self.ledger.leave(node, departure, now);
        if self.breaks(Mutation::TombstoneIgnored) {
            self.edit(|members| {
                members.insert("departed".to_owned(), json!({}));
            });
        }
        self.after(now);
    }

    /// The store comes back with an older copy of itself, or with only a part, and knows it.
    pub(crate) fn restart_with(&mut self, copy: Option<&Self>, what_is_left: Left, now: Moment) {
        let now = self.moment(now);
        let copy = copy.map_or(&self.ledger, |copy| &copy.ledger);
        let (record, members) = match what_is_left {
            Left::Nothing => (None, Members::default()),
            Left::TheRecord => (copy.record().cloned(), Members::default()),
            Left::Everything => (copy.record().cloned(), copy.members().clone()),
        };
        let history: Vec<HistoryEntry> = copy.kept_history().cloned().collect();
        let history = history
            .into_iter()
            .filter(|_| what_is_left != Left::Nothing);
        self.ledger = Ledger::restored(self.timing, record, history, members);
        let kept_before = self.mutation.map(|_| self.kept());
        if !self.breaks(Mutation::NoGrace) {
            self.ledger.lost_members(now);
        }
        if let Some(before) = kept_before {
            match self.mutation {
                Some(Mutation::ClaimsSurviveLoss) => self.keep_claims(&before),
                Some(Mutation::LeasesNotRenewed) => self.keep(&before, &["expires_ms"]),
                _ => {}
            }
            self.after(now);
        }
    }

    /// The store goes back and does not notice, as when a virtual machine is set back.
    pub(crate) fn go_back_to(&mut self, copy: &Self) {
        self.ledger = copy.ledger.clone();
    }

    // What a broken ledger does.

    fn moment(&self, now: Moment) -> Moment {
        if self.breaks(Mutation::PlainCounter) {
            Moment::new(Timestamp::from_millis(1), now.steady)
        } else {
            now
        }
    }

    fn kept(&self) -> Kept {
        match serde_json::to_value(self.ledger.members()).unwrap() {
            Value::Object(kept) => kept,
            other => panic!("members are an object, and not {other}"),
        }
    }

    fn is_in_grace(&self, now: Moment) -> bool {
        self.ledger.view(0, now).grace > Duration::from_millis(1)
    }

    fn put_record(&mut self, record: Option<Arc<Record>>) {
        let (history, members) = (
            self.ledger.kept_history().cloned(),
            self.ledger.members().clone(),
        );
        self.ledger = Ledger::restored(self.timing, record, history, members);
    }

    fn edit(&mut self, change: impl FnOnce(&mut Kept)) {
        let mut kept = self.kept();
        change(&mut kept);
        let members = serde_json::from_value(Value::Object(kept)).unwrap();
        let record = self.ledger.record().cloned();
        let history = self.ledger.kept_history().cloned();
        self.ledger = Ledger::restored(self.timing, record, history, members);
    }

    fn edit_member(&mut self, node: NodeId, change: impl FnOnce(&mut Kept)) {
        self.edit(|members| {
            let nodes = members["nodes"].as_object_mut().unwrap();
            if let Some(Value::Object(member)) = nodes.get_mut(&node.to_string()) {
                change(member);
            }
        });
    }

    /// Puts fields of all nodes back to what they were.
    fn keep(&mut self, before: &Kept, fields: &[&str]) {
        let before = before["nodes"].as_object().unwrap().clone();
        self.edit(|members| {
            for (node, member) in members["nodes"].as_object_mut().unwrap() {
                for field in fields {
                    if let Some(old) = before.get(node) {
                        member[field] = old[field].clone();
                    }
                }
            }
        });
    }

    fn keep_claims(&mut self, before: &Kept) {
        self.keep(before, &["closed", "drained", "quiet"]);
    }

    fn keep_quiet(&mut self, before: &Kept) {
        self.keep(before, &["quiet"]);
    }

    fn believe(&mut self, report: &NodeReport) {
        let record = self.ledger.current();
        let Some(on) = record.activation() else {
            return;
        };
        let (id, since) = (Some(on.id), Some(on.level_since));
        self.edit_member(report.node, |member| {
            member.insert("closed".to_owned(), json!(report.closed == id));
            member.insert("drained".to_owned(), json!(report.drained == id));
            member.insert("quiet".to_owned(), json!(report.quiet == since));
        });
    }

    fn take_completion(&mut self, proposed: &Record) {
        let mut record: Value = serde_json::to_value(&*self.ledger.current()).unwrap();
        let proposed = serde_json::to_value(proposed).unwrap();
        let done = &proposed["activation"]["completion"];
        if record["phase"] == "activating" && !done.is_null() {
            record["activation"]["completion"] = done.clone();
            record["phase"] = json!("activated");
            let record = serde_json::from_value(record).unwrap();
            self.put_record(Some(Arc::new(record)));
        }
    }

    fn keep_unconfirmed(&mut self) {
        let unconfirmed = |record: &Record| {
            let on = record.activation()?;
            Some((on.id, on.completion.as_ref()?.unconfirmed.len()))
        };
        let (before, now) = (
            self.record_before.clone().unwrap_or_default(),
            self.ledger.current(),
        );
        let (Some((old, many)), Some((new, few))) = (unconfirmed(&before), unconfirmed(&now))
        else {
            return;
        };
        if old == new && few < many {
            let mut record: Value = serde_json::to_value(&*now).unwrap();
            let before = serde_json::to_value(&*before).unwrap();
            record["activation"]["completion"] = before["activation"]["completion"].clone();
            self.put_record(Some(Arc::new(serde_json::from_value(record).unwrap())));
        }
    }

    fn before(&mut self, now: Moment) -> Option<Kept> {
        self.mutation?;
        self.record_before = self.ledger.record().cloned();
        let view = self.ledger.view(0, now);
        match self.mutation {
            Some(Mutation::OwnStepsInGrace) if !view.grace.is_zero() => {
                self.tick_without("grace_until_ms", &json!(0), now);
            }
            Some(Mutation::OwnStepsWhileBehind) if view.is_behind() => {
                self.tick_without("newest_claimed", &json!(0), now);
            }
            Some(Mutation::GivenUpNotNamed) if view.record.phase().is_on() => {
                let step = millis(self.timing.step);
                self.edit(|members| {
                    let soon = members["clock_ms"].as_u64().unwrap() + step;
                    let nodes = members["nodes"].as_object_mut().unwrap();
                    let is_over = |member: &Value| {
                        member["expires_ms"].as_u64().is_some_and(|end| end < soon)
                    };
                    nodes.retain(|_, member| !is_over(member));
                });
            }
            Some(Mutation::QuietDespiteLoss)
                if view.record.phase() == Phase::Activated && view.lost_at.is_some() =>
            {
                self.tick_without("lost_at", &Value::Null, now);
            }
            _ => {}
        }
        let is_compared = matches!(
            self.mutation,
            Some(Mutation::LossNotNoticed | Mutation::EditsInGrace | Mutation::QuietKept)
        );
        is_compared.then(|| self.kept())
    }

    fn tick_without(&mut self, field: &str, without: &Value, now: Moment) {
        let kept = self.kept()[field].clone();
        self.edit(|members| {
            members.insert(field.to_owned(), without.clone());
        });
        self.ledger.tick(now);
        self.edit(|members| {
            members.insert(field.to_owned(), kept);
        });
    }

    fn after(&mut self, now: Moment) {
        if self.mutation.is_none() {
            return;
        }
        let view = self.ledger.view(0, now);
        match self.mutation {
            Some(Mutation::LossNotTold) if view.lost_at.is_some() => self.edit(|members| {
                members.insert("lost_at".to_owned(), Value::Null);
            }),
            Some(Mutation::GraceBeforeFences) if !view.grace.is_zero() => {
                let grace = millis(self.timing.grace);
                self.edit(|members| {
                    let since = members["grace_since_ms"].as_u64().unwrap();
                    let until = members["grace_until_ms"].as_u64().unwrap();
                    members.insert("grace_until_ms".to_owned(), json!(until.min(since + grace)));
                });
            }
            Some(Mutation::OldRecordsIgnored) if !view.grace.is_zero() => self.edit(|members| {
                members.insert("known_before".to_owned(), json!(false));
            }),
            Some(Mutation::NewSiteNotSeen) if view.record.phase().is_on() => self.edit(|members| {
                members.insert("anew_since".to_owned(), Value::Null);
            }),
            Some(Mutation::NeverConfirmed) => self.keep_unconfirmed(),
            _ => {}
        }
    }
}

/// What a store still has after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    TheRecord,
    Everything,
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
