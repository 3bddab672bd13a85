//! What an activation gets from the ledger, and from nobody else.

use super::Moment;
use crate::id::{ActivationId, Revision};
use crate::record::Activation;

/// Puts on an activation what only the ledger gives: ids, times, and how its drain ended. Says whether its level is
/// another.
pub(super) fn stamp(
    activation: &mut Activation,
    before: Option<&Activation>,
    revision: Revision,
    by_operator: bool,
    now: Moment,
) -> bool {
    if by_operator {
        // An operator who expects no revision may have computed this on a record of long ago.
        activation.completion = before.and_then(|before| before.completion.clone());
    }
    let Some(before) = before else {
        activation.id = ActivationId::new(revision);
        activation.level_since = revision;
        activation.requested_at = now.calendar;
        return false;
    };
    activation.id = before.id;
    activation.requested_at = before.requested_at;
    activation.level_since = before.level_since;
    let is_other = activation.settings.level != before.settings.level;
    if is_other {
        activation.level_since = revision;
    }
    is_other
}
