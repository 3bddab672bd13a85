//! What each thing may cost: `budgets.toml`, built into the program.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// All budgets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// By the name of the case.
    pub instructions: BTreeMap<String, InstructionBudget>,
    /// Of what goes through sockets.
    pub throughput: ThroughputBudgets,
}

/// What one operation may cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum InstructionBudget {
    /// At most so many instructions.
    AtMost(u64),
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
}
