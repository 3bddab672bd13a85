//! What is to be measured.

use anyhow::{Context, Result, bail, ensure};

/// How large the fleet is to be, and how often it is to be flipped.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// Numbers of nodes, ascending.
    pub(super) sizes: Vec<usize>,
    /// How many flips in each direction with each number of nodes, unless that takes too long.
    pub(super) flips: usize,
}

impl Plan {
    /// From `--nodes N,N…` and `--flips N`.
    ///
    /// # Errors
    /// If an option is unknown, or is not a number, or the numbers do not ascend from 1.
    pub fn from_options(mut options: &[&str]) -> Result<Self> {
        let mut plan = Self {
            sizes: vec![1, 10, 100, 1_000],
            flips: 100,
        };
        while let [name, value, rest @ ..] = options {
            match *name {
                "--nodes" => plan.sizes = value.split(',').map(number).collect::<Result<_>>()?,
                "--flips" => plan.flips = number(value)?,
                _ => bail!("`fleet` has no option `{name}`: it has --nodes N,N… and --flips N"),
            }
            options = rest;
        }
        if let [name] = options {
            bail!("`{name}` lacks its number");
        }
        let ascend = |pair: &[usize]| matches!(pair, [less, more] if less < more);
        ensure!(
            plan.sizes.windows(2).all(ascend),
            "a fleet only grows: name the numbers of nodes in ascending order, each once"
        );
        Ok(plan)
    }

    /// The largest number of nodes.
    pub(super) fn largest(&self) -> usize {
        self.sizes.last().copied().unwrap_or_default()
    }
}

/// One at least.
fn number(text: &str) -> Result<usize> {
    let number = text
        .parse()
        .with_context(|| format!("`{text}` is not a number"))?;
    ensure!(number > 0, "0 of them say nothing: name a number from 1 on");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_or_named() {
        let plan = Plan::from_options(&["--nodes", "1,20", "--flips", "5"]).unwrap();
        assert_eq!((plan.sizes, plan.flips), (vec![1, 20], 5));
        assert_eq!(Plan::from_options(&[]).unwrap().largest(), 1_000);
        for (options, message) in [
            (&["--nodes", "20,1"] as &[&str], "ascending"),
            (&["--nodes", "7,7"], "ascending"),
            (&["--nodes", "0,1"], "from 1 on"),
            (&["--flips", "0"], "from 1 on"),
            (&["--flips", "many"], "`many` is not a number"),
            (&["--flips"], "`--flips` lacks its number"),
            (&["--speed", "1"], "no option `--speed`"),
        ] {
            let error = Plan::from_options(options).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
