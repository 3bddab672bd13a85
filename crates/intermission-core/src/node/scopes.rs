//! What a node does about the scopes of its record.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{NodeAction, NodeMachine};
use crate::id::ActivationId;
use crate::ledger::Moment;
use crate::record::Record;
use crate::scope::{ScopeName, ScopeRecord, Scopes};

impl NodeMachine {
    /// A newer record is about to be applied. What is closed is not drained before the gate has said so, not even where the
    /// drain is complete already: a node that was given up may still run something.
    pub(super) fn close_scopes(&mut self, record: &Record, actions: &mut Vec<NodeAction>) {
        let (before, next) = (&self.snapshot.record.scopes, &record.scopes);
        if before.is_empty() && next.is_empty() {
            return;
        }
        let ids = |scopes: &Scopes| -> BTreeSet<ActivationId> {
            scopes.activations().map(|(_, id)| id).collect()
        };
        let (known, closed) = (ids(before), ids(next));
        self.undrained.retain(|id| closed.contains(id));
        let begun: Vec<ActivationId> = closed.difference(&known).copied().collect();
        self.scopes_close |= !begun.is_empty();
        self.undrained.extend(begun);
        self.undrained.sort_unstable();
        self.undrained.dedup();
        let ended: Vec<ScopeName> = next
            .iter()
            .filter(|(name, scope)| {
                let now = forced(scope);
                now.is_some() && now != before.get(name.as_str()).and_then(forced)
            })
            .map(|(name, _)| name.clone())
            .collect();
        if !ended.is_empty() {
            actions.push(NodeAction::EndExecutionsIn(ended));
        }
    }

    /// For these activations of scopes, executions still run here; for all others that the gate decides by, none does.
    pub(super) fn scopes_drained(&mut self, mut undrained: Vec<ActivationId>, now: Duration) {
        undrained.sort_unstable();
        undrained.dedup();
        if self.undrained != undrained {
            self.undrained = undrained;
            self.say_soon(now);
        }
    }

    /// The scopes whose plan has begun and of which nobody is there to say so, as with the site's own.
    pub(super) fn scopes_begun_unheard(&self, now: Moment) -> Vec<ScopeName> {
        let scopes = &self.snapshot.record.scopes;
        if self.hears_what_begins() || scopes.due().is_none_or(|due| due > now.calendar) {
            return Vec::new();
        }
        let begun = scopes.iter().filter(|(_, scope)| {
            let starts_at = scope.plan.as_ref().map(|plan| plan.starts_at);
            !scope.phase().is_on() && starts_at.is_some_and(|at| at <= now.calendar)
        });
        begun.map(|(name, _)| name.clone()).collect()
    }
}

fn forced(scope: &ScopeRecord) -> Option<ActivationId> {
    let activation = scope.activation.as_ref()?;
    let completion = activation.completion.as_ref()?;
    completion.forced.then_some(activation.id)
}
