//! What a node's decisions depend on.

use std::sync::Arc;

use super::{Hold, RefuseReason};
use crate::phase::{Level, Phase};
use crate::record::{Record, Settings};
use crate::scope::ScopeName;

/// All that a node's decisions depend on, besides the request: replaced as a whole, never edited.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The newest record that the node has seen.
    pub record: Arc<Record>,
    /// Why this node is closed in any case.
    pub hold: Option<Hold>,
    /// Whether this node may start no execution at present though its record would allow it: not joined yet, out of contact, fenced,
    /// on probation, or with a plan that has begun while the state is away.
    pub executions_suspended: bool,
    /// The scopes whose planned maintenance has begun while the state is away.
    pub scopes_begun: Vec<ScopeName>,
}

impl Snapshot {
    /// A node that has seen this record and is not held.
    #[must_use]
    pub fn new(record: Arc<Record>) -> Self {
        Self {
            record,
            hold: None,
            executions_suspended: false,
            scopes_begun: Vec::new(),
        }
    }

    /// How the maintenance is meant that closes this node: that of the record, or that of a plan that began while the
    /// state is away.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        let on = self.record.activation().map(|on| &on.settings);
        let planned = self.record.plan().map(|plan| &plan.settings);
        on.or_else(|| planned.filter(|_| self.hold == Some(Hold::PlanBegan)))
    }

    /// Whether every request may in and every execution may start, without a question.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.record.phase().is_on() && self.hold.is_none() && !self.executions_suspended
    }

    /// Why no execution may start without a bypass; `None` if one may.
    #[must_use]
    pub fn execution_refusal(&self) -> Option<RefuseReason> {
        let (phase, level) = self.closure();
        let reason = match (phase, &self.hold) {
            (_, Some(_)) => RefuseReason::Held,
            (Phase::Deactivated, None) if self.executions_suspended => RefuseReason::OutOfContact,
            (Phase::Deactivated, None) => return None,
            (_, None) if level == Level::Exclusive => RefuseReason::Exclusive,
            (Phase::Activating, None) => RefuseReason::Activating,
            (Phase::Activated, None) => RefuseReason::Maintenance,
        };
        Some(reason)
    }

    /// How closed this node is: a hold closes it fully, whatever the record says, and never opens it. A plan that began
    /// while the state is away closes it as far as was planned; a node that serves nobody is closed to those, too, who pass.
    #[inline]
    #[must_use]
    pub fn closure(&self) -> (Phase, Level) {
        match &self.hold {
            None => (self.record.phase(), self.record.level()),
            Some(hold) => self.closure_by(hold),
        }
    }

    #[cold]
    fn closure_by(&self, hold: &Hold) -> (Phase, Level) {
        let (phase, level) = (self.record.phase(), self.record.level());
        match (hold, self.record.plan()) {
            (Hold::ServesNobody, _) => return (Phase::Activated, Level::Exclusive),
            (Hold::PlanBegan, Some(plan)) if !phase.is_on() => {
                return (Phase::Activated, plan.settings.level);
            }
            // The state has begun it since, and waits for what runs.
            (Hold::PlanBegan, _) if phase.is_on() => return (Phase::Activated, level),
            _ => {}
        }
        let exclusive = phase == Phase::Activated && level == Level::Exclusive;
        (
            Phase::Activated,
            if exclusive {
                Level::Exclusive
            } else {
                Level::Full
            },
        )
    }
}
