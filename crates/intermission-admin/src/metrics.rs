//! Who comes, and may or may not. A rising rate of refusals is somebody who tries.

use intermission::Gate;

use crate::authorization::Authorization;

/// Counts somebody who comes, by what the application says of him.
pub(crate) fn authorization(gate: &Gate, authorization: &Authorization) {
    count(gate, authorization.as_str());
}

/// Counts somebody who may do what he asks for, whatever else he may not.
pub(crate) fn granted(gate: &Gate) {
    count(gate, "granted");
}

/// Counts a change that another site has asked a browser for.
pub(crate) fn foreign_origin(gate: &Gate) {
    count(gate, "foreign-origin");
}

#[cfg(feature = "metrics")]
fn count(gate: &Gate, outcome: &'static str) {
    const NAME: &str = "intermission_admin_authorizations_total";
    metrics::describe_counter!(
        NAME,
        "Requests to the admin API and page, and of Cloudify's clients, by what was said of who sent them."
    );
    let node = gate.node_name().to_owned();
    metrics::counter!(NAME, "node" => node, "outcome" => outcome).increment(1);
}

#[cfg(not(feature = "metrics"))]
const fn count(_gate: &Gate, _outcome: &'static str) {}
