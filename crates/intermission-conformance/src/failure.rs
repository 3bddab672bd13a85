//! How a case says what does not hold.

use std::error::Error;
use std::fmt::Debug;
use std::panic::Location;

/// What a case found: nothing wrong, or this.
pub(crate) type Checked<T = ()> = Result<T, Failure>;

/// What does not hold, and where the suite noticed.
///
/// It is no [`Error`] itself, so that every error turns into one by `?`; [`CaseFailure`](crate::CaseFailure) is the
/// public face.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) at: &'static Location<'static>,
}

impl Failure {
    #[track_caller]
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            at: Location::caller(),
        }
    }

    /// The same, with what was going on put before it.
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl<E: Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(message)
    }
}

#[track_caller]
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Failure::new(otherwise()))
    }
}

#[track_caller]
pub(crate) fn ensure_eq<T: PartialEq<U> + Debug, U: Debug>(
    what: &str,
    found: &T,
    expected: &U,
) -> Checked {
    ensure(found == expected, || {
        format!("{what} is {found:?} and should be {expected:?}")
    })
}

/// Takes the variant that must be there.
macro_rules! expect_variant {
    ($what:expr, $value:expr, $pattern:pat => $taken:expr) => {
        match $value {
            $pattern => $taken,
            other => {
                return Err($crate::failure::Failure::new(format!(
                    "{} is {other:?}",
                    $what
                )))
            }
        }
    };
}
pub(crate) use expect_variant;
