//! An application's own page: HTML with four placeholders.

use std::fmt;
use std::sync::Arc;

use super::markup;

/// The page that visitors see: the built-in one, or an application's own.
///
/// A page of one's own is a whole HTML document in UTF-8, in which these are replaced:
///
/// | placeholder | value |
/// |---|---|
/// | `{{message}}` | what the operator said, or the default message |
/// | `{{site}}` | the name of the site |
/// | `{{until}}` | the announced end as `2026-11-20 22:30 UTC`; empty if none is announced |
/// | `{{retry_after}}` | the activation's `Retry-After`, else the policy's, in seconds |
///
/// There are no conditions and no loops. White space inside the braces does not matter. Two braces that are no
/// placeholder are written `&#123;&#123;`. Line breaks of the message stay line breaks, which CSS shows with
/// `white-space: pre-line`; a line that may be empty can be hidden with `:empty`.
///
/// The page is rendered once per change, so `{{retry_after}}` does not count down, with or without an announced
/// end. It reloads by itself without being told, as described in [the module](super#how-the-page-comes-back).
///
/// # What the page may load
///
/// It is sent with a `Content-Security-Policy` that allows its own `<style>` elements (each by its hash), and
/// images and fonts from `data:` and from the same origin. Everything else is blocked: scripts, `style`
/// attributes, style sheets in files, frames, forms, foreign servers. Files of the same origin are subject to the
/// mode like any other request, so what is inlined is safest.
///
/// # Security
///
/// Values are escaped for text and for quoted attributes, so put placeholders only there. Inside of `<style>`,
/// `<script>` and the like no escaping can help, and a placeholder there is an error.
///
/// # Examples
///
/// ```
/// use intermission_core::reply::{PageTemplate, ReplyPolicy};
///
/// let page = PageTemplate::parse(
///     "<!doctype html><title>{{site}}</title><style>p { color: teal }</style><p>{{ message }}</p>",
/// )?;
/// let policy = ReplyPolicy::default().with_page(page);
///
/// let error = PageTemplate::parse("<p>{{mesage}}</p>").unwrap_err();
/// assert_eq!((error.line(), error.column()), (1, 4));
/// # Ok::<(), intermission_core::reply::BadTemplate>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageTemplate(Option<Arc<str>>);

impl PageTemplate {
    /// The names that may stand between the braces.
    const NAMES: [&str; 4] = ["message", "site", "until", "retry_after"];

    /// Reads a page.
    ///
    /// # Errors
    ///
    /// [`BadTemplate`] with the first fault: an unknown placeholder, one that is never closed, one where values
    /// cannot be escaped, or no content at all.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let html = markup::normalized(text);
        if html.trim().is_empty() {
            return Err(BadTemplate::new(BadTemplateKind::Empty, &html, 0, ""));
        }
        let raw_elements = markup::raw_elements(&html);
        for piece in Pieces::new(&html) {
            match piece {
                Piece::Text(_) => {}
                Piece::Placeholder { name, at } => {
                    if !Self::NAMES.contains(&name) {
                        return Err(BadTemplate::new(BadTemplateKind::Unknown, &html, at, name));
                    }
                    let raw = raw_elements
                        .iter()
                        .find(|raw| raw.content.contains(&at) && !raw.takes_entities());
                    if let Some(raw) = raw {
                        let kind = BadTemplateKind::NotEscapable;
                        return Err(BadTemplate::new(kind, &html, at, raw.name));
                    }
                }
                Piece::Unclosed { at, .. } => {
                    return Err(BadTemplate::new(BadTemplateKind::Unclosed, &html, at, ""));
                }
            }
        }
        Ok(Self(Some(html.into())))
    }

    /// The source of a page of one's own; `None` for the built-in page.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// Renders a source: `value` appends what belongs in the place of a name, and says whether it knows the name.
/// What is no placeholder stays as it is, and values are not looked at again.
pub(super) fn expand(source: &str, mut value: impl FnMut(&str, &mut String) -> bool) -> String {
    let mut html = String::with_capacity(source.len());
    for piece in Pieces::new(source) {
        match piece {
            Piece::Text(text) | Piece::Unclosed { text, .. } => html.push_str(text),
            Piece::Placeholder { name, .. } => {
                if !value(name, &mut html) {
                    html.push_str("{{");
                    html.push_str(name);
                    html.push_str("}}");
                }
            }
        }
    }
    html
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// A part of a source, with byte offsets from its start.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// The name without the white space around it.
    Placeholder {
        name: &'a str,
        at: usize,
    },
    /// Two braces that open and never close, and everything after them.
    Unclosed {
        text: &'a str,
        at: usize,
    },
}

#[derive(Debug)]
struct Pieces<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Pieces<'a> {
    const fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.source.get(at..).filter(|rest| !rest.is_empty())?;
        let Some(inside) = rest.strip_prefix(OPEN) else {
            let text = rest.split(OPEN).next()?;
            self.at += text.len();
            return Some(Piece::Text(text));
        };
        // A brace inside means that this placeholder was left open and the end found belongs to another one.
        let Some((name, _)) = inside
            .split_once(CLOSE)
            .filter(|(name, _)| !name.contains(['{', '}']))
        else {
            self.at = self.source.len();
            return Some(Piece::Unclosed { text: rest, at });
        };
        self.at += OPEN.len() + name.len() + CLOSE.len();
        Some(Piece::Placeholder {
            name: name.trim(),
            at,
        })
    }
}

/// A page that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTemplate {
    kind: BadTemplateKind,
    line: usize,
    column: usize,
    /// The unknown placeholder, or the element around it.
    name: String,
}

/// What is wrong with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadTemplateKind {
    /// There is nothing in it.
    Empty,
    /// A placeholder stands in a raw element, such as `<style>`.
    NotEscapable,
    /// A placeholder is never closed.
    Unclosed,
    /// There is no placeholder of that name.
    Unknown,
}

impl BadTemplate {
    fn new(kind: BadTemplateKind, html: &str, at: usize, name: &str) -> Self {
        /// Longer names are mostly not names but the page itself.
        const SHOWN: usize = 40;
        let before = html.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        Self {
            kind,
            line: before.matches('\n').count() + 1,
            column: in_line.chars().count() + 1,
            name: name.escape_debug().take(SHOWN).collect(),
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> BadTemplateKind {
        self.kind
    }

    /// The line of the fault, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column of the fault in characters, from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            line,
            column,
            name,
        } = self;
        match kind {
            BadTemplateKind::Empty => {
                f.write_str("the page is empty: write an HTML document with `{{message}}` in it")
            }
            BadTemplateKind::NotEscapable => write!(
                f,
                "the placeholder at line {line}, column {column} stands inside of `<{name}>`, where values cannot be \
                 escaped: move it into the text or into a quoted attribute"
            ),
            BadTemplateKind::Unclosed => write!(
                f,
                "the placeholder at line {line}, column {column} is never closed: write `}}}}` after its name, or \
                 `&#123;&#123;` for two braces as text"
            ),
            BadTemplateKind::Unknown => write!(
                f,
                "unknown placeholder `{{{{{name}}}}}` at line {line}, column {column}: write `{{{{message}}}}`, \
                 `{{{{site}}}}`, `{{{{until}}}}` or `{{{{retry_after}}}}`"
            ),
        }
    }
}

impl std::error::Error for BadTemplate {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn table_of_faults() {
        for (html, message) in [
            (
                "",
                "the page is empty: write an HTML document with `{{message}}` in it",
            ),
            (
                "\u{feff} \r\n",
                "the page is empty: write an HTML document with `{{message}}` in it",
            ),
            (
                "<p>\r\n\u{e9} {{titel}}",
                "unknown placeholder `{{titel}}` at line 2, column 3: write `{{message}}`, `{{site}}`, `{{until}}` \
                 or `{{retry_after}}`",
            ),
            (
                "{{Message}}",
                "unknown placeholder `{{Message}}` at line 1, column 1: write `{{message}}`, `{{site}}`, \
                 `{{until}}` or `{{retry_after}}`",
            ),
            (
                "{{}}",
                "unknown placeholder `{{}}` at line 1, column 1: write `{{message}}`, `{{site}}`, `{{until}}` or \
                 `{{retry_after}}`",
            ),
            (
                "{{a\n\u{1b}b}}",
                "unknown placeholder `{{a\\n\\u{1b}b}}` at line 1, column 1: write `{{message}}`, `{{site}}`, \
                 `{{until}}` or `{{retry_after}}`",
            ),
            (
                "<p>{{message}}\n  {{site</p>",
                "the placeholder at line 2, column 3 is never closed: write `}}` after its name, or `&#123;&#123;` \
                 for two braces as text",
            ),
            (
                "{{message} and {{site}}",
                "the placeholder at line 1, column 1 is never closed: write `}}` after its name, or `&#123;&#123;` \
                 for two braces as text",
            ),
            (
                "{{{message}}}",
                "the placeholder at line 1, column 1 is never closed: write `}}` after its name, or `&#123;&#123;` \
                 for two braces as text",
            ),
            (
                "<Style>p::after{content:'{{message}}'}</Style>",
                "the placeholder at line 1, column 26 stands inside of `<style>`, where values cannot be escaped: \
                 move it into the text or into a quoted attribute",
            ),
            (
                "<script>let m = '{{message}}'</script>",
                "the placeholder at line 1, column 18 stands inside of `<script>`, where values cannot be escaped: \
                 move it into the text or into a quoted attribute",
            ),
        ] {
            let error = PageTemplate::parse(html).unwrap_err();
            assert_eq!(error.to_string(), message, "{html}");
        }
    }

    #[test]
    fn a_long_name_is_not_repeated_whole() {
        let error = PageTemplate::parse(&format!("{{{{{}}}}}", "x".repeat(10_000))).unwrap_err();
        assert_eq!(error.kind(), BadTemplateKind::Unknown);
        assert!(error.to_string().len() < 200, "{error}");
    }

    #[test]
    fn sound_pages_are_kept_as_they_are() {
        for html in [
            "no placeholder",
            "{{message}}",
            "{{ message }}{{\n\tsite\n}}{{until}}{{retry_after}}",
            "<title>{{site}}</title><textarea>{{message}}</textarea>",
            "<style>@media print{p{color:red}}</style>}} { {",
        ] {
            let page = PageTemplate::parse(html).unwrap();
            assert_eq!(page.source(), Some(html));
        }
        assert_eq!(PageTemplate::default().source(), None);
    }

    #[test]
    fn values_are_not_expanded_again() {
        let html = expand("{{ a }}-{{b}}-{{c}}-{{d", |name, html| match name {
            "a" => {
                html.push_str("{{b}}");
                true
            }
            "b" => true,
            _ => false,
        });
        assert_eq!(html, "{{b}}--{{c}}-{{d");
    }

    proptest! {
        #[test]
        fn a_page_is_either_rendered_whole_or_refused(html in "[a-z<>{}\n ]{0,20}(\\{\\{ ?(message|site|x) ?\\}\\}){0,2}[a-z<>{}\n ]{0,20}") {
            match PageTemplate::parse(&html) {
                Ok(_) => {
                    let rendered = expand(&html, |name, _| PageTemplate::NAMES.contains(&name));
                    prop_assert!(!rendered.contains(OPEN), "{}", rendered);
                }
                Err(error) => prop_assert!(!error.to_string().contains('\n')),
            }
        }
    }
}
