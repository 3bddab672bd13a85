//! Whether a change would leave nobody able to open the site again over HTTP.

use intermission::{ClientAddress, Level, Record, RouteAccess};

/// What is to become of a change that would leave nobody able to open the site again over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lockout {
    /// It is refused, and explained.
    Refused,
    /// Whoever asks has said that he knows.
    Accepted,
    /// There is none: the change closes nothing and takes nobody's way back.
    Impossible,
}

impl Lockout {
    /// By what a request says.
    pub(crate) const fn accepted_if(is_accepted: bool) -> Self {
        if is_accepted {
            Self::Accepted
        } else {
            Self::Refused
        }
    }
}

/// Whether whoever makes a change could not undo it in the same way, although he can reach this now.
///
/// A mount whose route is [`RouteAccess::Always`] is reached whatever is closed. Any other is refused with the rest of the
/// site. Permission is not counted: it is asked by the gate, of which nothing is known here.
pub(crate) fn locks_out(access: RouteAccess, client: ClientAddress, after: &Record) -> bool {
    let level = match (after.activation(), after.plan()) {
        (Some(on), _) => on.settings.level,
        (None, Some(plan)) => plan.settings.level,
        (None, None) => return false,
    };
    if access == RouteAccess::Always {
        return false;
    }
    let passes = level != Level::Exclusive
        && client
            .ip()
            .is_some_and(|address| after.allow().contains(address));
    !passes
}

/// What is told.
pub(crate) const EXPLANATION: &str = "this would leave nobody able to open the site again over HTTP: the admin API is not on \
a route that is always open, and your address is not in the allow list. Flag its route as always open (`Admin::with_route_access` says that it is), add your address, or \
accept it and open the site with the command: `intermission deactivate`";
