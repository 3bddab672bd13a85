//! What a framework that tidies paths may make of one.

/// The path with escapes decoded, once, and without empty, `.` and `..` segments; `None` if that changes nothing.
pub(super) fn tidied(path: &str) -> Option<String> {
    if !is_untidy(path) {
        return None;
    }
    let decoded = decoded(path);
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

/// Looks at every byte once, since nearly no path is.
fn is_untidy(path: &str) -> bool {
    let mut before = 0;
    path.bytes().any(|byte| {
        let is_odd =
            matches!(byte, b'%' | b'\\') || (before == b'/' && matches!(byte, b'/' | b'.'));
        before = byte;
        is_odd
    }) || (before == b'/' && path.len() > 1)
}

fn decoded(path: &str) -> String {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.as_bytes();
    while let Some((byte, rest)) = bytes.split_first() {
        let escaped = match (byte, rest) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, read) = match escaped {
            Some((high, low)) => (high << 4 | low, 3),
            None => (*byte, 1),
        };
        decoded.push(byte);
        bytes = bytes.get(read..).unwrap_or_default();
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frameworks_take_for_one_path_is_tidied_to_it() {
        for path in [
            "/jobs/",
            "//jobs",
            "/%6aobs",
            "/%6Aobs",
            "/./jobs",
            "/x/../jobs",
            "/jobs/.",
            "/x/%2e%2e/jobs",
            "/../jobs",
            "/x\\..\\jobs",
            "/jobs%2f",
        ] {
            assert_eq!(tidied(path).as_deref(), Some("/jobs"), "{path}");
        }
        for (path, tidy) in [
            ("/%", "/%"),
            ("/%6", "/%6"),
            ("/%zz", "/%zz"),
            ("/%256a", "/%6a"),
            ("//", "/"),
            ("/%ff", "/\u{fffd}"),
        ] {
            assert_eq!(tidied(path).as_deref(), Some(tidy), "{path}");
        }
    }

    #[test]
    fn a_tidy_path_is_left_alone() {
        for path in ["/", "/jobs", "/jobs/taken", "/a.b/c..d", "", "*"] {
            assert_eq!(tidied(path), None, "{path}");
        }
    }
}
