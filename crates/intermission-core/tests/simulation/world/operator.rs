//! Somebody who changes things.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Activate, Actor, AllowChange, AllowList, Change, Deactivate, Departure, DrainPolicy, Level,
    NodeId, Operation, OperationId, Outcome, Record,
};

use super::World;
use crate::node::moment;

impl World {
    pub(super) fn operate(&mut self) {
        let record = self.ledger.current();
        let at = moment(self.now).calendar;
        let later = |millis| at.saturating_add(Duration::from_millis(millis));
        let is_on = record.phase().is_on();
        let change = match self.random.range(0, 99) {
            drawn if drawn < self.weather.switches && is_on => {
                Change::Deactivate(Deactivate::by("ana"))
            }
            drawn if drawn < self.weather.switches && drawn % 8 == 0 => {
                let start = self.random.range(500, 4_000);
                let plan = Activate::by("ana").with_starts_at(later(start));
                Change::Activate(plan.with_ends_at(later(start + 3_000)).with_auto_end(true))
            }
            drawn if drawn < self.weather.switches => {
                let limit = Duration::from_millis(self.random.range(0, 4_000));
                let drain = match self.random.range(0, 9) {
                    0 => DrainPolicy::Force(limit),
                    1 => DrainPolicy::Abort(limit),
                    _ => DrainPolicy::Wait,
                };
                Change::Activate(Activate::by("ana").with_drain(drain))
            }
            drawn if drawn % 5 == 0 => return self.forget_somebody(),
            drawn if drawn % 5 == 1 => {
                self.operations += 1;
                let init = Operation::init(OperationId::from_bits(self.operations), ana());
                self.step(|ledger, now| ledger.operate(&init, now));
                return;
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
        self.change(&record, &change);
    }

    fn change(&mut self, before: &Arc<Record>, change: &Change) {
        let Ok(Outcome::Changed(next)) = before.apply(change, moment(self.now).calendar) else {
            return;
        };
        self.operations += 1;
        let operation =
            Operation::replace(OperationId::from_bits(self.operations), before, next, ana());
        for _ in 0..1 + u64::from(self.random.percent(10)) {
            self.step(|ledger, now| ledger.operate(&operation, now));
        }
    }

    /// An operator takes a dead node off the list, or one that is none.
    fn forget_somebody(&mut self) {
        let known: Vec<NodeId> = self.ledger.nodes().collect();
        if known.is_empty() {
            return;
        }
        let node = self.random.pick(&known);
        if self.index_of(node).is_some() && self.random.percent(80) {
            return;
        }
        self.checker.forgot(node);
        self.step(|ledger, now| ledger.leave(node, &Departure::Forgotten(ana()), now));
    }

    /// What a person does who is told that nodes knew more and are gone.
    pub(super) fn decide(&mut self) {
        let record = self.ledger.current();
        if record.phase().is_on() {
            self.change(&record, &Change::Deactivate(Deactivate::by("ana")));
        } else {
            self.change(&record, &Change::Activate(Activate::by("ana")));
        }
    }
}

pub(super) fn ana() -> Actor {
    Actor::new("ana", "simulation")
}
