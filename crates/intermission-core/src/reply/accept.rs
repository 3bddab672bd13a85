//! Which form of the reply a request wants (RFC 9110, section 12.5.1).

/// The forms that a body comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    Problem,
    Text,
}

/// Chooses the form for a request with those lines of `Accept` and that content type.
///
/// A part that cannot be read is ignored as a whole, and no part decides by its place. Each part is looked at
/// once, nothing is kept but the best wish for each form.
pub(super) fn negotiate<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    content_type: Option<&[u8]>,
) -> Form {
    let sends_json = || content_type.is_some_and(is_json_content);
    let mut lines = lines.into_iter();
    let (first, second) = (lines.next(), lines.next());
    // What most programs send. All of what follows would come to the same.
    if second.is_none() && first.is_none_or(|line| line == b"*/*") {
        return if sends_json() {
            Form::Problem
        } else {
            Form::Text
        };
    }
    let lines = first.into_iter().chain(second).chain(lines);

    let mut wishes = [
        Wish::new(Form::Html),
        Wish::new(Form::Problem),
        Wish::new(Form::Text),
    ];
    let parts = lines.flat_map(|line| Separated::new(line, b','));
    for range in parts.filter_map(MediaRange::parse) {
        for wish in &mut wishes {
            wish.consider(&range);
        }
    }

    let sends_json = sends_json();
    if let Some(best) = wishes
        .iter()
        .filter(|wish| wish.quality > 0)
        .max_by_key(|wish| (wish.quality, wish.naming(), wish.preference(sends_json)))
    {
        return best.form;
    }
    let json_is_excluded = wishes
        .iter()
        .any(|wish| wish.form == Form::Problem && wish.precision.is_some());
    if sends_json && !json_is_excluded {
        Form::Problem
    } else {
        Form::Text
    }
}

/// Whether a `Content-Type` is one of the JSON types.
fn is_json_content(value: &[u8]) -> bool {
    Separated::new(value, b';')
        .next()
        .and_then(type_and_subtype)
        .is_some_and(|(kind, subtype)| is_json(kind, subtype))
}

/// How closely a range names a form; the closest one gives the weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    /// `*/*`
    Anything,
    /// `text/*`
    AnySubtype,
    /// The type with a parameter that ours has not, such as `text/html;level=1`: better than nothing, as long as
    /// no other range names the type itself.
    OtherVariant,
    /// Another JSON type than the one that is sent.
    Relative,
    /// `text/html`
    Named,
    /// `text/html;charset=utf-8`
    NamedWithCharset,
}

/// What the header says about one form.
#[derive(Debug)]
struct Wish {
    form: Form,
    precision: Option<Precision>,
    quality: u16,
}

impl Wish {
    const fn new(form: Form) -> Self {
        Self {
            form,
            precision: None,
            quality: 0,
        }
    }

    fn consider(&mut self, range: &MediaRange<'_>) {
        let Some(precision) = self.form.precision(range) else {
            return;
        };
        // `text/html;level=1;q=0` rules out that variant, which is not what is offered.
        if precision == Precision::OtherVariant && range.quality == 0 {
            return;
        }
        if self.precision < Some(precision) {
            self.precision = Some(precision);
            self.quality = range.quality;
        } else if self.precision == Some(precision) {
            self.quality = self.quality.max(range.quality);
        }
    }

    /// 2 if the form was asked for by name, 1 by the wildcard of its type, 0 by `*/*`: between equal weights the
    /// one that was thought of goes first.
    fn naming(&self) -> u8 {
        match self.precision {
            None | Some(Precision::Anything) => 0,
            Some(Precision::AnySubtype) => 1,
            Some(_) => 2,
        }
    }

    /// The order between forms that are wished for alike.
    fn preference(&self, sends_json: bool) -> u8 {
        let is_named = self.naming() == 2;
        match self.form {
            Form::Html if is_named => 2,
            Form::Html => 0,
            Form::Problem if !is_named && sends_json => 3,
            Form::Problem => 1,
            Form::Text if is_named => 0,
            Form::Text => 2,
        }
    }
}

impl Form {
    fn precision(self, range: &MediaRange<'_>) -> Option<Precision> {
        let own_type: &[u8] = match self {
            Self::Html | Self::Text => b"text",
            Self::Problem => b"application",
        };
        if range.kind == b"*" {
            return Some(Precision::Anything);
        }
        if range.subtype == b"*" {
            return range
                .kind
                .eq_ignore_ascii_case(own_type)
                .then_some(Precision::AnySubtype);
        }
        let named = match self {
            Self::Html => is(range.kind, b"text") && is(range.subtype, b"html"),
            Self::Text => is(range.kind, b"text") && is(range.subtype, b"plain"),
            Self::Problem => is_json(range.kind, range.subtype),
        };
        named.then(|| match range.parameters {
            Parameters::Other => Precision::OtherVariant,
            _ if self == Self::Problem && !is(range.subtype, b"problem+json") => {
                Precision::Relative
            }
            Parameters::OurCharset => Precision::NamedWithCharset,
            Parameters::None => Precision::Named,
        })
    }
}

fn is(word: &[u8], known: &[u8]) -> bool {
    word.eq_ignore_ascii_case(known)
}

/// `application/json`, `application/…+json` or `text/json`; not `application/jsonp` or `application/json-seq`.
fn is_json(kind: &[u8], subtype: &[u8]) -> bool {
    const SUFFIX: &[u8] = b"+json";
    let has_suffix = subtype
        .len()
        .checked_sub(SUFFIX.len())
        .filter(|&prefix| prefix > 0)
        .and_then(|prefix| subtype.get(prefix..))
        .is_some_and(|suffix| is(suffix, SUFFIX));
    (is(kind, b"application") && (is(subtype, b"json") || has_suffix))
        || (is(kind, b"text") && is(subtype, b"json"))
}

/// One part of an `Accept` header.
#[derive(Debug)]
struct MediaRange<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    parameters: Parameters,
    /// In thousandths.
    quality: u16,
}

#[derive(Debug)]
enum Parameters {
    None,
    /// `charset=utf-8` and nothing else.
    OurCharset,
    Other,
}

impl<'a> MediaRange<'a> {
    fn parse(part: &'a [u8]) -> Option<Self> {
        let mut pieces = Separated::new(part, b';');
        let (kind, subtype) = type_and_subtype(pieces.next()?)?;
        if kind == b"*" && subtype != b"*" {
            return None;
        }
        let mut range = Self {
            kind,
            subtype,
            parameters: Parameters::None,
            quality: 1_000,
        };
        for piece in pieces.map(<[u8]>::trim_ascii) {
            if piece.is_empty() {
                continue;
            }
            let (name, value) = split_once(piece, b'=')?;
            let (name, value) = (name.trim_ascii(), value.trim_ascii());
            if !is_token(name) {
                return None;
            }
            if is(name, b"q") {
                // What follows the weight are extensions of the header, not parameters of the type.
                range.quality = quality(value)?;
                return Some(range);
            }
            let value = unquoted(value)?;
            range.parameters = match range.parameters {
                Parameters::None if is(name, b"charset") && is(value, b"utf-8") => {
                    Parameters::OurCharset
                }
                _ => Parameters::Other,
            };
        }
        Some(range)
    }
}

fn type_and_subtype(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii();
    // Java's own HTTP client has always sent `*` for `*/*`.
    if text == b"*" {
        return Some((b"*", b"*"));
    }
    let (kind, subtype) = split_once(text, b'/')?;
    (is_token(kind) && is_token(subtype)).then_some((kind, subtype))
}

/// A weight in thousandths, from `0` to `1`. More digits than three and `.5` are understood.
fn quality(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = split_once(value, b'.').unwrap_or((value, b""));
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let is_above_whole = fraction.iter().any(|&digit| digit != b'0');
    match whole {
        b"1" if !is_above_whole => Some(1_000),
        b"" if fraction.is_empty() => None,
        b"" | b"0" => {
            let digits = fraction.iter().chain([b'0'; 3].iter()).take(3);
            let thousandths = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
            // Any weight above zero is acceptable, however small.
            Some(thousandths.max(u16::from(is_above_whole)))
        }
        _ => None,
    }
}

/// The value of a parameter: a token, or what a quoted string holds as long as nothing in it is escaped.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let Some(rest) = value.strip_prefix(b"\"") else {
        return is_token(value).then_some(value);
    };
    let inner = rest.strip_suffix(b"\"")?;
    let mut is_escaped = false;
    for &byte in inner {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return None,
            _ => {}
        }
    }
    (!is_escaped).then_some(inner)
}

/// Whether the text is a token (RFC 9110, section 5.6.2).
fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The pieces between separators that stand outside of quoted strings.
#[derive(Debug)]
struct Separated<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Separated<'a> {
    const fn new(text: &'a [u8], separator: u8) -> Self {
        Self {
            rest: Some(text),
            separator,
        }
    }
}

impl<'a> Iterator for Separated<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = text.iter().position(|&byte| {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_quoted => is_escaped = true,
                b'"' => is_quoted = !is_quoted,
                _ => return byte == self.separator && !is_quoted,
            }
            false
        });
        let Some(end) = end else {
            return Some(text);
        };
        self.rest = text.get(end + 1..);
        text.get(..end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Form::{Html, Problem, Text};
    use super::*;

    fn chosen(accept: &str) -> Form {
        negotiate([accept.as_bytes()], None)
    }

    #[test]
    fn table_of_headers() {
        for (accept, expected) in [
            // What is really sent.
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
                Html,
            ),
            ("*/*", Text),
            ("application/json, text/plain, */*", Problem),
            ("application/json, text/javascript, */*; q=0.01", Problem),
            (
                "image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.8",
                Text,
            ),
            ("text/css,*/*;q=0.1", Text),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Html),
            ("text/event-stream", Text),
            // Plain names, in any case and with white space.
            ("text/html", Html),
            ("text/plain", Text),
            ("application/json", Problem),
            ("application/problem+json", Problem),
            ("application/vnd.api+json", Problem),
            ("text/json", Problem),
            ("TEXT/HTML", Html),
            ("Application/Vnd.Api+JSON; Q=0.5", Problem),
            ("  text/html  ;  q=0.5  ,text/plain;q=0.4", Html),
            // Weights.
            ("text/html;q=0.5, application/json", Problem),
            (
                "text/html;q=0.5, application/json;q=0.4, text/plain;q=0.6",
                Text,
            ),
            ("text/html;q=0.001, text/plain;q=0.002", Text),
            ("text/html;q=0.3334, text/plain;q=0.333", Html),
            ("text/html;q=0.0001", Html),
            ("text/html;q=1.000, application/json;q=0.999", Html),
            ("text/html;q=0", Text),
            ("text/html;q=0.000, */*", Text),
            ("text/html;q=0, text/plain;q=0, */*;q=0.1", Problem),
            ("text/plain;q=0", Text),
            ("*/*;q=0", Text),
            ("application/json;q=0, */*", Text),
            // Equal weights: by name before by wildcard, then our order.
            ("text/plain, text/html", Html),
            ("text/plain, application/json", Problem),
            ("application/json, text/html", Html),
            ("application/json, */*", Problem),
            ("text/*, application/json", Problem),
            ("text/*", Text),
            ("application/*", Problem),
            ("application/*, */*", Problem),
            // The closest range gives the weight.
            (
                "text/*;q=0.9, text/html;q=0.1, application/json;q=0.5, text/plain;q=0",
                Problem,
            ),
            ("*/*, text/*;q=0.1", Problem),
            (
                "text/html;q=0.2, text/html;charset=utf-8;q=0.9, application/json;q=0.5",
                Html,
            ),
            ("text/html;charset=\"UTF-8\"", Html),
            ("application/problem+json;q=0, application/json", Text),
            ("application/json;q=0, application/problem+json", Problem),
            ("application/json;q=0, application/ld+json", Problem),
            (
                "text/html;charset=utf-8;q=0.2, text/html, application/json;q=0.5",
                Problem,
            ),
            ("text/html;level=1;q=0, text/*, text/plain;q=0.1", Html),
            // RFC 9110's own example.
            (
                "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5",
                Text,
            ),
            // A variant is wished for if nothing else is, and says nothing about the type itself.
            ("text/html;level=1", Html),
            ("application/json;odata=verbose", Problem),
            ("text/html;level=1, */*;q=0.1", Html),
            (
                "text/html;level=1;q=0, text/html;q=0.5, text/plain;q=0.4",
                Html,
            ),
            ("text/html;level=1, text/html;q=0.1, text/plain;q=0.5", Text),
            // Nothing of ours, and things that only look like ours.
            ("image/png", Text),
            ("application/xml", Text),
            ("application/jsonp", Text),
            ("application/json-seq", Text),
            ("application/xjson", Text),
            ("application/+json", Text),
            ("application/problem+jsonx", Text),
            ("audio/json", Text),
            ("text/htmlx", Text),
            ("xtext/html", Text),
            ("x/text/html", Text),
            ("text/html/x", Text),
            ("text/x-json;note=\"text/html\"", Text),
            ("image/png;note=\"a, text/html, b\"", Text),
            ("image/png;note=\"\\\", text/html\"", Text),
            ("image/png;note=\"\\\"\", text/html", Html),
            ("text/html;note=\"a, b;q=0\";q=0.5, text/plain;q=0.4", Html),
            // What cannot be read is ignored.
            ("", Text),
            (",,,", Text),
            (";", Text),
            ("html", Text),
            ("/", Text),
            ("text/", Text),
            ("/html", Text),
            ("*/html", Text),
            ("text/html;q=", Text),
            ("text/html;q=abc", Text),
            ("text/html;q=2", Text),
            ("text/html;q=1.1", Text),
            ("text/html;q=-1", Text),
            ("text/html;q=0.5x", Text),
            ("text/html;q=.", Text),
            ("text/html;q=\"0.5\"", Text),
            ("text/html;q", Text),
            ("text/html;level", Text),
            ("text/html;level=\"1", Text),
            ("text html", Text),
            ("text/html;q=garbage, application/json;q=0.1", Problem),
            ("text/html;;;", Html),
            ("text/html;q=0.9;level=1;q=0", Html),
            ("text/html;q=1.", Html),
            ("\u{e9}/html, text/html", Html),
        ] {
            assert_eq!(chosen(accept), expected, "Accept: {accept}");
        }
    }

    #[test]
    fn no_header_means_text() {
        assert_eq!(negotiate([], None), Text);
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [
            "text/html;q=0.5",
            "application/json;q=0.7",
            "text/plain;q=0.1",
        ];
        assert_eq!(negotiate(lines.map(str::as_bytes), None), Problem);
        // A quote that one line leaves open does not reach into the next.
        let lines = ["image/png;note=\"", "text/html"];
        assert_eq!(negotiate(lines.map(str::as_bytes), None), Html);
    }

    #[test]
    fn a_client_that_sends_json_and_takes_anything_gets_json() {
        let sends = |content_type: &'static str, accept: &[&'static str]| {
            negotiate(
                accept.iter().map(|line| line.as_bytes()),
                Some(content_type.as_bytes()),
            )
        };
        assert_eq!(sends("application/json", &[]), Problem);
        assert_eq!(sends("application/json; charset=utf-8", &["*/*"]), Problem);
        assert_eq!(
            sends("application/merge-patch+json", &["image/png"]),
            Problem
        );
        assert_eq!(sends("application/json", &["text/html, */*;q=0.8"]), Html);
        assert_eq!(sends("application/json", &["text/plain"]), Text);
        assert_eq!(
            sends("application/json", &["*/*, application/json;q=0"]),
            Text
        );
        assert_eq!(sends("application/json", &["application/json;q=0"]), Text);
        assert_eq!(sends("application/jsonp", &["*/*"]), Text);
        assert_eq!(sends("application/x-www-form-urlencoded", &["*/*"]), Text);
    }

    #[test]
    fn a_huge_header_is_read_to_its_end() {
        let huge = format!("{}text/html", "image/png;q=0.5,".repeat(100_000));
        assert_eq!(chosen(&huge), Html);
        let quoted = format!("image/png;a=\"{}\"", "text/html,".repeat(100_000));
        assert_eq!(chosen(&quoted), Text);
    }

    /// Parts that meet in headers, sound and broken; none leaves a quote open.
    fn part() -> impl Strategy<Value = String> {
        let range = prop::sample::select(vec![
            "text/html",
            "text/plain",
            "application/json",
            "application/problem+json",
            "application/ld+json",
            "text/*",
            "application/*",
            "*/*",
            "image/png",
            "text",
            "",
        ]);
        let parameter =
            prop::sample::select(vec!["", ";charset=utf-8", ";level=1", ";a=\"b,c\"", ";x"]);
        let weight = prop::sample::select(vec!["", ";q=0", ";q=0.3", ";q=0.31", ";q=1", ";q=x"]);
        (range, parameter, weight)
            .prop_map(|(range, parameter, weight)| format!("{range}{parameter}{weight}"))
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_survived(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
            content_type in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        ) {
            let _ = negotiate(lines.iter().map(Vec::as_slice), content_type.as_deref());
        }

        #[test]
        fn arbitrary_punctuation_is_survived(line in "[a-z/*;,=\"\\\\q0-9. ]{0,80}") {
            let _ = chosen(&line);
        }

        #[test]
        fn the_order_and_the_lines_do_not_matter(parts in prop::collection::vec(part(), 0..8)) {
            let forward = parts.join(",");
            let backward = parts.iter().rev().cloned().collect::<Vec<_>>().join(" ,\t");
            prop_assert_eq!(chosen(&forward), chosen(&backward));
            let lines = parts.iter().map(String::as_bytes);
            prop_assert_eq!(chosen(&forward), negotiate(lines, None));
        }

        #[test]
        fn upper_case_does_not_matter(parts in prop::collection::vec(part(), 0..8)) {
            let header = parts.join(",");
            prop_assert_eq!(chosen(&header), chosen(&header.to_uppercase()));
        }

        #[test]
        fn a_form_ruled_out_by_name_is_not_sent(parts in prop::collection::vec(part(), 0..8)) {
            let others: Vec<_> = parts.into_iter().filter(|part| !part.starts_with("text/html")).collect();
            let header = format!("text/html;q=0,{}", others.join(","));
            prop_assert_ne!(chosen(&header), Html);
        }
    }
}
