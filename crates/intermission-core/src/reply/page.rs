//! The body for browsers, and the policy that it is sent with.

use std::fmt::Write as _;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::header::shared;
use super::template::expand;
use super::text::minute;
use super::{Notice, ReplyPolicy, markup};

/// A page, and its `Content-Security-Policy`.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) html: Bytes,
    pub(super) content_security_policy: Bytes,
}

pub(super) fn render(
    policy: &ReplyPolicy,
    notice: &Notice<'_>,
    message: &str,
    retry_after_s: u64,
) -> Page {
    let (html, others) = match policy.page().source() {
        None => {
            let html = built_in(policy, notice, message);
            let script_src = allowed(&html, "script");
            (html, script_src)
        }
        Some(source) => (
            own(source, policy, notice, message, retry_after_s),
            "; img-src 'self' data:; font-src 'self' data:".to_owned(),
        ),
    };
    let style_src = allowed(&html, "style");
    Page {
        content_security_policy: shared(format!(
            "default-src 'none'{style_src}{others}; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        )),
        html: shared(html),
    }
}

fn built_in(policy: &ReplyPolicy, notice: &Notice<'_>, message: &str) -> String {
    let source = markup::normalized(include_str!("page.html"));
    expand(&source, |name, html| {
        match name {
            "language" => markup::push_escaped(html, policy.language()),
            "style" => html.push_str(markup::normalized(include_str!("page.css")).trim()),
            "title" => {
                markup::push_escaped(html, policy.heading());
                if let Some(site) = policy.own_site() {
                    html.push_str(" · ");
                    markup::push_escaped(html, site);
                }
            }
            "heading" => markup::push_escaped(html, policy.heading()),
            "message" => markup::push_escaped(html, message),
            "expected" => {
                if let Some(until) = notice.until() {
                    html.push_str("<p class=\"until\">");
                    markup::push_escaped(html, policy.until_label());
                    // Writing into a string cannot fail.
                    let _ = write!(
                        html,
                        ": <time datetime=\"{until}\">{}</time></p>\n<script>{}</script>",
                        minute(until),
                        markup::normalized(include_str!("page.js")).trim()
                    );
                }
            }
            _ => return false,
        }
        true
    })
}

fn own(
    source: &str,
    policy: &ReplyPolicy,
    notice: &Notice<'_>,
    message: &str,
    retry_after_s: u64,
) -> String {
    expand(source, |name, html| {
        match name {
            "message" => markup::push_escaped(html, message),
            "site" => markup::push_escaped(html, policy.site()),
            "until" => html.push_str(&notice.until().map(minute).unwrap_or_default()),
            "retry_after" => {
                let _ = write!(html, "{retry_after_s}");
            }
            _ => return false,
        }
        true
    })
}

/// `; style-src 'sha256-…'`, with one hash for each `<style>` of the page, if there is any; of scripts alike.
fn allowed(html: &str, name: &str) -> String {
    let mut directive = String::new();
    for element in markup::raw_elements(html) {
        if element.name == name {
            if directive.is_empty() {
                // Writing into a string cannot fail.
                let _ = write!(directive, "; {name}-src");
            }
            let content = html.get(element.content).unwrap_or_default();
            directive.push_str(" 'sha256-");
            push_base64(&mut directive, &Sha256::digest(content));
            directive.push('\'');
        }
    }
    directive
}

/// Base64 with padding (RFC 4648, section 4). One use does not make a dependency.
fn push_base64(text: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        for (place, byte) in group.iter_mut().skip(1).zip(chunk) {
            *place = *byte;
        }
        let bits = u32::from_be_bytes(group);
        for index in 0..4 {
            let sextet = (bits >> (18 - 6 * index)) & 0x3F;
            let letter = usize::try_from(sextet)
                .ok()
                .filter(|_| index <= chunk.len())
                .and_then(|sextet| ALPHABET.get(sextet));
            text.push(letter.map_or('=', |&letter| char::from(letter)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reply::{Marker, PageTemplate};

    fn rendered(policy: &ReplyPolicy, notice: &Notice<'_>) -> (String, String) {
        let message = policy.message_for(notice);
        let page = render(policy, notice, &message, 300);
        (
            String::from_utf8(page.html.to_vec()).unwrap(),
            String::from_utf8(page.content_security_policy.to_vec()).unwrap(),
        )
    }

    fn own_page(html: &str) -> ReplyPolicy {
        ReplyPolicy::default().with_page(PageTemplate::parse(html).unwrap())
    }

    /// What stands between two marks that occur once.
    fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        assert_eq!(text.matches(start).count(), 1, "{start}");
        text.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    fn sha256_base64(content: &str) -> String {
        let mut text = String::new();
        push_base64(&mut text, &Sha256::digest(content));
        text
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{3ff}\u{3ff}", "z7/Pvw=="),
        ] {
            let mut text = String::new();
            push_base64(&mut text, bytes.as_bytes());
            assert_eq!(text, expected);
        }
        // `printf '' | sha256sum | xxd -r -p | base64`
        assert_eq!(
            sha256_base64(""),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn the_built_in_page() {
        let until = "2026-11-20T22:30:00Z".parse().unwrap();
        let notice = Notice::new(Marker::Activated)
            .with_message("First line.\r\nSecond line.")
            .with_until(Some(until));
        let (html, _) = rendered(&ReplyPolicy::default().with_site("Harbour"), &notice);
        let (head, body) = html.split_once("<body>").unwrap();
        assert!(head.starts_with(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        ));
        assert!(
            head.contains(
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
            )
        );
        assert!(head.contains("<title>Under maintenance · Harbour</title>"));
        assert!(head.contains("prefers-color-scheme: dark"));
        assert_eq!(body.matches("<h1>").count(), 1);
        assert!(body.contains("<h1>Under maintenance</h1>\n"));
        assert!(body.contains("<p class=\"message\" dir=\"auto\">First line.\nSecond line.</p>\n"));
        assert!(body.contains(
            "<p class=\"until\">Expected back: <time datetime=\"2026-11-20T22:30:00.000Z\">2026-11-20 22:30 UTC</time></p>\n<script>"
        ));
    }

    #[test]
    fn without_an_end_there_is_no_time_and_without_a_site_no_name() {
        let (html, _) = rendered(&ReplyPolicy::default(), &Notice::new(Marker::Activated));
        assert!(!html.contains("<time"));
        assert!(html.contains("<title>Under maintenance</title>"));
        assert!(html.contains("This site is currently under maintenance."));
        assert!(!html.contains("{{") && !html.contains("}}</"));
    }

    #[test]
    fn the_built_in_page_needs_nothing_and_tells_nothing() {
        let (html, _) = rendered(&ReplyPolicy::default(), &Notice::new(Marker::Activated));
        let lower = html.to_lowercase();
        for word in [
            "<script",
            "<link",
            "<img",
            "<form",
            "<iframe",
            "http:",
            "https:",
            "//",
            "url(",
            "@import",
            "style=",
            "onload",
            "intermission",
            env!("CARGO_PKG_VERSION"),
        ] {
            assert!(!lower.contains(word), "{word}");
        }
    }

    #[test]
    fn words_of_the_policy_are_shown_and_escaped() {
        let until = "2026-11-20T22:30:00Z".parse().unwrap();
        let policy = ReplyPolicy::default()
            .with_language("de\" onload=\"x")
            .with_heading("Wartung & Pflege")
            .with_until_label("Wieder da <bald>")
            .with_site("Müller's");
        let (html, _) = rendered(
            &policy,
            &Notice::new(Marker::Activated).with_until(Some(until)),
        );
        assert!(html.contains("<html lang=\"de&quot; onload=&quot;x\">"));
        assert!(html.contains("<title>Wartung &amp; Pflege · Müller&#39;s</title>"));
        assert!(html.contains("<p class=\"until\">Wieder da &lt;bald&gt;: <time"));
    }

    #[test]
    fn a_message_is_text_and_nothing_else() {
        let message = "<script>alert(\"1\")</script> & 'x' {{site}}\u{0}\u{1b}";
        let escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39; {{site}}\u{fffd}\u{fffd}";
        let notice = Notice::new(Marker::Activated).with_message(message);
        let (html, _) = rendered(&ReplyPolicy::default(), &notice);
        assert_eq!(between(&html, "dir=\"auto\">", "</p>"), escaped);
        let (html, _) = rendered(
            &own_page("<p title=\"{{message}}\">{{ message }}</p>"),
            &notice,
        );
        assert_eq!(html, format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    #[test]
    fn the_policy_allows_exactly_the_style_in_the_page() {
        let (html, policy) = rendered(&ReplyPolicy::default(), &Notice::new(Marker::Activated));
        let style = between(&html, "<style>", "</style>");
        assert!(style.starts_with(":root {") && !style.contains('\r'));
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'",
                sha256_base64(style)
            )
        );
    }

    #[test]
    fn an_announced_end_is_shown_in_the_zone_of_the_reader_by_the_one_script_that_is_allowed() {
        let until = Some("2026-10-25T01:30:00Z".parse().unwrap());
        let notice = Notice::new(Marker::Activated).with_until(until);
        let (html, policy) = rendered(&ReplyPolicy::default(), &notice);
        // Without a script it is what it says.
        let time = "<time datetime=\"2026-10-25T01:30:00.000Z\">2026-10-25 01:30 UTC</time>";
        assert!(html.contains(time), "{html}");
        assert_eq!(html.matches("<script").count(), 1);
        let script = between(&html, "<script>", "</script>");
        let hash = sha256_base64(script);
        assert!(
            policy.contains(&format!("; script-src 'sha256-{hash}'; base-uri")),
            "{policy}"
        );
        let own = own_page("<p>{{until}}</p><script>alert(1)</script>");
        assert!(!rendered(&own, &notice).1.contains("script-src"));
    }

    #[test]
    fn the_styles_of_an_own_page_are_allowed_as_a_browser_reads_them() {
        let notice = Notice::new(Marker::Activated);
        let (html, policy) = rendered(
            &own_page(
                "<!-- <style>old</style> --><style>a\r\nb</style><style media=print>c</style>",
            ),
            &notice,
        );
        assert!(html.contains("<style>a\nb</style>"));
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'sha256-{}' 'sha256-{}'; img-src 'self' data:; \
                 font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                sha256_base64("a\nb"),
                sha256_base64("c")
            )
        );
        let (_, policy) = rendered(&own_page("<p>{{message}}</p>"), &notice);
        assert_eq!(
            policy,
            "default-src 'none'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        );
    }

    #[test]
    fn an_own_page_gets_all_four_values() {
        let until = "2026-11-20T22:30:00Z".parse().unwrap();
        let policy = own_page("{{site}}|{{message}}|{{until}}|{{retry_after}}");
        let notice = Notice::new(Marker::Activated).with_message("m");
        assert_eq!(rendered(&policy, &notice).0, "This site|m||300");
        assert_eq!(
            rendered(&policy.with_site("<S>"), &notice.with_until(Some(until))).0,
            "&lt;S&gt;|m|2026-11-20 22:30 UTC|300"
        );
    }

    proptest! {
        #[test]
        fn no_message_adds_an_element_or_changes_the_policy(message in any::<String>(), site in any::<String>()) {
            let notice = Notice::new(Marker::Activated);
            let (plain, plain_policy) = rendered(&ReplyPolicy::default(), &notice.with_message("x"));
            let (html, policy) = rendered(&ReplyPolicy::default().with_site(site), &notice.with_message(&*message));
            for mark in ['<', '>', '"'] {
                prop_assert_eq!(html.matches(mark).count(), plain.matches(mark).count());
            }
            prop_assert_eq!(policy, plain_policy);
        }
    }
}
