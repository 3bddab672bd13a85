//! What becomes of a request about which the gate has to be asked.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use intermission::adapter::{Answer, Passage, RedeemedPass, ReplyHeaders};
use intermission::reply::ReplyRequest;
use intermission::{AdmitReason, Decision, Refusal, RequestScopes, RouteAccess};

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
    /// Asks about a request which belongs to these scopes by what is written beside its route.
    pub(crate) fn ask(
        &self,
        parts: &mut Parts,
        access: RouteAccess,
        beside: &RequestScopes,
    ) -> Asked {
        let gate = self.gate();
        let has_scopes = self.has_scopes() || !beside.is_empty();
        // An execution tells its scopes in any case: one of them may close while it runs.
        let asks = gate.has_closed_scopes() || access == RouteAccess::StartsExecution;
        let scopes = if has_scopes && asks {
            self.scopes_of(parts, beside)
        } else {
            RequestScopes::none()
        };
        if has_scopes
            && gate.has_closed_scopes()
            && !gate.is_closed_in(&scopes)
            && let Some(passage) = Passage::if_open(gate, parts.method.as_str(), access)
        {
            return Asked::Admitted(passage);
        }
        match self.entrance.ask_in(&self.head(parts), access, &scopes) {
            Answer::Admitted {
                reason,
                passage,
                execution,
            } => {
                parts.extensions.insert(Decision::Admit(reason));
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
