//! What has happened, and what happens.

use intermission::{HistoryEntry, Phase, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::VERSION;
use crate::line::Line;

/// Who did what, when, from where: what `intermission history --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub struct History<'a> {
    v: u32,
    history: Vec<Entry<'a>>,
}

/// One line of the history.
#[derive(Debug, Serialize, ToSchema)]
struct Entry<'a> {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    revision: u64,
    event: &'a str,
    #[schema(value_type = String)]
    phase: Phase,
    by: Option<&'a str>,
    origin: Option<&'a str>,
    note: Option<&'a str>,
    scope: Option<&'a str>,
}

impl<'a> History<'a> {
    /// These lines, in their order: the newest first.
    #[must_use]
    pub fn of(entries: &'a [HistoryEntry]) -> Self {
        let history = entries.iter().map(|entry| Entry {
            at: entry.at,
            revision: entry.revision.number(),
            event: entry.event.as_str(),
            phase: entry.phase,
            by: entry.by.as_deref(),
            origin: entry.origin.as_deref(),
            note: entry.note.as_deref(),
            scope: entry.scope(),
        });
        Self {
            v: VERSION,
            history: history.collect(),
        }
    }
}

/// One change, on its own: what `intermission watch --json` prints for each.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event<'a> {
    v: u32,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    revision: u64,
    event: &'a str,
    #[schema(value_type = String)]
    phase: Phase,
    by: Option<&'a str>,
    origin: Option<&'a str>,
    note: Option<&'a str>,
    scope: Option<&'a str>,
}

impl<'a> Event<'a> {
    /// This line.
    #[must_use]
    pub const fn of(line: &Line<'a>) -> Self {
        Self {
            v: VERSION,
            at: line.at,
            revision: line.revision.number(),
            event: line.event,
            phase: line.phase,
            by: line.by,
            origin: line.origin,
            note: line.note,
            scope: line.scope,
        }
    }
}
