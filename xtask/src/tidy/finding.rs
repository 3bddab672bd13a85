//! Something that is not as the rules want it.

use std::fmt;

/// Something that is not as the rules want it: where, what, and what to do about it.
#[derive(Debug)]
pub(super) struct Finding {
    /// A file with its line, or a crate.
    pub(super) place: String,
    pub(super) wrong: String,
    pub(super) remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}\n    to do: {}",
            self.place, self.wrong, self.remedy
        )
    }
}
