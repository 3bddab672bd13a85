//! The formats of clients that exist already.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

use super::header::shared;
use super::{Notice, RefusalStatus, ReplyPolicy};

/// The format in which the clients of some API read errors already, for refusals on the paths of that API.
///
/// It is set by [`ReplyPolicy::with_vendor_format`]. Its body is rendered with all others, once for each change of the
/// record. Who asks for one of its paths gets it whatever `Accept` says, since such clients rarely send any; a call of gRPC
/// gets gRPC's refusal all the same. The other headers are those of every refusal.
///
/// # Examples
///
/// ```
/// use intermission_core::Timestamp;
/// use intermission_core::reply::{Marker, Notice, Replies, ReplyPolicy, ReplyRequest, VendorFormat};
///
/// /// What the apps in our customers' pockets know: `{"err":"…"}`.
/// #[derive(Debug)]
/// struct App;
///
/// impl VendorFormat for App {
///     fn is_for(&self, path: &str) -> bool {
///         path.starts_with("/app/")
///     }
///
///     fn content_type(&self) -> &'static str {
///         "application/json"
///     }
///
///     fn body(&self, _notice: &Notice<'_>, message: &str) -> Vec<u8> {
///         serde_json::json!({ "err": message }).to_string().into_bytes()
///     }
/// }
///
/// let policy = ReplyPolicy::default().with_vendor_format(App);
/// let replies = Replies::render(&policy, &Notice::new(Marker::Activated).with_message("Back soon"));
/// let request = ReplyRequest::new("GET").with_vendor(replies.vendor_at("/app/orders"));
/// let reply = replies.reply(request, Timestamp::from_millis(1_800_000_000_000), 0);
/// assert_eq!(reply.body(), r#"{"err":"Back soon"}"#);
/// assert_eq!(replies.vendor_at("/apple"), None);
/// ```
pub trait VendorFormat: fmt::Debug + Send + Sync + 'static {
    /// Whether refusals on this path have the format. The path is as sent, without the query.
    ///
    /// It is called for each refused request, and never while the site is open.
    ///
    /// # Security
    ///
    /// The path may be hostile. Go by whole segments: `/apix` does not lie below `/api`.
    fn is_for(&self, path: &str) -> bool;

    /// The value of `Content-Type`: visible ASCII and spaces. Anything else is sent as `application/octet-stream`.
    fn content_type(&self) -> &'static str;

    /// The body. `message` is what visitors are told: the operator's words, or the default message where there are none.
    ///
    /// If it panics, refusals on these paths have the forms of all others.
    fn body(&self, notice: &Notice<'_>, message: &str) -> Vec<u8>;

    /// The HTTP status; by default that of the policy. A format says another if its clients would take that for a success.
    fn status(&self, policy: RefusalStatus) -> RefusalStatus {
        policy
    }
}

/// The formats that an application has set. They are the same if they are the same objects.
#[derive(Clone, Debug, Default)]
pub(super) struct VendorFormats(Vec<Arc<dyn VendorFormat>>);

impl VendorFormats {
    pub(super) fn add(&mut self, format: impl VendorFormat) {
        self.0.push(Arc::new(format));
    }
}

impl PartialEq for VendorFormats {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

impl Eq for VendorFormats {}

/// Which of the formats of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VendorIndex(usize);

/// The bodies of all formats, rendered. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct VendorReplies(Arc<[VendorReply]>);

/// The body of one format, rendered.
#[derive(Debug)]
pub(super) struct VendorReply {
    format: Arc<dyn VendorFormat>,
    pub(super) status: RefusalStatus,
    pub(super) content_type: Bytes,
    pub(super) body: Bytes,
}

impl VendorReplies {
    pub(super) fn render(policy: &ReplyPolicy, notice: &Notice<'_>, message: &str) -> Self {
        let formats = policy.vendor_formats().0.iter();
        let rendered = formats.filter_map(|format| {
            // What the format keeps may be broken by its panic. It is asked again after the next change.
            let rendered = catch_unwind(AssertUnwindSafe(|| VendorReply {
                format: Arc::clone(format),
                status: format.status(policy.status()),
                content_type: content_type(format.content_type()),
                body: shared(format.body(notice, message)),
            }));
            rendered.ok()
        });
        Self(rendered.collect())
    }

    /// The first format that is for this path.
    pub(super) fn at(&self, path: &str) -> Option<VendorIndex> {
        let mut replies = self.0.iter();
        replies
            .position(|reply| {
                let is_for = AssertUnwindSafe(|| reply.format.is_for(path));
                catch_unwind(is_for).unwrap_or(false)
            })
            .map(VendorIndex)
    }

    pub(super) fn get(&self, VendorIndex(index): VendorIndex) -> Option<&VendorReply> {
        self.0.get(index)
    }
}

fn content_type(value: &'static str) -> Bytes {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    let is_header = !value.trim().is_empty() && value.bytes().all(is_plain);
    let value = if is_header {
        value
    } else {
        "application/octet-stream"
    };
    Bytes::from_static(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::reply::{Marker, Replies, Reply, ReplyForm, ReplyRequest};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[derive(Debug)]
    struct Format {
        prefix: &'static str,
        content_type: &'static str,
        status: Option<u16>,
        panics: bool,
    }

    impl VendorFormat for Format {
        fn is_for(&self, path: &str) -> bool {
            path.starts_with(self.prefix)
        }

        fn content_type(&self) -> &'static str {
            self.content_type
        }

        fn body(&self, notice: &Notice<'_>, message: &str) -> Vec<u8> {
            assert!(!self.panics, "broken");
            format!("{} {} {message}", self.prefix, notice.marker()).into_bytes()
        }

        fn status(&self, policy: RefusalStatus) -> RefusalStatus {
            self.status
                .map_or(policy, |status| RefusalStatus::new(status).unwrap())
        }
    }

    fn format(prefix: &'static str) -> Format {
        Format {
            prefix,
            content_type: "application/json",
            status: None,
            panics: false,
        }
    }

    fn replies(policy: &ReplyPolicy) -> Replies {
        let notice = Notice::new(Marker::Activating).with_message("Upgrading");
        Replies::render(policy, &notice)
    }

    fn ask(replies: &Replies, method: &str, path: &str) -> Reply {
        let request = ReplyRequest::new(method)
            .with_accept([b"text/html".as_slice()])
            .with_vendor(replies.vendor_at(path));
        replies.reply(request, NOW, 0)
    }

    fn lines(reply: &Reply) -> Vec<String> {
        let line = |(name, value)| format!("{name}: {value}");
        reply.headers().map(line).collect()
    }

    #[test]
    fn a_path_with_a_format_of_its_own_gets_it_whatever_is_accepted() {
        let policy = ReplyPolicy::default()
            .with_vendor_format(format("/a/"))
            .with_vendor_format(format("/a/b/"))
            .with_vendor_format(format("/c/"));
        let replies = replies(&policy);
        let reply = ask(&replies, "GET", "/c/x");
        assert_eq!(reply.status(), 503);
        assert_eq!(
            lines(&reply),
            [
                "content-type: application/json",
                "content-length: 24",
                "retry-after: 300",
                "cache-control: no-store",
                "vary: Accept",
                "maintenance-mode: activating",
                "x-content-type-options: nosniff",
            ]
        );
        assert_eq!(reply.body(), "/c/ activating Upgrading");
        // The first counts.
        assert_eq!(
            ask(&replies, "POST", "/a/b/c").body(),
            "/a/ activating Upgrading"
        );
        assert_ne!(reply.form(), ask(&replies, "GET", "/a/").form());
        assert_eq!(ask(&replies, "GET", "/").form(), ReplyForm::Page);

        let again = ask(&replies, "GET", "/c/x");
        assert_eq!(reply.body().as_ptr(), again.body().as_ptr());
        let head = ask(&replies, "HEAD", "/c/x");
        assert_eq!(lines(&head), lines(&reply));
        assert!(head.body().is_empty());
    }

    #[test]
    fn grpc_stays_grpc() {
        let replies = replies(&ReplyPolicy::default().with_vendor_format(format("/")));
        let request = ReplyRequest::new("POST")
            .with_content_type(b"application/grpc".as_slice())
            .with_vendor(replies.vendor_at("/x"));
        assert_eq!(replies.reply(request, NOW, 0).form(), ReplyForm::Grpc);
    }

    #[test]
    fn a_format_may_have_its_own_status() {
        let policy = ReplyPolicy::default().with_status(RefusalStatus::new(200).unwrap());
        for (status, sent, body) in [
            (None, 200, true),
            (Some(503), 503, true),
            (Some(204), 204, false),
        ] {
            let format = Format {
                status,
                ..format("/")
            };
            let replies = replies(&policy.clone().with_vendor_format(format));
            let reply = ask(&replies, "GET", "/");
            assert_eq!(reply.status(), sent);
            assert_eq!(!reply.body().is_empty(), body);
        }
    }

    #[test]
    fn what_is_broken_costs_nobody_the_notice() {
        let broken = Format {
            panics: true,
            ..format("/")
        };
        let policy = ReplyPolicy::default().with_vendor_format(broken);
        assert_eq!(ask(&replies(&policy), "GET", "/").form(), ReplyForm::Page);

        for (content_type, sent) in [
            ("", "application/octet-stream"),
            ("a\r\nset-cookie: b", "application/octet-stream"),
            ("text/ä", "application/octet-stream"),
            ("text/x; a=\"b\"", "text/x; a=\"b\""),
        ] {
            let format = Format {
                content_type,
                ..format("/")
            };
            let replies = replies(&ReplyPolicy::default().with_vendor_format(format));
            let reply = ask(&replies, "GET", "/");
            assert_eq!(
                lines(&reply).first().unwrap(),
                &format!("content-type: {sent}")
            );
        }
    }

    #[test]
    fn an_index_of_other_replies_is_ignored() {
        let index = replies(&ReplyPolicy::default().with_vendor_format(format("/"))).vendor_at("/");
        let request = ReplyRequest::new("GET").with_vendor(index);
        let reply = replies(&ReplyPolicy::default()).reply(request, NOW, 0);
        assert_eq!(reply.form(), ReplyForm::Text);
    }

    #[test]
    fn policies_are_the_same_if_their_formats_are() {
        let policy = ReplyPolicy::default().with_vendor_format(format("/"));
        assert_eq!(policy, policy.clone());
        assert_ne!(policy, ReplyPolicy::default());
        assert_ne!(
            policy,
            ReplyPolicy::default().with_vendor_format(format("/"))
        );
    }
}
