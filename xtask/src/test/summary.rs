//! The sum of the runners' own summaries.

use std::fmt;

/// How many tests passed, failed and were skipped.
///
/// Prints as `12 passed, 0 failed`, with `, 3 skipped` after it if any were.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Summary {
    /// Counts a line if it is a runner's summary:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`.
    pub(super) fn read_line(&mut self, line: &str) {
        if let Some(counts) = Self::of_line(line) {
            self.add(&counts);
        }
    }

    /// All five counts must be there: a test may well print something that only begins like a summary.
    fn of_line(line: &str) -> Option<Self> {
        let (_verdict, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut parts = counts.split("; ");
        let mut count = |what: &str| {
            parts
                .next()?
                .trim_end()
                .strip_suffix(what)?
                .trim_end()
                .parse()
                .ok()
        };
        let counts = Self {
            passed: count("passed")?,
            failed: count("failed")?,
            skipped: count("ignored")?,
        };
        let _measured: u64 = count("measured")?;
        let _filtered: u64 = count("filtered out")?;
        Some(counts)
    }

    pub(super) const fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_all_runners_are_added_up() {
        let output = "\
running 3 tests
test a ... ok
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

test b ... FAILED
test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 1.02s
   Doc-tests intermission_core
test result: ok. 17 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.61s
all doctests ran in 0.93s; merged doctests compilation took 0.30s
";
        let mut summary = Summary::default();
        for line in output.lines() {
            summary.read_line(line);
        }
        assert_eq!(
            summary,
            Summary {
                passed: 30,
                failed: 2,
                skipped: 1
            }
        );
        assert_eq!(summary.to_string(), "30 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn other_lines_do_not_count() {
        let mut summary = Summary::default();
        for line in [
            "",
            "test 7 passed ... ok",
            "  test result: ok. 7 passed; 0 failed",
            "the test result: ok. 7 passed; 0 failed",
            "test result: ok",
            "test result: 7 passed",
            "test result: ok. 7 passed; 0 failed",
            "test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered in",
            "test result: ok. many passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            summary.read_line(line);
        }
        assert_eq!(summary, Summary::default());
    }

    #[test]
    fn nothing_skipped_is_not_mentioned() {
        assert_eq!(Summary::default().to_string(), "0 passed, 0 failed");
    }
}
