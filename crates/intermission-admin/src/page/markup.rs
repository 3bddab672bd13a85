//! How values look in the page.

use std::fmt::{self, Write};
use std::time::Duration;

use askama::filters::Escaper;
use intermission::Timestamp;

/// Escapes what a template shows, so that it is text wherever a text or a quoted attribute may stand, and a reader is not
/// misled by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown;

impl Escaper for Shown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        for character in printable(string) {
            match character {
                '&' => dest.write_str("&amp;")?,
                '<' => dest.write_str("&lt;")?,
                '>' => dest.write_str("&gt;")?,
                '"' => dest.write_str("&quot;")?,
                '\'' => dest.write_str("&#39;")?,
                _ => dest.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// The characters of a text as a person may see them.
///
/// Line breaks become `\n`. Other control characters, and those that turn the direction of what follows, become U+FFFD: a
/// name must not rearrange the sentence that it stands in.
pub(super) fn printable(text: &str) -> impl Iterator<Item = char> {
    let mut characters = text.chars().peekable();
    std::iter::from_fn(move || {
        let character = characters.next()?;
        Some(match character {
            '\r' => {
                let _ = characters.next_if_eq(&'\n');
                '\n'
            }
            '\u{2028}' | '\u{2029}' => '\n',
            '\n' | '\t' => character,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            _ if character.is_control() => char::REPLACEMENT_CHARACTER,
            _ => character,
        })
    })
}

/// A small value, or a reference to one: a template hands over whichever it has.
pub(super) trait Of<T> {
    fn value(self) -> T;
}

impl<T: Copy> Of<T> for T {
    fn value(self) -> T {
        self
    }
}

impl<T: Copy> Of<T> for &T {
    fn value(self) -> T {
        *self
    }
}

impl<T: Copy> Of<T> for &&T {
    fn value(self) -> T {
        **self
    }
}

/// A moment: UTC, until the script shows it in the reader's zone. Markup, of digits alone.
pub(super) fn time(at: impl Of<Timestamp>) -> String {
    let at = at.value();
    let text = utc(at);
    format!("<time datetime=\"{at}\" title=\"{text}\">{text}</time>")
}

/// How long ago it was. Goes on by the script. Markup.
pub(super) fn since(at: impl Of<Timestamp>, now: impl Of<Timestamp>) -> String {
    let (at, now) = (at.value(), now.value());
    let age = spell(now.saturating_since(at));
    format!("<span class=\"span\" data-since=\"{at}\">{age}</span>")
}

/// How long it is until then. Goes on by the script. Markup.
pub(super) fn until(at: impl Of<Timestamp>, now: impl Of<Timestamp>) -> String {
    let (at, now) = (at.value(), now.value());
    let rest = spell(at.saturating_since(now));
    format!("<span class=\"span\" data-until=\"{at}\">{rest}</span>")
}

/// `2026-11-20 22:30:05 UTC`.
fn utc(at: Timestamp) -> String {
    let printed = at.to_string();
    let date = printed.get(..10).unwrap_or_default();
    let time = printed.get(11..19).unwrap_or_default();
    format!("{date} {time} UTC")
}

/// `14 s`, `2 min 14 s`, `3 h 5 min`, `2 d 3 h`: as the script does.
pub(super) fn spell(duration: impl Of<Duration>) -> String {
    let seconds = duration.value().as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        (_, _, _) => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_text_and_misleads_nobody() {
        let mut html = String::new();
        let hostile =
            "</script><img onerror=\"x\"> 'a' & b\r\nc\u{0}\u{1b}\u{202e}d\u{2066}\u{2028}e";
        Shown.write_escaped_str(&mut html, hostile).unwrap();
        assert_eq!(
            html,
            "&lt;/script&gt;&lt;img onerror=&quot;x&quot;&gt; &#39;a&#39; &amp; b\nc\u{fffd}\u{fffd}\u{fffd}d\u{fffd}\ne"
        );
    }

    #[test]
    fn durations_are_as_exact_as_somebody_wants_to_know() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3_599, "59 min 59 s"),
            (11_100, "3 h 5 min"),
            (183_600, "2 d 3 h"),
        ] {
            assert_eq!(spell(Duration::from_secs(seconds)), expected);
        }
    }
}
