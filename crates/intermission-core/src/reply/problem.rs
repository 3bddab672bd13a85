//! The body for programs: `application/problem+json` (RFC 9457).

use bytes::Bytes;
use serde_json::Value;

use super::header::shared;
use super::{Notice, RefusalStatus};

/// Renders the problem. `detail` is the message to the letter: JSON escapes whatever is in it.
///
/// The members `maintenance` (as the header `Maintenance-Mode`) and `until` (RFC 3339) are ours. `Retry-After` is
/// in the header alone, since it counts down and the body does not.
pub(super) fn render(status: RefusalStatus, notice: &Notice<'_>, message: &str) -> Bytes {
    let until = notice
        .until()
        .map(|until| format!(",\"until\":\"{until}\""))
        .unwrap_or_default();
    shared(format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":{detail},\
         \"maintenance\":\"{marker}\"{until}}}",
        title = title(status),
        detail = Value::from(message),
        marker = notice.marker(),
    ))
}

/// The status's phrase, which is what RFC 9457 wants as the title of `about:blank`.
const fn title(status: RefusalStatus) -> &'static str {
    match status.as_u16() {
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        410 => "Gone",
        423 => "Locked",
        425 => "Too Early",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Under Maintenance",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reply::Marker;

    #[test]
    fn snapshot() {
        let notice = Notice::new(Marker::Activating);
        assert_eq!(
            render(RefusalStatus::default(), &notice, "Back \"soon\"\n"),
            r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Back \"soon\"\n","maintenance":"activating"}"#
        );
        let until = "2026-11-20T22:30:00Z".parse().unwrap();
        let notice = Notice::new(Marker::ReadOnly).with_until(Some(until));
        assert_eq!(
            render(RefusalStatus::new(599).unwrap(), &notice, "x"),
            r#"{"type":"about:blank","title":"Under Maintenance","status":599,"detail":"x","maintenance":"read-only","until":"2026-11-20T22:30:00.000Z"}"#
        );
    }

    proptest! {
        #[test]
        fn it_always_parses_and_has_the_message_back(message in any::<String>(), status in 200_u16..=599, millis in any::<Option<u64>>()) {
            let notice = Notice::new(Marker::Activated).with_until(millis.map(crate::Timestamp::from_millis));
            let body = render(RefusalStatus::new(status).unwrap(), &notice, &message);
            let parsed: Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(&parsed["detail"], &message);
            prop_assert_eq!(&parsed["status"], status);
            prop_assert_eq!(&parsed["maintenance"], "activated");
            prop_assert_eq!(parsed.get("until").is_some(), millis.is_some());
        }
    }
}
