//! The body for people at a terminal, and what all bodies for people share.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::Timestamp;

use super::header::shared;
use super::{Notice, ReplyPolicy};

/// Renders the plain text: the message, and the announced end on a line of its own.
pub(super) fn render(policy: &ReplyPolicy, notice: &Notice<'_>, message: &str) -> Bytes {
    let mut text: String = printable(message.trim()).chain(['\n']).collect();
    if let Some(until) = notice.until() {
        text.extend(printable(policy.until_label()));
        // Writing into a string cannot fail.
        let _ = writeln!(text, ": {}", minute(until));
    }
    shared(text)
}

/// The characters of a text as a person may see them.
///
/// Line breaks become `\n`. Other control characters become U+FFFD: in a terminal they could move the cursor or
/// worse, and in HTML they are errors.
pub(super) fn printable(text: &str) -> impl Iterator<Item = char> {
    let mut characters = text.chars().peekable();
    std::iter::from_fn(move || {
        let character = characters.next()?;
        Some(match character {
            '\r' => {
                let _ = characters.next_if_eq(&'\n');
                '\n'
            }
            '\n' | '\t' => character,
            _ if character.is_control() => char::REPLACEMENT_CHARACTER,
            _ => character,
        })
    })
}

/// A time for people: `2026-11-20 22:30 UTC`, the same in every language. Rounded up to the minute, so that
/// nobody is promised a moment before the end.
pub(super) fn minute(time: Timestamp) -> String {
    const MINUTE_MS: u64 = 60_000;
    let millis = time
        .as_millis()
        .div_ceil(MINUTE_MS)
        .saturating_mul(MINUTE_MS);
    let printed = Timestamp::from_millis(millis).to_string();
    let date = printed.get(..10).unwrap_or_default();
    let time = printed.get(11..16).unwrap_or_default();
    format!("{date} {time} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Marker;

    #[test]
    fn snapshot() {
        let until = "2026-11-20T22:29:00.001Z".parse().unwrap();
        let notice = Notice::new(Marker::Activated).with_until(Some(until));
        assert_eq!(
            render(
                &ReplyPolicy::default(),
                &notice,
                " Upgrading.\r\nThank you. "
            ),
            "Upgrading.\nThank you.\nExpected back: 2026-11-20 22:30 UTC\n"
        );
        assert_eq!(
            render(
                &ReplyPolicy::default(),
                &Notice::new(Marker::Activated),
                "Upgrading."
            ),
            "Upgrading.\n"
        );
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        let shown: String = printable("a\u{1b}[2Jb\0\u{7f}\u{9b}c\td\re\r\nf").collect();
        assert_eq!(shown, "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c\td\ne\nf");
    }

    #[test]
    fn the_minute_is_rounded_up() {
        for (time, shown) in [
            ("2026-11-20T22:30:00.000Z", "2026-11-20 22:30 UTC"),
            ("2026-11-20T22:30:00.001Z", "2026-11-20 22:31 UTC"),
            ("2026-12-31T23:59:30Z", "2027-01-01 00:00 UTC"),
        ] {
            assert_eq!(minute(time.parse().unwrap()), shown);
        }
        for time in [Timestamp::MAX, Timestamp::from_millis(u64::MAX)] {
            assert_eq!(minute(time), "9999-12-30 22:00 UTC");
        }
    }
}
