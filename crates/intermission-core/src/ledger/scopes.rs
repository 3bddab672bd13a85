//! The same for the parts of a site: plans that begin, ends that come, drains that are complete, nodes that confirm.
//!
//! A node says in each report which scopes' activations it has seen and not drained. All the others it has seen are
//! drained there, so that ten thousand closed scopes make no report longer.

use std::collections::{BTreeMap, HashMap};

use super::members::{Member, Members, millis};
use super::notes::{event_of, touched};
use super::{Ledger, Moment, stamp};
use crate::change::begun;
use crate::history::HistoryEvent;
use crate::id::{ActivationId, NodeId, Revision};
use crate::phase::Phase;
use crate::record::{Completion, DrainPolicy, Record};
use crate::report::{Actor, Intent, NodeReport};
use crate::scope::{ScopeName, ScopeRecord, Scopes};

/// Of how many scopes to which the same happens in one step each has a line in the history. Plans of thousands may begin at
/// once, and a history is short.
const SCOPES_NAMED: usize = 8;

/// What happened in a scope.
type ScopeEvent = (ScopeName, HistoryEvent, Option<String>);

impl Member {
    /// Takes in what a report says of scopes. It counts only outside a grace, as all claims do, and from the moment on
    /// at which the node has shown that it knows the very record that the ledger has: a node that comes from elsewhere
    /// may have seen a later revision without this activation.
    pub(super) fn hear_of_scopes(
        &mut self,
        before: Option<&Self>,
        report: &NodeReport,
        newest: Revision,
        counts: bool,
    ) {
        let known = before.map_or(Revision::ZERO, |before| before.scopes_seen);
        let is_ours = report.seen == newest || known > Revision::ZERO;
        self.scopes_seen = if counts && is_ours {
            report.seen
        } else {
            known
        };
        self.undrained.clone_from(&report.undrained);
    }

    /// Whether the node has said that nothing of this scope's activation runs there.
    fn is_drained_in(&self, activation: ActivationId) -> bool {
        self.scopes_seen >= activation.began() && !self.undrained.contains(&activation)
    }

    fn holds_up_in(&self, activation: ActivationId) -> bool {
        !self.given_up && !self.is_drained_in(activation)
    }

    fn runs_nothing_in(&self, activation: ActivationId) -> bool {
        self.is_drained_in(activation) || self.is_fenced_off() || self.never_serves()
    }

    /// Whether nothing runs there for any of these. Who was drained for the site may still run what was let in past its
    /// closed door, and that is some scope's, too.
    pub(super) fn runs_nothing_in_any(&self, activations: &[ActivationId]) -> bool {
        activations.iter().all(|id| self.runs_nothing_in(*id))
    }
}

impl Members {
    /// Since when the drains of these scopes go on. A drain that is heard of for the first time begins now.
    fn note_scope_drains(&mut self, scopes: &Scopes) {
        if scopes.draining() == 0 {
            self.scope_drains.clear();
            return;
        }
        let before = std::mem::take(&mut self.scope_drains);
        let began = |id: &ActivationId| before.get(id).copied().unwrap_or(self.clock_ms);
        let draining: BTreeMap<ActivationId, u64> = scopes
            .draining_activations()
            .map(|(_, id)| (id, began(&id)))
            .collect();
        self.scope_drains = draining;
    }
}

impl Ledger {
    /// Puts on each scope that a change touched what only the ledger gives.
    pub(super) fn stamp_scopes(next: &mut Record, before: &Record, by_operator: bool, now: Moment) {
        let changed: Vec<ScopeName> = next
            .scopes
            .changed(&before.scopes)
            .into_iter()
            .cloned()
            .collect();
        let revision = next.revision;
        let stamped: Vec<(ScopeName, ScopeRecord)> = changed
            .into_iter()
            .filter_map(|name| {
                let mut scope = next.scopes.get(name.as_str()).cloned()?;
                let old = before.scopes.get(name.as_str());
                let old = old.and_then(|old| old.activation.as_ref());
                let activation = scope.activation.as_mut()?;
                stamp(activation, old, revision, by_operator, now);
                Some((name, scope))
            })
            .collect();
        if !stamped.is_empty() {
            next.scopes.set_all(stamped);
        }
    }

    /// Who closes the site while the ledger may have forgotten something makes a new record of one that may be old. How a
    /// scope's drain has ended in that one may be long ago, and the scope has been open since: whoever reads it is told.
    pub(super) fn doubt_scopes(&self, next: &mut Record, now: Moment) {
        let lost_at = self.members.lost_at.unwrap_or(now.calendar);
        let doubted: Vec<(ScopeName, ScopeRecord)> = next
            .scopes
            .iter()
            .filter(|(_, scope)| scope.phase() == Phase::Activated)
            .map(|(name, scope)| {
                let mut scope = scope.clone();
                let on = scope.activation.as_mut();
                if let Some(done) = on.and_then(|on| on.completion.as_mut()) {
                    done.state_lost_at = Some(lost_at);
                }
                (name.clone(), scope)
            })
            .collect();
        if !doubted.is_empty() {
            next.scopes.set_all(doubted);
        }
    }

    /// The activations whose drains go on.
    pub(super) fn draining_scopes(&self) -> Vec<ActivationId> {
        let current = self.current();
        let draining = current.scopes.draining_activations();
        draining.map(|(_, id)| id).collect()
    }

    pub(super) fn settle_scopes(&mut self, now: Moment) {
        let current = self.current();
        self.members.note_scope_drains(&current.scopes);
        let is_due = current.scopes.due().is_some_and(|due| due <= now.calendar);
        if is_due && self.may_step() {
            self.keep_time_in_scopes(now);
        }
        if self.current().scopes.draining() > 0 && self.may_step() {
            self.complete_scopes(now);
        }
    }

    /// Begins the plans and ends the activations whose time has come, all in one step.
    fn keep_time_in_scopes(&mut self, now: Moment) {
        let current = self.current();
        let (mut next, mut events) = ((*current).clone(), Vec::new());
        let mut changed = Vec::new();
        for (name, scope) in current.scopes.iter() {
            if scope.due().is_none_or(|due| due > now.calendar) {
                continue;
            }
            let mut scope = scope.clone();
            let event = if scope.activation.take().is_some() {
                HistoryEvent::Ended
            } else if let Some(plan) = scope.plan.take() {
                scope.activation = Some(begun(plan.settings, plan.requested_by, now.calendar));
                HistoryEvent::PlanStarted
            } else {
                continue;
            };
            events.push((name.clone(), event, None));
            changed.push((name.clone(), scope));
        }
        next.scopes.set_all(changed);
        self.put(next, None, now);
        let scopes = self.current();
        self.members.note_scope_drains(&scopes.scopes);
        self.remember_in_scopes(events, None, now);
    }

    /// Completes all drains for which nobody is to be waited any more, in one step.
    fn complete_scopes(&mut self, now: Moment) {
        let current = self.current();
        let (mut events, mut changed) = (Vec::new(), Vec::new());
        for (name, id) in current.scopes.draining_activations() {
            let Some(scope) = current.scopes.get(name.as_str()) else {
                continue;
            };
            let drain = scope.settings().map_or(DrainPolicy::Wait, |on| on.drain);
            let began = self.members.scope_drains.get(&id).copied();
            let drained_for = self.members.clock_ms - began.unwrap_or(self.members.clock_ms);
            let is_late = drain
                .limit()
                .is_some_and(|limit| drained_for >= millis(limit));
            let mut members = self.members.nodes.values();
            let forced = if !members.any(|member| member.holds_up_in(id)) {
                false
            } else if !is_late {
                continue;
            } else if let DrainPolicy::Abort(_) = drain {
                let mut scope = scope.clone();
                scope.activation = None;
                events.push((name.clone(), HistoryEvent::Aborted, None));
                changed.push((name.clone(), scope));
                continue;
            } else {
                true
            };
            let (scope, event) = self.drained_scope(name, scope, id, forced, now);
            events.push(event);
            changed.push((name.clone(), scope));
        }
        if changed.is_empty() {
            return;
        }
        let mut next = (*current).clone();
        next.scopes.set_all(changed);
        self.put(next, None, now);
        let scopes = self.current();
        self.members.note_scope_drains(&scopes.scopes);
        self.remember_in_scopes(events, None, now);
    }

    /// A scope whose drain is over, and what the history says of it.
    fn drained_scope(
        &self,
        name: &ScopeName,
        scope: &ScopeRecord,
        id: ActivationId,
        forced: bool,
        now: Moment,
    ) -> (ScopeRecord, ScopeEvent) {
        let nodes = self.members.nodes.iter();
        let running = nodes.filter(|(_, member)| !member.runs_nothing_in(id));
        let unconfirmed: Vec<_> = running
            .map(|(node, member)| member.unconfirmed(*node))
            .collect();
        let labels: Vec<&str> = unconfirmed.iter().map(|one| one.label.as_str()).collect();
        let note = (!labels.is_empty()).then(|| format!("unconfirmed: {}", labels.join(", ")));
        let mut scope = scope.clone();
        if let Some(activation) = &mut scope.activation {
            activation.completion = Some(Completion {
                at: now.calendar,
                forced,
                // Not taken, as the site's completion does: that one is still to say it.
                state_lost_at: self.members.lost_at,
                unconfirmed,
            });
        }
        let event = if forced {
            HistoryEvent::Forced
        } else {
            HistoryEvent::Activated
        };
        (scope, (name.clone(), event, note))
    }

    /// Takes a node off the lists of those scopes of which it has said that nothing runs there; off all of them, if it
    /// is gone.
    pub(super) fn confirm_in_scopes(&mut self, node: NodeId, label: &str, now: Moment) {
        let current = self.current();
        let (mut events, mut changed) = (Vec::new(), Vec::new());
        for (name, scope) in current.scopes.with_unconfirmed() {
            let mut scope = scope.clone();
            let Some(activation) = &mut scope.activation else {
                continue;
            };
            let id = activation.id;
            let Some(done) = &mut activation.completion else {
                continue;
            };
            let listed = done.unconfirmed.len();
            done.unconfirmed.retain(|other| other.node != node);
            let member = self.members.nodes.get(&node);
            let is_certain = member.is_none_or(|member| member.is_drained_in(id));
            if done.unconfirmed.len() == listed || !is_certain {
                continue;
            }
            let note = format!("{label} ({node})");
            events.push((name.clone(), HistoryEvent::NodeConfirmed, Some(note)));
            changed.push((name.clone(), scope));
        }
        if changed.is_empty() || !self.may_step() {
            return;
        }
        let mut next = (*current).clone();
        next.scopes.set_all(changed);
        self.put(next, None, now);
        self.remember_in_scopes(events, None, now);
    }

    /// How a scope's completion names a node that it could not ask, if one does.
    pub(super) fn listed_in_scope(&self, node: NodeId) -> Option<(String, u64)> {
        let record = self.record.as_ref()?;
        let mut done = record.scopes.with_unconfirmed().filter_map(|(_, scope)| {
            let activation = scope.activation.as_ref()?;
            activation.completion.as_ref()
        });
        done.find_map(|done| {
            let listed = done.unconfirmed.iter().find(|listed| listed.node == node)?;
            Some((listed.label.clone(), listed.running))
        })
    }

    /// Writes down what an operator has changed, if it was done in one scope alone. Says whether it was.
    pub(super) fn remember_scope_change(
        &mut self,
        before: &Record,
        after: &Record,
        actor: &Actor,
        now: Moment,
    ) -> bool {
        let changed = after.scopes.changed(&before.scopes);
        let [name] = changed.as_slice() else {
            return false;
        };
        if !is_site_the_same(before, after) {
            return false;
        }
        let (before, after) = (before.of_scope(name), after.of_scope(name));
        let event = event_of(&before, &after, &Intent::Put(Box::default()));
        let note = touched(&before, &after).join(", ");
        let event = (
            (*name).clone(),
            event,
            Some(note).filter(|note| !note.is_empty()),
        );
        self.remember_in_scopes(vec![event], Some(actor), now);
        true
    }

    /// A line for each; but one for all to which the same happened, if they are many.
    fn remember_in_scopes(&mut self, events: Vec<ScopeEvent>, actor: Option<&Actor>, now: Moment) {
        let record = self.current();
        let mut alike: HashMap<HistoryEvent, Vec<Option<String>>> = HashMap::new();
        for (_, event, note) in &events {
            alike.entry(*event).or_default().push(note.clone());
        }
        for (name, event, note) in events {
            let what = match alike.get(&event) {
                Some(notes) if notes.len() > SCOPES_NAMED => {
                    // Said once.
                    let Some(first) = notes.first() else { continue };
                    let many = format!("{} scopes", notes.len());
                    let said = if notes.iter().all(|note| note == first) {
                        with_note(many, first.as_deref())
                    } else {
                        let named = notes.iter().flatten().count();
                        format!("{many}, unconfirmed nodes in {named}")
                    };
                    alike.insert(event, Vec::new());
                    said
                }
                Some(notes) if notes.is_empty() => continue,
                _ => with_note(format!("scope {name}"), note.as_deref()),
            };
            self.remember_at(record.scopes.phase(&name), event, actor, Some(what), now);
        }
    }
}

fn with_note(what: String, note: Option<&str>) -> String {
    match note {
        Some(note) => format!("{what}: {note}"),
        None => what,
    }
}

/// Whether what was changed was changed in scopes alone.
fn is_site_the_same(before: &Record, after: &Record) -> bool {
    before.activation == after.activation
        && before.plan == after.plan
        && before.allow == after.allow
}

/// What a history says of a site whose scopes were changed along with it.
pub(super) fn scopes_touched(before: &Record, after: &Record) -> bool {
    !after.scopes.changed(&before.scopes).is_empty()
}
