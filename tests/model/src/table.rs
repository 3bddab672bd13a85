//! The table: what is explored, and what is to come of it.

use crate::config::{Assumptions, Budget, Config, Drain, Network, Periods, Policy};
use crate::rule::Rule;
use crate::world::Invariant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth outcome")]
pub enum Expected {
    Holds,
    Broken(Invariant),
    Survives,
}

#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a row of the table")]
pub struct Case {
    pub config: Config,
    pub expected: Expected,
    pub bound: usize,
}

pub const FENCE: Policy = Policy::Fence(0);
pub const WAIT: Policy = Policy::Wait(0);
pub const HOLD: Policy = Policy::Hold;

const PLAIN: Periods = Periods { lease: 2, margin: 1, step: 1, grace: 2, reconcile: 1 };
const JUMPY: Periods = Periods { lease: 3, margin: 2, step: 1, grace: 3, reconcile: 1 };

const ONCE: Budget = Budget {
    activations: 1, deactivations: 1, edits: 0, inits: 0, crashes: 0, goodbyes: 0, jumps: 0, flushes: 0, evictions: 0,
    restarts: 0, failovers: 0, rollbacks: 0, erasures: 0,
};

pub const BASE: Config = Config {
    name: "",
    policies: &[FENCE, FENCE],
    periods: PLAIN,
    budget: ONCE,
    network: Network { late_reports: false, late_pushes: false },
    drain: Drain::Wait,
    visitors: false,
    levels: false,
    auto_end: false,
    plan: false,
    old_master: 0,
    given_up_kept: 1,
    assumptions: Assumptions { somebody_knows: true, loss_excuses: false },
    broken: None,
};

pub const EXCUSED: Assumptions = Assumptions { somebody_knows: true, loss_excuses: true };

#[must_use]
pub fn cases() -> Vec<Case> {
    let holds = |config: Config| Case { config, expected: Expected::Holds, bound: 3_000_000 };
    let mut cases = vec![];
    for (kind, policies) in [("fence", &[FENCE, FENCE] as &'static [Policy]), ("wait", &[WAIT, WAIT]), ("hold", &[HOLD, HOLD])] {
        let assumptions = if kind == "fence" { BASE.assumptions } else { EXCUSED };
        let name = |text: &str| -> &'static str { Box::leak(format!("{kind}_{text}").into_boxed_str()) };
        let base = Config { policies, assumptions, ..BASE };
        cases.push(holds(Config { name: name("base"), ..base }));
        cases.push(holds(Config { name: name("crash"), budget: Budget { crashes: 1, ..ONCE }, ..base }));
        cases.push(holds(Config { name: name("jump"), periods: JUMPY, budget: Budget { jumps: 1, ..ONCE }, ..base }));
        cases.push(holds(Config { name: name("twice"), budget: Budget { activations: 2, ..ONCE }, ..base }));
        cases.push(holds(Config { name: name("late"), network: Network { late_reports: true, ..BASE.network }, budget: Budget { activations: 2, ..ONCE }, ..base }));
        cases.push(holds(Config { name: name("flush"), budget: Budget { flushes: 1, ..ONCE }, ..base }));
        cases.push(holds(Config { name: name("failover"), budget: Budget { failovers: 1, ..ONCE }, ..base }));
    }
    cases
}
