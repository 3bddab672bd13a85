//! Refusals in actix-web's types.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use actix_web::http::{StatusCode, Version};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use intermission::adapter::ReplyHeaders;
use intermission::reply::{HeaderText, Reply, ReplyForm, ReplyRequest};
use intermission::{Decision, Refusal};

use crate::headers::{HeaderList, headers_of};

/// The body of a reply, which is there as a whole.
///
/// Its [size](MessageBody::size) is what `Content-Length` says, and for HEAD that is the length of a body which is not
/// sent: actix-web writes the header from the size, whatever the application has set.
#[derive(Debug)]
pub struct ReplyBody {
    data: Option<Bytes>,
    size: BodySize,
}

impl ReplyBody {
    /// No body, of a response that is no refusal.
    pub(crate) const fn empty() -> Self {
        Self {
            data: None,
            size: BodySize::Sized(0),
        }
    }

    fn new(reply: Reply, version: Version) -> Self {
        let length = reply.headers().find_map(|(name, value)| match value {
            HeaderText::Number(length) if name == "content-length" => Some(length),
            _ => None,
        });
        // A response that ends with its headers says so by HTTP/2 itself; in HTTP/1 a client would wait for more.
        let ends_with_headers = reply.form() == ReplyForm::Grpc && version == Version::HTTP_2;
        let size = match length {
            Some(length) => BodySize::Sized(length),
            None if ends_with_headers => BodySize::None,
            None => BodySize::Sized(0),
        };
        let data = Some(reply.into_body()).filter(|data| !data.is_empty());
        Self { data, size }
    }

    /// All of it, the first time.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        self.data.take()
    }
}

impl MessageBody for ReplyBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.take().map(Ok))
    }
}

/// The response to a request that a gate has refused: for those who ask the gate themselves.
///
/// # Examples
///
/// ```
/// use actix_web::{HttpRequest, HttpResponse};
/// use intermission::{Admission, Gate, Visitor};
/// use intermission_actix::refusal_response;
///
/// fn answer(gate: &Gate, request: &HttpRequest) -> HttpResponse {
///     match gate.admit(&Visitor::new(request.method().as_str(), request.path())) {
///         Admission::Admitted(_admitted) => HttpResponse::Ok().body("hello"),
///         Admission::Refused(refusal) => refusal_response(&refusal, request).map_into_boxed_body(),
///     }
/// }
/// # let _ = answer;
/// ```
#[must_use]
pub fn refusal_response(refusal: &Refusal, request: &HttpRequest) -> HttpResponse<ReplyBody> {
    let accept = request.headers().get_all(ACCEPT);
    let content_type = request.headers().get(CONTENT_TYPE);
    let asked = ReplyRequest::new(request.method().as_str())
        .with_accept(accept.map(HeaderValue::as_bytes))
        .with_content_type(content_type.map(HeaderValue::as_bytes));
    let reply = refusal.reply(asked);
    // The status was checked when the policy was made.
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = match refusal.adapted::<ReplyHeaders<HeaderList>>() {
        Some(made) => made.of(&reply, headers_of),
        None => headers_of(&reply),
    };
    let body = ReplyBody::new(reply, request.version());
    let mut response = HttpResponse::with_body(status, body);
    for (name, value) in headers.iter() {
        let (name, value) = (name.clone(), value.clone());
        response.headers_mut().append(name, value);
    }
    let decision = Decision::Refuse(refusal.reason());
    response.extensions_mut().insert(decision);
    response
}
