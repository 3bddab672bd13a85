//! The headers of refusals, made once and cloned.

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, TryIntoHeaderValue};
use arc_swap::ArcSwapOption;
use intermission::reply::{HeaderText, Reply, ReplyForm};

/// The newest headers of each form of reply. While no end is announced they stay the same for every refusal; while
/// `Retry-After` counts down, they are made anew each second.
#[derive(Debug, Default)]
pub(crate) struct AdaptedHeaders {
    empty: Made,
    grpc: Made,
    page: Made,
    page_that_stays: Made,
    problem: Made,
    text: Made,
}

type Made = ArcSwapOption<(u64, HeaderMap)>;

impl AdaptedHeaders {
    /// The headers of a reply. They are cloned, since outer layers add to them.
    pub(crate) fn of(&self, reply: &Reply) -> HeaderMap {
        let made = match reply.form() {
            ReplyForm::Empty => &self.empty,
            ReplyForm::Grpc => &self.grpc,
            ReplyForm::Page => &self.page,
            ReplyForm::PageThatStays => &self.page_that_stays,
            ReplyForm::Problem => &self.problem,
            ReplyForm::Text => &self.text,
        };
        if let Some(same) = made
            .load()
            .as_deref()
            .filter(|(retry_after_s, _)| *retry_after_s == reply.retry_after_s())
        {
            return same.1.clone();
        }
        let headers = headers_of(reply);
        made.store(Some(Arc::new((reply.retry_after_s(), headers.clone()))));
        headers
    }
}

/// The headers of a reply, in the types of `http`.
pub(crate) fn headers_of(reply: &Reply) -> HeaderMap {
    let named = reply
        .headers()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), header_value(value)?)));
    named.collect()
}

/// `None` is impossible: core writes visible ASCII only, and tests hold it to that.
fn header_value(text: HeaderText<'_>) -> Option<HeaderValue> {
    match text {
        HeaderText::Static(text) => Some(HeaderValue::from_static(text)),
        HeaderText::Shared(bytes) => HeaderValue::from_maybe_shared(bytes.clone()).ok(),
        HeaderText::Number(number) => number.try_into_value().ok(),
    }
}
