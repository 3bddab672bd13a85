//! What a handler answers to a visitor to whom the gate was closed meanwhile.

use std::fmt;

use bytes::Bytes;
use http::Response;
use warp::{Reply, reply};

/// The gate was closed between the guard and the handler. It is a reply: what the guard would have answered.
pub struct Refused(Box<reply::Response>);

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

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("status", &self.0.status())
            .finish_non_exhaustive()
    }
}
