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
