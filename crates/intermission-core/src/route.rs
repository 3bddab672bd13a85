//! What a route asks of maintenance mode, and the table that says so by path.
//!
//! Drupal keeps the flag on the route itself (`_maintenance_access: TRUE`); Cloudify keeps a list of endpoints beside
//! its routes. A flag beside the route is better, because it cannot name the wrong path. The table is for what an
//! adapter cannot reach: health paths, frameworks without a place for the flag, routes of other crates.
//!
//! 1. Patterns are written as in axum 0.8. A segment is literal text, `{name}` (one segment that is not empty), or, at
//!    the end, `{*rest}` (the whole tail, with at least one segment that is not empty). `{{` and `}}` stand for
//!    braces. The names mean nothing here: `/a/{x}` and `/a/{y}` are the same pattern.
//! 2. The path is matched as the client sent it, byte by byte and segment by segment. Nothing is decoded, folded or
//!    tidied: `/health` opens neither `/healthz-admin` nor `/health/`, `//health`, `/HEALTH` or `/%68ealth`.
//! 3. The most specific row decides: segment by segment from the left, literal text goes before `{name}` and
//!    `{name}` before `{*rest}`.
//! 4. A row without a method serves all methods. For the same pattern a row with the request's method goes before it.
//!    A `GET` row serves `HEAD` too unless `HEAD` has its own, as in axum. A row for another method is no row: a less
//!    specific pattern may then decide.
//! 5. A pattern with `{…}` and the access `Always` does not match an *ambiguous* path; the next row decides, or none.
//!    A path is ambiguous if it has an empty, `.` or `..` segment, or can be spelled otherwise: it holds a character
//!    that belongs escaped (RFC 3986, `pchar`), such as `\`, or an escape in small letters, of a character that needs
//!    none, or of `/`, `\` or `%`. `/public/{*rest}` must not open `/public/../admin`, `/public/%2e%2e/admin` or
//!    `/public/..%5cadmin`, which a framework that tidies paths takes to another handler; nor `/public/%73ecret` where
//!    a row keeps `/public/secret` closed, since actix-web decodes before it routes. Literal patterns need no such
//!    care: they match what the operator wrote and nothing else.
//!
//! # Deployment caveat
//!
//! A framework that tidies paths may reach a `StartsExecution` route by a spelling that no row matches. Without a row
//! it is `Ordinary`: closed when the mode is activated, but open in a drain, and the work that it begins is not
//! counted. Set `StartsExecution` beside the route where the framework lets you.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::UnknownWord;
use crate::client_address::is_token;

/// What a route asks of maintenance mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a fourth access must not compile until every match has an answer for it"
)]
pub enum RouteAccess {
    /// Closed during maintenance, open to those who may pass. What every route is unless somebody says otherwise.
    #[default]
    Ordinary,
    /// Open to everybody at all times: health checks, login. Drupal's `_maintenance_access`.
    Always,
    /// Begins work that a drain waits for, and so closes as soon as the drain begins.
    StartsExecution,
}

impl RouteAccess {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ordinary, Self::Always, Self::StartsExecution];

    /// The word that every interface uses: `ordinary`, `always` or `starts-execution`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Always => "always",
            Self::StartsExecution => "starts-execution",
        }
    }
}

impl FromStr for RouteAccess {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|access| access.as_str() == word)
            .ok_or_else(|| {
                UnknownWord::new("route access", word, "ordinary, always, starts-execution")
            })
    }
}

impl fmt::Display for RouteAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Route patterns and the access of each. The module's documentation has the rules.
///
/// Rows are compiled when they are added, and a lookup allocates nothing: it compares the literal patterns of the
/// path's length, which a binary search finds, and then the others one by one, most specific first.
///
/// # Security
///
/// The path must be the one that the client sent, without query and without a prefix that a nested router took off
/// (axum: `OriginalUri`).
///
/// # Examples
///
/// ```
/// use intermission_core::{RouteAccess, RouteTable};
///
/// let table = RouteTable::new()
///     .with("/health", RouteAccess::Always)?
///     .with("/assets/{*file}", RouteAccess::Always)?
///     .with_method("POST", "/jobs/{kind}", RouteAccess::StartsExecution)?;
///
/// assert_eq!(table.access("GET", "/health"), Some(RouteAccess::Always));
/// assert_eq!(table.access("GET", "/healthz-admin"), None);
/// assert_eq!(table.access("GET", "/assets/a/b.css"), Some(RouteAccess::Always));
/// assert_eq!(table.access("GET", "/assets/../admin"), None);
/// assert_eq!(table.access("POST", "/jobs/import"), Some(RouteAccess::StartsExecution));
/// # Ok::<(), intermission_core::BadPattern>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// Patterns without `{…}`, in the order of [`by_length`].
    literals: Vec<Row<Box<str>>>,
    /// Patterns with `{…}`, most specific first. Of two that match one path the first decides.
    templates: Vec<Row<Template>>,
}

impl RouteTable {
    /// A table without rows.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            literals: Vec::new(),
            templates: Vec::new(),
        }
    }

    /// Adds a row for all methods.
    ///
    /// # Errors
    ///
    /// The pattern is malformed, or another row gives it another access.
    pub fn with(self, pattern: &str, access: RouteAccess) -> Result<Self, BadPattern> {
        self.with_row(None, pattern, access)
            .map_err(|reason| BadPattern {
                route: pattern.to_owned(),
                reason,
            })
    }

    /// Adds a row for one method, written in capitals as in HTTP.
    ///
    /// # Errors
    ///
    /// The method or the pattern is malformed, or another row gives both another access.
    pub fn with_method(
        self,
        method: &str,
        pattern: &str,
        access: RouteAccess,
    ) -> Result<Self, BadPattern> {
        self.with_row(Some(method), pattern, access)
            .map_err(|reason| BadPattern {
                route: format!("{method} {pattern}"),
                reason,
            })
    }

    /// The access of a request, or `None` if no row matches it. `path` is as the client sent it, without the query.
    #[must_use]
    pub fn access(&self, method: &str, path: &str) -> Option<RouteAccess> {
        let literal = self.literal_access(method, path);
        if literal.is_some() || self.templates.is_empty() {
            literal
        } else {
            self.template_access(method, path)
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.templates.is_empty()
    }

    /// Whether any row gives this access. A gate that nobody could ever pass has no `Always` row.
    #[must_use]
    pub fn has(&self, access: RouteAccess) -> bool {
        let literals = self.literals.iter().map(|row| &row.accesses);
        let templates = self.templates.iter().map(|row| &row.accesses);
        literals
            .chain(templates)
            .any(|accesses| accesses.have(access))
    }

    fn with_row(
        mut self,
        method: Option<&str>,
        pattern: &str,
        access: RouteAccess,
    ) -> Result<Self, Reason> {
        if let Some(method) = method {
            check_method(method)?;
        }
        match Pattern::compile(pattern)? {
            Pattern::Literal(text) => add(&mut self.literals, text, method, access, |a, b| {
                by_length(a, b)
            }),
            Pattern::Template(template) => {
                add(&mut self.templates, template, method, access, Ord::cmp)
            }
        }?;
        Ok(self)
    }

    fn literal_access(&self, method: &str, path: &str) -> Option<RouteAccess> {
        let begin = self
            .literals
            .partition_point(|row| row.pattern.len() < path.len());
        self.literals
            .get(begin..)?
            .iter()
            .take_while(|row| row.pattern.len() == path.len())
            .find(|row| *row.pattern == *path)?
            .accesses
            .of(method)
    }

    fn template_access(&self, method: &str, path: &str) -> Option<RouteAccess> {
        let mut ambiguous = None;
        self.templates
            .iter()
            .filter(|row| row.pattern.matches(path))
            .filter_map(|row| row.accesses.of(method))
            .find(|access| {
                *access != RouteAccess::Always
                    || !*ambiguous.get_or_insert_with(|| is_ambiguous(path))
            })
    }
}

/// A row that cannot be added to a [`RouteTable`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad route `{}`: {reason}", .route.escape_debug())]
pub struct BadPattern {
    route: String,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error(
        "a brace stands alone: write `{{name}}` or `{{*rest}}` as a whole segment, or double it"
    )]
    Brace,
    #[error(
        "`{{name}}` and `{{*rest}}` need a plain name: no brace, no `*`, no `:` with a regular expression"
    )]
    CaptureName,
    #[error(
        "a path holds no `?`, `#`, white space or letters beyond ASCII: write it as it is sent, with `%20`"
    )]
    ForeignCharacter,
    #[error("segments with `:` or `*` in front are of axum 0.7: write `{{name}}` or `{{*rest}}`")]
    OldCapture,
    #[error("the method is no token in capitals: write it as in HTTP, `GET` or `POST`")]
    Method,
    #[error("it must begin with `/`")]
    NoSlash,
    #[error("`{{*rest}}` must be the last segment")]
    RestNotLast,
    #[error("another row already gives it `{0}`: keep one of them")]
    Taken(RouteAccess),
}

const STANDARD_METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// Methods are compared byte by byte, so `get` would be a row that no request ever matches.
fn check_method(method: &str) -> Result<(), Reason> {
    let is_misspelt = STANDARD_METHODS
        .iter()
        .any(|standard| method.eq_ignore_ascii_case(standard) && method != *standard);
    if is_token(method) && !is_misspelt {
        Ok(())
    } else {
        Err(Reason::Method)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row<P> {
    pattern: P,
    accesses: Accesses,
}

/// Adds to the row with this pattern, or puts a new row in its place.
fn add<P: PartialEq>(
    rows: &mut Vec<Row<P>>,
    pattern: P,
    method: Option<&str>,
    access: RouteAccess,
    order: fn(&P, &P) -> Ordering,
) -> Result<(), Reason> {
    if let Some(row) = rows.iter_mut().find(|row| row.pattern == pattern) {
        return row.accesses.set(method, access);
    }
    let mut accesses = Accesses::default();
    accesses.set(method, access)?;
    let place = rows.partition_point(|row| order(&row.pattern, &pattern).is_lt());
    rows.insert(place, Row { pattern, accesses });
    Ok(())
}

/// Short before long, because a lookup compares text only where the lengths agree; then by text, so that equal tables
/// have their rows in one order.
fn by_length(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// What the rows of one pattern say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Accesses {
    every_method: Option<RouteAccess>,
    by_method: Vec<(Box<str>, RouteAccess)>,
}

impl Accesses {
    fn set(&mut self, method: Option<&str>, access: RouteAccess) -> Result<(), Reason> {
        let taken = match method {
            Some(method) => self.exactly(method),
            None => self.every_method,
        };
        match (taken, method) {
            (Some(taken), _) if taken != access => return Err(Reason::Taken(taken)),
            (Some(_), _) => {}
            (None, Some(method)) => {
                let place = self
                    .by_method
                    .partition_point(|(known, _)| **known < *method);
                self.by_method.insert(place, (method.into(), access));
            }
            (None, None) => self.every_method = Some(access),
        }
        Ok(())
    }

    fn of(&self, method: &str) -> Option<RouteAccess> {
        self.exactly(method)
            .or_else(|| (method == "HEAD").then(|| self.exactly("GET")).flatten())
            .or(self.every_method)
    }

    fn exactly(&self, method: &str) -> Option<RouteAccess> {
        self.by_method
            .iter()
            .find(|(known, _)| **known == *method)
            .map(|(_, access)| *access)
    }

    fn have(&self, wanted: RouteAccess) -> bool {
        self.every_method == Some(wanted)
            || self.by_method.iter().any(|(_, access)| *access == wanted)
    }
}

enum Pattern {
    Literal(Box<str>),
    Template(Template),
}

impl Pattern {
    fn compile(pattern: &str) -> Result<Self, Reason> {
        let segments = pattern.strip_prefix('/').ok_or(Reason::NoSlash)?;
        // A row with one of these would never match, and nobody would learn why.
        if pattern.contains(|letter| !matches!(letter, '!'..='~') || matches!(letter, '?' | '#')) {
            return Err(Reason::ForeignCharacter);
        }
        let segments = segments
            .split('/')
            .map(Segment::compile)
            .collect::<Result<Box<[Segment]>, Reason>>()?;
        let begun = segments.split_last().map_or(&[][..], |(_, begun)| begun);
        if begun.contains(&Segment::Rest) {
            return Err(Reason::RestNotLast);
        }
        let mut literal = String::with_capacity(pattern.len());
        for segment in &segments {
            match segment {
                Segment::Literal(text) => {
                    literal.push('/');
                    literal.push_str(text);
                }
                Segment::One | Segment::Rest => return Ok(Self::Template(Template(segments))),
            }
        }
        Ok(Self::Literal(literal.into_boxed_str()))
    }
}

/// The segments of a pattern of which at least one is not literal. The order is that of specificity: rows that match
/// the same path differ first in the kind of a segment, and [`Segment`] orders the kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Template(Box<[Segment]>);

impl Template {
    fn matches(&self, path: &str) -> bool {
        let mut unmatched = path.strip_prefix('/');
        for segment in &self.0 {
            let Some(path) = unmatched else {
                return false;
            };
            let (head, tail) = match path.split_once('/') {
                Some((head, tail)) => (head, Some(tail)),
                None => (path, None),
            };
            let fits = match segment {
                Segment::Literal(text) => **text == *head,
                Segment::One => !head.is_empty(),
                Segment::Rest => return path.bytes().any(|byte| byte != b'/'),
            };
            if !fits {
                return false;
            }
            unmatched = tail;
        }
        unmatched.is_none()
    }
}

// INVARIANT: from the most specific to the least, for the derived order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(Box<str>),
    One,
    Rest,
}

impl Segment {
    fn compile(segment: &str) -> Result<Self, Reason> {
        if segment.starts_with([':', '*']) {
            return Err(Reason::OldCapture);
        }
        let opened = segment.strip_prefix('{');
        match opened.filter(|capture| !capture.starts_with('{')) {
            None => unescape_braces(segment).map(Self::Literal),
            Some(capture) => {
                let capture = capture.strip_suffix('}').ok_or(Reason::Brace)?;
                let (kind, name) = match capture.strip_prefix('*') {
                    Some(name) => (Self::Rest, name),
                    None => (Self::One, capture),
                };
                // In actix-web `{tail:.*}` is a tail. Taken for a name here, it would be one segment.
                if name.is_empty() || name.contains(['{', '}', '*', ':']) {
                    return Err(Reason::CaptureName);
                }
                Ok(kind)
            }
        }
    }
}

fn unescape_braces(segment: &str) -> Result<Box<str>, Reason> {
    let mut text = String::with_capacity(segment.len());
    let mut letters = segment.chars();
    while let Some(letter) = letters.next() {
        if matches!(letter, '{' | '}') && letters.next() != Some(letter) {
            return Err(Reason::Brace);
        }
        text.push(letter);
    }
    Ok(text.into_boxed_str())
}

/// Whether a framework that tidies paths may take this one to another route than its bytes say (rule 5).
fn is_ambiguous(path: &str) -> bool {
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
    segments.any(|segment| matches!(segment, "" | "." | "..")) || !has_one_spelling(path)
}

/// Whether no other path without ambiguity decodes to the same text.
fn has_one_spelling(path: &str) -> bool {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let is_due = match byte {
            b'/' => true,
            b'%' => match (bytes.next().and_then(digit), bytes.next().and_then(digit)) {
                (Some(high), Some(low)) => is_due_escape(high << 4 | low),
                _ => false,
            },
            raw => is_path_character(raw),
        };
        if !is_due {
            return false;
        }
    }
    true
}

/// Whether a byte has to be escaped, and its escape cannot be taken for a part of the path's structure.
fn is_due_escape(byte: u8) -> bool {
    !is_path_character(byte) && !matches!(byte, b'/' | b'\\' | b'%')
}

/// The value of a hexadecimal digit in capitals.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Whether a segment may hold the byte unescaped: `pchar` of RFC 3986.
fn is_path_character(byte: u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'
            | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
    )
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use RouteAccess::{Always, Ordinary, StartsExecution};

    fn table(rows: &[(&str, RouteAccess)]) -> RouteTable {
        rows.iter()
            .fold(RouteTable::new(), |table, (route, access)| {
                match route.split_once(' ') {
                    Some((method, pattern)) => table.with_method(method, pattern, *access),
                    None => table.with(route, *access),
                }
                .unwrap()
            })
    }

    #[test]
    fn words_are_strict() {
        for word in ["", "Always", "starts_execution", "startsexecution", "true"] {
            assert!(word.parse::<RouteAccess>().is_err(), "{word}");
        }
        for access in RouteAccess::ALL {
            assert_eq!(access.to_string().parse(), Ok(access));
            let json = serde_json::to_string(&access).unwrap();
            assert_eq!(json, format!("\"{access}\""));
            assert_eq!(serde_json::from_str::<RouteAccess>(&json).unwrap(), access);
        }
    }

    #[test]
    fn a_literal_pattern_matches_itself_only() {
        let table = table(&[("/health", Always), ("/a/b/", Always), ("/", Ordinary)]);
        assert_eq!(table.access("GET", "/health"), Some(Always));
        assert_eq!(table.access("BREW", "/health"), Some(Always));
        assert_eq!(table.access("GET", "/a/b/"), Some(Always));
        assert_eq!(table.access("GET", "/"), Some(Ordinary));
        for path in [
            "",
            "*",
            "health",
            "/healthz",
            "/healthz-admin",
            "/health-",
            "/healt",
            "/health/",
            "/health/live",
            "//health",
            "/./health",
            "/x/../health",
            "/HEALTH",
            "/Health",
            "/%68ealth",
            "/health%00",
            "/health%20",
            "/health ",
            "/health?",
            "/health;x",
            "\\health",
            "/a/b",
            "/a//b/",
            "//",
            "http://host/health",
        ] {
            assert_eq!(table.access("GET", path), None, "{path}");
        }
    }

    #[test]
    fn captures_take_whole_segments() {
        let table = table(&[
            ("/users/{id}", Ordinary),
            ("/users/{id}/jobs/{job}/", StartsExecution),
            ("/files/{*path}", Ordinary),
            ("/{{raw}}/x{{y", Always),
            ("/dash/{user-id}", Ordinary),
        ]);
        for (path, expected) in [
            ("/users/7", Some(Ordinary)),
            ("/users/%2e", Some(Ordinary)),
            ("/users/", None),
            ("/users", None),
            ("/users/7/", None),
            ("/users//jobs/1/", None),
            ("/users/7/jobs/1/", Some(StartsExecution)),
            ("/users/7/jobs/1", None),
            ("/files/a", Some(Ordinary)),
            ("/files/a/b/", Some(Ordinary)),
            ("/files//a", Some(Ordinary)),
            ("/files", None),
            ("/files/", None),
            ("/files//", None),
            ("/filesystem/a", None),
            ("/FILES/a", None),
            ("/{raw}/x{y", Some(Always)),
            ("/dash/7", Some(Ordinary)),
            ("/{{raw}}/x{{y", None),
            ("users/7", None),
        ] {
            assert_eq!(table.access("GET", path), expected, "{path}");
        }
    }

    #[test]
    fn the_most_specific_row_decides_whatever_the_order() {
        let mut rows = [
            ("/{*rest}", Ordinary),
            ("/{a}/b/{c}", StartsExecution),
            ("/a/{b}/{c}", Always),
            ("/a/{*rest}", StartsExecution),
            ("/a/b/c", Ordinary),
            ("/a/{b}/x", StartsExecution),
            ("/{a}/{b}/x", Always),
        ];
        for _ in 0..rows.len() {
            rows.rotate_left(1);
            let table = table(&rows);
            for (path, expected) in [
                ("/a/b/c", Ordinary),
                ("/a/b/d", Always),
                ("/a/b/x", StartsExecution),
                ("/a/b", StartsExecution),
                ("/a/b/c/d", StartsExecution),
                ("/z/b/c", StartsExecution),
                ("/z/b/x", StartsExecution),
                ("/z/y/x", Always),
                ("/z", Ordinary),
                ("/z/y/z", Ordinary),
            ] {
                assert_eq!(table.access("GET", path), Some(expected), "{path}");
            }
            assert_eq!(table.access("GET", "/"), None);
        }
    }

    #[test]
    fn a_row_with_the_method_goes_first() {
        let table = table(&[
            ("/jobs", Ordinary),
            ("POST /jobs", StartsExecution),
            ("GET /probe", Always),
            ("GET /split", Always),
            ("HEAD /split", Ordinary),
            ("DELETE /jobs/{id}", StartsExecution),
            ("/{*rest}", Ordinary),
        ]);
        for (method, path, expected) in [
            ("POST", "/jobs", StartsExecution),
            ("GET", "/jobs", Ordinary),
            ("post", "/jobs", Ordinary),
            ("GET", "/probe", Always),
            ("HEAD", "/probe", Always),
            ("POST", "/probe", Ordinary),
            ("HEAD", "/split", Ordinary),
            ("GET", "/split", Always),
            ("DELETE", "/jobs/7", StartsExecution),
            ("GET", "/jobs/7", Ordinary),
        ] {
            assert_eq!(
                table.access(method, path),
                Some(expected),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn an_ambiguous_path_is_opened_by_no_template() {
        let rows = [
            ("/public/{*rest}", Always),
            ("/avatars/{name}", Always),
            ("/public/secret", Ordinary),
        ];
        let open = table(&rows);
        for path in [
            "/public/a",
            "/public/a/b.css",
            "/public/.well-known/...",
            "/public/..a/a..",
            "/public/my%20file%C3%A9.css",
            "/public/a@2x,b;c=d:e!$&'()*+~.png",
            "/public/%00",
            "/avatars/j%C3%BCrgen",
        ] {
            assert_eq!(open.access("GET", path), Some(Always), "{path}");
        }
        let ambiguous = [
            "/public/../admin",
            "/public/..",
            "/public/.",
            "/public/./a",
            "/public//a",
            "/public/a/",
            "/public/a//b",
            "/public/%2e%2e/admin",
            "/public/%2E%2E/admin",
            "/public/.%2e/admin",
            "/public/..%2fadmin",
            "/public/..%2Fadmin",
            "/public/..%5cadmin",
            "/public/..%5Cadmin",
            "/public/..\\admin",
            "/public/%252e%252e/admin",
            "/public/%%32e",
            "/public/%73ecret",
            "/public/s%65cret",
            "/public/a%40b",
            "/public/a%2Fb",
            "/public/a%5Cb",
            "/public/a%25b",
            "/public/%c3%a9",
            "/public/é",
            "/public/100%",
            "/public/%2",
            "/public/%zz",
            "/public/a b",
            "/public/a?b",
            "/public/a\"b",
            "/avatars/%2e%2e",
            "/avatars/..",
        ];
        let fallen_back = open.clone().with("/{*rest}", StartsExecution).unwrap();
        for path in ambiguous {
            assert_eq!(open.access("GET", path), None, "{path}");
            assert_eq!(
                fallen_back.access("GET", path),
                Some(StartsExecution),
                "{path}"
            );
        }
        // Rows that open nothing, and literal ones, stay as they are.
        let closed = table(&[("/public/{*rest}", Ordinary), ("/x/%2e/", Always)]);
        for path in ambiguous.iter().filter(|path| path.starts_with("/public")) {
            assert_eq!(closed.access("GET", path), Some(Ordinary), "{path}");
        }
        assert_eq!(closed.access("GET", "/x/%2e/"), Some(Always));
    }

    #[test]
    fn a_bad_row_is_an_error_that_says_why() {
        for (method, pattern, why) in [
            (None, "", "begin with `/`"),
            (None, "health", "begin with `/`"),
            (None, "*", "begin with `/`"),
            (None, "/a b", "holds no `?`"),
            (None, "/a?b=c", "holds no `?`"),
            (None, "/a#b", "holds no `?`"),
            (None, "/a\n", "holds no `?`"),
            (None, "/é", "holds no `?`"),
            (None, "/{", "a brace stands alone: write `{name}`"),
            (None, "/}", "a brace stands alone"),
            (None, "/{a", "a brace stands alone"),
            (None, "/a}", "a brace stands alone"),
            (None, "/x{a}", "a brace stands alone"),
            (None, "/{a}x", "a brace stands alone"),
            (None, "/{{{a}}}", "a brace stands alone"),
            (None, "/{}", "need a plain name"),
            (None, "/{*}", "need a plain name"),
            (None, "/{a}{b}", "need a plain name"),
            (None, "/{a}}", "need a plain name"),
            (None, "/{a*}", "need a plain name"),
            (None, "/{**a}", "need a plain name"),
            (None, "/{id:[0-9]+}", "need a plain name"),
            (None, "/:id", "axum 0.7: write `{name}`"),
            (None, "/a/*rest", "axum 0.7"),
            (None, "/{*a}/b", "must be the last segment"),
            (None, "/{*a}/{*b}", "must be the last segment"),
            (None, "/{*a}/", "must be the last segment"),
            (Some(""), "/a", "the method is no token"),
            (Some("get"), "/a", "the method is no token in capitals"),
            (Some("Post"), "/a", "the method is no token in capitals"),
            (Some("GET "), "/a", "the method is no token"),
        ] {
            let table = RouteTable::new();
            let error = match method {
                Some(method) => table.with_method(method, pattern, Always),
                None => table.with(pattern, Always),
            }
            .unwrap_err()
            .to_string();
            assert!(error.contains(why), "{pattern:?}: {error}");
            assert!(error.contains(&pattern.escape_debug().to_string()) && !error.contains('\n'));
        }
    }

    #[test]
    fn one_pattern_has_one_access() {
        let once = table(&[("/a/{x}", Always), ("GET /b", Ordinary)]);
        let twice = once.clone().with("/a/{y}", Always).unwrap();
        assert_eq!(twice.with_method("GET", "/b", Ordinary).unwrap(), once);

        let error = once.clone().with("/a/{y}", Ordinary).unwrap_err();
        assert_eq!(
            error.to_string(),
            "bad route `/a/{y}`: another row already gives it `always`: keep one of them"
        );
        let error = once.with_method("GET", "/b", Always).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("bad route `GET /b`: another row"),
            "{error}"
        );
    }

    #[test]
    fn an_empty_table_matches_nothing() {
        let empty = RouteTable::new();
        assert!(empty.is_empty() && !empty.has(Always));
        assert_eq!(empty.access("GET", "/"), None);
        let one = table(&[("GET /{a}", Always)]);
        assert!(!one.is_empty() && one.has(Always) && !one.has(Ordinary));
        assert!(table(&[("/a", StartsExecution)]).has(StartsExecution));
    }

    fn segment() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec!["a", "b", "", ".", "..", "%2e", "%61", "a%20"])
                .prop_map(str::to_owned),
            "[a-z%.]{0,4}",
        ]
    }

    fn letter() -> impl Strategy<Value = u8> {
        prop_oneof![3 => prop::sample::select(b"ab/.%\\@;+ \xe9".to_vec()), 1 => any::<u8>()]
    }

    fn path() -> impl Strategy<Value = String> {
        vec(segment(), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
    }

    fn pattern() -> impl Strategy<Value = String> {
        let segment = prop_oneof![3 => segment(), 2 => Just("{x}".to_owned())];
        (
            vec(segment, 0..4),
            prop_oneof![Just(""), Just("/{*x}"), Just("/a")],
        )
            .prop_map(|(segments, end)| match (segments.join("/"), end) {
                (begun, "") => format!("/{begun}"),
                (begun, end) if begun.is_empty() => end.to_owned(),
                (begun, end) => format!("/{begun}{end}"),
            })
    }

    fn access() -> impl Strategy<Value = RouteAccess> {
        prop::sample::select(RouteAccess::ALL.to_vec())
    }

    /// Rules 1, 3 and 5 once more, told by recursion over both sequences and without any order of rows: the rank of
    /// a match lists the kinds of its segments.
    fn rank(pattern: &[&str], path: &[&str]) -> Option<Vec<u8>> {
        match (pattern, path) {
            ([], []) => Some(Vec::new()),
            (["{*x}"], path) if path.iter().any(|segment| !segment.is_empty()) => Some(vec![2]),
            ([wanted, pattern @ ..], [given, path @ ..]) => {
                let kind = match *wanted {
                    "{x}" if !given.is_empty() => 1,
                    literal if literal == *given => 0,
                    _ => return None,
                };
                let mut rank = rank(pattern, path)?;
                rank.insert(0, kind);
                Some(rank)
            }
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn the_table_is_the_rule(
            rows in vec((pattern(), access()), 0..8),
            path in path(),
        ) {
            let mut table = RouteTable::new();
            let mut kept: Vec<(String, RouteAccess)> = Vec::new();
            for (pattern, access) in rows {
                if let Ok(more) = table.clone().with(&pattern, access) {
                    table = more;
                    kept.push((pattern, access));
                } else {
                    prop_assert!(kept.iter().any(|(known, _)| *known == pattern), "{}", pattern);
                }
            }
            let split = |text: &str| text.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
            let given = split(&path);
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            let expected = kept
                .iter()
                .filter_map(|(pattern, access)| {
                    let wanted = split(pattern);
                    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
                    let opens = *access == Always && pattern.contains('{');
                    (!opens || !is_ambiguous(&path))
                        .then(|| rank(&wanted, &given))
                        .flatten()
                        .map(|rank| (rank, *access))
                })
                .min_by(|(left, _), (right, _)| left.cmp(right))
                .map(|(_, access)| access);
            prop_assert_eq!(table.access("GET", &path), expected, "{} in {:?}", path, kept);
        }

        /// So no second spelling of a path that a row keeps closed gets past that row.
        #[test]
        fn what_is_not_ambiguous_has_one_spelling(
            letters in vec((letter(), 0_u8..3, 0_u8..3), 0..6),
        ) {
            let spell = |how: fn(&(u8, u8, u8)) -> u8| {
                let letters = letters.iter().map(|letter| match (how(letter), letter.0) {
                    (0, raw) if raw.is_ascii() => char::from(raw).to_string(),
                    (1, byte) => format!("%{byte:02x}"),
                    (_, byte) => format!("%{byte:02X}"),
                });
                format!("/{}", letters.collect::<String>())
            };
            let (one, other) = (spell(|letter| letter.1), spell(|letter| letter.2));
            prop_assert!(
                one == other || is_ambiguous(&one) || is_ambiguous(&other),
                "{} and {}", one, other
            );
        }

        #[test]
        fn a_literal_matches_exactly_itself(literal in path(), other in path()) {
            let table = RouteTable::new().with(&literal, Always).unwrap();
            prop_assert_eq!(table.access("GET", &literal), Some(Always));
            prop_assert_eq!(table.access("GET", &other).is_some(), other == literal);
        }

        #[test]
        fn nothing_panics(
            patterns in vec(any::<String>().prop_map(|text| format!("/{text}")), 0..4),
            method in any::<String>(),
            path in any::<String>(),
        ) {
            let mut table = RouteTable::new();
            for pattern in &patterns {
                table = table.clone().with(pattern, Always).unwrap_or(table);
                table = table
                    .clone()
                    .with_method(&method, pattern, Ordinary)
                    .unwrap_or(table);
            }
            for path in patterns.iter().chain([&path]) {
                if let Some(access) = table.access(&method, path) {
                    prop_assert!(table.has(access));
                }
            }
        }
    }
}
