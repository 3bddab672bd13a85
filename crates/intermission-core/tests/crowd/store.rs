//! A stand-in for the store that takes the time of a look-up for each call, and not that of a walk over all nodes.
//!
//! It gives the replies of [`Ledger`](intermission_core::Ledger) to a fleet of which nobody is lost for good and
//! nothing is planned: no lease ends, nobody says goodbye, and drains have no limit. That it does is shown by
//! [`differential`](crate::differential). What is left out would panic, or differ there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Activation, ActivationId, DrainPolicy, FleetCount, Intent, LostContact, Moment, NodeId,
    NodeReport, OperateReply, Operation, Record, Revision, SyncReply, Timestamp, Timing,
};
use serde_json::{Value, json};

#[derive(Debug)]
pub(crate) struct Store {
    timing: Timing,
    record: Option<Arc<Record>>,
    clock_ms: u64,
    moved_at_ms: Option<u64>,
    grace_until_ms: u64,
    reconcile_until_ms: u64,
    newest_claimed: Revision,
    lost_at: Option<Timestamp>,
    known_before: bool,
    anew_since: Option<Revision>,
    nodes: HashMap<NodeId, Entry>,
    count: FleetCount,
    /// Goes up whenever all claims are forgotten: what was claimed before counts no longer.
    era: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    sequence: u64,
    running: u64,
    /// The era in which it was said to be closed, and drained.
    closed: Option<u64>,
    drained: Option<u64>,
    /// The fleet clock after which it would be given up.
    expires_ms: Option<u64>,
}

impl Store {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing,
            record: None,
            clock_ms: 0,
            moved_at_ms: None,
            grace_until_ms: 0,
            reconcile_until_ms: 0,
            newest_claimed: Revision::ZERO,
            lost_at: None,
            known_before: false,
            anew_since: None,
            nodes: HashMap::new(),
            count: FleetCount::default(),
            era: 0,
        }
    }

    /// A server that has come back with nothing.
    pub(crate) fn restarted_empty(timing: Timing, now: Moment) -> Self {
        let mut store = Self::new(timing);
        store.lose_members(now);
        store
    }

    pub(crate) fn lose_members(&mut self, now: Moment) {
        self.advance(now);
        self.grace_until_ms = self.clock_ms + millis(self.timing.grace);
        self.reconcile_until_ms = self.clock_ms + millis(self.timing.reconcile);
        self.known_before = !self.nodes.is_empty();
        self.anew_since = self.record.is_none().then_some(Revision::ZERO);
        self.lost_at = Some(now.calendar);
        self.forget_claims();
    }

    pub(crate) const fn record(&self) -> Option<&Arc<Record>> {
        self.record.as_ref()
    }

    pub(crate) const fn count(&self) -> FleetCount {
        self.count
    }

    pub(crate) fn grace(&self) -> Duration {
        let left = self.grace_until_ms.saturating_sub(self.clock_ms);
        Duration::from_millis(left.max(u64::from(self.is_behind())))
    }

    pub(crate) fn sync(&mut self, report: &NodeReport, now: Moment) -> SyncReply {
        self.advance(now);
        let known = self.nodes.get(&report.node).copied();
        if let Some(last) = known.map(|entry| entry.sequence)
            && last >= report.sequence
        {
            return self.reply(last);
        }
        let lacked = report.offer.as_ref().filter(|offer| self.lacks(offer));
        let knows_more = report.seen > self.revision() || lacked.is_some();
        if knows_more && !self.is_in_grace() {
            self.lose_members(now);
        }
        if let Some(first) = self.anew_since {
            let made = first..=self.revision();
            let offered = report.offer.as_ref().map(|offer| offer.revision());
            let known = [Some(report.seen), offered].into_iter().flatten();
            self.known_before |= known
                .filter(|known| *known > Revision::ZERO)
                .any(|known| !made.contains(&known));
        }
        if let Some(offer) = lacked {
            let is_other = id_of(Some(offer)) != id_of(self.record.as_ref());
            self.record = Some(Arc::clone(offer));
            if is_other {
                self.forget_claims();
            }
        }
        self.hear(report, known);
        self.settle(now);
        self.reply(report.sequence)
    }

    pub(crate) fn operate(&mut self, operation: &Operation, now: Moment) -> OperateReply {
        self.advance(now);
        let reply = self.decide(operation, now);
        self.settle(now);
        let record = self.current();
        match reply {
            OperateReply::Stored(_) => OperateReply::Stored(record),
            OperateReply::Unchanged(_) => OperateReply::Unchanged(record),
            OperateReply::Duplicate(_) => OperateReply::Duplicate(record),
            OperateReply::Conflict(_) => OperateReply::Conflict(record),
            OperateReply::Behind(_) => OperateReply::Behind(record),
            other => other,
        }
    }

    fn decide(&mut self, operation: &Operation, now: Moment) -> OperateReply {
        let current = self.current();
        if current.operation() == Some(operation.id) {
            return OperateReply::Duplicate(current);
        }
        if operation.known > current.revision() {
            return OperateReply::Behind(current);
        }
        if operation
            .expected
            .is_some_and(|expected| expected != current.revision())
        {
            return OperateReply::Conflict(current);
        }
        let Intent::Put(proposed) = &operation.intent else {
            panic!("the stand-in knows no {operation:?}");
        };
        if **proposed == *current && !self.is_behind() {
            return OperateReply::Unchanged(current);
        }
        let (was_on, is_on) = (current.phase().is_on(), proposed.phase().is_on());
        if !is_on || was_on {
            let edits = is_on || (!was_on && **proposed != *current);
            if edits && self.is_in_grace() {
                return OperateReply::Reconciling(self.grace());
            }
            if edits && self.is_behind() {
                return OperateReply::Reconciling(self.timing.heartbeat);
            }
            let left = self.reconcile_until_ms.saturating_sub(self.clock_ms);
            if !edits && left > 0 {
                return OperateReply::Reconciling(Duration::from_millis(left));
            }
        }
        assert!(
            proposed.plan().is_none() && has_no_limit(proposed.activation()),
            "the stand-in knows no {operation:?}"
        );
        self.put(proposed, operation, now);
        OperateReply::Stored(current)
    }

    fn advance(&mut self, now: Moment) {
        let steady_ms = millis(now.steady);
        if let Some(moved_at_ms) = self.moved_at_ms {
            let moved = steady_ms.saturating_sub(moved_at_ms);
            self.clock_ms += moved.min(millis(self.timing.step));
        }
        self.moved_at_ms = Some(steady_ms);
    }

    fn is_in_grace(&self) -> bool {
        self.clock_ms < self.grace_until_ms
    }

    fn is_behind(&self) -> bool {
        self.newest_claimed > self.revision()
    }

    fn lacks(&self, offer: &Record) -> bool {
        let supersedes = |record: &Arc<Record>| offer.supersedes(record);
        offer.revision() > Revision::ZERO && self.record.as_ref().is_none_or(supersedes)
    }

    fn current(&self) -> Arc<Record> {
        self.record.clone().unwrap_or_default()
    }

    fn revision(&self) -> Revision {
        self.record
            .as_ref()
            .map_or(Revision::ZERO, |record| record.revision())
    }

    fn next_revision(&self, now: Moment) -> Revision {
        Revision::new(now.calendar.as_millis())
            .max(self.revision().next())
            .max(self.newest_claimed.next())
    }

    fn forget_claims(&mut self) {
        self.era += 1;
        (self.count.closed, self.count.drained) = (0, 0);
    }

    fn hear(&mut self, report: &NodeReport, known: Option<Entry>) {
        let (era, on) = (Some(self.era), id_of(self.record.as_ref()));
        let mut entry = known.unwrap_or_default();
        if let Some(end) = entry.expires_ms {
            assert!(end >= self.clock_ms, "the stand-in gives up nobody");
        }
        self.known_before |= known.is_none() && report.heard_before;
        let said = (entry.closed == era, entry.drained == era);
        let says = if self.is_in_grace() {
            said
        } else {
            let says = |claim: Option<ActivationId>| on.is_some() && claim == on;
            (says(report.closed), says(report.drained))
        };
        let FleetCount {
            nodes,
            closed,
            drained,
            running,
            ..
        } = &mut self.count;
        *nodes += u64::from(known.is_none());
        *closed = *closed + u64::from(says.0) - u64::from(said.0);
        *drained = *drained + u64::from(says.1) - u64::from(said.1);
        *running = *running + report.facts.running - entry.running;
        entry.sequence = report.sequence;
        entry.running = report.facts.running;
        entry.closed = era.filter(|_| says.0);
        entry.drained = era.filter(|_| says.1);
        let lease = |more| self.clock_ms + millis(self.timing.lease) + millis(more);
        entry.expires_ms = match report.lost_contact {
            LostContact::Hold => None,
            LostContact::Wait(more) => Some(lease(more)),
            LostContact::Leave => panic!("the stand-in knows nobody who leaves by silence"),
            LostContact::Fence(_) => panic!("the stand-in knows no fence"),
        };
        self.nodes.insert(report.node, entry);
        self.newest_claimed = self.newest_claimed.max(report.seen);
    }

    fn settle(&mut self, now: Moment) {
        if self.is_in_grace() || self.is_behind() {
            return;
        }
        if self.anew_since.take().is_some() && !self.known_before {
            self.lost_at = None;
        }
        let is_draining = |on: &Activation| on.completion.is_none();
        let drains = self.record.as_ref().and_then(|record| record.activation());
        if drains.is_some_and(is_draining) && self.count.drained == self.count.nodes {
            self.complete(now);
        }
    }

    fn complete(&mut self, now: Moment) {
        let mut record = as_json(&self.current());
        record["revision"] = json!(self.next_revision(now));
        record["phase"] = json!("activated");
        record["activation"]["completion"] = json!({
            "at": now.calendar,
            "forced": false,
            "state_lost_at": self.lost_at.take(),
            "unconfirmed": [],
        });
        self.record = Some(from_json(record));
    }

    fn put(&mut self, proposed: &Record, operation: &Operation, now: Moment) {
        let before = as_json(&self.current());
        let revision = json!(self.next_revision(now));
        let mut record = as_json(proposed);
        record["revision"] = revision.clone();
        record["operation"] = json!(operation.id);
        let (was_on, is_on) = (
            !before["activation"].is_null(),
            !record["activation"].is_null(),
        );
        if is_on {
            let (old, on) = (&before["activation"], &mut record["activation"]);
            let is_same_level = was_on && on["settings"]["level"] == old["settings"]["level"];
            on["completion"] = old["completion"].clone();
            for (field, anew) in [
                ("id", revision.clone()),
                ("requested_at", json!(now.calendar)),
            ] {
                on[field] = if was_on { old[field].clone() } else { anew };
            }
            on["level_since"] = if is_same_level {
                old["level_since"].clone()
            } else {
                revision
            };
            let is_complete = !on["completion"].is_null();
            record["phase"] = json!(if is_complete {
                "activated"
            } else {
                "activating"
            });
        }
        if self.anew_since == Some(Revision::ZERO) {
            self.anew_since = Some(self.next_revision(now));
        }
        self.record = Some(from_json(record));
        if was_on != is_on {
            self.forget_claims();
        }
    }

    fn reply(&self, sequence: u64) -> SyncReply {
        let mut reply = SyncReply::new(sequence, self.record.clone());
        reply.count = self.count;
        reply.grace = self.grace();
        reply
    }
}

fn has_no_limit(activation: Option<&Activation>) -> bool {
    activation.is_none_or(|on| on.settings.drain == DrainPolicy::Wait && !on.settings.auto_end)
}

fn id_of(record: Option<&Arc<Record>>) -> Option<ActivationId> {
    record?.activation().map(|on| on.id)
}

fn as_json(record: &Record) -> Value {
    serde_json::to_value(record).unwrap()
}

fn from_json(record: Value) -> Arc<Record> {
    Arc::new(serde_json::from_value(record).unwrap())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
