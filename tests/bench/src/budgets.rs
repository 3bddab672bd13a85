//! What each thing may cost: `budgets.toml`, built into the program.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// All budgets.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Budgets {
    /// By the name of the case.
    pub instructions: BTreeMap<String, InstructionBudget>,
    /// Those of [`instructions`](Self::instructions) by which `--check` does not fail, each with the reason.
    pub instructions_not_judged: BTreeMap<String, String>,
    /// What was counted when somebody last looked.
    pub ratchet: Ratchet,
    /// Of how a change spreads.
    pub fleet: FleetBudgets,
    /// What an allow list may cost.
    pub lists: ListBudgets,
    /// What threads get done together.
    pub contention: ContentionBudgets,
    /// What a start may take longer than without Intermission.
    pub cold_start: ColdStartBudgets,
    /// Of what goes through sockets.
    pub throughput: ThroughputBudgets,
}

/// What an allow list of a million networks may cost.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ListBudgets {
    /// How many MiB a gate may hold for it.
    pub held_mib: u32,
    /// How many bytes another message may allocate more than with a list of one.
    pub message_grows_by_bytes: u64,
}

/// What threads get done together.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ContentionBudgets {
    /// How much two threads get done on executions, compared with one.
    pub two_threads_on_execution_at_least: f64,
}

/// What Intermission may add to the time until the first request is admitted, in milliseconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ColdStartBudgets {
    /// With a state in memory.
    pub memory_adds_ms: f64,
    /// With a state in files.
    pub file_adds_ms: f64,
    /// With a state in Redis.
    pub redis_adds_ms: f64,
}

/// What one operation may cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum InstructionBudget {
    /// At most so many instructions.
    AtMost(u64),
    /// At most so many percent more than another case.
    Over {
        /// The other case.
        case: String,
        /// How much more.
        percent: f64,
    },
    /// Fewer than another case.
    Below(String),
}

/// Counts that were recorded.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ratchet {
    /// The compiler, the C library and the architecture with which they were counted. With others they are not judged.
    pub recorded_with: String,
    /// How many percent more a count may be.
    pub percent: f64,
    /// What one operation cost, by the name of the case.
    pub counts: BTreeMap<String, u64>,
}

/// What a fleet may cost Redis, and how long a change may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FleetBudgets {
    /// Commands per second of an idle node, at most.
    pub commands_per_second_and_node: f64,
    /// Commands that requests and executions may cause, at most.
    pub commands_of_requests: u64,
    /// Bytes of Redis' keys for each node, at most.
    pub bytes_per_node: u64,
    /// How long the last node may take to close, as a multiple of the last bare subscriber: the median.
    pub median_of_bare_publish: f64,
    /// The same, the p99.
    pub p99_of_bare_publish: f64,
    /// From one process to another through a file state, in milliseconds: the median, where a watcher works.
    pub file_median_millis: f64,
    /// The same, the longest.
    pub file_longest_millis: f64,
}

/// What a server may lose by the gate: each is a ratio that must be reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ThroughputBudgets {
    /// Requests in a second with the gate, which lets everybody in, against the bare server.
    pub off_of_bare: f64,
    /// Refusals in a second, against the hello of the bare server.
    pub refused_of_bare: f64,
    /// Refusals in a second through axum, against those of nginx.
    pub refused_of_nginx: f64,
    /// Instructions of a peer's layer that lets everybody in, against those of a decision.
    pub peer_of_decide: f64,
}

impl Budgets {
    /// The budgets of this build.
    ///
    /// # Errors
    /// If `budgets.toml` says something that is no budget.
    pub fn load() -> Result<Self> {
        toml::from_str(include_str!("../budgets.toml")).context("budgets.toml cannot be understood")
    }

    /// Makes sure that every case that a budget of instructions names is one of these.
    pub(crate) fn check(&self, cases: &[String]) -> Result<()> {
        let others = self.instructions.values();
        let named = self
            .instructions
            .keys()
            .chain(self.ratchet.counts.keys())
            .map(String::as_str)
            .chain(others.filter_map(InstructionBudget::other));
        for name in named {
            ensure!(
                cases.iter().any(|case| case == name),
                "budgets.toml names `{name}`, which is no case; there are: {}",
                cases.join(", ")
            );
        }
        for name in self.instructions_not_judged.keys() {
            ensure!(
                self.instructions.contains_key(name),
                "budgets.toml says why `{name}` is not judged, but it has no budget"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budgets_of_this_build_name_cases_that_there_are() {
        let budgets = Budgets::load().unwrap();
        budgets.check(&crate::cases::names()).unwrap();
    }

    #[test]
    fn a_budget_of_no_case_is_an_error() {
        let mut budgets = Budgets::load().unwrap();
        budgets
            .instructions
            .insert("decide-of".to_owned(), InstructionBudget::AtMost(40));
        let error = budgets.check(&crate::cases::names()).unwrap_err();
        assert!(error.to_string().contains("`decide-of`, which is no case"));
    }
}
