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
//! 6. A `StartsExecution` row also matches a path that a framework may tidy into one that it matches: with escapes
//!    decoded, and without empty, `.` and `..` segments. So what opens is matched narrowly and what closes is matched
//!    widely: `/jobs/`, `//jobs` and `/%6aobs` begin the work of `/jobs` in some frameworks, and a drain that took them
//!    for ordinary pages would not count it. A literal row for the path as it was sent goes before this rule.
//!
//! # Deployment caveat
//!
//! A framework that takes even more for the same path, such as one that folds letters, may reach a `StartsExecution`
//! route by a spelling that no row matches. Without a row it is `Ordinary`: closed when the mode is activated, but open in
//! a drain, and the work that it begins is not counted. Set `StartsExecution` beside the route where the framework lets
//! you.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::UnknownWord;
use crate::client_address::is_token;
use tidied::tidied;

mod tidied;

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
/// Rows are compiled when they are added, and a lookup allocates nothing unless the path is untidy: it compares the literal patterns of the
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
    /// Whether any row says so, since only then a path is to be tidied.
    starts_executions: bool,
}

impl RouteTable {
    /// A table without rows.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            literals: Vec::new(),
            templates: Vec::new(),
            starts_executions: false,
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
        if literal.is_some() {
            return literal;
        }
        if self.starts_executions && self.starts_execution_when_tidied(method, path) {
            return Some(RouteAccess::StartsExecution);
        }
        self.template_access(method, path)
    }

    /// Whether the path begins an execution if the framework tidies it.
    fn starts_execution_when_tidied(&self, method: &str, path: &str) -> bool {
        tidied(path).is_some_and(|path| {
            let literal = self.literal_access(method, &path);
            let access = literal.or_else(|| self.template_access(method, &path));
            access == Some(RouteAccess::StartsExecution)
        })
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
        self.starts_executions |= access == RouteAccess::StartsExecution;
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
mod tests;
