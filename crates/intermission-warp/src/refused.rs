//! What a handler answers to a visitor who may not do what the route does.

use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};
use warp::{Reply, reply};

use crate::head::BadTarget;

/// The gate has refused a handler what it asked for. It is a reply, the same that the gate gives itself.
pub struct Refused(Box<reply::Response>);

impl Refused {
    /// A browser's preflight was let in, and starts nothing: whoever answers it goes around the gate.
    pub(crate) fn preflight() -> Self {
        Self(Box::new(StatusCode::METHOD_NOT_ALLOWED.into_response()))
    }
}

impl Reply for Refused {
    fn into_response(self) -> reply::Response {
        *self.0
    }
}

impl From<Response<Bytes>> for Refused {
    fn from(response: Response<Bytes>) -> Self {
        Self(Box::new(response.into_response()))
    }
}

impl From<BadTarget> for Refused {
    fn from(bad: BadTarget) -> Self {
        Self(Box::new(bad.into_response()))
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("status", &self.0.status())
            .finish_non_exhaustive()
    }
}
