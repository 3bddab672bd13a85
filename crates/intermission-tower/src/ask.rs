//! What becomes of a request about which the gate has to be asked.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE, UPGRADE};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Response, StatusCode};
use intermission::adapter::{self, Answer, Passage, RedeemedPass, ReplyHeaders};
use intermission::reply::ReplyRequest;
use intermission::{AdmitReason, Decision, LetIn, Refusal, RouteAccess};

use crate::headers::headers_of;
use crate::settings::Settings;

/// What is to be done with a request about which the gate was asked.
///
/// For crates that adapt a framework whose handlers are no services: see
/// [`MaintenanceLayer::ask`](crate::MaintenanceLayer::ask).
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an adapter must do what either says"
)]
pub enum Asked {
    /// Call the handler, and keep this until the response's body has ended or was dropped.
    Admitted(Passage),
    /// Answer this, and call nothing: a refusal, or the redirect of a pass's link.
    Answered(Response<Bytes>),
}

impl Settings {
    /// Asks about a request, which `lasts` if it begins a conversation.
    pub(crate) fn ask(&self, parts: &mut Parts, access: RouteAccess, lasts: bool) -> Asked {
        let scopes_of = self.is_scoped().then_some(|| self.scopes_of(parts));
        let head = self.head(parts);
        let adapter::Asked { answer, let_in } = self
            .entrance
            .ask_with_scopes(&head, access, lasts, scopes_of);
        if let Some(let_in) = let_in {
            parts.extensions.insert(let_in);
        }
        match answer {
            Answer::Admitted { passage, execution } => {
                if let Some(reason) = passage.reason() {
                    parts.extensions.insert(Decision::Admit(reason));
                }
                if let Some(execution) = execution {
                    parts.extensions.insert(execution);
                }
                Asked::Admitted(passage)
            }
            Answer::Refused(refusal) => Asked::Answered(refusal_response(&refusal, parts)),
            Answer::PassRedeemed(pass) => Asked::Answered(redirect(&pass)),
        }
    }
}

/// Whether a request begins a conversation that outlives it, as far as its head shows.
pub(crate) fn begins_conversation(method: &Method, headers: &HeaderMap) -> bool {
    adapter::begins_conversation(
        method.as_str(),
        || headers.contains_key(UPGRADE),
        || headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes),
    )
}

/// How a request was let in, by its extensions: for [`LongLived`](intermission::LongLived).
pub fn let_in(extensions: &Extensions) -> LetIn {
    let known = extensions.get::<LetIn>().cloned();
    known.unwrap_or_else(|| LetIn::from(extensions.get::<Decision>().copied()))
}

fn redirect(pass: &RedeemedPass) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(pass.status()).unwrap_or(StatusCode::SEE_OTHER);
    for (name, value) in pass.headers() {
        // Its makers let no control character in, so it is a value.
        if let Ok(mut value) = HeaderValue::try_from(value) {
            value.set_sensitive(name == SET_COOKIE);
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    let decision = Decision::Admit(AdmitReason::Pass);
    response.extensions_mut().insert(decision);
    response
}

/// The response to a request that a gate has refused: for those who ask the gate themselves.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use intermission::{Admission, Gate, Visitor};
/// use intermission_tower::refusal_response;
///
/// fn answer(gate: &Gate, request: Request<()>) -> Response<Bytes> {
///     let (parts, ()) = request.into_parts();
///     match gate.admit(&Visitor::new(parts.method.as_str(), parts.uri.path())) {
///         Admission::Admitted(_admitted) => Response::new(Bytes::from_static(b"hello")),
///         Admission::Refused(refusal) => refusal_response(&refusal, &parts),
///     }
/// }
/// # let _ = answer;
/// ```
#[must_use]
pub fn refusal_response(refusal: &Refusal, parts: &Parts) -> Response<Bytes> {
    let accept = parts.headers.get_all(ACCEPT).iter();
    let content_type = parts.headers.get(CONTENT_TYPE);
    let request = ReplyRequest::new(parts.method.as_str())
        .with_accept(accept.map(HeaderValue::as_bytes))
        .with_content_type(content_type.map(HeaderValue::as_bytes));
    let reply = refusal.reply(request);
    let headers = match refusal.adapted::<ReplyHeaders<HeaderMap>>() {
        Some(made) => made.of(&reply, headers_of),
        None => headers_of(&reply),
    };
    // The status was checked when the policy was made.
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = Response::new(reply.into_body());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
        .extensions_mut()
        .insert(Decision::Refuse(refusal.reason()));
    response
}
