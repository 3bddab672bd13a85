//! What becomes of a request about which the gate has to be asked.

use actix_web::http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, UPGRADE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use intermission::adapter::{Answer, Passage, RedeemedPass};
use intermission::{AdmitReason, Decision, LetIn, Refusal, RequestScopes, RouteAccess};

use crate::reply::{ReplyBody, refusal_response};
use crate::settings::Settings;

pub(crate) enum Asked {
    /// Call the wrapped service, and have the response take this along.
    Admitted(Passage),
    /// Answer this, and call nothing.
    Answered(HttpResponse<ReplyBody>),
}

impl Settings {
    /// Asks about a request, which `lasts` if it begins a conversation.
    pub(crate) fn ask(&self, request: &HttpRequest, access: RouteAccess, lasts: bool) -> Asked {
        let gate = self.gate();
        let has_scopes = self.is_scoped();
        let some_closed = gate.has_closed_scopes();
        // An execution and a conversation tell their scopes in any case: one of them may close while they go on.
        let asks = some_closed || lasts || access == RouteAccess::StartsExecution;
        let scopes = if has_scopes && asks {
            self.scopes_of(request)
        } else {
            RequestScopes::none()
        };
        if has_scopes
            && (some_closed || lasts)
            && !gate.is_closed_in(&scopes)
            && let Some(passage) = Passage::if_open(gate, request.method().as_str(), access)
        {
            if lasts {
                request.extensions_mut().insert(passage.let_in(scopes));
            }
            return Asked::Admitted(passage);
        }
        match self.entrance.ask_in(&self.head(request), access, &scopes) {
            Answer::Admitted {
                reason,
                passage,
                execution,
            } => {
                let mut extensions = request.extensions_mut();
                extensions.insert(Decision::Admit(reason));
                if !scopes.is_empty() {
                    extensions.insert(passage.let_in(scopes));
                }
                if let Some(execution) = execution {
                    extensions.insert(execution);
                }
                Asked::Admitted(passage)
            }
            Answer::Refused(refusal) => {
                if lasts {
                    // For whoever asks for a conversation that has begun.
                    request.extensions_mut().insert(LetIn::while_open(scopes));
                }
                Asked::Answered(self.refused(&refusal, request))
            }
            Answer::PassRedeemed(pass) => Asked::Answered(redirect(&pass)),
        }
    }

    fn refused(&self, refusal: &Refusal, request: &HttpRequest) -> HttpResponse<ReplyBody> {
        if !self.is_told_unknown(request) {
            return refusal_response(refusal, request);
        }
        // What actix-web answers by itself.
        let mut response = HttpResponse::with_body(StatusCode::NOT_FOUND, ReplyBody::empty());
        let decision = Decision::Refuse(refusal.reason());
        response.extensions_mut().insert(decision);
        response
    }
}

/// Whether a request begins a conversation that lasts, as far as its head shows.
pub(crate) fn begins_conversation(method: &Method, headers: &HeaderMap) -> bool {
    let is_stream = |accept: &HeaderValue| {
        let accept = accept.as_bytes();
        let mut windows = accept.windows(EVENT_STREAM.len());
        windows.any(|part| part.eq_ignore_ascii_case(EVENT_STREAM))
    };
    match *method {
        Method::CONNECT => true,
        Method::GET => headers.contains_key(UPGRADE) || headers.get_all(ACCEPT).any(is_stream),
        _ => false,
    }
}

const EVENT_STREAM: &[u8] = b"text/event-stream";

fn redirect(pass: &RedeemedPass) -> HttpResponse<ReplyBody> {
    let status = StatusCode::from_u16(pass.status()).unwrap_or(StatusCode::SEE_OTHER);
    let mut response = HttpResponse::with_body(status, ReplyBody::empty());
    for (name, value) in pass.headers() {
        // Its makers let no control character in, so it is a value.
        if let Ok(mut value) = HeaderValue::try_from(value) {
            value.set_sensitive(name == SET_COOKIE.as_str());
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    let decision = Decision::Admit(AdmitReason::Pass);
    response.extensions_mut().insert(decision);
    response
}
