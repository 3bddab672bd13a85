//! Failures and successes in a row.

/// Whether a dependency fails, by how its last checks went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streak {
    failures: u32,
    successes: u32,
    /// How many checks in a row have said the opposite of what holds.
    row: u32,
    failing: bool,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Fails,
    IsBack,
}

impl Streak {
    /// As if all were well, until so many failures in a row; then failing, until so many successes in a row.
    pub(crate) const fn new(failures: u32, successes: u32) -> Self {
        Self {
            failures,
            successes,
            row: 0,
            failing: false,
        }
    }

    pub(crate) const fn is_failing(&self) -> bool {
        self.failing
    }

    /// Takes in how a check went.
    pub(crate) const fn note(&mut self, succeeded: bool) -> Option<Change> {
        let is_news = succeeded == self.failing;
        if !is_news {
            self.row = 0;
            return None;
        }
        self.row = self.row.saturating_add(1);
        let (needed, change) = if self.failing {
            (self.successes, Change::IsBack)
        } else {
            (self.failures, Change::Fails)
        };
        if self.row < needed {
            return None;
        }
        self.row = 0;
        self.failing = !self.failing;
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes through checks, `+` for a success and `-` for a failure, and draws what changed below them.
    fn drawn(failures: u32, successes: u32, checks: &str) -> String {
        let mut streak = Streak::new(failures, successes);
        let draw = |check| match streak.note(check == '+') {
            Some(Change::Fails) => 'F',
            Some(Change::IsBack) => 'B',
            None => '.',
        };
        checks.chars().map(draw).collect()
    }

    #[test]
    fn a_row_of_failures_closes_and_a_row_of_successes_opens() {
        assert_eq!(drawn(3, 2, "+++---++--"), ".....F.B..");
        assert_eq!(drawn(1, 1, "+-+--+"), ".FBF.B");
    }

    #[test]
    fn what_comes_and_goes_changes_nothing() {
        assert_eq!(drawn(3, 2, "--+--+--+-"), "..........");
        assert_eq!(drawn(2, 2, "--+-+-+-++"), ".F.......B");
    }

    #[test]
    fn what_goes_on_is_said_once() {
        assert_eq!(drawn(2, 2, "-----+++++"), ".F....B...");
    }
}
