//! Who asks to pass, on paths where the permission alone is not enough.

/// The header by which a client of Cloudify asks to pass, in lower case.
pub const BYPASS_HEADER: &str = "x-bypass-maintenance";

/// The header in which a client of Cloudify may send a token in place of `Authorization`, in lower case.
pub const TOKEN_HEADER: &str = "authentication-token";

/// Whether the value of [`BYPASS_HEADER`] says yes: `true`, in letters of any size.
///
/// It opens nothing by itself: only who holds the permission may pass.
#[must_use]
pub fn asks_to_bypass(header: Option<&[u8]>) -> bool {
    header.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"true"))
}

/// Whether a path belongs to Cloudify's API: `/api/v3.1/blueprints`, or the same of any other version. The path is as sent,
/// without the query.
#[must_use]
pub fn is_api_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/v") else {
        return false;
    };
    let version = rest.split('/').next().unwrap_or_default();
    version.starts_with(|first: char| first.is_ascii_digit())
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_is_false() {
        for yes in ["true", "True", "TRUE", " true "] {
            assert!(asks_to_bypass(Some(yes.as_bytes())), "{yes}");
        }
        for no in [
            "false",
            "False",
            "",
            " ",
            "0",
            "1",
            "yes",
            "on",
            "truee",
            "tru",
            "true,true",
            "\u{feff}true",
        ] {
            assert!(!asks_to_bypass(Some(no.as_bytes())), "{no}");
        }
        assert!(!asks_to_bypass(None));
    }

    #[test]
    fn paths_are_told_apart_by_whole_segments() {
        for path in [
            "/api/v3.1/blueprints",
            "/api/v3.1",
            "/api/v3/",
            "/api/v2.1/a/b",
            "/api/v10/x",
        ] {
            assert!(is_api_path(path), "{path}");
        }
        for path in [
            "",
            "/",
            "/api",
            "/api/",
            "/api/v",
            "/api/v/x",
            "/api/vault",
            "/api/v3x/y",
            "/api/v.3/y",
            "/apix/v3.1/x",
            "/x/api/v3.1/x",
            "/API/v3.1/x",
            "//api/v3.1/x",
            "/api//v3.1/x",
            "/api/v3%2e1/x",
            "api/v3.1/x",
        ] {
            assert!(!is_api_path(path), "{path}");
        }
    }
}
