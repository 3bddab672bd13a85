//! What is said in words.

use intermission::{DrainPolicy, HistoryEvent, Hold, Level, LostContact, Phase, UnconfirmedCause};

use super::markup::{Of, spell};

/// `1 execution`, `3 executions`.
pub(super) fn count(number: impl Of<u64>, one: &str, several: &str) -> String {
    match number.value() {
        0 => format!("no {several}"),
        1 => format!("1 {one}"),
        number => format!("{number} {several}"),
    }
}

/// The same, where a sentence begins.
pub(super) fn counted(number: impl Of<u64>, one: &str, several: &str) -> String {
    let text = count(number, one, several);
    match text.strip_prefix("no ") {
        Some(rest) => format!("No {rest}"),
        None => text,
    }
}

/// What a level does, in one line.
pub(super) fn level(level: impl Of<Level>) -> &'static str {
    match level.value() {
        Level::Full => {
            "Visitors are refused. The permission, a listed address or a pass lets somebody in."
        }
        Level::ReadOnly => "Everybody can read. Changes are refused, but for those who may pass.",
        Level::Exclusive => "Nobody is let in: no permission, address or pass counts. For backups.",
    }
}

/// The name of a level, for people.
pub(super) fn level_name(level: impl Of<Level>) -> &'static str {
    match level.value() {
        Level::Full => "Full",
        Level::ReadOnly => "Read-only",
        Level::Exclusive => "Exclusive",
    }
}

/// How far a part of the site is closed.
pub(super) fn part(phase: impl Of<Phase>, level: impl Of<Level>) -> &'static str {
    match (phase.value(), level.value()) {
        (Phase::Deactivated, _) => "open",
        (Phase::Activating, _) => "closing: work drains",
        (Phase::Activated, Level::Full) => "closed",
        (Phase::Activated, Level::ReadOnly) => "closed for changes",
        (Phase::Activated, Level::Exclusive) => "closed for everybody",
    }
}

/// What happened in a part of the site, in the same way as [`event`]: the note says in which.
pub(super) fn event_in_part(event: impl Of<HistoryEvent>, is_by_somebody: bool) -> &'static str {
    let event = event.value();
    match (event, is_by_somebody) {
        (HistoryEvent::Requested, true) => "closed a part of the site; its drain began",
        (HistoryEvent::Activated, _) => "The drain is complete: a part of the site is closed",
        (HistoryEvent::Forced, _) => {
            "The drain reached its limit: a part of the site is closed, with work still running"
        }
        (HistoryEvent::Aborted, _) => {
            "The drain reached its limit: a part of the site is open again"
        }
        (HistoryEvent::Deactivated, true) => "opened a part of the site",
        (HistoryEvent::Updated, true) => "changed how a part of the site is closed",
        (HistoryEvent::Planned, true) => "planned a maintenance of a part of the site",
        (HistoryEvent::PlanCancelled, true) => {
            "cancelled the planned maintenance of a part of the site"
        }
        (HistoryEvent::PlanStarted, _) => "The planned maintenance of a part of the site began",
        (HistoryEvent::Ended, _) => "The announced end came: a part of the site opened by itself",
        (other, by) => self::event(other, by),
    }
}

/// How long a drain waits, and what happens then.
pub(super) fn drain(policy: DrainPolicy) -> String {
    match policy {
        DrainPolicy::Wait => "waits until the last execution has ended".to_owned(),
        DrainPolicy::Force(limit) => {
            format!(
                "waits for {}, then closes with what still runs",
                spell(limit)
            )
        }
        DrainPolicy::Abort(limit) => format!("waits for {}, then opens again", spell(limit)),
    }
}

/// What happened: the words that follow a name, or that stand alone.
pub(super) fn event(event: impl Of<HistoryEvent>, is_by_somebody: bool) -> &'static str {
    match (event.value(), is_by_somebody) {
        (HistoryEvent::Requested, true) => "activated maintenance; the drain began",
        (HistoryEvent::Requested, false) => "Maintenance was activated; the drain began",
        (HistoryEvent::Activated, _) => "The drain is complete: the site is closed",
        (HistoryEvent::Forced, _) => {
            "The drain reached its limit: the site is closed, with work still running"
        }
        (HistoryEvent::Aborted, _) => "The drain reached its limit: the site is open again",
        (HistoryEvent::Deactivated, true) => "deactivated maintenance: the site is open",
        (HistoryEvent::Deactivated, false) => "The site is open again",
        (HistoryEvent::Updated, true) => "changed the maintenance",
        (HistoryEvent::Updated, false) => "The maintenance was changed",
        (HistoryEvent::Planned, true) => "planned a maintenance",
        (HistoryEvent::Planned, false) => "A maintenance was planned",
        (HistoryEvent::PlanCancelled, true) => "cancelled the planned maintenance",
        (HistoryEvent::PlanCancelled, false) => "The planned maintenance was cancelled",
        (HistoryEvent::PlanStarted, _) => "The planned maintenance began",
        (HistoryEvent::Ended, _) => "The announced end came: the site opened by itself",
        (HistoryEvent::Initialised, true) => "marked the empty state as a new site",
        (HistoryEvent::Initialised, false) => "The empty state was marked as a new site",
        (HistoryEvent::Restored, _) => "A node brought back what the state had lost",
        (HistoryEvent::NodeUnconfirmed, _) => {
            "A node was silent for too long: the drain no longer waits for it"
        }
        (HistoryEvent::NodeConfirmed, _) => {
            "A node that was unconfirmed has confirmed that nothing runs there"
        }
        (HistoryEvent::NodeForgotten, true) => "took a node off the list",
        (HistoryEvent::NodeForgotten, false) => "A node was taken off the list",
        (HistoryEvent::NodeDied, _) => {
            "A node's process was found dead while the drain waited for it"
        }
        (other, _) => other.as_str(),
    }
}

/// Whether the words of that event follow the name of whoever did it.
pub(super) fn is_deed(event: impl Of<HistoryEvent>) -> bool {
    matches!(
        event.value(),
        HistoryEvent::Requested
            | HistoryEvent::Deactivated
            | HistoryEvent::Updated
            | HistoryEvent::Planned
            | HistoryEvent::PlanCancelled
            | HistoryEvent::Initialised
            | HistoryEvent::NodeForgotten
    )
}

/// Whether the note of that event lists what was touched.
pub(super) fn is_list(event: impl Of<HistoryEvent>) -> bool {
    matches!(
        event.value(),
        HistoryEvent::Requested | HistoryEvent::Updated | HistoryEvent::Planned
    )
}

/// Why a node holds itself closed.
pub(super) fn hold(hold: &Hold) -> String {
    match hold {
        Hold::Dependency(name) => format!("This node is closed: {name} fails, and it needs it."),
        Hold::PlanBegan => {
            "This node is closed: the planned maintenance has begun, and its state is out of reach."
                .to_owned()
        }
        Hold::ServesNobody => "This node is closed: it serves nobody, by its own choice.".to_owned(),
        Hold::StateReconciling => {
            "This node is closed: its state may have lost a record, and those who may know better are heard first."
                .to_owned()
        }
        Hold::StateUnreachable => "This node is closed: its state is out of reach.".to_owned(),
        other => format!("This node is closed: {other}."),
    }
}

/// What the fleet does about a node that is silent.
pub(super) fn lost_contact(policy: impl Of<LostContact>) -> String {
    match policy.value() {
        LostContact::Wait(after) => format!("a drain waits {} for it", spell(after)),
        LostContact::Hold => "a drain waits until it is back, or forgotten".to_owned(),
        LostContact::Fence(after) => format!("it stops its own work after {}", spell(after)),
        LostContact::Leave => "it serves nobody, and has left when its lease is over".to_owned(),
    }
}

/// Why it is not known that a node runs nothing.
pub(super) fn unconfirmed(cause: impl Of<UnconfirmedCause>) -> &'static str {
    match cause.value() {
        UnconfirmedCause::OutOfContact => "was out of contact",
        UnconfirmedCause::StillRunning => "still ran work at the drain's limit",
        _ => "was not confirmed",
    }
}
