//! The exit codes, which scripts act on.

use std::fmt::Write as _;

/// How the command ends. Scripts act on the numbers, so a number never changes its meaning.
///
/// They follow Drush, whose `maint:status` answers 3 while the mode is on, and add what a wait may come to. `exec` and
/// `during` answer with what their command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitCode {
    /// It is done, or was so already.
    Done,
    /// It could not be done.
    Failed,
    /// The command line makes no sense. Nothing was changed.
    Usage,
    /// `status --exit-code`: maintenance is on.
    Activated,
    /// `status --exit-code`: maintenance was asked for, and executions still run.
    Activating,
    /// `--wait`: the time was over first. The request stays.
    TimedOut,
    /// The state could not be reached.
    Unreachable,
    /// Somebody else changed the state meanwhile.
    ChangedMeanwhile,
    /// `exec`: the command was not run because of the mode.
    NotRun,
    /// `--wait`: activated, and nobody knows of some nodes whether anything runs there; or, with `=quiescent`, the state
    /// has lost data since, so that nobody can know.
    Unconfirmed,
    /// `exec` and `during`: what their command ended with, as a shell says it: its own code, or 128 and the number of the signal that
    /// ended it; 127 if there is no such command, 126 if it cannot be started. A command may end with any number, so
    /// this is none of [`ALL`](Self::ALL).
    Child(u8),
}

impl ExitCode {
    /// All with a number of their own, by number.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Activated,
        Self::Activating,
        Self::TimedOut,
        Self::Unreachable,
        Self::ChangedMeanwhile,
        Self::NotRun,
        Self::Unconfirmed,
    ];

    /// The number that the shell sees.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Activated => 3,
            Self::Activating => 4,
            Self::TimedOut => 5,
            Self::Unreachable => 6,
            Self::ChangedMeanwhile => 7,
            Self::NotRun => 8,
            Self::Unconfirmed => 9,
            Self::Child(code) => code,
        }
    }

    /// What it means, as help and man page say it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or already as asked for",
            Self::Failed => "failed",
            Self::Usage => "the command line makes no sense; nothing was changed",
            Self::Activated => "status --exit-code: activated",
            Self::Activating => "status --exit-code: activating",
            Self::TimedOut => "--wait: timed out; the request stays. during: not run",
            Self::Unreachable => "the state could not be reached",
            Self::ChangedMeanwhile => "somebody else changed the state meanwhile",
            Self::NotRun => "exec: not run because of the mode",
            Self::Unconfirmed => {
                "--wait: activated, but not (or never to be) confirmed by every node"
            }
            Self::Child(_) => {
                "exec, during: the command's own, or as shells have it: 126, 127, 128 + signal"
            }
        }
    }

    /// The table for help and man page.
    pub(crate) fn help() -> String {
        let mut text = "Exit codes:".to_owned();
        for code in Self::ALL {
            // Writing into a `String` cannot fail.
            let _ = write!(text, "\n  {}  {}", code.number(), code.meaning());
        }
        let _ = write!(text, "\n  …  {}", Self::Child(0).meaning());
        text
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        let numbers: Vec<u8> = ExitCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(ExitCode::Child(143).number(), 143);
    }
}
