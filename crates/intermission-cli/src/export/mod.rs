//! The page as files, for a proxy to show while the application itself is down.
//!
//! Everything is rendered in memory; the verb writes it. Header names and values come from real [`Reply`]s, so a proxy
//! says what the application would.

mod caddy;
mod haproxy;
mod nginx;

use std::path::Path;

use intermission::Timestamp;
use intermission::reply::{Replies, Reply, ReplyRequest};

/// Names of the bodies, relative to the directory.
const HTML: &str = "maintenance.html";
const JSON: &str = "maintenance.json";
const TEXT: &str = "maintenance.txt";

/// The types of a page, and those of JSON, as regular expressions.
const HTML_TYPE: &str = "text/html";
const JSON_TYPE: &str = r"(application/([^,;]*\+)?json|text/json)";

/// Who accepts that type, as a regular expression that nginx, HAProxy and Caddy all read. A type of weight zero is one
/// that is not accepted; other weights are not compared.
fn accepts(kind: &str) -> String {
    format!(r"{kind} *(; *[^q,; ][^,;]*)*(; *q=(1|0?\.0*[1-9])[^,]*)?(,|$)")
}

/// The first line of each snippet.
const MARK: &str = "# Written by `intermission export`, which overwrites it.";

/// One file to write.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the directory.
    pub(crate) name: &'static str,
    pub(crate) content: Vec<u8>,
}

/// Why the page cannot be exported.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotExport {
    #[error("the directory's name is not UTF-8, which configurations must be")]
    NotUtf8,
    #[error("the directory's name holds {0:?}, which a proxy's configuration cannot bear")]
    Character(char),
    #[error("{name} would have {size} bytes, and HAProxy takes at most {limit}: shorten the page")]
    TooLarge {
        name: &'static str,
        size: usize,
        limit: usize,
    },
}

/// Renders all files for that absolute directory.
pub(crate) fn render(
    directory: &Path,
    replies: &Replies,
    now: Timestamp,
) -> Result<Vec<File>, CannotExport> {
    let directory = checked(directory)?;
    let forms = Forms::of(replies, now);
    let mut files = vec![
        File::new(HTML, forms.page.body().to_vec()),
        File::new(JSON, forms.problem.body().to_vec()),
        File::new(TEXT, forms.text.body().to_vec()),
        File::new("nginx-http.conf", nginx::of_http(&forms)),
        File::new("nginx.conf", nginx::of_server(&forms, directory)),
        File::new("haproxy.cfg", haproxy::sections(directory)),
        File::new("Caddyfile", caddy::snippet(&forms, directory)),
    ];
    files.extend(haproxy::error_files(&forms)?);
    Ok(files)
}

/// One rule for all formats, so that the same directory serves each: no quotes, nothing that stands for a variable.
fn checked(directory: &Path) -> Result<&str, CannotExport> {
    let text = directory.to_str().ok_or(CannotExport::NotUtf8)?;
    let is_bad = |letter: char| letter.is_control() || "\"'`\\${}".contains(letter);
    match text.chars().find(|letter| is_bad(*letter)) {
        Some(letter) => Err(CannotExport::Character(letter)),
        None => Ok(text.trim_end_matches('/')),
    }
}

impl File {
    fn new(name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            name,
            content: content.into(),
        }
    }
}

/// The replies that a proxy can give.
struct Forms {
    page: Reply,
    /// The page for a method that must not be repeated.
    page_that_stays: Reply,
    problem: Reply,
    text: Reply,
}

impl Forms {
    fn of(replies: &Replies, now: Timestamp) -> Self {
        let reply = |method, accept: &'static str| {
            let request = ReplyRequest::new(method).with_accept([accept.as_bytes()]);
            replies.reply(request, now, 0)
        };
        Self {
            page: reply("GET", "text/html"),
            page_that_stays: reply("POST", "text/html"),
            problem: reply("GET", "application/problem+json"),
            text: reply("GET", "text/plain"),
        }
    }
}

/// The headers, without those of the body's type and length.
fn headers(reply: &Reply) -> Vec<(&'static str, String)> {
    reply
        .headers()
        .filter(|(name, _)| !matches!(*name, "content-type" | "content-length"))
        .map(|(name, value)| (name, value.to_string()))
        .collect()
}

/// The body's type.
fn content_type(reply: &Reply) -> String {
    reply
        .headers()
        .find(|(name, _)| *name == "content-type")
        .map_or_else(String::new, |(_, value)| value.to_string())
}

#[cfg(test)]
mod tests {
    use intermission::reply::{Marker, Notice, ReplyPolicy};

    use super::*;

    fn rendered(directory: &str, message: &str) -> Result<Vec<File>, CannotExport> {
        let notice = Notice::new(Marker::Activated).with_message(message);
        let replies = Replies::render(&ReplyPolicy::default(), &notice);
        render(Path::new(directory), &replies, Timestamp::from_millis(0))
    }

    #[test]
    fn directories_that_no_format_can_name_are_refused() {
        for letter in ['\n', '"', '\'', '`', '\\', '$', '{', '}'] {
            assert_eq!(
                rendered(&format!("/srv/a{letter}b"), "x").unwrap_err(),
                CannotExport::Character(letter)
            );
        }
        for directory in ["/srv/a b", "/srv/ü#;", "/srv/a/"] {
            let files = rendered(directory, "x").unwrap();
            let nginx = files.iter().find(|file| file.name == "nginx.conf").unwrap();
            let nginx = String::from_utf8(nginx.content.clone()).unwrap();
            let alias = format!("alias \"{}/\";", directory.trim_end_matches('/'));
            assert!(nginx.contains(&alias), "{nginx}");
        }
    }

    #[test]
    fn a_page_that_exceeds_haproxys_buffer_is_refused() {
        let error = rendered("/srv/a", &"x".repeat(20_000)).unwrap_err();
        assert!(matches!(error, CannotExport::TooLarge { .. }), "{error}");
    }
}
