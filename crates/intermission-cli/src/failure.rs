//! Why a verb did not do what was asked, and what the shell is told.

use std::error::Error;
use std::io;

use intermission::{BadStateUrl, ChangeError, OperatorError, StateError, StateErrorKind};

use crate::exit_code::ExitCode;

/// Why a verb did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reader of the output has gone, as in `intermission history | head -1`. Nobody is left to be told.
    ReaderGone,
    /// One line for people, and a number for scripts.
    Told(Told),
}

#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: ExitCode,
    /// Lower case, without a full stop, with all causes.
    pub(crate) message: String,
    /// What to do about it, if the message does not say so itself.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self::Told(Told {
            code,
            message: message.into(),
            hint: None,
        })
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// The same, with what to do about it. A hint that is there already stays.
    #[must_use]
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Told(Told {
                code,
                message,
                hint: None,
            }) => Self::Told(Told {
                code,
                message,
                hint: Some(hint.into()),
            }),
            other => other,
        }
    }
}

impl Failure {
    /// All that whoever is told is told, in one line.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Told(Told { message, hint, .. }) => {
                let hint = hint.as_ref().map(|hint| format!("; {hint}"));
                format!("{message}{}", hint.unwrap_or_default())
            }
            Self::ReaderGone => "nobody reads what is said".to_owned(),
        }
    }

    /// The same, with one thing more that whoever is told should know.
    #[must_use]
    pub(crate) fn adding(self, more: &str) -> Self {
        match self {
            Self::Told(Told {
                code,
                message,
                hint: Some(hint),
            }) => Self::Told(Told {
                code,
                message,
                hint: Some(format!("{hint}; {more}")),
            }),
            other => other.with_hint(more),
        }
    }
}

impl From<io::Error> for Failure {
    /// The output could not be written.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::new(
            ExitCode::Failed,
            format!("cannot write the output: {}", in_full(&error)),
        )
    }
}

impl From<BadStateUrl> for Failure {
    fn from(error: BadStateUrl) -> Self {
        Self::usage(in_full(&error))
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let code = match error.kind() {
            StateErrorKind::Unavailable => ExitCode::Unreachable,
            StateErrorKind::Conflict => ExitCode::ChangedMeanwhile,
            _ => ExitCode::Failed,
        };
        let failure = Self::new(code, in_full(&error));
        if code == ExitCode::ChangedMeanwhile {
            failure.with_hint(
                "look at `intermission status`, and repeat the request if it is still right",
            )
        } else {
            failure
        }
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        let code = match error {
            // These are wrong whatever the state holds.
            ChangeError::EndBeforeStart { .. }
            | ChangeError::AutoEndWithoutEnd
            | ChangeError::MessageTooLong { .. } => ExitCode::Usage,
            _ => ExitCode::Failed,
        };
        let hint = match error {
            ChangeError::AutoEndWithoutEnd => Some("add --ends, as in `--auto-end --ends +2h`"),
            ChangeError::AlreadyOn { .. } => {
                Some("leave --starts away, or `intermission deactivate` first")
            }
            _ => None,
        };
        let failure = Self::new(code, in_full(&error));
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Change(error) => error.into(),
            OperatorError::State(error) => error.into(),
            // Trying again helps, as with a state that cannot be reached.
            OperatorError::Reconciling { .. } => Self::new(ExitCode::Unreachable, in_full(&error)),
            other => Self::new(ExitCode::Failed, in_full(&other)),
        }
    }
}

/// The message with all its causes, on one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn code(failure: impl Into<Failure>) -> Option<ExitCode> {
        match failure.into() {
            Failure::ReaderGone => None,
            Failure::Told(told) => Some(told.code),
        }
    }

    #[test]
    fn every_kind_of_trouble_has_its_code() {
        let state = |kind| StateError::new(kind, "the state is in trouble");
        assert_eq!(
            code(state(StateErrorKind::Unavailable)),
            Some(ExitCode::Unreachable)
        );
        assert_eq!(
            code(state(StateErrorKind::Conflict)),
            Some(ExitCode::ChangedMeanwhile)
        );
        assert_eq!(code(state(StateErrorKind::Corrupt)), Some(ExitCode::Failed));
        assert_eq!(code(state(StateErrorKind::Denied)), Some(ExitCode::Failed));
        assert_eq!(
            code(state(StateErrorKind::Unsupported)),
            Some(ExitCode::Failed)
        );
        assert_eq!(code(ChangeError::AutoEndWithoutEnd), Some(ExitCode::Usage));
        assert_eq!(code(ChangeError::NotOn), Some(ExitCode::Failed));
        let reconciling = OperatorError::Reconciling {
            after: Duration::from_secs(6),
        };
        assert_eq!(code(reconciling), Some(ExitCode::Unreachable));
        assert_eq!(code(io::Error::from(io::ErrorKind::BrokenPipe)), None);
        assert_eq!(
            code(io::Error::from(io::ErrorKind::StorageFull)),
            Some(ExitCode::Failed)
        );
    }

    #[test]
    fn causes_are_on_the_same_line() {
        let error =
            StateError::new(StateErrorKind::Corrupt, "cannot read x").with_source("cut off");
        let Failure::Told(told) = error.into() else {
            panic!("somebody is to be told")
        };
        assert_eq!(told.message, "cannot read x: cut off");
    }
}
