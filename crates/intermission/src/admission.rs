//! What a gate says to one request.

use std::any::Any;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use intermission_core::reply::{Replies, Reply, ReplyRequest, Scheduled, VendorIndex};
use intermission_core::{AdmitReason, RefuseReason, ScopeName, Timestamp};

use crate::execution::Execution;
use crate::in_flight::{RequestClass, Shard};

/// What a gate says to one request.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Admission {
    /// Let it in, and keep the guards until its response's body has ended.
    Admitted(Admitted),
    /// Answer it with the refusal's reply, and call nothing.
    Refused(Refusal),
}

/// A request that was let in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Admitted {
    /// By which rule.
    pub reason: AdmitReason,
    /// Whether it passed the closed door of the site itself, and not only that of a scope.
    pub past_site: bool,
    /// Counts the request for as long as it lives; `None` on routes that are always open, which nobody waits for.
    pub in_flight: Option<RequestInFlight>,
    /// The execution that the route starts, if it is one that does.
    pub execution: Option<Execution>,
    /// The planned maintenance that the response is to announce, in the header
    /// [`SCHEDULED_HEADER`](intermission_core::reply::SCHEDULED_HEADER).
    pub scheduled: Option<Arc<Scheduled>>,
}

/// Counts one request for as long as it lives. Keep it until the response's body has ended or was dropped.
#[derive(Debug)]
#[must_use = "the request counts as ended when this is dropped"]
pub struct RequestInFlight {
    shard: Arc<CachePadded<Shard>>,
    class: RequestClass,
}

impl RequestInFlight {
    /// Takes over a count.
    #[inline]
    pub(crate) fn counted(shard: &Arc<CachePadded<Shard>>, class: RequestClass) -> Self {
        Self {
            shard: Arc::clone(shard),
            class,
        }
    }
}

impl Drop for RequestInFlight {
    #[inline]
    fn drop(&mut self) {
        self.shard.leave(self.shard.requests(self.class));
    }
}

/// A request that was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    reason: RefuseReason,
    scope: Option<ScopeName>,
    replies: Arc<Replies>,
    vendor: Option<VendorIndex>,
    now: Timestamp,
    entropy: u64,
}

impl Refusal {
    pub(crate) fn new(
        reason: RefuseReason,
        replies: Arc<Replies>,
        path: &str,
        now: Timestamp,
        entropy: u64,
    ) -> Self {
        Self {
            reason,
            scope: None,
            vendor: replies.vendor_at(path),
            replies,
            now,
            entropy,
        }
    }

    pub(crate) fn with_scope(mut self, scope: Option<ScopeName>) -> Self {
        self.scope = scope;
        self
    }

    /// By which rule.
    #[must_use]
    pub const fn reason(&self) -> RefuseReason {
        self.reason
    }

    /// The scope that is closed; `None` if the site is.
    #[must_use]
    pub const fn scope(&self) -> Option<&ScopeName> {
        self.scope.as_ref()
    }

    /// What an adapter has made of the rendered replies: see [`Replies::adapted`].
    #[must_use]
    pub fn adapted<T: Any + Default + Send + Sync>(&self) -> Option<&T> {
        self.replies.adapted()
    }

    /// What to answer: status, headers and body, in the form that the request accepts, or in the
    /// [vendor format](intermission_core::reply::VendorFormat) of the path that the visitor asked for.
    #[must_use]
    pub fn reply<'a, A>(&self, request: ReplyRequest<'a, A>) -> Reply
    where
        A: IntoIterator<Item = &'a [u8]>,
    {
        let request = request.with_vendor(self.vendor);
        self.replies.reply(request, self.now, self.entropy)
    }
}
