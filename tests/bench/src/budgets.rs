//! What each thing may cost: `budgets.toml`, built into the program.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// All budgets.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Budgets {
    /// By the name of the case.
    pub instructions: BTreeMap<String, InstructionBudget>,
    /// What an allow list may cost.
    pub lists: ListBudgets,
    /// What threads get done together.
    pub contention: ContentionBudgets,
    /// What a start may take longer than without Intermission.
    pub cold_start: ColdStartBudgets,
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
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum InstructionBudget {
    /// At most so many instructions.
    AtMost(u64),
}

impl Budgets {
    /// The budgets of this build.
    ///
    /// # Errors
    /// If `budgets.toml` says something that is no budget.
    pub fn load() -> Result<Self> {
        toml::from_str(include_str!("../budgets.toml")).context("budgets.toml cannot be understood")
    }
}
