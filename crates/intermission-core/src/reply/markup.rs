//! The little of HTML that a template has to be read for: where raw text stands, and what values look like in it.

use std::borrow::Cow;
use std::ops::Range;

use super::text::printable;

/// Appends a value to a page, so that it is text wherever a text or a quoted attribute may stand.
pub(super) fn push_escaped(html: &mut String, value: &str) {
    for character in printable(value) {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(character),
        }
    }
}

/// The text as a browser reads it: without a byte order mark, and with `\n` for each line break. What a browser
/// hashes is this, whatever an editor or a checkout made of the file.
pub(super) fn normalized(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// An element whose content is not markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawElement {
    /// In lower case.
    pub(super) name: &'static str,
    /// Where its content stands.
    pub(super) content: Range<usize>,
}

impl RawElement {
    /// Whether entities are read in it, so that an escaped value is safe.
    pub(super) fn takes_entities(&self) -> bool {
        matches!(self.name, "title" | "textarea")
    }
}

/// The raw text elements of a page, in order, outside of comments and attributes.
pub(super) fn raw_elements(html: &str) -> Vec<RawElement> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = find_from(html, at, "<") {
        let inside = html.get(start + 1..).unwrap_or_default();
        at = if let Some(comment) = inside.strip_prefix("!--") {
            start + "<!--".len() + comment_len(comment)
        } else if inside.starts_with(['!', '?']) {
            find_from(html, start, ">").map_or(html.len(), |end| end + 1)
        } else if inside.starts_with(|c: char| c == '/' || c.is_ascii_alphabetic()) {
            start + 1 + tag_len(inside)
        } else {
            start + 1
        };
        if let Some(name) = raw_name(inside) {
            let end = end_of(html, at, name);
            found.push(RawElement {
                name,
                content: at..end,
            });
            at = end;
        }
    }
    found
}

const RAW_NAMES: [&str; 8] = [
    "iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp",
];

/// The name of the start tag whose `<` stands before this text, if its content is raw.
fn raw_name(inside: &str) -> Option<&'static str> {
    let end = inside
        .find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'))
        .unwrap_or(inside.len());
    let name = inside.get(..end)?;
    RAW_NAMES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
}

/// How long the rest of a tag is, its `>` included. Inside a quoted attribute value `>` is text; a quote anywhere
/// else quotes nothing.
fn tag_len(inside: &str) -> usize {
    let mut quote = None;
    let mut may_open = false;
    for (index, byte) in inside.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return index + 1,
            (None, b'"' | b'\'') if may_open => quote = Some(byte),
            (None, _) => {}
        }
        if !byte.is_ascii_whitespace() {
            may_open = byte == b'=';
        }
    }
    inside.len()
}

/// How long the rest of a comment is, its end included.
fn comment_len(rest: &str) -> usize {
    if rest.starts_with('>') {
        return 1;
    }
    if rest.starts_with("->") {
        return 2;
    }
    ["-->", "--!>"]
        .into_iter()
        .filter_map(|end| rest.find(end).map(|at| at + end.len()))
        .min()
        .unwrap_or(rest.len())
}

/// Where the end tag of the element stands whose content begins there.
fn end_of(html: &str, from: usize, name: &str) -> usize {
    let mut at = from;
    while let Some(start) = find_from(html, at, "</") {
        at = start + "</".len();
        let after = html.as_bytes().get(at..).unwrap_or_default();
        let closes = after
            .split_at_checked(name.len())
            .is_some_and(|(word, rest)| {
                word.eq_ignore_ascii_case(name.as_bytes())
                    && rest.first().is_some_and(|&byte| {
                        byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>')
                    })
            });
        if closes {
            return start;
        }
    }
    html.len()
}

fn find_from(text: &str, from: usize, wanted: &str) -> Option<usize> {
    text.get(from..)?.find(wanted).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents(html: &str) -> Vec<(&'static str, &str)> {
        raw_elements(html)
            .into_iter()
            .map(|element| (element.name, html.get(element.content).unwrap()))
            .collect()
    }

    #[test]
    fn table_of_raw_elements() {
        for (html, expected) in [
            ("<p>no</p>", vec![]),
            ("<style>a{}</style>", vec![("style", "a{}")]),
            ("<STYLE\nmedia='x>y'>a{}</Style >", vec![("style", "a{}")]),
            (
                "<style>a{}</styles></style>b",
                vec![("style", "a{}</styles>")],
            ),
            ("<style>a{}", vec![("style", "a{}")]),
            (
                "<style></style><style>b</style>",
                vec![("style", ""), ("style", "b")],
            ),
            ("<!-- <style> --><style>b</style>", vec![("style", "b")]),
            ("<!--><style>b</style>", vec![("style", "b")]),
            (
                "<!-- > <style>a</style> --><style>b</style>",
                vec![("style", "b")],
            ),
            ("<!---><style>b</style>", vec![("style", "b")]),
            ("<!----><style>b</style>", vec![("style", "b")]),
            ("<!-- x --!><style>b</style>", vec![("style", "b")]),
            ("<!-- never closed <style>b</style>", vec![]),
            ("<!doctype html><style>b</style>", vec![("style", "b")]),
            ("<p title='<style>'>x</p>", vec![]),
            ("<p title = \"a>b<style>\">x</p>", vec![]),
            ("<p it's><style>b</style>", vec![("style", "b")]),
            (
                "<title><style>t</title><style>b</style>",
                vec![("title", "<style>t"), ("style", "b")],
            ),
            ("<script>'<style>'</script>", vec![("script", "'<style>'")]),
            ("<styles>b</styles>", vec![]),
            ("</style><style/>b</style>", vec![("style", "b")]),
            ("1 < 2 <style>b</style>", vec![("style", "b")]),
            ("<svg><style>b</style></svg>", vec![("style", "b")]),
            ("<style", vec![("style", "")]),
        ] {
            assert_eq!(contents(html), expected, "{html}");
        }
    }

    #[test]
    fn values_are_text_wherever_they_stand() {
        let mut html = String::new();
        push_escaped(&mut html, "<b a=\"1\" c='2'>&amp;\u{0}\r\n</b>");
        assert_eq!(
            html,
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;\u{fffd}\n&lt;/b&gt;"
        );
    }

    #[test]
    fn line_breaks_are_those_of_a_browser() {
        assert_eq!(normalized("\u{feff}a\r\nb\rc\n"), "a\nb\nc\n");
    }

    proptest! {
        #[test]
        fn anything_can_be_scanned(html in "[<>/!a-z=\"' -]{0,40}(<style>|<!--|</title|<title>|\u{e9}){0,3}[<>/!a-z=\"' -]{0,40}") {
            for element in raw_elements(&html) {
                prop_assert!(html.get(element.content).is_some());
            }
        }
    }
}
