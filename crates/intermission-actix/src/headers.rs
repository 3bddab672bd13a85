//! The headers of refusals, in the types of `http`.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue, TryIntoHeaderValue};
use intermission::reply::{HeaderText, Reply};

/// The headers of a reply, each name once. They are a list, since a response has a map already, and it costs less to fill
/// that one than to clone another.
pub(crate) type HeaderList = Arc<[(HeaderName, HeaderValue)]>;

/// The headers of a reply, in the types of `http`.
pub(crate) fn headers_of(reply: &Reply) -> HeaderList {
    let named = reply
        .headers()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), header_value(value)?)));
    named.collect()
}

/// `None` is impossible: core writes visible ASCII only, and tests hold it to that.
pub(crate) fn header_value(text: HeaderText<'_>) -> Option<HeaderValue> {
    match text {
        HeaderText::Static(text) => Some(HeaderValue::from_static(text)),
        HeaderText::Shared(bytes) => HeaderValue::from_maybe_shared(bytes.clone()).ok(),
        HeaderText::Number(number) => number.try_into_value().ok(),
    }
}
