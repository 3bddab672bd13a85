//! What the history says of a change: which event it is, and what it touched.

use super::scopes::scopes_touched;
use crate::history::HistoryEvent;
use crate::holding::Holder;
use crate::record::{Record, Settings};
use crate::report::Intent;

/// What kind of change it was.
pub(super) fn event_of(before: &Record, after: &Record, intent: &Intent) -> HistoryEvent {
    match (before.activation(), after.activation()) {
        _ if matches!(intent, Intent::Init) => HistoryEvent::Initialised,
        (None, Some(_)) => HistoryEvent::Requested,
        (Some(_), None) => HistoryEvent::Deactivated,
        _ => match (before.plan(), after.plan()) {
            (Some(_), None) => HistoryEvent::PlanCancelled,
            (before, after @ Some(_)) if before != after => HistoryEvent::Planned,
            _ => HistoryEvent::Updated,
        },
    }
}

/// Which parts a change touched: names only, since a history is read by more people than the record, and who holds
/// maintenance on. What ends with the activation is not worth a word.
pub(super) fn note_of(before: &Record, after: &Record) -> Option<String> {
    let mut touched = touched(before, after);
    if scopes_touched(before, after) {
        touched.push("scopes".to_owned());
    }
    (!touched.is_empty()).then(|| touched.join(", "))
}

pub(super) fn touched(before: &Record, after: &Record) -> Vec<String> {
    let default = Settings::default();
    let settings = |record: &Record| record.activation().map(|on| on.settings.clone());
    let (old, new) = match (settings(before), settings(after)) {
        (old, Some(new)) => (old.unwrap_or_default(), new),
        (_, None) => (default.clone(), default),
    };
    let passes = after.phase().is_on() && before.passes() != after.passes();
    let parts = [
        ("level", old.level != new.level),
        ("message", old.message != new.message),
        (
            "end",
            (old.ends_at, old.auto_end) != (new.ends_at, new.auto_end),
        ),
        ("retry-after", old.retry_after != new.retry_after),
        ("drain", old.drain != new.drain),
        ("allow list", before.allow() != after.allow()),
        ("passes", passes),
    ];
    let touched = parts
        .iter()
        .filter(|(_, touched)| *touched)
        .map(|(name, _)| (*name).to_owned());
    touched.chain(changes_of_holders(before, after)).collect()
}

/// Whether maintenance is on for its holders alone.
pub(super) fn is_lent(record: &Record) -> bool {
    let holding = record.activation().and_then(|on| on.holding.as_ref());
    holding.is_some_and(|holding| holding.opens_after)
}

/// Who came, went, or failed, of those who hold maintenance on. Where it has ended, that says enough.
fn changes_of_holders(before: &Record, after: &Record) -> Vec<String> {
    let find = |record: &Record, holder: &Holder| {
        let mut holders = record.holders().iter();
        holders.find(|other| other.id == holder.id).cloned()
    };
    let mut said = Vec::new();
    if !after.phase().is_on() {
        return said;
    }
    if is_lent(before) && !is_lent(after) && !after.holders().is_empty() {
        said.push("stays on after its holders".to_owned());
    }
    for holder in after.holders() {
        let known = find(before, holder);
        if known.is_none() {
            said.push(format!("held by {}", holder.label));
        }
        if let Some(failure) = &holder.failure
            && known.is_none_or(|known| known.failure.is_none())
        {
            said.push(format!("{} failed: {}", holder.label, failure.reason));
        }
    }
    for holder in before.holders() {
        if find(after, holder).is_none() {
            said.push(format!("released by {}", holder.label));
        }
    }
    said
}
