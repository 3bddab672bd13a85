//! The requests that nodes get, and that the checker decides about once more.

use std::net::IpAddr;

use intermission::{RouteAccess, Visitor};

/// Kinds of requests, by the names that the log has.
pub(crate) const KINDS: [&str; 9] = [
    "page",
    "post",
    "health",
    "preflight",
    "listed",
    "permitted",
    "job",
    "permitted-job",
    "listed-job",
];

/// The address that operators put on the allow list and take off again.
pub(crate) const LISTED: &str = "192.0.2.10";

pub(crate) fn visitor(kind: &str) -> Option<Visitor<'static>> {
    let listed: IpAddr = LISTED.parse().ok()?;
    let job = Visitor::new("POST", "/jobs").with_access(RouteAccess::StartsExecution);
    Some(match kind {
        "page" => Visitor::new("GET", "/"),
        "post" => Visitor::new("POST", "/items"),
        "health" => Visitor::new("GET", "/health").with_access(RouteAccess::Always),
        "preflight" => Visitor::new("OPTIONS", "/items").with_preflight(true),
        "listed" => Visitor::new("GET", "/").with_address(listed.into()),
        "permitted" => Visitor::new("POST", "/items").with_permission(true),
        "job" => job,
        "permitted-job" => job.with_permission(true),
        "listed-job" => job.with_address(listed.into()),
        _ => return None,
    })
}
