//! The cases: one file for each group, each with its table of promises first.

mod absence;
mod cancellation;
mod changes;
mod conflicts;
mod corruption;
mod drain;
mod durability;
mod history;
mod holding;
mod idempotence;
mod inspection;
mod leases;
mod leaving;
mod outage;
mod plans;
mod quiescence;
mod reseeding;
mod revisions;
mod scopes;
mod sharing;
mod watching;

use crate::Case;

pub(crate) const ALL: &[&[Case]] = &[
    absence::CASES,
    changes::CASES,
    conflicts::CASES,
    idempotence::CASES,
    revisions::CASES,
    durability::CASES,
    sharing::CASES,
    history::CASES,
    inspection::CASES,
    watching::CASES,
    cancellation::CASES,
    drain::CASES,
    quiescence::CASES,
    plans::CASES,
    holding::CASES,
    scopes::CASES,
    leases::CASES,
    leaving::CASES,
    reseeding::CASES,
    outage::CASES,
    corruption::CASES,
];
