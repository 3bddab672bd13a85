//! People who change things, each by what they saw last.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Activate, Actor, AllowChange, AllowList, Change, Deactivate, Departure, DrainPolicy, Level,
    NodeId, OperateReply, Operation, OperationId, Outcome, Record,
};

use super::{Event, World};
use crate::checker::Step;
use crate::node::scope;

/// Somebody who changes things.
#[derive(Debug, Default)]
pub(super) struct Operator {
    /// What they saw last.
    seen: Arc<Record>,
    /// The newest that they ever saw.
    newest: Arc<Record>,
}

impl Operator {
    fn sees(&mut self, record: Arc<Record>) {
        if record.supersedes(&self.newest) {
            self.newest = Arc::clone(&record);
        }
        self.seen = record;
    }
}

impl World {
    pub(super) fn operate(&mut self, operator: usize) {
        if self.now < self.unreachable_until {
            self.count("operators without a store");
            return;
        }
        if self.random.percent(self.weather.attention) {
            let record = self.store.ledger().current();
            self.operators[operator].sees(record);
        }
        let record = Arc::clone(&self.operators[operator].seen);
        let at = self.store_moment().calendar;
        if let Some(change) = self.change_of_scope(&record) {
            return self.change(operator, &record, &change);
        }
        let later = |millis| at.saturating_add(Duration::from_millis(millis));
        let is_on = record.phase().is_on();
        let change = match self.random.range(0, 99) {
            drawn if drawn < self.weather.switches && is_on => {
                Change::Deactivate(Deactivate::new())
            }
            drawn if drawn < self.weather.switches && drawn % 8 == 0 => {
                let start = self.random.range(500, 4_000);
                let plan = Activate::by("ana").with_starts_at(later(start));
                Change::Activate(plan.with_ends_at(later(start + 3_000)).with_auto_end(true))
            }
            drawn if drawn < self.weather.switches => Change::Activate(self.activation(at)),
            drawn if drawn % 5 == 0 => return self.forget_somebody(),
            drawn if drawn % 5 == 1 => {
                let id = self.fresh_id();
                return self.send(operator, Operation::init(id, ana()));
            }
            drawn if drawn % 5 < 4 && is_on => {
                let level = self
                    .random
                    .pick(&[Level::Full, Level::Exclusive, Level::ReadOnly]);
                let message = format!("message {}", self.operations);
                Change::Activate(Activate::by("bob").with_level(level).with_message(message))
            }
            _ => {
                let network = format!("10.0.{}.0/24", self.random.range(0, 255));
                Change::Allow(AllowChange::Replace(AllowList::parse([network]).unwrap()))
            }
        };
        self.change(operator, &record, &change);
    }

    /// Somebody closes the part of the site, or opens it.
    fn change_of_scope(&mut self, record: &Record) -> Option<Change> {
        let scopes = self.scopes.as_mut()?;
        if !scopes.percent(60) {
            return None;
        }
        let change = if record.scopes().phase(&scope()).is_on() {
            Change::Deactivate(Deactivate::new())
        } else {
            let limit = Duration::from_millis(scopes.range(0, 4_000));
            let activate = Activate::by("ana");
            Change::Activate(match scopes.range(0, 9) {
                0 => activate.with_drain(DrainPolicy::Force(limit)),
                1 => activate.with_drain(DrainPolicy::Abort(limit)),
                _ => activate,
            })
        };
        Some(change.in_scope(scope()))
    }

    fn activation(&mut self, at: intermission_core::Timestamp) -> Activate {
        let limit = Duration::from_millis(self.random.range(0, 4_000));
        let drain = match self.random.range(0, 9) {
            0 | 1 => DrainPolicy::Force(limit),
            2 => DrainPolicy::Abort(limit),
            _ => DrainPolicy::Wait,
        };
        let level =
            self.random
                .pick(&[Level::Full, Level::Full, Level::Exclusive, Level::ReadOnly]);
        let activate = Activate::by("ana").with_drain(drain).with_level(level);
        if self.random.percent(10) {
            let end = at.saturating_add(Duration::from_millis(self.random.range(500, 5_000)));
            return activate.with_ends_at(end).with_auto_end(true);
        }
        activate
    }

    fn fresh_id(&mut self) -> OperationId {
        self.operations += 1;
        OperationId::from_bits(self.operations)
    }

    fn change(&mut self, operator: usize, before: &Arc<Record>, change: &Change) {
        let next = match before.apply(change, self.store_moment().calendar) {
            Ok(Outcome::Changed(next)) => next,
            // It may be otherwise in truth, if the store has lost something.
            Ok(Outcome::Unchanged) if self.random.percent(50) => (**before).clone(),
            _ => return,
        };
        let mut operation = Operation::replace(self.fresh_id(), before, next, ana());
        operation.known = self.operators[operator].newest.revision();
        if self.random.percent(self.weather.carelessness) {
            operation.expected = None;
            self.count("careless operations");
        }
        self.send(operator, operation);
    }

    fn send(&mut self, operator: usize, operation: Operation) {
        let mut delay = self.delay(self.weather.slow_reports);
        if self.is_lost() {
            // The command tries again, after its own limit.
            delay += 600;
        }
        let operation = Box::new(operation);
        // Whoever repeats what expects no revision repeats it at once, or not at all: later it may undo what somebody
        // else has done.
        if self.random.percent(10) {
            let again = operation
                .expected
                .map_or(delay, |_| delay + self.random.range(0, 2_000));
            self.count("operations repeated");
            let operation = operation.clone();
            self.schedule(again, Event::Operation(operator, operation));
        }
        self.schedule(delay, Event::Operation(operator, operation));
    }

    pub(super) fn decide(&mut self, operator: usize, operation: &Operation) {
        let before = self.before_step(None);
        let reply = self.store.operate(operation, self.store_moment());
        self.after_step(&before, Step::Operate(operation, &reply));
        let (name, record) = match reply {
            OperateReply::Stored(record) => ("operations stored", Some(record)),
            OperateReply::Unchanged(record) => ("operations that change nothing", Some(record)),
            OperateReply::Duplicate(record) => ("operations done before", Some(record)),
            OperateReply::Conflict(record) => ("operations in conflict", Some(record)),
            OperateReply::Behind(_) => ("operations ahead of the store", None),
            OperateReply::Reconciling(_) => ("operations that have to wait", None),
            other => panic!("the simulation does not know {other:?}"),
        };
        self.count(name);
        if let Some(record) = record
            && !self.is_lost()
        {
            self.operators[operator].sees(record);
        }
    }

    /// An operator takes a dead node off the list, or one that is none.
    fn forget_somebody(&mut self) {
        let known: Vec<NodeId> = self.store.ledger().nodes().collect();
        if known.is_empty() {
            return;
        }
        let node = self.random.pick(&known);
        if self.index_of(node).is_some() && self.random.percent(80) {
            return;
        }
        self.count("nodes forgotten");
        self.checker.forgot(node);
        self.depart(node, &Departure::Forgotten(ana()));
    }

    /// What a person does who is told that nodes knew more and are gone.
    pub(super) fn decide_anew(&mut self) {
        let record = self.store.ledger().current();
        let change = if record.phase().is_on() {
            Change::Deactivate(Deactivate::new())
        } else {
            Change::Activate(Activate::by("ana"))
        };
        self.operators[0] = Operator::default();
        self.change(0, &record, &change);
    }
}

pub(super) fn ana() -> Actor {
    Actor::new("ana", "simulation")
}
