//! Which paths may lead to a flagged route.

/// The paths that may lead to a flagged route: all that do, and some more. What is exact is the router's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flagged {
    Exactly(Box<str>),
    Below(Box<str>),
}

impl Flagged {
    /// The paths that axum matches with this pattern.
    pub(crate) fn new(pattern: &str) -> Self {
        match pattern.find(['{', '}']) {
            None => Self::Exactly(pattern.into()),
            // The text before the first capture, or the first doubled brace.
            Some(brace) => Self::Below(pattern.split_at(brace).0.into()),
        }
    }

    #[inline]
    pub(crate) fn may_match(&self, path: &str) -> bool {
        match self {
            Self::Exactly(pattern) => *path == **pattern,
            Self::Below(begin) => path.starts_with(&**begin),
        }
    }
}

/// A pattern of a router that is nested at `prefix`, as axum joins the two.
pub(crate) fn nested(prefix: &str, pattern: &str) -> String {
    match (prefix.strip_suffix('/'), pattern) {
        (Some(_), _) => format!("{prefix}{}", pattern.trim_start_matches('/')),
        (None, "/") => prefix.to_owned(),
        (None, _) => format!("{prefix}{pattern}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_patterns_match_exactly() {
        let flagged = Flagged::new("/health");
        assert!(flagged.may_match("/health"));
        for path in ["/", "/healthz", "/health/", "/health/x", "//health"] {
            assert!(!flagged.may_match(path), "{path}");
        }
    }

    #[test]
    fn patterns_with_captures_match_whatever_begins_like_them() {
        for (pattern, path) in [
            ("/jobs/{kind}", "/jobs/import"),
            ("/{*rest}", "/x"),
            ("/a{{b/{c}", "/a{b/1"),
            ("/files/{*path}", "/files/a/b"),
        ] {
            assert!(Flagged::new(pattern).may_match(path), "{pattern} {path}");
        }
        assert!(!Flagged::new("/jobs/{kind}").may_match("/job"));
    }

    #[test]
    fn patterns_are_nested_as_axum_nests_them() {
        for (prefix, pattern, path) in [
            ("/api", "/", "/api"),
            ("/api", "/jobs", "/api/jobs"),
            ("/api/", "/", "/api/"),
            ("/api/", "/jobs", "/api/jobs"),
            ("/{tenant}", "/jobs", "/{tenant}/jobs"),
        ] {
            assert_eq!(nested(prefix, pattern), path);
        }
    }
}
