//! What a refused visitor gets: status, headers and body, as pure data.
//!
//! A [`ReplyPolicy`] is what the application sets once, a [`Notice`] is what one activation announces.
//! [`Replies::render`] makes every body of the two, once per change of the record; [`Replies::reply`] then
//! answers one request by negotiating, counting down and cloning bytes. Nothing is formatted on that path, and
//! nothing is allocated.
//!
//! # What is sent
//!
//! | asked for | body |
//! |---|---|
//! | `text/html` by name | the page ([`PageTemplate`]) |
//! | a JSON type by name: `application/json`, `application/problem+json`, `application/*+json`, `text/json` | `application/problem+json` (RFC 9457) |
//! | `text/plain`, only wildcards, nothing at all, or nothing that exists here | `text/plain` |
//! | content type `application/grpc` or `application/grpc+…` | none: a trailers-only response with `grpc-status: 14` |
//! | a path for which there is a [`VendorFormat`], whatever is accepted | in that format |
//!
//! - The weights of `Accept` decide (RFC 9110, section 12.5.1). Between equal weights a type asked for by name
//!   goes before a wildcard, and then the page before JSON before text.
//! - Browsers ask for `text/html` by name; `curl`, a plain `fetch` and the loader of an `<img>` send `*/*`. So
//!   a wildcard alone means text, or JSON if the request itself carries JSON.
//! - A refusal never turns into 406: who accepts nothing of this gets text.
//! - gRPC-Web is no gRPC here: it is answered by `Accept`, and its clients read 503 as `UNAVAILABLE`.
//! - Methods are not judged here, except that HEAD gets the headers of GET and no body.
//!
//! # What time the page shows
//!
//! An announced end is an instant. The built-in page has it in a `<time>`, in UTC, and a script of four lines shows it in the
//! zone and in the way of its reader, with the name of the zone, since a local time may come twice when clocks are set
//! back. The policy of the page allows this script alone, by its hash; a page without an end has none. Text is in UTC, and
//! `application/problem+json` has RFC 3339. A page of one's own has `{{until}}` in UTC, and no script.
//!
//! # How the page comes back
//!
//! The page is rendered once, while `Retry-After` counts down; a `<meta http-equiv="refresh">` in it would hold
//! the number of the rendering for ever. So the page's replies carry the header `Refresh`, which every browser
//! honours, computed with `Retry-After` for each reply, between 5 seconds (a page that reloads each second
//! cannot be read) and a day (browsers drop delays that overflow their timers). A refused POST gets none: the
//! reload would be a GET of an address that may know no GET, and the visitor still has the form behind "back".
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! use intermission_core::Timestamp;
//! use intermission_core::reply::{Marker, Notice, Replies, ReplyPolicy, ReplyRequest};
//!
//! let policy = ReplyPolicy::default().with_site("Harbour Library");
//! let now: Timestamp = "2026-11-20T22:00:00Z".parse()?;
//! let notice = Notice::new(Marker::Activated)
//!     .with_message("We are moving to a new shelf.")
//!     .with_until(now.saturating_add(Duration::from_secs(1_800)));
//!
//! // Once, when the record changes:
//! let replies = Replies::render(&policy, &notice);
//!
//! // For each refused request:
//! let accept: &[u8] = b"text/html,application/xhtml+xml,*/*;q=0.8";
//! let reply = replies.reply(ReplyRequest::new("GET").with_accept([accept]), now, 0);
//! assert_eq!(reply.status(), 503);
//! assert_eq!(reply.retry_after_s(), 1_800);
//! for (name, value) in reply.headers() {
//!     println!("{name}: {value}");
//! }
//! let page = std::str::from_utf8(reply.body())?;
//! assert!(page.contains("We are moving to a new shelf."));
//! assert!(page.contains("2026-11-20 22:30 UTC"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accept;
mod adapted;
mod grpc;
mod header;
mod markup;
mod notice;
mod page;
mod policy;
mod problem;
mod retry_after;
mod scheduled;
mod template;
mod text;
mod vendor;

use std::any::Any;

use bytes::Bytes;

use crate::Timestamp;

pub use header::HeaderText;
pub use notice::{BYPASSED, MARKER_HEADER, Marker, Notice};
pub use policy::{BadStatus, RefusalStatus, ReplyPolicy};
pub use scheduled::{SCHEDULED_HEADER, Scheduled};
pub use template::{BadTemplate, BadTemplateKind, PageTemplate};
pub use vendor::{VendorFormat, VendorIndex};

use accept::Form;
use adapted::Adapted;
use retry_after::RetryAfter;
use vendor::VendorReplies;

/// Every reply that one notice can need, rendered.
///
/// Make it anew when the record or the policy changes, and keep it for every refusal in between. A clone shares
/// the bytes.
#[derive(Clone, Debug)]
pub struct Replies {
    status: RefusalStatus,
    marker: Marker,
    vary: &'static str,
    retry_after: RetryAfter,
    html: Bytes,
    content_security_policy: Bytes,
    problem: Bytes,
    text: Bytes,
    grpc_message: Bytes,
    vendors: VendorReplies,
    adapted: Adapted,
}

impl Replies {
    /// Renders all bodies.
    #[must_use]
    pub fn render(policy: &ReplyPolicy, notice: &Notice<'_>) -> Self {
        let message = policy.message_for(notice);
        let retry_after = RetryAfter::new(policy, notice);
        let page = page::render(policy, notice, &message, retry_after.fixed_s());
        Self {
            status: policy.status(),
            marker: notice.marker(),
            vary: if notice.passes() {
                "Accept, Cookie"
            } else {
                "Accept"
            },
            retry_after,
            html: page.html,
            content_security_policy: page.content_security_policy,
            problem: problem::render(policy.status(), notice, &message),
            text: text::render(policy, notice, &message),
            grpc_message: grpc::message(&message),
            vendors: VendorReplies::render(policy, notice, &message),
            adapted: Adapted::default(),
        }
    }

    /// The reply to one refused request.
    ///
    /// `now` is the calendar's time, from which `Retry-After` counts down to the announced end. `entropy` is any
    /// number that differs between requests, such as a random one or a counter; it picks the jitter, and nothing
    /// secret depends on it.
    ///
    /// # Security
    ///
    /// The headers of the request may be hostile: they are read once, in linear time, and nothing of them is
    /// repeated in the reply.
    #[must_use]
    pub fn reply<'a, A>(&self, request: ReplyRequest<'a, A>, now: Timestamp, entropy: u64) -> Reply
    where
        A: IntoIterator<Item = &'a [u8]>,
    {
        let retry_after_s = self.retry_after.seconds(now, entropy);
        if request.content_type.is_some_and(grpc::is_grpc) {
            return self.made(200, Kind::Grpc(self.grpc_message.clone()), retry_after_s);
        }
        let is_head = request.method == "HEAD";
        let (status, kind, body) = self.chosen(request, retry_after_s);
        let reply = self.made(status.as_u16(), kind, retry_after_s);
        if !status.allows_content() {
            return Reply {
                kind: Kind::Empty,
                ..reply
            };
        }
        Reply {
            content_length: u64::try_from(body.len()).ok(),
            body: if is_head { Bytes::new() } else { body.clone() },
            ..reply
        }
    }

    /// What the request gets by its path, or else by what it accepts.
    fn chosen<'a, A>(
        &self,
        request: ReplyRequest<'a, A>,
        retry_after_s: u64,
    ) -> (RefusalStatus, Kind, &Bytes)
    where
        A: IntoIterator<Item = &'a [u8]>,
    {
        let vendor = request.vendor.and_then(|index| {
            let reply = self.vendors.get(index)?;
            Some((index, reply))
        });
        if let Some((index, reply)) = vendor {
            let kind = Kind::Vendor {
                index,
                content_type: reply.content_type.clone(),
            };
            return (reply.status, kind, &reply.body);
        }
        let is_repeatable = matches!(request.method, "GET" | "HEAD");
        let (kind, body) = match accept::negotiate(request.accept, request.content_type) {
            Form::Html => (
                Kind::Html {
                    content_security_policy: self.content_security_policy.clone(),
                    refresh_s: is_repeatable.then(|| retry_after::refresh_s(retry_after_s)),
                },
                &self.html,
            ),
            Form::Problem => (Kind::Problem, &self.problem),
            Form::Text => (Kind::Text, &self.text),
        };
        (self.status, kind, body)
    }

    /// Which vendor format refusals on this path have, for [`ReplyRequest::with_vendor`]. The path is as sent, without the
    /// query.
    #[must_use]
    pub fn vendor_at(&self, path: &str) -> Option<VendorIndex> {
        self.vendors.at(path)
    }

    /// The page, in UTF-8.
    #[must_use]
    pub fn html(&self) -> &Bytes {
        &self.html
    }

    /// The `Content-Security-Policy` that the page is sent with.
    #[must_use]
    pub fn content_security_policy(&self) -> HeaderText<'_> {
        HeaderText::Shared(&self.content_security_policy)
    }

    /// The `application/problem+json` body.
    #[must_use]
    pub fn problem(&self) -> &Bytes {
        &self.problem
    }

    /// The `text/plain` body, in UTF-8.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// What an adapter has made of these replies in its framework's types, to make it once and not for each refusal:
    /// [`Reply::form`] and [`Reply::retry_after_s`] say which replies have the same headers.
    ///
    /// Whoever asks first decides on the type; `None` if that was an adapter with another one.
    #[must_use]
    pub fn adapted<T: Any + Default + Send + Sync>(&self) -> Option<&T> {
        self.adapted.get()
    }

    fn made(&self, status: u16, kind: Kind, retry_after_s: u64) -> Reply {
        Reply {
            status,
            kind,
            retry_after_s,
            marker: self.marker,
            vary: self.vary,
            content_length: None,
            body: Bytes::new(),
        }
    }
}

/// What the reply needs to know of a request.
///
/// `A` is what yields the lines of the `Accept` header, so that an adapter can hand over its framework's own
/// iterator instead of collecting.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ReplyRequest<'a, A = Option<&'a [u8]>> {
    method: &'a str,
    accept: A,
    content_type: Option<&'a [u8]>,
    vendor: Option<VendorIndex>,
}

impl<'a> ReplyRequest<'a> {
    /// A request with that method (in the case it came in: methods are case-sensitive), without `Accept` and
    /// without content type.
    #[must_use]
    pub const fn new(method: &'a str) -> Self {
        Self {
            method,
            accept: None,
            content_type: None,
            vendor: None,
        }
    }
}

impl<'a, A> ReplyRequest<'a, A> {
    /// The lines of the `Accept` header, as they came; several lines mean the same as one joined with commas.
    #[must_use]
    pub fn with_accept<B>(self, lines: B) -> ReplyRequest<'a, B>
    where
        B: IntoIterator<Item = &'a [u8]>,
    {
        ReplyRequest {
            method: self.method,
            accept: lines,
            content_type: self.content_type,
            vendor: self.vendor,
        }
    }

    /// The value of the `Content-Type` header: gRPC is known by it, and it tells what a client means that accepts
    /// just anything.
    #[must_use]
    pub fn with_content_type(mut self, value: impl Into<Option<&'a [u8]>>) -> Self {
        self.content_type = value.into();
        self
    }

    /// The vendor format of the request's path: see [`Replies::vendor_at`]. A gate's refusal knows it, and sets it by itself.
    #[must_use]
    pub fn with_vendor(mut self, vendor: impl Into<Option<VendorIndex>>) -> Self {
        self.vendor = vendor.into();
        self
    }
}

/// One refusal, ready to be put into a framework's response.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    kind: Kind,
    retry_after_s: u64,
    marker: Marker,
    vary: &'static str,
    content_length: Option<u64>,
    body: Bytes,
}

/// What sets the replies of the forms apart in their headers.
#[derive(Clone, Debug)]
enum Kind {
    Empty,
    Grpc(Bytes),
    Html {
        content_security_policy: Bytes,
        refresh_s: Option<u64>,
    },
    Problem,
    Text,
    Vendor {
        index: VendorIndex,
        content_type: Bytes,
    },
}

/// The form of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an adapter that keeps something for each form must not miss one"
)]
pub enum ReplyForm {
    /// Headers alone, for a status that has no body.
    Empty,
    /// A trailers-only response.
    Grpc,
    /// The page, which comes back by itself.
    Page,
    /// The page as the answer to a method that must not be repeated.
    PageThatStays,
    /// `application/problem+json`.
    Problem,
    /// `text/plain`.
    Text,
    /// In the format of clients that exist already.
    Vendor(VendorIndex),
}

impl Reply {
    /// Which form it has. Replies to one notice that have the same form and the same [`retry_after_s`](Self::retry_after_s)
    /// have the same headers.
    #[must_use]
    pub const fn form(&self) -> ReplyForm {
        match &self.kind {
            Kind::Empty => ReplyForm::Empty,
            Kind::Grpc(_) => ReplyForm::Grpc,
            Kind::Html {
                refresh_s: Some(_), ..
            } => ReplyForm::Page,
            Kind::Html {
                refresh_s: None, ..
            } => ReplyForm::PageThatStays,
            Kind::Problem => ReplyForm::Problem,
            Kind::Text => ReplyForm::Text,
            Kind::Vendor { index, .. } => ReplyForm::Vendor(*index),
        }
    }

    /// The HTTP status. For gRPC 200, whose own status is in the headers.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// All headers, each name once and in lower case. Set them, rather than add them, over the framework's own.
    ///
    /// `content-length` is the length of the body that GET would get, and absent where HTTP or gRPC has none.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, HeaderText<'_>)> {
        use HeaderText::{Number, Shared, Static};

        let content_type = match &self.kind {
            Kind::Empty => None,
            Kind::Grpc(_) => Some(Static("application/grpc")),
            Kind::Html { .. } => Some(Static("text/html; charset=utf-8")),
            Kind::Problem => Some(Static("application/problem+json")),
            Kind::Text => Some(Static("text/plain; charset=utf-8")),
            Kind::Vendor { content_type, .. } => Some(Shared(content_type)),
        };
        let own = match &self.kind {
            Kind::Grpc(message) => [
                Some(("grpc-status", Static(grpc::UNAVAILABLE))),
                Some(("grpc-message", Shared(message))),
                Some((
                    "grpc-retry-pushback-ms",
                    Number(grpc::pushback_ms(self.retry_after_s)),
                )),
            ],
            Kind::Html {
                content_security_policy,
                refresh_s,
            } => [
                Some(("content-security-policy", Shared(content_security_policy))),
                Some(("referrer-policy", Static("no-referrer"))),
                refresh_s.map(|seconds| ("refresh", Number(seconds))),
            ],
            Kind::Empty | Kind::Problem | Kind::Text | Kind::Vendor { .. } => [None, None, None],
        };
        [
            content_type.map(|value| ("content-type", value)),
            self.content_length
                .map(|length| ("content-length", Number(length))),
            Some(("retry-after", Number(self.retry_after_s))),
            Some(("cache-control", Static("no-store"))),
            Some(("vary", Static(self.vary))),
            Some((MARKER_HEADER, Static(self.marker.as_str()))),
            Some(("x-content-type-options", Static("nosniff"))),
        ]
        .into_iter()
        .chain(own)
        .flatten()
    }

    /// The body: shared with every other reply of its form, and empty for HEAD and gRPC.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body, taken out.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// The value of `Retry-After`, in seconds.
    #[must_use]
    pub const fn retry_after_s(&self) -> u64 {
        self.retry_after_s
    }
}

#[cfg(test)]
mod tests;
