//! What the file system refuses, in the words of a state.

use std::io;
use std::path::Path;

use intermission_core::{StateError, StateErrorKind};

/// The file system refused something: `doing` is a verb, as in "cannot write /srv/app/record.json".
pub(crate) fn failed(doing: &str, path: &Path, error: io::Error) -> StateError {
    let (kind, advice) = judged(error.kind());
    StateError::new(kind, format!("cannot {doing} {}{advice}", path.display())).with_source(error)
}

fn judged(error: io::ErrorKind) -> (StateErrorKind, &'static str) {
    match error {
        io::ErrorKind::PermissionDenied => (
            StateErrorKind::Denied,
            ": run this as the directory's owner",
        ),
        io::ErrorKind::ReadOnlyFilesystem => (
            StateErrorKind::Denied,
            ": mount its file system for writing",
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (
            StateErrorKind::Unavailable,
            ": make room on its file system",
        ),
        io::ErrorKind::Unsupported => (
            StateErrorKind::Unsupported,
            ": choose a directory on one of the machine's own file systems",
        ),
        _ => (StateErrorKind::Unavailable, ""),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn each_refusal_has_its_kind_and_says_what_to_do() {
        for (error, kind, advice) in [
            (
                io::ErrorKind::PermissionDenied,
                StateErrorKind::Denied,
                "owner",
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                StateErrorKind::Denied,
                "mount",
            ),
            (
                io::ErrorKind::StorageFull,
                StateErrorKind::Unavailable,
                "room",
            ),
            (
                io::ErrorKind::QuotaExceeded,
                StateErrorKind::Unavailable,
                "room",
            ),
            (
                io::ErrorKind::Unsupported,
                StateErrorKind::Unsupported,
                "own file systems",
            ),
            (
                io::ErrorKind::TimedOut,
                StateErrorKind::Unavailable,
                "/srv/x",
            ),
        ] {
            let refused = failed("write", Path::new("/srv/x"), error.into());
            assert_eq!(refused.kind(), kind);
            assert!(
                refused.to_string().starts_with("cannot write /srv/x"),
                "{refused}"
            );
            assert!(refused.to_string().contains(advice), "{refused}");
            assert_eq!(
                refused.source().unwrap().to_string(),
                io::Error::from(error).to_string()
            );
        }
    }
}
