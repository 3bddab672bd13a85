//! The parts of the site that are closed by themselves, or planned to be.

use intermission::{ScopeName, ScopeRecord, Scopes};

use super::lines::{Lines, list};

pub(super) fn say_which(lines: &mut Lines, scopes: &Scopes) {
    let in_words =
        |(name, scope): (&ScopeName, &ScopeRecord)| match (&scope.activation, &scope.plan) {
            (None, Some(plan)) => format!("{name} (planned for {})", plan.starts_at),
            _ => format!("{name} ({})", scope.phase()),
        };
    lines.add_list("Scopes", &list(scopes.iter().map(in_words)));
}
