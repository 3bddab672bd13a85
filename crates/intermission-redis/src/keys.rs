//! Under which names a site is kept.

use intermission_core::{StateError, StateErrorKind};

/// The names of a site's keys. They share one hash tag, so that a Cluster keeps them on one node.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) tag: String,
    pub(crate) names: Vec<String>,
    pub(crate) channel: String,
}

/// What the scripts call `KEYS`, in their order; the channel follows.
const SUFFIXES: [&str; 7] = [
    "record", "meta", "nodes", "gone", "reports", "history", "departed",
];

impl Keys {
    pub(crate) fn new(prefix: &str, site: &str) -> Self {
        let tag = format!("{prefix}:{site}");
        let key = |suffix: &str| format!("{{{tag}}}:{suffix}");
        let channel = key("ch");
        let mut names: Vec<String> = SUFFIXES.into_iter().map(key).collect();
        names.push(channel.clone());
        #[cfg(feature = "manual-clock")]
        names.push(key("clock"));
        Self {
            names,
            channel,
            tag,
        }
    }
}

/// A prefix becomes part of the hash tag, so it must not end it.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), StateError> {
    let fits = (1..=64).contains(&prefix.len());
    let plain = prefix
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'));
    if fits && plain {
        Ok(())
    } else {
        Err(StateError::new(
            StateErrorKind::Unsupported,
            format!(
                "the key prefix `{}` must be 1 to 64 of the characters a-z, A-Z, 0-9, `-`, `_`, `.` and `:`",
                prefix.escape_debug()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_have_the_same_hash_tag() {
        let keys = Keys::new("intermission", "shop");
        assert_eq!(keys.names.first().unwrap(), "{intermission:shop}:record");
        assert!(
            keys.names
                .iter()
                .all(|name| name.starts_with("{intermission:shop}:"))
        );
    }

    #[test]
    fn a_prefix_cannot_end_the_hash_tag() {
        for prefix in ["", "a}b", "a{b", "a b", "é", &"x".repeat(65)] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
        assert!(check_prefix("eu-1:app").is_ok());
    }
}
