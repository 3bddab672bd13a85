//! Text from the record, made harmless for a terminal.

use std::borrow::Cow;

/// The text with every letter escaped that a terminal would obey instead of showing it, or that would change the
/// order of the letters around it. A message can then neither hide a line of `status` nor forge one.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if is_harmful(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// Control characters (C0, DEL and C1), what separates lines or paragraphs, and what controls the direction of text.
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, shown) in [
            ("Upgrading the database", "Upgrading the database"),
            ("Año nuevo, 保守中, 👩‍💻", "Año nuevo, 保守中, 👩‍💻"),
            ("two\nlines\r\tand \\n", "two\\nlines\\r\\tand \\n"),
            ("\u{1b}[2J\u{7}\u{7f}", "\\u{1b}[2J\\u{7}\\u{7f}"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            (
                "\u{202e}evil\u{2066}\u{200f}",
                "\\u{202e}evil\\u{2066}\\u{200f}",
            ),
            ("\u{2028}\u{feff}", "\\u{2028}\\u{feff}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
