//! The budgets of `budgets.toml`.

use anyhow::{Context, Result};

use super::{Counts, does, percent_over};
use crate::budgets::{Budgets, InstructionBudget};
use crate::report::Verdict;

/// Each budget, with what was counted.
pub(super) fn budgets(counts: &Counts, budgets: &Budgets) -> Result<Vec<Verdict>> {
    budgets
        .instructions
        .iter()
        .map(|(name, budget)| {
            let is_stable = !budgets.instructions_not_judged.contains_key(name);
            verdict(name, budget, is_stable, counts)
        })
        .collect()
}

fn verdict(
    name: &str,
    budget: &InstructionBudget,
    is_stable: bool,
    counts: &Counts,
) -> Result<Verdict> {
    let count = |name: &str| {
        counts
            .get(name)
            .copied()
            .with_context(|| format!("`{name}` was not counted"))
    };
    let each = count(name)?;
    let limit = limit(budget, counts).with_context(|| format!("`{name}` has no limit"))?;
    let (words, measured) = match budget {
        InstructionBudget::AtMost(limit) => (
            format!("at most {limit} instructions"),
            format!("{each} instructions"),
        ),
        InstructionBudget::Over { case, percent } => (
            format!("at most {percent} % over {case}"),
            percent_over(each, count(case)?),
        ),
        InstructionBudget::Below(case) => (
            format!("fewer instructions than {case}"),
            format!("{each} against {}", count(case)?),
        ),
    };
    Ok(Verdict {
        what: format!("{name} ({})", does(name)),
        budget: words,
        measured,
        is_kept: each as f64 <= limit,
        is_stable,
    })
}

/// The most that a case may cost.
pub(super) fn limit(budget: &InstructionBudget, counts: &Counts) -> Option<f64> {
    let other = |name: &str| counts.get(name).copied();
    Some(match budget {
        InstructionBudget::AtMost(limit) => *limit as f64,
        InstructionBudget::Over { case, percent } => {
            let bare = other(case)? as f64;
            bare + bare * percent / 100.0
        }
        InstructionBudget::Below(case) => other(case)?.saturating_sub(1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str, budget: &InstructionBudget) -> bool {
        let counts = Counts::from([
            ("bare".to_owned(), 1_000),
            ("off".to_owned(), 1_050),
            ("more".to_owned(), 1_051),
        ]);
        verdict(name, budget, true, &counts).unwrap().is_kept
    }

    #[test]
    fn a_budget_is_kept_up_to_its_limit() {
        assert!(kept("off", &InstructionBudget::AtMost(1_050)));
        assert!(!kept("more", &InstructionBudget::AtMost(1_050)));
        let over = InstructionBudget::Over {
            case: "bare".to_owned(),
            percent: 5.0,
        };
        assert!(kept("off", &over));
        assert!(!kept("more", &over));
        assert!(kept("off", &InstructionBudget::Below("more".to_owned())));
        assert!(!kept("off", &InstructionBudget::Below("off".to_owned())));
    }

    #[test]
    fn what_was_not_counted_is_an_error() {
        let error = verdict(
            "off",
            &InstructionBudget::AtMost(1),
            true,
            &Counts::default(),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "`off` was not counted");
    }
}
