//! Whole replies: what each part says is tested beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const HTML: &[u8] = b"text/html";
const JSON: &[u8] = b"application/json";
const TEXT: &[u8] = b"text/plain";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn replies() -> Replies {
    let notice = Notice::new(Marker::Activated).with_message("Upgrading");
    Replies::render(&ReplyPolicy::default(), &notice)
}

fn get(replies: &Replies, accept: &[u8]) -> Reply {
    replies.reply(ReplyRequest::new("GET").with_accept([accept]), NOW, 0)
}

fn headers(reply: &Reply) -> BTreeMap<&'static str, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in reply.headers() {
        let value = value.visit(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert!(
            value.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{name}: {value}"
        );
        assert_eq!(name, name.to_lowercase());
        assert!(headers.insert(name, value).is_none(), "{name} is set twice");
    }
    headers
}

fn assert_headers(reply: &Reply, expected: &[(&'static str, &str)]) {
    let expected: BTreeMap<_, _> = expected
        .iter()
        .map(|&(name, value)| (name, value.to_owned()))
        .collect();
    assert_eq!(headers(reply), expected);
}

#[test]
fn the_page() {
    let replies = replies();
    let reply = get(&replies, HTML);
    assert_eq!(reply.status(), 503);
    assert_headers(
        &reply,
        &[
            ("cache-control", "no-store"),
            ("content-length", &replies.html().len().to_string()),
            (
                "content-security-policy",
                &replies.content_security_policy().to_string(),
            ),
            ("content-type", "text/html; charset=utf-8"),
            ("maintenance-mode", "activated"),
            ("referrer-policy", "no-referrer"),
            ("refresh", "300"),
            ("retry-after", "300"),
            ("vary", "Accept"),
            ("x-content-type-options", "nosniff"),
        ],
    );
    assert!(reply.body().starts_with(b"<!doctype html>"));
}

#[test]
fn json_and_text() {
    let replies = replies();
    for (accept, content_type, body) in [
        (
            JSON,
            "application/problem+json",
            r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Upgrading","maintenance":"activated"}"#,
        ),
        (TEXT, "text/plain; charset=utf-8", "Upgrading\n"),
        (b"image/png", "text/plain; charset=utf-8", "Upgrading\n"),
    ] {
        let reply = get(&replies, accept);
        assert_eq!(reply.status(), 503);
        assert_headers(
            &reply,
            &[
                ("cache-control", "no-store"),
                ("content-length", &body.len().to_string()),
                ("content-type", content_type),
                ("maintenance-mode", "activated"),
                ("retry-after", "300"),
                ("vary", "Accept"),
                ("x-content-type-options", "nosniff"),
            ],
        );
        assert_eq!(reply.into_body(), body);
    }
}

#[test]
fn a_refusal_is_a_clone_of_bytes() {
    let replies = replies();
    for (accept, body) in [
        (HTML, replies.html()),
        (JSON, replies.problem()),
        (TEXT, replies.text()),
    ] {
        assert_eq!(get(&replies, accept).body().as_ptr(), body.as_ptr());
        assert_eq!(get(&replies.clone(), accept).body().as_ptr(), body.as_ptr());
    }
}

#[test]
fn head_is_get_without_the_body() {
    let replies = replies();
    for accept in [HTML, JSON, TEXT] {
        let head = replies.reply(ReplyRequest::new("HEAD").with_accept([accept]), NOW, 0);
        let get = get(&replies, accept);
        assert_eq!(head.status(), get.status());
        assert_eq!(headers(&head), headers(&get));
        assert_ne!(headers(&head)["content-length"], "0");
        assert!(head.body().is_empty());
    }
}

#[test]
fn only_a_page_that_was_fetched_reloads_itself() {
    let replies = replies();
    for method in ["POST", "PUT", "DELETE", "get", ""] {
        let reply = replies.reply(ReplyRequest::new(method).with_accept([HTML]), NOW, 0);
        assert_eq!(reply.body(), replies.html());
        assert!(!headers(&reply).contains_key("refresh"), "{method}");
    }
}

#[test]
fn grpc_is_trailers_only() {
    let notice = Notice::new(Marker::Activating)
        .with_message("100 % busy\n")
        .with_retry_after(Duration::from_secs(7))
        .with_passes(true);
    let replies = Replies::render(&ReplyPolicy::default(), &notice);
    let request = ReplyRequest::new("POST")
        .with_accept([HTML])
        .with_content_type(b"application/grpc+proto".as_slice());
    let reply = replies.reply(request, NOW, 0);
    assert_eq!(reply.status(), 200);
    assert_headers(
        &reply,
        &[
            ("cache-control", "no-store"),
            ("content-type", "application/grpc"),
            ("grpc-message", "100 %25 busy"),
            ("grpc-retry-pushback-ms", "7000"),
            ("grpc-status", "14"),
            ("maintenance-mode", "activating"),
            ("retry-after", "7"),
            ("vary", "Accept, Cookie"),
            ("x-content-type-options", "nosniff"),
        ],
    );
    assert!(reply.body().is_empty());

    let web = ReplyRequest::new("POST").with_content_type(b"application/grpc-web".as_slice());
    assert_eq!(replies.reply(web, NOW, 0).status(), 503);
}

#[test]
fn marker_and_passes_show_in_the_headers() {
    for marker in [Marker::Activated, Marker::Activating, Marker::ReadOnly] {
        for (passes, vary) in [(false, "Accept"), (true, "Accept, Cookie")] {
            let notice = Notice::new(marker).with_passes(passes);
            let replies = Replies::render(&ReplyPolicy::default(), &notice);
            let headers = headers(&get(&replies, TEXT));
            assert_eq!(headers["maintenance-mode"], marker.as_str());
            assert_eq!(headers["vary"], vary);
        }
    }
}

#[test]
fn every_form_counts_down_alike() {
    let policy = ReplyPolicy::default().with_jitter(Duration::ZERO..=Duration::from_secs(9));
    let until = NOW.saturating_add(Duration::from_secs(1_800));
    let notice = Notice::new(Marker::Activated).with_until(until);
    let replies = Replies::render(&policy, &notice);
    for (passed, entropy, expected) in [
        (0, 0, 1_800),
        (1_000, 3, 803),
        (1_799, 9, 10),
        (9_999, 0, 1),
    ] {
        let now = NOW.saturating_add(Duration::from_secs(passed));
        for accept in [HTML, JSON, TEXT] {
            let request = ReplyRequest::new("GET").with_accept([accept]);
            let reply = replies.reply(request, now, entropy);
            assert_eq!(reply.retry_after_s(), expected);
            assert_eq!(headers(&reply)["retry-after"], expected.to_string());
        }
        let reply = replies.reply(ReplyRequest::new("GET").with_accept([HTML]), now, entropy);
        assert_eq!(headers(&reply)["refresh"], expected.max(5).to_string());
    }
}

#[test]
fn the_status_is_a_setting() {
    let notice = Notice::new(Marker::Activated);
    for status in [200, 423, 599] {
        let policy = ReplyPolicy::default().with_status(RefusalStatus::new(status).unwrap());
        let reply = get(&Replies::render(&policy, &notice), JSON);
        assert_eq!(reply.status(), status);
        let problem: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
        assert_eq!(problem["status"], status);
    }
    for status in [204, 205, 304] {
        let policy = ReplyPolicy::default().with_status(RefusalStatus::new(status).unwrap());
        let reply = get(&Replies::render(&policy, &notice), HTML);
        assert_eq!(reply.status(), status);
        assert!(reply.body().is_empty());
        assert_headers(
            &reply,
            &[
                ("cache-control", "no-store"),
                ("maintenance-mode", "activated"),
                ("retry-after", "300"),
                ("vary", "Accept"),
                ("x-content-type-options", "nosniff"),
            ],
        );
    }
}

#[test]
fn an_own_page_is_served_and_a_broken_one_leaves_the_default() {
    let policy = ReplyPolicy::default();
    let own = PageTemplate::parse("<p>{{message}}</p>").unwrap();
    let notice = Notice::new(Marker::Activated).with_message("a & b");
    let replies = Replies::render(&policy.clone().with_page(own), &notice);
    assert_eq!(get(&replies, HTML).into_body(), "<p>a &amp; b</p>");

    let broken = PageTemplate::parse("<p>{{message</p>");
    let replies = Replies::render(&policy.with_page(broken.unwrap_or_default()), &notice);
    assert!(get(&replies, HTML).body().starts_with(b"<!doctype html>"));
}

proptest! {
    #[test]
    fn no_request_and_no_message_breaks_a_reply(
        message in any::<String>(),
        method in any::<String>(),
        accept in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..3),
        content_type in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        now in any::<u64>(),
        until in any::<Option<u64>>(),
        entropy in any::<u64>(),
    ) {
        let notice = Notice::new(Marker::Activated)
            .with_message(&*message)
            .with_until(until.map(Timestamp::from_millis));
        let replies = Replies::render(&ReplyPolicy::default(), &notice);
        let request = ReplyRequest::new(&method)
            .with_accept(accept.iter().map(Vec::as_slice))
            .with_content_type(content_type.as_deref());
        let reply = replies.reply(request, Timestamp::from_millis(now), entropy);
        let headers = headers(&reply);
        prop_assert!(reply.retry_after_s() >= 1);
        prop_assert_eq!(&headers["cache-control"], "no-store");
        if reply.status() == 503 && method != "HEAD" {
            prop_assert_eq!(&headers["content-length"], &reply.body().len().to_string());
        }
    }
}
