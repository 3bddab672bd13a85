//! What a change answers.

use intermission::{AllowList, Phase, Record, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::VERSION;
use super::status::{Unconfirmed, state_lost_at, unconfirmed};

/// What a change came to: what the verbs that change something print.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changed<'a> {
    v: u32,
    /// Whether anything was changed. If not, all was already as asked for.
    changed: bool,
    #[schema(value_type = String, example = "activating")]
    phase: Phase,
    revision: u64,
    unconfirmed: Vec<Unconfirmed<'a>>,
    #[schema(value_type = Option<String>, format = DateTime)]
    state_lost_at: Option<Timestamp>,
}

impl<'a> Changed<'a> {
    /// What came of a change: the record after it.
    #[must_use]
    pub fn of(record: &'a Record, changed: bool) -> Self {
        Self {
            v: VERSION,
            changed,
            phase: record.phase(),
            revision: record.revision().number(),
            unconfirmed: unconfirmed(record),
            state_lost_at: state_lost_at(record),
        }
    }
}

/// Who passes by address: what `intermission allow-ips --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub struct Allowed<'a> {
    v: u32,
    #[schema(value_type = Vec<String>)]
    allow: &'a AllowList,
}

impl<'a> Allowed<'a> {
    /// This list.
    #[must_use]
    pub const fn of(allow: &'a AllowList) -> Self {
        Self { v: VERSION, allow }
    }
}
