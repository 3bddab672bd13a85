//! Who comes, and may or may not. A rising rate of refusals is somebody who tries.

use crate::authorization::Authorization;

/// Counts `intermission_admin_authorizations_total`, by `outcome`.
pub(crate) fn authorization(authorization: &Authorization) {
    count(authorization.as_str());
}

/// Counts somebody who may do what he asks for, whatever else he may not.
pub(crate) fn granted() {
    count("granted");
}

/// Counts a change that another site has asked a browser for.
pub(crate) fn foreign_origin() {
    count("foreign-origin");
}

#[cfg(feature = "metrics")]
fn count(outcome: &'static str) {
    metrics::counter!("intermission_admin_authorizations_total", "outcome" => outcome).increment(1);
}

#[cfg(not(feature = "metrics"))]
const fn count(_outcome: &'static str) {}
