//! Passes, without their secrets.

use intermission::{Pass, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::VERSION;

/// A fresh pass, and the only time that its secret is shown: what `intermission pass create --json` prints.
///
/// # Security
///
/// The link is the secret. Never log this.
#[derive(Serialize, ToSchema)]
pub struct PassCreated<'a> {
    v: u32,
    id: String,
    subject: &'a str,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    link: &'a str,
}

impl<'a> PassCreated<'a> {
    /// This pass, and the link that carries its secret.
    #[must_use]
    pub fn of(pass: &'a Pass, link: &'a str) -> Self {
        Self {
            v: VERSION,
            id: pass.id.to_string(),
            subject: &pass.subject,
            expires_at: pass.expires_at,
            link,
        }
    }
}

impl std::fmt::Debug for PassCreated<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PassCreated")
            .field("id", &self.id)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// The passes of the maintenance that is on: what `intermission pass list --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub struct Passes<'a> {
    v: u32,
    passes: Vec<PassListed<'a>>,
}

/// One pass, without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct PassListed<'a> {
    id: String,
    subject: &'a str,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    expired: bool,
}

impl<'a> Passes<'a> {
    /// These passes. `now` says which have expired.
    #[must_use]
    pub fn of(passes: &'a [Pass], now: Timestamp) -> Self {
        let passes = passes.iter().map(|pass| PassListed {
            id: pass.id.to_string(),
            subject: &pass.subject,
            expires_at: pass.expires_at,
            expired: !pass.is_current(now),
        });
        Self {
            v: VERSION,
            passes: passes.collect(),
        }
    }
}
