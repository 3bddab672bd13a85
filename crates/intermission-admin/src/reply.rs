//! What the admin API and page answer, before a mount makes a response of it.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;

use crate::events::EventStream;

/// A reply, for a mount to make its framework's response of.
#[must_use]
pub struct AdminReply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: AdminBody,
}

/// The body of a reply.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a mount must be able to send each of them"
)]
pub enum AdminBody {
    /// All of it.
    Full(Bytes),
    /// Server-sent events, for as long as the client listens. Boxed, since it is the rare one.
    Events(Box<EventStream>),
}

impl AdminReply {
    pub(crate) const fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: AdminBody::Full(Bytes::new()),
        }
    }

    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        Self::of_type(status, "application/json", body)
    }

    pub(crate) fn of_type(status: u16, content_type: &'static str, body: &impl Serialize) -> Self {
        // INVARIANT: what is serialized here has string keys and no failing parts, so it never fails.
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        Self::new(status)
            .with_header("content-type", content_type)
            .with_body(bytes)
    }

    pub(crate) fn events(stream: EventStream) -> Self {
        let mut reply = Self::new(200)
            .with_header("content-type", "text/event-stream")
            // Proxies such as nginx would keep events back until there are many.
            .with_header("x-accel-buffering", "no");
        reply.body = AdminBody::Events(Box::new(stream));
        reply
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = AdminBody::Full(body.into());
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers, by their names in lower case. `content-length` is among them where one belongs.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// The body. Empty for `HEAD`.
    #[must_use]
    pub fn into_body(self) -> AdminBody {
        self.body
    }

    /// What every reply gets at the end: its length, and that nobody keeps, sniffs or frames it.
    pub(crate) fn finished(mut self, is_head: bool) -> Self {
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            // A page has a policy of its own. Nothing else is to be shown as a document.
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            if !self.headers.iter().any(|(found, _)| *found == name) {
                self = self.with_header(name, value);
            }
        }
        if let AdminBody::Full(body) = &self.body
            && self.status != 304
        {
            let length = body.len().to_string();
            self = self.with_header("content-length", length);
        }
        if is_head {
            self.body = AdminBody::Full(Bytes::new());
        }
        self
    }
}

impl fmt::Debug for AdminReply {
    /// Without the body, which may hold the link of a pass.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminReply")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
