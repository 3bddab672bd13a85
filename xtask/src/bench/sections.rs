//! The benches that there are.

use crate::requirements::{Requirement, What};

/// A section of the report.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// What it needs that cargo does not bring.
    pub(super) needs: &'static [Requirement],
}

/// The one that is counted by gungraun.
pub(super) const INSTRUCTIONS: &str = "instructions";

const REDIS: Requirement = Requirement {
    what: What::Programs(&["redis-server"]),
    why: "the benches of the state in Redis start it",
    package: "redis-server",
};

const VALGRIND: Requirement = Requirement {
    what: What::Programs(&["valgrind"]),
    why: "it counts the instructions",
    package: "valgrind",
};

const SETPRIV: Requirement = Requirement {
    what: What::Programs(&["setpriv"]),
    why: "it makes servers end with the bench that started them, also when that is killed",
    package: "util-linux",
};

/// In the order of the report.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: INSTRUCTIONS,
        needs: &[VALGRIND],
    },
    Section {
        name: "throughput",
        needs: &[
            Requirement {
                what: What::Programs(&["wrk"]),
                why: "it makes the requests",
                package: "wrk",
            },
            Requirement {
                what: What::Programs(&["nginx", "/usr/sbin/nginx"]),
                why: "it is what the refusals are compared with",
                package: "nginx-light",
            },
            VALGRIND,
            SETPRIV,
        ],
    },
    Section {
        name: "lists",
        needs: &[REDIS, SETPRIV],
    },
    Section {
        name: "fleet",
        needs: &[REDIS, SETPRIV],
    },
    Section {
        name: "contention",
        needs: &[],
    },
    Section {
        name: "cold-start",
        needs: &[REDIS, SETPRIV],
    },
];
