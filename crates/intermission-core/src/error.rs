//! What can go wrong with a state.

use std::error::Error;
use std::fmt;

/// What kind of trouble a state is in. It decides what a node, a script or a person does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateErrorKind {
    /// It could not be reached, or did not answer in time. Trying again may help.
    Unavailable,
    /// Somebody else changed it meanwhile, again and again.
    Conflict,
    /// What is there cannot be read. It never means "deactivated".
    Corrupt,
    /// It is there, and refuses us.
    Denied,
    /// It cannot do what was asked, or is not for this use.
    Unsupported,
}

impl StateErrorKind {
    /// All kinds, in the order in which they are declared: each stands at `kind as usize`.
    pub const ALL: &'static [Self] = &[
        Self::Unavailable,
        Self::Conflict,
        Self::Corrupt,
        Self::Denied,
        Self::Unsupported,
    ];

    /// The word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A state could not do what it was asked. Nothing was changed, unless the operation's own documentation says that
/// it may have been.
///
/// The message names the state and the operation, and says how to put things right; the cause is the
/// [`source`](Error::source).
///
/// # Security
///
/// States never put a password, token or pass into it. It is for operators, not for visitors.
#[derive(Debug)]
pub struct StateError {
    kind: StateErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StateError {
    /// An error of this kind. The message is one lower-case sentence without a full stop.
    #[must_use]
    pub fn new(kind: StateErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The same, with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> StateErrorKind {
        self.kind
    }

    /// The message with all its causes, on one line, as logs and the command show it.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn Error + 'static))
    }
}
